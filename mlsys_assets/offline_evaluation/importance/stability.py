"""Stability against performance: which useful columns hold still over time, and which a model should not lean on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from mlsys_assets import thumbnails
from mlsys_assets.charts import scatter
from mlsys_assets.measures.stability_index import MODERATE
from mlsys_assets.offline_evaluation.importance.column_drift import DriftRate

Quadrant = Literal[
    "useful and steady", "useful but drifting", "useless and steady", "useless and drifting", "insufficient data"
]
UNTOLD: Final = "insufficient data"
QUADRANTS: Final[tuple[Quadrant, ...]] = (
    "useful but drifting", "useful and steady", "useless and drifting", "useless and steady", "insufficient data"
)  # fmt: skip
"""Those to look at first, first."""
NAMED: Final = 8
"""How many columns of a quadrant a summary names."""


@dataclass(frozen=True)
class Placed:
    """A column's importance against its drift.

    Parameters
    ----------
    importance
        Such as its share of the gain.
    drift
        Its rate of drift.
    quadrant
        The two in words.
    """

    column: str
    importance: float
    drift: DriftRate
    quadrant: Quadrant


@dataclass(frozen=True)
class Stability:
    """Columns by importance and drift, the most important first.

    Parameters
    ----------
    measure
        What the importance is.
    useful
        Above this, a column is useful.
    drifting
        From this mean stability index on, it drifts.
    """

    measure: str
    columns: tuple[Placed, ...]
    useful: float
    drifting: float = MODERATE

    def quadrant(self, name: Quadrant) -> tuple[str, ...]:
        """Return the columns of a quadrant, the most important first."""
        return tuple(one.column for one in self.columns if one.quadrant == name)

    def table(self) -> str:
        """Return the columns as a Markdown table."""
        lines = [
            f"| column | {self.measure} | mean stability index | largest | it is |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {one.column} | {one.importance:.4f} | {one.drift.mean:.3f} | {one.drift.most:.3f} | {one.quadrant} |"
            for one in self.columns
        ]
        return "\n".join(lines)

    def text(self) -> str:
        """Return in words how many columns each quadrant has, and the most important of those that drift."""
        counts = Counter(one.quadrant for one in self.columns)
        told = []
        for name in QUADRANTS:
            if counts[name]:
                own = self.quadrant(name)
                more = f" and {len(own) - NAMED} more" if len(own) > NAMED else ""
                told.append(f"{counts[name]} {name}: {', '.join(own[:NAMED])}{more}")
        return "; ".join(told) or "insufficient data: there are no columns"

    def plot(self) -> str:
        """Return the columns as SVG: drift to the right, importance up, by quadrant."""
        return scatter(
            self._points(),
            title="stability against performance",
            axes=("mean stability index from period to period", self.measure),
            cuts=(self.drifting, self.useful),
        )

    def thumbnail(self) -> str:
        """Return the useful columns as Markdown that is seen at once."""
        useful = {name: points for name, points in self._points().items() if name.startswith("useful")}
        found = {name: [(x, y) for _, x, y in points] for name, points in useful.items()}
        return thumbnails.scatter(found, title=f"{self.measure} against drift", cuts=(self.drifting, self.useful))

    def _points(self) -> dict[str, list[tuple[str, float, float]]]:
        """Return by quadrant each column's name, drift and importance, where both are known."""
        found: dict[str, list[tuple[str, float, float]]] = {}
        for one in self.columns:
            if one.quadrant != UNTOLD:
                found.setdefault(one.quadrant, []).append((one.column, one.drift.mean, one.importance))
        return {name: found[name] for name in QUADRANTS if name in found}


def stability(
    importance: Mapping[str, float],
    rates: Mapping[str, DriftRate],
    *,
    useful: float,
    measure: str = "share of gain",
    drifting: float = MODERATE,
) -> Stability:
    """Return the columns by what they are worth and how steady they are.

    Parameters
    ----------
    importance
        By column, such as shares of gain.
    rates
        By column, of the same columns.
    useful
        Above this, a column is useful: what a column of pure noise has, or an even share.
    drifting
        From this mean stability index on, a column drifts.

    Raises ValueError if one is told of a column and the other is not.
    """
    if apart := sorted(importance.keys() ^ rates.keys()):
        raise ValueError(f"importance and drift must be of the same columns; these have only one of them: {apart}")
    placed = [
        Placed(name, value, rates[name], _quadrant(value > useful, value, rates[name].mean, drifting))
        for name, value in importance.items()
    ]
    return Stability(
        measure, tuple(sorted(placed, key=lambda one: (-np.nan_to_num(one.importance), one.column))), useful, drifting
    )


def _quadrant(useful: bool, importance: float, drift: float, drifting: float) -> Quadrant:
    if np.isnan(importance) or np.isnan(drift):
        return UNTOLD
    if useful:
        return "useful but drifting" if drift >= drifting else "useful and steady"
    return "useless and drifting" if drift >= drifting else "useless and steady"
