"""Trials as Optuna's, there and back."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from mlsys_assets.measures.metrics import Metric
from mlsys_assets.models.tuning.space import Space
from mlsys_assets.models.tuning.trial import State, Trial
from mlsys_assets.types import EPOCH

STATES: dict[State, str] = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
"""Optuna's names of how a trial ended."""
SECONDS, REASON = "seconds", "reason"
"""What Optuna has no place of its own for."""


def study_of(space: Space, finished: Sequence[Trial], *, metric: Metric, sampler: Any) -> Any:
    """Return a study in memory that knows the finished trials, and nothing else."""
    import optuna

    quiet()
    study = optuna.create_study(sampler=sampler, direction="maximize" if metric.higher_is_better else "minimize")
    study.add_trials([frozen(trial, space) for trial in finished])
    return study


def frozen(trial: Trial, space: Space, *, began_s: float = 0.0) -> Any:
    """Return it as Optuna's.

    ``began_s`` is how long the search had taken before it. Times are told from 1970 on: a search has no other clock.
    """
    from optuna.trial import FrozenTrial, TrialState

    names = sorted(trial.params)
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=TrialState[STATES[trial.state]],
        value=trial.value,
        datetime_start=EPOCH + timedelta(seconds=began_s),
        datetime_complete=EPOCH + timedelta(seconds=began_s + trial.seconds),
        params={name: trial.params[name] for name in names},
        distributions={name: space[name].distribution() for name in names},
        user_attrs={SECONDS: trial.seconds, REASON: trial.reason},
        system_attrs={},
        intermediate_values=dict(enumerate(trial.losses, start=1)),
    )


def thawed(trial: Any) -> Trial:
    """Return Optuna's finished trial as it was; raises ValueError for what none of ours was."""
    states = {name: state for state, name in STATES.items()}
    state, steps = states.get(trial.state.name), sorted(trial.intermediate_values)
    seconds = trial.user_attrs.get(SECONDS, 0.0)
    if state is None or (state == "complete") != (trial.value is not None) or steps != list(range(1, len(steps) + 1)):
        raise ValueError(
            f"trial {trial.number} is {trial.state.name}, {trial.value} after {steps[:3]}: none of a search"
        )
    if not (math.isfinite(seconds) and math.isfinite(trial.value or 0.0)):
        raise ValueError(f"trial {trial.number} took {seconds} seconds and is worth {trial.value}")
    return Trial(
        trial.number,
        dict(trial.params),
        state,
        trial.value,
        float(seconds),
        tuple(trial.intermediate_values[step] for step in steps),
        str(trial.user_attrs.get(REASON, "")),
    )


def quiet() -> None:
    """Keep Optuna from telling each study on standard error: whoever asked is told in words of ours."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
