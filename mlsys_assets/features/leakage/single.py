"""Single columns: one that ranks labels alone better than anything honest does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlsys_assets.charts import bars as chart
from mlsys_assets.features.leakage.binned import CHANCE, MutualInformation, binned, ranked_auc
from mlsys_assets.features.leakage.probe import Probe
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.intervals import Estimate, estimate
from mlsys_assets.measures.metrics import Floats, value
from mlsys_assets.thumbnails import bars
from mlsys_assets.types import Finding, Scalar, Severity

FINDING: Final = "no_column_tells_the_label_alone"
CERTAIN: Final = 0.97
"""The AUC alone that nothing honest reaches: of 100 pairs of a positive and a negative row, 3 stand wrongly."""
STRONG: Final = 0.8
"""The AUC alone from which a column is looked at; of clean flights the best has 0.75."""
TOO_STRONG: Final = 0.85
"""The AUC alone from which a column is an error if it also outdoes all others: one honest measurement among columns
that tell little may well have 0.8, a flight's own departure delay has 0.89."""
BEYOND: Final = 0.05
"""By how much a strong column must outdo all others together, with the whole interval, to be an error: a departure
delay outdoes them by 0.11 at least, the best of clean flights by nothing."""
INTERVALS: Final = 12
"""How many columns get intervals."""
COMPARED: Final = 3
"""How many strong columns are held against the others: each costs one fit."""
SHOWN: Final = 12
"""How many a picture shows."""


@dataclass(frozen=True)
class Alone:
    """What a column tells alone, of rows later than those it was looked at on.

    Parameters
    ----------
    column
        Its name.
    order, rate
        Its AUC by order, either way, and by the label's rate in its bin.
    mutual_information
        Of its bin and the label, in nats.
    auc, information
        The larger AUC and the mutual information with intervals, which draw days; None but for the best.
    beyond
        By how much it outdoes a model of all others; None if it was not compared.
    """

    column: str
    order: float
    rate: float
    mutual_information: float
    auc: Estimate | None = None
    information: Estimate | None = None
    beyond: Estimate | None = None

    @property
    def best(self) -> float:
        """The larger AUC."""
        return max(self.order, self.rate)


@dataclass(frozen=True)
class SingleColumns:
    """Every column alone, the best first."""

    columns: tuple[Alone, ...]
    suspicions: tuple[Suspicion, ...]

    @property
    def evidence(self) -> Mapping[str, Scalar]:
        """The numbers of the best."""
        best: dict[str, Scalar] = {"columns_looked_at": len(self.columns)}
        for one in self.columns[:1]:
            best |= {"best_alone": one.column, "best_alone_auc": one.best, "nats": one.mutual_information}
        return best

    @property
    def finding(self) -> Finding:
        """Whether no column alone tells more than an honest one can."""
        best = self.columns[0] if self.columns else None
        clean = "insufficient data: no rows" if best is None else f"the best column alone is {best.column}: {best.auc}"
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=self.evidence)

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Header and rows."""
        header = (
            "column",
            "AUC by order",
            "AUC by rate",
            "nats",
            "best, interval",
            "nats, interval",
            "beyond all others",
        )
        told = [(c.auc, c.information, c.beyond) for c in self.columns]
        rows: list[tuple[object, ...]] = [
            (c.column, c.order, c.rate, c.mutual_information, *("" if e is None else str(e) for e in more))
            for c, more in zip(self.columns, told, strict=True)
        ]
        return header, rows

    def thumbnail(self) -> str:
        """Return the best as a small picture."""
        return bars(self._told(), title="AUC of a column alone")

    def plot(self) -> str:
        """Return the best as an SVG picture with the limit."""
        return chart(self._told(), title="AUC of a column alone", marks={f"certain {CERTAIN:g}": CERTAIN})

    def _told(self) -> dict[str, float]:
        return {one.column: one.best for one in self.columns[:SHOWN]}


@dataclass(frozen=True, eq=False)
class _Scored:
    """A column's scores of the later rows, and how they rank."""

    column: str
    score: Floats
    code: Floats
    order: float
    rate: float

    @property
    def best(self) -> float:
        return max(self.order, self.rate)


def single_columns(probe: Probe) -> SingleColumns:
    """Return what each column tells alone, and which tell more than an honest one can."""
    if not len(probe.train) or not len(probe.scored):
        return SingleColumns((), ())
    scored = sorted((_scored(probe, name) for name in probe.columns), key=lambda one: (-one.best, one.column))
    found = tuple(_alone(probe, one, n) for n, one in enumerate(scored))
    return SingleColumns(found, tuple(s for one in found for s in _suspicions(one)))


def _scored(probe: Probe, name: str) -> _Scored:
    """Return a column's scores; which way it ranks is learnt on the earlier rows."""
    here, later = probe.train.features, probe.scored.features
    bins = binned(here, later, name)
    by_rate = bins.score(probe.train.label)
    rate = bins.auc(probe.train.label, probe.scored.label)
    if is_category(here.schema.field(name).type):
        return _Scored(name, by_rate, bins.later.astype(np.float64), rate, rate)
    earlier, number = (read_numbers(table, [name])[0] for table in (here, later))
    sign = 1.0 if ranked_auc(earlier, probe.train.label) >= CHANCE else -1.0
    values = np.where(np.isfinite(number), number, np.finfo(np.float32).min) * np.float32(sign)
    order = ranked_auc(values, probe.scored.label)
    score = values.astype(np.float64) if order > rate else by_rate
    return _Scored(name, score, bins.later.astype(np.float64), order, rate)


def _alone(probe: Probe, one: _Scored, place: int) -> Alone:
    label = probe.scored.label
    alone = Alone(one.column, one.order, one.rate, value(MutualInformation(), label, one.code))
    if place >= INTERVALS:
        return alone
    information = estimate(MutualInformation(), label, one.code, weights=probe.weights)
    alone = replace(alone, auc=probe.auc(one.score), information=information)
    if place >= COMPARED or alone.best < STRONG or not probe.told or len(probe.columns) == 1:
        return alone
    return replace(alone, beyond=probe.more(one.score, probe.scores(probe.without((one.column,)))))


def _suspicions(one: Alone) -> list[Suspicion]:
    """Return what is said against a column, if anything."""
    if one.auc is None or not one.auc.sufficient or one.best < STRONG:
        return []
    compared = one.beyond is not None and one.beyond.sufficient and one.beyond.low > BEYOND
    outdone = compared and one.best >= TOO_STRONG
    certain = one.best >= CERTAIN
    rest = f", and outdoes all other columns together by {one.beyond}" if compared else ""
    because = "Nothing that is known before the outcome ranks it so." if certain or outdone else "That is rare."
    return [
        Suspicion(
            (one.column,),
            Severity.ERROR if certain or outdone else Severity.WARN,
            f"alone ranks labels of other days with an AUC of {one.auc}{rest}",
            because,
            "Look up when its values become known; drop it, or take it as of the prediction time.",
            {"auc": one.best, "low": one.auc.low, "beyond": one.beyond.value if one.beyond else None},
        )
    ]
