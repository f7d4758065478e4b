"""What compression saves and costs: size, speed and quality of each smaller model beside the one it was made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from mlsys_assets import thumbnails
from mlsys_assets.charts import scatter
from mlsys_assets.data_sampling.views import Train, Validation, require_validation
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import Floats, LogLoss, RocAuc, value
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.compressed import compress, size_of
from mlsys_assets.models.compression.method import CompressionMethod
from mlsys_assets.models.predictor import Predictor

Meter = Callable[[], float]
"""Tells seconds: of a processor, such as ``time.process_time``, or of a clock, such as ``time.perf_counter``."""
CALLS: Final = 300
"""Rows that each model is asked for one at a time: of so many, three are slower than the 99th percentile."""
ASKED: Final = 100
"""Different rows among them."""
REPEATS: Final = 3
"""How often all rows are scored in one call; the fastest is told."""
LEAST_SAVED: Final = 0.05
"""A smaller share of the bytes or of the time of one row than this is no saving: it does not outlast the next fit."""
SAME: Final = 1e-6
"""Probabilities that differ by no more decide nothing differently."""
ORIGINAL: Final = "original"
HEADS: Final = ("model", "size [kB]", "one row p50 [µs]", "p99 [µs]", "rows/s", "log_loss", "lost", "roc_auc",
                "max difference", "made in [CPU s]")  # fmt: skip
KILO, MICRO, PERCENT = 1e3, 1e6, 100


@dataclass(frozen=True, eq=False)
class Variant:
    """A model to be measured, or why there is none.

    Parameters
    ----------
    name
        What it is called.
    predictor
        The model; None if the method does not apply.
    seconds
        Of a processor, that making it took.
    reason
        Why there is none.
    """

    name: str
    predictor: Predictor | None
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Measured:
    """What was measured of one model on the rows of validation.

    Parameters
    ----------
    name
        What it is called.
    size
        Bytes of its files.
    p50, p99
        Seconds that one row takes: the median, and what one call in a hundred exceeds.
    rate
        Rows a second, all in one call.
    loss
        Log loss.
    auc
        ROC AUC.
    lost
        Log loss minus the original's, paired by rows.
    apart
        The largest difference of a probability from the original's.
    seconds
        Of a processor, that making it took.
    """

    name: str
    size: int
    p50: float
    p99: float
    rate: float
    loss: Estimate
    auc: float
    lost: Estimate
    apart: float
    seconds: float

    def sentence(self, original: "Measured") -> str:
        """Return in words whether it pays against the original."""
        smaller, faster = 1 - self.size / original.size, 1 - self.p50 / original.p50
        told = [*_change(smaller, "smaller", "larger"), *_change(faster, "faster for one row", "slower for one row")]
        what = f"{self.name} is {' and '.join(told) or 'of the same size and speed'}"
        if max(smaller, faster) < LEAST_SAVED:
            return f"{what}: it does not pay"
        if self.apart <= SAME:
            return f"{what}; no probability differs by more than {self.apart:.2g}"
        if not self.lost.sufficient:
            return f"{what}; what it costs cannot be told: {self.lost}"
        cost = f"log loss {_signed(self.lost)}"
        if self.lost.low > 0:
            return f"{what}, and worse: {cost}; it pays only where that is worth less than what it saves"
        if self.lost.high < 0:
            return f"{what}, and better: {cost}"
        return f"{what}; {cost}: no loss that these days can tell"


@dataclass(frozen=True)
class CompressionTable:
    """Every model that was measured, the original first, and why others could not be made."""

    rows: tuple[Measured, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def original(self) -> Measured:
        """What the others were made of."""
        return self.rows[0]

    def table(self) -> str:
        """Return a Markdown table."""
        told = [
            f"| {' | '.join(HEADS)} |",
            "|---" * len(HEADS) + "|",
        ]
        told += [
            f"| {r.name} | {r.size / KILO:.1f} | {r.p50 * MICRO:.0f} | {r.p99 * MICRO:.0f} | {r.rate:,.0f} | {r.loss} "
            f"| {'' if r is self.original else _signed(r.lost)} | {r.auc:.4f} | {r.apart:.2g} | {r.seconds:.2f} |"
            for r in self.rows
        ]
        told += [f"| {name} | does not apply |" + " |" * (len(HEADS) - 2) for name in self.failed]
        return "\n".join(told)

    def text(self) -> str:
        """Return a sentence a model: what it saves and what it costs, and that it does not pay where it does not."""
        told = [row.sentence(self.original) for row in self.rows[1:]]
        told += [f"{name} does not apply: {reason}" for name, reason in self.failed.items()]
        return "; ".join(told) or "nothing was compressed"

    def plot(self) -> str:
        """Return log loss by size as SVG: the lower left is better."""
        points = [(r.name, r.size / KILO, r.loss.value) for r in self._known()]
        title = "log loss by size: the nearer to the lower left the better"
        return scatter({"models": points} if points else {}, title=title, axes=("size [kB]", "log loss"))

    def thumbnail(self) -> str:
        """Return what each lost of log loss, with its interval, as Markdown that is seen at once."""
        spans = {r.name: (r.lost.value, r.lost.low, r.lost.high) for r in self._known() if r is not self.original}
        return thumbnails.spans(spans, title="log loss lost by compression")

    def _known(self) -> list[Measured]:
        return [row for row in self.rows if row.loss.sufficient]


@dataclass(frozen=True)
class CompressionStudy:
    """Makes models smaller by each of some methods, and measures them all on the same rows.

    Parameters
    ----------
    processor
        Seconds of a processor: what making a model took.
    clock
        Seconds of a clock: how long predictions take.
    support
        What must be there before a number is believed.
    """

    processor: Meter
    clock: Meter
    support: Support = Support()

    def make(
        self, predictor: Predictor, methods: Sequence[CompressionMethod], train: Train, *, seed: int
    ) -> tuple[Variant, ...]:
        """Return the model, and what each method makes of it; a method that does not apply says why."""
        found = [Variant(ORIGINAL, predictor)]
        for method in methods:
            begun = self.processor()
            try:
                made = compress(method, predictor, train, seed=seed, threads=1)
            except FitError as error:
                found.append(Variant(method.name, None, self.processor() - begun, str(error)))
            else:
                found.append(Variant(method.name, made, self.processor() - begun))
        return tuple(found)

    def measure(self, variants: Sequence[Variant], validation: Validation, *, seed: int) -> CompressionTable:
        """Return the table of models, of which the first is what the others are held against.

        Raises ValueError for no model, two of one name, or no rows; TypeError for anything but a Validation view.
        """
        require_validation(validation, what="compression")
        made = {one.name: one for one in variants if one.predictor is not None}
        if not made or not len(validation) or len({one.name for one in variants}) < len(variants):
            names = [one.name for one in variants]
            raise ValueError(f"compression is measured of models of different names on rows, got {names}, {validation}")
        predictors = {name: one.predictor for name, one in made.items() if one.predictor is not None}
        calls = {name: np.sort(taken) for name, taken in self._calls(predictors, validation.features).items()}
        weights = bootstrap(day_blocks(validation.at), seed=seed)
        label, first, rows = validation.label, None, list[Measured]()
        for name, predictor in predictors.items():
            score, rate = self._scored(predictor, validation.features)
            first = score if first is None else first
            rows.append(
                Measured(
                    name,
                    size_of(predictor),
                    p50=float(np.quantile(calls[name], 0.5)),
                    p99=float(np.quantile(calls[name], 0.99)),
                    rate=rate,
                    loss=estimate(LogLoss(), label, score, weights=weights, support=self.support),
                    auc=value(RocAuc(), label, score),
                    lost=difference(LogLoss(), label, (score, first), weights=weights, support=self.support),
                    apart=float(np.abs(score - first).max()),
                    seconds=made[name].seconds,
                )
            )
        return CompressionTable(tuple(rows), {one.name: one.reason for one in variants if one.predictor is None})

    def _calls(self, predictors: Mapping[str, Predictor], features: pa.Table) -> dict[str, list[float]]:
        """Return by name how long each call for one row took; the models take turns, so that all meet the same load."""
        asked = features.slice(0, ASKED).to_pylist()
        taken: dict[str, list[float]] = {name: [] for name in predictors}
        for predictor in predictors.values():
            predictor.predict(asked[0], threads=1)  # the first call may read what the others find read
        for call in range(CALLS):
            row = asked[call % len(asked)]
            for name, predictor in predictors.items():
                begun = self.clock()
                predictor.predict(row, threads=1)
                taken[name].append(self.clock() - begun)
        return taken

    def _scored(self, predictor: Predictor, features: pa.Table) -> tuple[Floats, float]:
        """Return (n,) scores, and how many rows a second the fastest of some calls gave."""
        fastest = np.inf
        for _ in range(REPEATS):
            begun = self.clock()
            score = predictor.predict(features, threads=1)
            fastest = min(fastest, self.clock() - begun)
        return score, len(score) / fastest if fastest > 0 else np.inf


def _change(share: float, gained: str, missed: str) -> list[str]:
    """Return in words that a share was saved, or that so much more is taken; nothing where it is too little to tell."""
    if abs(share) < LEAST_SAVED:
        return []
    return [f"{PERCENT * abs(share):.0f}% {gained if share > 0 else missed}"]


def _signed(lost: Estimate) -> str:
    return f"{lost.value:+.5f} [{lost.low:+.5f}, {lost.high:+.5f}]" if lost.sufficient else str(lost)
