"""What other weights of a blend would give, objective by objective: scores are combined anew, nothing is fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.intervals import require_rows
from mlsys_assets.measures.metrics import Floats, Metric, value
from mlsys_assets.measures.pareto import UNDOMINATED, Better, dominators
from mlsys_assets.models.blend import Blend


@dataclass(frozen=True, eq=False)
class Aim:
    """One objective of several: a metric of the score against a label of its own.

    Parameters
    ----------
    name
        What it is called.
    label
        (n,) 0 or 1.
    metric
        How well the blended score foretells it.
    """

    name: str
    label: Floats
    metric: Metric


@dataclass(frozen=True)
class BlendPoint:
    """One choice of weights: what it gives for each aim, and the first choice that dominates it, if any does."""

    shares: Mapping[str, float]
    values: Mapping[str, float]
    dominated_by: int | None = None

    @property
    def on_front(self) -> bool:
        """Whether no other choice is as good for every aim and better for one."""
        return self.dominated_by is None


def sweep(scores: Mapping[str, Floats], aims: Sequence[Aim], blends: Sequence[Blend]) -> tuple[BlendPoint, ...]:
    """Return what each blend gives for each aim, in the order of the blends, with the Pareto front told.

    Parameters
    ----------
    scores
        Each part's (n,) scores of the same rows, by name.
    aims
        What the blend is to serve.
    blends
        The choices of weights.

    Raises ValueError for aims without a name of their own, labels and scores that are not of the same rows or not
    finite, and where an aim cannot be told from the rows.
    """
    names = [aim.name for aim in aims]
    if not aims or len(set(names)) < len(names):
        raise ValueError(f"aims are called {names}; give at least one, each a name of its own")
    blended = [blend.combine(scores) for blend in blends]
    for aim in aims:
        for part, score in scores.items():
            require_rows(aim.label, score, what=f"the aim {aim.name!r} and the part {part!r}")
    found = np.array([[value(aim.metric, aim.label, score) for aim in aims] for score in blended])
    if untold := [name for name, column in zip(names, found.T, strict=True) if np.isnan(column).any()]:
        raise ValueError(f"the rows cannot tell {untold}: both classes must be there; give more rows")
    better: list[Better] = ["higher" if aim.metric.higher_is_better else "lower" for aim in aims]
    by = dominators(found.reshape(len(blended), len(aims)), better)
    return tuple(
        BlendPoint(
            blend.shares,
            dict(zip(names, values.tolist(), strict=True)),
            None if first == UNDOMINATED else int(first),
        )
        for blend, values, first in zip(blends, found, by, strict=True)
    )


def evenly(first: str, second: str, *, steps: int) -> tuple[Blend, ...]:
    """Return the blends of two parts from all of the first to all of the second, in so many equal steps.

    >>> [tuple(blend.shares.values()) for blend in evenly("a", "b", steps=2)]
    [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]
    """
    if steps < 1 or first == second:
        raise ValueError(f"two parts and at least one step are needed, got {first!r}, {second!r} and {steps}")
    return tuple(Blend({first: steps - i, second: i}) for i in range(steps + 1))
