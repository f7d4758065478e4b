"""What removing columns did, step by step, and what nobody has to compute or read any more."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mlsys_assets import thumbnails
from mlsys_assets.charts import lines
from mlsys_assets.measures.intervals import Estimate

MICRO, KILO = 1e6, 1e3
NAMED = 12
"""How many columns a summary names."""


@dataclass(frozen=True)
class RemovalStep:
    """A model on the columns that are left.

    Parameters
    ----------
    columns
        Those it was fitted on.
    found, auc
        The deciding metric and the AUC on the validation rows.
    lost
        By how much it is worse than the model with all columns, in the metric's unit, paired.
    seconds
        The prediction of one row.
    bundle_bytes
        Its files.
    accepted
        Whether the loss is surely no more than is allowed.
    """

    columns: tuple[str, ...]
    found: Estimate
    auc: Estimate
    lost: Estimate
    seconds: float
    bundle_bytes: int
    accepted: bool


@dataclass(frozen=True)
class TestedRemoval:
    """The models with all columns and with those left, on rows that chose neither; ``lost`` is paired."""

    __test__ = False  # not a pytest class

    before: Estimate
    after: Estimate
    lost: Estimate


@dataclass(frozen=True)
class Removal:
    """Which columns a recipe can do without.

    Parameters
    ----------
    candidate
        Whose.
    metric, allowed
        What may get worse, and by how much.
    steps
        In the order tried; the first has all columns.
    reads
        By column, the names of what must be there for it.
    tested
        The final figures, if there were rows for them.
    """

    candidate: str
    metric: str
    allowed: float
    steps: tuple[RemovalStep, ...]
    reads: Mapping[str, Collection[str]] = field(default_factory=dict)
    tested: TestedRemoval | None = None

    @property
    def whole(self) -> RemovalStep:
        """The model with all columns."""
        return self.steps[0]

    @property
    def left(self) -> RemovalStep:
        """The model with the fewest columns that loses no more than is allowed."""
        return [step for step in self.steps if step.accepted][-1]

    @property
    def removed(self) -> tuple[str, ...]:
        """The columns that can go, in the order of the rows."""
        return tuple(name for name in self.whole.columns if name not in self.left.columns)

    @property
    def unneeded(self) -> tuple[str, ...]:
        """What is read for removed columns alone, sorted: it costs upkeep and tells nothing (Sculley et al. 2015)."""
        still = {one for name in self.left.columns for one in self.reads.get(name, ())}
        return tuple(sorted({one for name in self.removed for one in self.reads.get(name, ())} - still))

    @property
    def faster(self) -> float:
        """The share of the latency of one row that goes; below 0 if it is slower."""
        return 1 - self.left.seconds / self.whole.seconds if self.whole.seconds > 0 else float("nan")

    def table(self) -> str:
        """Return the steps as a Markdown table."""
        told = [
            f"| columns | {self.metric} | lost | roc_auc | one row [µs] | bundle [kB] | kept |",
            "|---|---|---|---|---|---|---|",
        ]
        told += [
            f"| {len(s.columns)} | {s.found} | {s.lost if s is not self.whole else ''} | {s.auc} "
            f"| {s.seconds * MICRO:.0f} | {s.bundle_bytes / KILO:.0f} | {'yes' if s.accepted else 'no'} |"
            for s in self.steps
        ]
        return "\n".join(told)

    def text(self) -> str:
        """Return in words how many columns can go, what that costs and saves, and what becomes unneeded."""
        whole, left = self.whole, self.left
        if not whole.found.sufficient:
            return f"{self.candidate}: {whole.found}; whether a column can go cannot be told"
        if not self.removed:
            return (
                f"{self.candidate}: no column can go without a loss of {self.metric} that may exceed {self.allowed:g}"
            )
        fewer = f"{self.candidate}: {len(self.removed)} of {len(whole.columns)} columns can go"
        faster = f"one row takes {left.seconds * MICRO:.0f} µs in place of {whole.seconds * MICRO:.0f} µs"
        smaller = f"the bundle {left.bundle_bytes / KILO:.0f} kB in place of {whole.bundle_bytes / KILO:.0f} kB"
        lost = f"{self.metric} lost {left.lost}, at most {self.allowed:g} allowed"
        told = [fewer, lost, f"{faster}, {smaller}"]
        if self.reads:
            told.append(f"no longer needed: {', '.join(self.unneeded) or 'nothing'}")
        if self.tested is not None:
            told.append(f"on rows that chose nothing, {self.metric} lost {self.tested.lost}")
        more = "" if len(self.removed) <= NAMED else f" and {len(self.removed) - NAMED} more"
        return "; ".join([*told, f"removed: {', '.join(self.removed[:NAMED])}{more}"])

    def plot(self) -> str:
        """Return what was lost by the number of columns left as SVG, the upper end of its interval, and the limit."""
        steps = self._known()
        series = {
            "lost": [s.lost.value for s in steps],
            "surely at most": [s.lost.high for s in steps],
            "allowed": [self.allowed] * len(steps),
        }
        title = f"{self.metric} lost by columns left, {self.candidate}"
        return lines([f"{len(s.columns)}" for s in steps], series if steps else {}, title=title)

    def thumbnail(self) -> str:
        """Return what each step lost as Markdown that is seen at once, the fewest columns first."""
        spans = {
            f"{len(s.columns)} columns": (s.lost.value, s.lost.low, s.lost.high) for s in reversed(self._known()[1:])
        }
        return thumbnails.spans(spans, title=f"{self.metric} lost by columns left")

    def _known(self) -> list[RemovalStep]:
        return sorted((s for s in self.steps if s.found.sufficient), key=lambda s: -len(s.columns))
