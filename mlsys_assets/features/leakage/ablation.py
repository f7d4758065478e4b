"""Ablation: how far a model falls without a column, without a set of twins, and without all that it leans on most.

Dropping one column of a leak that stands twice in the rows changes nothing: its twin takes its place. So columns that
are nearly the same are dropped together, and the most important ones one after another (Hooker et al. 2019 on why a
drop is followed by a new fit).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.charts import forest
from mlsys_assets.data_sampling.views import View
from mlsys_assets.features.leakage.probe import Probe, spaced_days
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.thumbnails import spans
from mlsys_assets.types import Finding, Scalar, Severity

Names = tuple[str, ...]

FINDING: Final = "no_few_columns_carry_the_model"
PERMUTED: Final = 2_000
"""Rows in which each column is shuffled once, to see what the model leans on."""
TWINS: Final = 0.95
"""The rank correlation from which two columns are dropped together: what one tells, the other tells too."""
COMPARED: Final = 4_000
"""Rows that it is taken from."""
DROPPED: Final = 3
"""How many of the most important columns are dropped one by one."""
SETS: Final = 2
"""How many sets of twins are dropped."""
FEW: Final = 2
"""Of how many columns, or of how many twins, a fall can be an error: a model may well need its best five."""
CUMULATIVE: Final = (2, 5)
"""How many of the most important columns are dropped together."""
FALL: Final = 0.02
"""The fall of the AUC, with the whole interval, from which somebody should look: of clean flights it is 0.005 at most,
and 0.011 without the best eight columns."""
HONEST_FALL: Final = 0.08
"""The fall, with the whole interval, that nothing honest explains if the model with the columns also reaches
``HONEST_AUC``: of clean flights it is 0.005 at most, of a flight's own departure delay 0.1 at least."""
HONEST_AUC: Final = 0.85
"""What a model of honest columns seldom reaches, where the rest of them gives much less."""


@dataclass(frozen=True)
class Ablation:
    """A model without some columns: how much lower its AUC is, on the same rows."""

    dropped: Names
    fall: Estimate

    @property
    def name(self) -> str:
        """The first column, and how many more."""
        return self.dropped[0] + (f" +{len(self.dropped) - 1}" if len(self.dropped) > 1 else "")


@dataclass(frozen=True)
class Ablations:
    """What a model leans on.

    Parameters
    ----------
    full
        The AUC with all columns.
    importance
        Each column with the fall of the AUC where it is shuffled, the largest first.
    single, twins, cumulative
        The model without one column; without a set of near copies; without the first 2, 5.
    """

    full: Estimate
    importance: tuple[tuple[str, float], ...] = ()
    single: tuple[Ablation, ...] = ()
    twins: tuple[Ablation, ...] = ()
    cumulative: tuple[Ablation, ...] = ()

    @property
    def all(self) -> tuple[Ablation, ...]:
        """Every ablation, as fitted."""
        return (*self.single, *self.twins, *self.cumulative)

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What is said against the columns with the largest fall; a larger set is named only if it falls much more."""
        found: list[Suspicion] = []
        known = 0.0
        for one in (*sorted((*self.single, *self.twins), key=lambda a: -a.fall.value), *self.cumulative):
            if one.fall.sufficient and one.fall.low > max(FALL, known):
                found.append(self._suspicion(one))
                known = max(known, one.fall.high)
        return tuple(found)

    def _suspicion(self, one: Ablation) -> Suspicion:
        few = len(one.dropped) <= FEW or one in self.twins
        beyond = few and one.fall.low > HONEST_FALL and self.full.value >= HONEST_AUC
        carry = "carries" if len(one.dropped) == 1 else "carry"
        return Suspicion(
            one.dropped,
            Severity.ERROR if beyond else Severity.WARN,
            f"{carry} the model: its AUC of {self.full} falls by {one.fall} without",
            "A model that leans on so little is often told the outcome." if beyond else "Investigate it.",
            "Look up when the values become known; drop what is known too late.",
            {"fall": one.fall.value, "low": one.fall.low, "full_auc": self.full.value},
        )

    @property
    def evidence(self) -> Mapping[str, Scalar]:
        """The largest fall."""
        told = [one for one in self.all if one.fall.sufficient]
        found: dict[str, Scalar] = {"full_auc": self.full.value if self.full.sufficient else None, "fits": len(told)}
        for one in sorted(told, key=lambda a: -a.fall.value)[:1]:
            found |= {"largest_fall": one.fall.value, "without": ", ".join(one.dropped)}
        return found

    @property
    def finding(self) -> Finding:
        """Whether the model does not fall far without a few columns."""
        falls = sorted((one for one in self.all if one.fall.sufficient), key=lambda one: -one.fall.value)
        clean = ", ".join(f"without {one.name} its AUC of {self.full} falls by {one.fall}" for one in falls[:1])
        return finding_of(FINDING, self.suspicions, clean=clean or str(self.full), evidence=self.evidence)

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Header and rows."""
        kinds = {"alone": self.single, "twins": self.twins, "together": self.cumulative}
        rows: list[tuple[object, ...]] = [
            (kind, ", ".join(one.dropped), str(one.fall)) for kind, found in kinds.items() for one in found
        ]
        return ("dropped", "columns", f"fall of the AUC of {self.full}"), rows

    def thumbnail(self) -> str:
        """Return the falls as a small picture."""
        shown = {one.name: (one.fall.value, one.fall.low, one.fall.high) for one in self.all if one.fall.sufficient}
        return spans(shown, title="fall of the AUC without")

    def plot(self) -> str:
        """Return the falls as an SVG picture."""
        kinds = {"alone": self.single, "twins": self.twins, "together": self.cumulative}
        shown: dict[str, dict[str, tuple[float, float, float]]] = {}
        for kind, ablations in kinds.items():
            for one in (a for a in ablations if a.fall.sufficient):
                shown.setdefault(one.name, {})[kind] = (one.fall.value, one.fall.low, one.fall.high)
        return forest(shown, title="fall of the AUC without a column, its twins, all above", unit="AUC")


def ablations(probe: Probe) -> Ablations:
    """Return how far a model of all columns falls without those it leans on most."""
    if not probe.told or len(probe.columns) == 1:
        return Ablations(Estimate.untold(probe.scored.label, 0))
    full = probe.auc(probe.scores(probe.columns))
    shuffled = dict(zip(probe.columns, probe.permuted(probe.columns, rows=PERMUTED).tolist(), strict=True))
    ranked = sorted(probe.columns, key=lambda name: (-shuffled[name], name))
    sets = [group for group in twins(probe.train, ranked) if len(group) > 1]

    def drop(names: Names) -> Ablation:
        return Ablation(names, probe.fall(names))

    rest = len(ranked) - 1
    return Ablations(
        full,
        tuple((name, shuffled[name]) for name in ranked),
        tuple(drop((name,)) for name in ranked[: min(DROPPED, rest)]),
        tuple(drop(group) for group in sets[:SETS] if len(group) <= rest),
        tuple(drop(tuple(ranked[:n])) for n in CUMULATIVE if n <= rest),
    )


def twins(view: View, ranked: list[str]) -> list[Names]:
    """Return sets of columns with about the same order, each with those of ``ranked`` that none before it has."""
    from scipy.stats import rankdata

    rows = view.take(spaced_days(view, COMPARED))
    numbers = [name for name in ranked if not is_category(view.features.schema.field(name).type)]
    values = read_numbers(rows.features, numbers)
    ranks = rankdata(np.where(np.isnan(values), -np.inf, values), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.sqrt((ranks**2).sum(axis=1))
    alike = np.abs(ranks @ ranks.T) >= TWINS * np.maximum(norm[:, None] * norm[None, :], 1e-9)
    found, seen = [], set[str]()
    for name in ranked:
        if name in seen:
            continue
        near = [numbers[k] for k in np.flatnonzero(alike[numbers.index(name)])] if name in numbers else [name]
        group = (name, *(other for other in near if other != name and other not in seen))
        seen.update(group)
        found.append(group)
    return found
