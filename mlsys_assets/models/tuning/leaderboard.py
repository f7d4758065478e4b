"""How the families of a search stand: each with its best, by the same number of trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlsys_assets.measures.metrics import Metric
from mlsys_assets.types import Scalar


@dataclass(frozen=True)
class Standing:
    """What one family came to.

    Parameters
    ----------
    family
        The candidate's name.
    best
        The metric on validation of its best trial; None if no trial was complete.
    trials
        How many settings were tried.
    seconds
        How long its trials took together.
    params
        The settings of the best.
    note
        Why there is no best, or why there were fewer trials.
    """

    family: str
    best: float | None
    trials: int
    seconds: float = field(default=0.0, compare=False)
    params: Mapping[str, Scalar] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Leaderboard:
    """Families, the best first; those without a best last, and equal ones as they were declared.

    Two are equal if all but the seconds are.
    """

    metric: str
    standings: tuple[Standing, ...]

    @classmethod
    def of(cls, standings: Sequence[Standing], metric: Metric) -> "Leaderboard":
        """Return the families in the order of the metric."""
        sign = -1.0 if metric.higher_is_better else 1.0
        ordered = sorted(standings, key=lambda s: float("inf") if s.best is None else sign * s.best)
        return cls(metric.name, tuple(ordered))

    @property
    def line(self) -> str:
        """It in one line, without what differs from machine to machine."""
        told = (f"{s.family} {'none' if s.best is None else f'{s.best:.6f}'} ({s.trials})" for s in self.standings)
        return f"{self.metric} (trials): " + ", ".join(told)

    def table(self) -> str:
        """Return it as a Markdown table."""
        lines = [f"| family | validation {self.metric} | trials | seconds | settings | |", "|---|---|---|---|---|---|"]
        for s in self.standings:
            best = "—" if s.best is None else f"{s.best:.4f}"
            params = ", ".join(f"{name} {_short(value)}" for name, value in sorted(s.params.items()))
            lines.append(f"| {s.family} | {best} | {s.trials} | {s.seconds:.1f} | {params} | {s.note} |")
        return "\n".join(lines)


def _short(value: Scalar) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
