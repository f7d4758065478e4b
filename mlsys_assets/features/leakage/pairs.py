"""Pairs of columns that tell together what neither tells apart: a clock time of arrival beside the planned one.

Every column is matched on every other in a few thousand rows. The best pairs are measured again on days of which the
search saw nothing, and what one column has beyond the other's expectation of it is given to a probe beside all
columns: a lift that the probe already knew of the rest is no news.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlsys_assets.charts import forest
from mlsys_assets.data_sampling.views import Train, View
from mlsys_assets.features.leakage.binned import binned
from mlsys_assets.features.leakage.matched import Matchable, Numbers, share_won
from mlsys_assets.features.leakage.probe import Probe, apart
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, spread
from mlsys_assets.measures.metrics import Weights
from mlsys_assets.thumbnails import spans
from mlsys_assets.types import Finding, Scalar, Severity

FINDING: Final = "no_pair_tells_the_label_together"
SEARCHED: Final = 24_000
"""Rows in which every pair is looked at."""
MEASURED: Final = 40_000
"""Rows of other days, on which the best pairs are measured."""
KEPT: Final = 24
"""Columns whose best partner is given to the probe, all in one fit."""
LARGEST: Final = 6
"""Pairs that are measured on other days."""
FITTED_EACH: Final = 2
"""Pairs that get a fit of their own, where all together add more than they may."""
PERMUTED: Final = 4_000
"""Rows in which what each adds is looked up."""
FINE: Final = 128
"""Bins of a column, by which another is expected."""
LIFT: Final = 0.05
"""The lift of a pair from which somebody should look: the largest of clean flights is 0.03."""
GAIN: Final = 0.004
"""What pairs may add to all columns: of 35 samples of clean flights the interval's lower end reached 0.002, of the
minutes in the air beside the distance it was 0.005 to 0.015 in 11 of 12."""
EACH: Final = 0.001
"""What one of them then may add: that all together add too much is known by then, and it is asked which do."""

Names = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """What two columns tell together.

    Parameters
    ----------
    column, given
        The one that is compared, and the one in which the compared rows are alike.
    joint, alone
        The concordance of the first within the second, and the larger one of either alone, among rows of one day.
    lift
        By how much the joint one is larger, on rows that the search did not see; the interval draws days.
    gain
        What the first, less what is expected of it by the second, adds to the AUC of all columns; None if not fitted.
    """

    column: str
    given: str
    joint: float
    alone: float
    lift: Estimate
    gain: Estimate | None = None

    @property
    def name(self) -> str:
        """Both columns."""
        return f"{self.column} | {self.given}"


@dataclass(frozen=True)
class Pairs:
    """The pairs with the largest lifts, and what all of them add to a model of all columns."""

    pairs: tuple[Pair, ...]
    gain: Estimate | None
    suspicions: tuple[Suspicion, ...]

    @property
    def evidence(self) -> Mapping[str, Scalar]:
        """The numbers of the best."""
        found: dict[str, Scalar] = {"pairs_measured": len(self.pairs)}
        if self.gain is not None:
            found["gain_of_all_pairs"] = _known(self.gain)
        for best in self.pairs[:1]:
            found |= {"best_pair": best.name, "best_joint": best.joint, "best_lift": _known(best.lift)}
        return found

    @property
    def finding(self) -> Finding:
        """Whether no pair tells more than honest ones do."""
        best = ", ".join(f"{pair.name} by {pair.lift}" for pair in self.pairs[:1]) or "none"
        clean = f"all pairs add {self.gain or 'nothing that could be told'} to all columns; the largest lift: {best}"
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=self.evidence)

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Header and rows."""
        header = ("column", "given", "together", "apart", "lift", "gain over all columns")
        rows: list[tuple[object, ...]] = [
            (p.column, p.given, p.joint, p.alone, str(p.lift), "" if p.gain is None else str(p.gain))
            for p in self.pairs
        ]
        return header, rows

    def thumbnail(self) -> str:
        """Return the lifts as a small picture."""
        return spans({p.name: _span(p.lift) for p in self.pairs if p.lift.sufficient}, title="lift of a pair")

    def plot(self) -> str:
        """Return lifts and gains as an SVG picture."""
        shown = {}
        for pair in self.pairs:
            found = {"lift": pair.lift, "gain": pair.gain}
            shown[pair.name] = {n: _span(e) for n, e in found.items() if e is not None and e.sufficient}
        return forest(shown, title="lift of a pair over either alone, gain over all columns", unit="AUC")


def _known(found: Estimate) -> float | None:
    return found.value if found.sufficient else None


def _span(found: Estimate) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def column_pairs(train: Train, probe: Probe) -> Pairs:
    """Return the pairs of columns of ``train`` that tell most together, measured by a probe of the same rows."""
    searched, others = apart(train, (SEARCHED, MEASURED))
    best = best_pairs(train.take(searched), seed=probe.seed)
    gain, each = _gains(probe, best)
    rows = Matchable.of(train.take(others), seed=probe.seed)
    weights = bootstrap(rows.day, seed=probe.seed)
    told = list(dict.fromkeys([*each, *best[:LARGEST]])) if len(others) else []
    found = [replace(_measured(rows, pair, weights), gain=each.get(pair)) for pair in told]
    found.sort(key=lambda pair: (pair.gain is None, -pair.gain.value if pair.gain else -pair.lift.value))
    return Pairs(tuple(found), gain, tuple(_suspicions(found)))


def best_pairs(view: View, *, seed: int, most: int = KEPT) -> list[Names]:
    """Return (column, given): of the columns with the largest lifts, each with the partner that gives it most."""
    rows = Matchable.of(view, seed=seed)
    alone = np.abs(rows.alone() - 0.5)
    best: dict[str, tuple[float, str]] = {}
    for given in (*rows.names, *(name for name, _ in rows.others)):
        own = alone[rows.names.index(given)] if given in rows.names else 0.0
        lifts = np.abs(rows.given(given) - 0.5) - np.maximum(alone, own)
        for name, lift in zip(rows.names, lifts.tolist(), strict=True):
            if name != given and lift > best.get(name, (0.0, ""))[0]:
                best[name] = (lift, given)
    ranked = sorted(best, key=lambda name: (-best[name][0], name))
    found = {frozenset((name, best[name][1])): (name, best[name][1]) for name in reversed(ranked)}
    return list(found.values())[::-1][:most]


def _measured(rows: Matchable, pair: Names, weights: Weights) -> Pair:
    """Return a pair's concordances on these rows, the difference with an interval over their days."""
    column, given = pair
    wins = [rows.wins(column, given), rows.wins(column)] + ([rows.wins(given)] if given in rows.names else [])
    joint, *alone = (share_won(weights.counts @ won, weights.counts @ of) for won, of in wins)
    whole, *each = (float(share_won(won.sum(), of.sum())) for won, of in wins)
    label = rows.positive.astype(float)
    like = Estimate.untold(label, len(wins[0][0]))
    like = replace(like, sufficient=Support().suffices(label, label, like.blocks))
    return Pair(column, given, whole, max(each), spread(whole - max(each), joint - np.max(alone, axis=0), like=like))


def _gains(probe: Probe, pairs: list[Names]) -> tuple[Estimate | None, dict[Names, Estimate]]:
    """Return what all pairs add to a model of all columns, and what each of the best does, where that is much."""
    if not pairs or not probe.told:
        return None, {}
    added = {f"{column} beyond {given}": _unexpected(probe, (column, given)) for column, given in pairs}
    more = probe.with_columns(added)
    base = probe.scores(probe.columns)
    gain = more.more(more.scores(more.columns), base)
    if not gain.sufficient or gain.low <= GAIN:
        return gain, {}
    falls = more.permuted(tuple(added), rows=PERMUTED)
    each = {}
    for k in np.argsort(-falls)[:FITTED_EACH]:
        name = list(added)[k]
        one = probe.with_columns({name: added[name]})
        each[pairs[k]] = one.more(one.scores(one.columns), base)
    return gain, each


def _unexpected(probe: Probe, pair: Names) -> tuple[Numbers, Numbers, Numbers]:
    """Return what a column has beyond its median in a fine bin of the other: of the probe's three parts.

    A median, as a clock that goes round throws some rows far off.
    """
    column, given = pair
    parts = (probe.train.features, probe.watched.features, probe.scored.features)
    bins = [binned(parts[0], part, given, bins=FINE) for part in parts]
    values = [read_numbers(part, [column])[0] for part in parts]
    order = np.lexsort((values[0], bins[0].here))
    known = order[~np.isnan(values[0][order])]
    count = np.bincount(bins[0].here[known], minlength=bins[0].bins)
    middle = np.cumsum(count) - count + count // 2
    medians = np.where(count > 0, values[0][known][np.minimum(middle, len(known) - 1)], np.nan) if len(known) else count
    first, second, third = (own - medians[code.later] for own, code in zip(values, bins, strict=True))
    return first, second, third


def _suspicions(pairs: list[Pair]) -> list[Suspicion]:
    """Return what is said against pairs, the one that adds most first; a lift by a column of that one is no news."""
    accused: set[str] = set()
    found = []
    for pair in pairs:
        gained = pair.gain is not None and pair.gain.sufficient and pair.gain.low > EACH
        if (gained or (pair.lift.sufficient and pair.lift.low > LIFT)) and not accused & {pair.column, pair.given}:
            found.append(_suspicion(pair, gained))
            accused |= {pair.column, pair.given} if gained else set()
    return found


def _suspicion(pair: Pair, gained: bool) -> Suspicion:
    more = f", and what one has beyond the other adds {pair.gain} to the AUC of all columns" if gained else ""
    return Suspicion(
        (pair.column, pair.given),
        Severity.ERROR if gained else Severity.WARN,
        f"rank labels together with a concordance of {pair.joint:.3f}, of {pair.alone:.3f} apart{more}",
        "The one measured against the other tells the outcome; one of them may be known only with it.",
        "Look up when each becomes known, and drop the later one; where both are known in time, give their "
        "difference or ratio as a column.",
        {
            "joint": pair.joint,
            "alone": pair.alone,
            "lift": _known(pair.lift),
            "gain": pair.gain.value if pair.gain else None,
        },
    )
