"""LightGBM's names: which parameters are fixed, which are declared in words of ours, and which it does not know."""

from collections.abc import Mapping
from difflib import get_close_matches

from mlsys_assets.types import Scalar

FIXED: Mapping[str, Scalar] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "deterministic": True,
    "force_row_wise": True,  # else LightGBM times both layouts and the answer depends on the load
    "verbosity": -1,
}
"""What is not for a declaration to choose: the same rows, seed and threads give the same bytes."""

LOG_LOSS = "binary_logloss"
SOFT_LOSS = "cross_entropy"
"""LightGBM's names of log loss: of labels, and of probabilities in their place."""
SOFT: Mapping[str, Scalar] = {"objective": SOFT_LOSS, "metric": SOFT_LOSS}
"""What is told otherwise where labels are probabilities."""

OWN = {
    "num_iterations": "rounds", "early_stopping_round": "patience", "num_leaves": "leaves",
    "learning_rate": "learning_rate", "min_data_in_leaf": "least_rows", "feature_fraction": "column_share",
    "bagging_fraction": "row_share", "bagging_freq": "row_share", "lambda_l2": "l2",
}  # fmt: skip
"""LightGBM's names of what a declaration says in words of its own."""
TAKEN: Mapping[str, str] = (
    {name: f"which is declared as {own}" for name, own in OWN.items()}
    | dict.fromkeys((*FIXED, "force_col_wise"), "which is fixed, so that a fit can be repeated and compared")
    | dict.fromkeys(("seed", "num_threads"), "which the system says for all its candidates")
)
"""What ``more`` cannot name, and why."""
UNBOUNDED: Mapping[str, Scalar] = {
    "min_data_in_bin": 1, "min_data_per_group": 1, "cat_smooth": 0.0, "cat_l2": 0.0,
}  # fmt: skip
"""What keeps LightGBM from learning a few rows by heart, unless it is told otherwise. The least sum of hessians in a
leaf stays: rows that it keeps together are known to 1 in 1000 by then, and without it LightGBM fails a check."""


def taken(what: str, more: Mapping[str, Scalar]) -> list[str]:
    """Return which names are not for a declaration's ``more`` to say."""
    return [f"{what}: more names {name!r}, {TAKEN[name]}" for name in more if name in TAKEN]


def unknown(what: str, more: Mapping[str, Scalar]) -> list[str]:
    """Return which names LightGBM does not know, and which are other names of what is taken."""
    import lightgbm

    aliases: Mapping[str, list[str]] = lightgbm.basic._ConfigAliases._get_all_param_aliases()  # noqa: SLF001 - told nowhere else
    canonical = {alias: name for name, known in aliases.items() for alias in (name, *known)}
    found = []
    for name in more:
        if name not in canonical:
            near = get_close_matches(str(name), canonical, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else "; see LightGBM's list of parameters"
            found.append(f"{what}: more names {name!r}, which LightGBM does not know{guess}")
        elif canonical[name] in TAKEN and name not in TAKEN:
            found.append(f"{what}: more names {name!r}, that is {canonical[name]}, {TAKEN[canonical[name]]}")
    return found
