"""The account of a run's records: all of them, tick by tick, and how many broken ones are too many."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.casting import are_sentinels, cast
from mlsys_assets.data_ingestion.keys import REPEATED
from mlsys_assets.data_ingestion.quarantine import Rejections
from mlsys_assets.data_ingestion.source import READERS_OWN, Reference, Source
from mlsys_assets.data_ingestion.source_changed import SourceChanged
from mlsys_assets.types import Finding, Severity, TimeWindow

ALLOWED_ROWS = 5
"""Broken rows that a tick may always have where any are allowed: a share of a handful says nothing."""
SHOWN = 3
"""How many rules or ticks a message names."""
EMPTY_TICKS = "empty_ticks_are_explained"


@dataclass(frozen=True)
class Ingested:
    """A window's rows of one source: ``accepted.num_rows + quarantined.num_rows + erased == read``.

    ``read`` counts the records filed in the window, ``empty`` names its ticks without an accepted row, ``erased``
    counts the records of what was erased before, which are read and left out.
    """

    accepted: pa.Table
    quarantined: pa.Table
    read: int
    empty: tuple[TimeWindow, ...] = ()
    erased: int = 0
    findings: tuple[Finding, ...] = field(default=())


@dataclass(frozen=True)
class Ticks:
    """Which tick each of a run's n records is filed in.

    Parameters
    ----------
    windows
        The ticks; of a snapshot, the one thing that is delivered.
    numbers
        (n,) which of them.
    counted
        (n,) whether the record says something of how good the tick's delivery is: those that lie
        outside the calendar do not.
    delivered
        (ticks,) how many raw records of any kind were delivered in each.
    """

    windows: tuple[TimeWindow, ...]
    numbers: NDArray[np.int64]
    counted: NDArray[np.bool_]
    delivered: NDArray[np.int64]

    def count(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many of the chosen records each tick has."""
        return np.bincount(self.numbers[mask], minlength=len(self.windows))

    def empty(self, accepted: NDArray[np.bool_]) -> tuple[TimeWindow, ...]:
        """Return the ticks of which no record is accepted."""
        return self._chosen(self.count(accepted) == 0)

    def unexplained(self, accepted: NDArray[np.bool_]) -> tuple[TimeWindow, ...]:
        """Return the empty ticks but those of which all that was delivered is of other kinds: these are truly empty."""
        filed = self.count(np.ones(len(accepted), dtype=bool))
        return self._chosen((self.count(accepted) == 0) & ((filed > 0) | (self.delivered == 0)))

    def _chosen(self, chosen: NDArray[np.bool_]) -> tuple[TimeWindow, ...]:
        return tuple(self.windows[i] for i in np.flatnonzero(chosen))


def refuse_if_too_many(source: Source, rejections: Rejections, ticks: Ticks) -> None:
    """Raise SourceChanged if one of the ticks has more broken records than its source may have."""
    broken = rejections.mask & ticks.counted & ~rejections.of_rule(REPEATED)
    bad, records = ticks.count(broken), np.maximum(ticks.count(ticks.counted), ticks.delivered)
    share = source.allowed_share
    allowed = np.maximum(ALLOWED_ROWS, share * records) if share else np.zeros(len(records))
    over = np.flatnonzero(bad > allowed)
    if len(over):
        worst = over[0]
        where = "" if source.snapshot else f", tick {ticks.windows[worst]}"
        those = rejections.take(broken & (ticks.numbers == worst))
        more = f" ({len(over) - 1} later tick(s) likewise)" if len(over) > 1 else ""
        raise SourceChanged(
            f"source {source.name!r}{where}: {bad[worst]} of {records[worst]} rows are broken, {share:.0%} are allowed "
            f"({source.kind}){more}; nothing was written. Most broken: {those.summary(SHOWN)}. "
            "Mend the delivery, or declare what it has become."
        )


def refuse_emptied(source: Source, ticks: tuple[TimeWindow, ...]) -> None:
    """Raise SourceChanged: these ticks hold rows, and what was delivered would leave them none."""
    what = "the table" if source.snapshot else f"{len(ticks)} tick(s): {_named(ticks)}"
    raise SourceChanged(
        f"source {source.name!r}: no row was accepted for what holds rows now, {what}; nothing was written, and what "
        "was there stays readable. Mend the delivery; if it is right, write the emptied ticks to the lake by hand."
    )


def findings(
    source: Source, raw: pa.Table, found: Ingested, rejections: Rejections, *, ticks: Ticks, others: Mapping[str, int]
) -> list[Finding]:
    """Return what is to be told of a run's records; ``others`` counts those of other kinds and of other ticks."""
    said = [
        _every_row(raw.num_rows, found, rejections, others, sentinels=_sentinels(source, raw)),
        _every_tick(found.empty, ticks.unexplained(~rejections.mask)),
    ]
    if source.header:
        said.append(_columns(source, raw))
    return said + [_reference(r, found) for r in source.references if r.allow]


def _sentinels(source: Source, raw: pa.Table) -> dict[str, int]:
    """Return by raw column how many of all records hold a number that is declared to stand for a missing value."""
    declared = [column for column in source.raw if column.sentinels]
    typed = {column.name: cast(raw[column.name], column.type)[0] for column in declared}
    return {column.name: pc.sum(are_sentinels(column, typed[column.name])).as_py() or 0 for column in declared}


def _every_row(
    looked_at: int,
    found: Ingested,
    rejections: Rejections,
    others: Mapping[str, int],
    *,
    sentinels: Mapping[str, int],
) -> Finding:
    accepted, bad = found.accepted.num_rows, found.quarantined.num_rows
    gone = {"erased": found.erased} if found.erased else {}
    counts = {"read": found.read, "accepted": accepted, "quarantined": bad, **gone, **others, "looked_at": looked_at}
    counts |= {f"sentinels_in_{column}": n for column, n in sentinels.items()}
    missing = ", ".join(f"{n} in {column}" for column, n in sentinels.items())
    return Finding(
        "every_row_accounted_for",
        accepted + bad + found.erased == found.read and found.read + sum(others.values()) == looked_at,
        f"{found.read} rows read = {accepted} accepted + {bad} quarantined"
        + (f" ({rejections.summary(SHOWN)})" if bad else "")
        + (f" + {found.erased} of what was erased" if found.erased else "")
        + f"; of {looked_at} records looked at, "
        + ", ".join(f"{n} are of {what.replace('_', ' ')}" for what, n in others.items())
        + (f"; numbers that stand for missing, of all that were looked at: {missing}" if sentinels else ""),
        evidence=counts,
    )


def _every_tick(empty: tuple[TimeWindow, ...], unexplained: tuple[TimeWindow, ...]) -> Finding:
    summary = f"{len(empty)} tick(s) have no row"
    if unexplained:
        summary += f"; for {len(unexplained)} nothing was delivered, or nothing that could be accepted: "
        summary += _named(unexplained)
    counts = {"empty_ticks": len(empty), "unexplained_ticks": len(unexplained)}
    return Finding(EMPTY_TICKS, not unexplained, summary, Severity.WARN, counts)


def _named(ticks: tuple[TimeWindow, ...]) -> str:
    return ", ".join(map(str, ticks[:SHOWN])) + (" ..." if len(ticks) > SHOWN else "")


def _columns(source: Source, raw: pa.Table) -> Finding:
    added = sorted(set(raw.schema.names) - set(source.header) - set(READERS_OWN))
    summary = f"columns not declared: {', '.join(added)}; they are ignored" if added else "the columns are as declared"
    return Finding("no_undeclared_columns", not added, summary, Severity.WARN)


def _reference(reference: Reference, found: Ingested) -> Finding:
    """Tell of a reference with declared exceptions; it fails for others alone: what is always amber is not read."""
    column, allowed = reference.column, ", ".join(reference.allow)
    values, rejected = found.accepted.column(column), found.quarantined
    excepted = pc.sum(pc.is_in(values, value_set=pa.array(reference.allow, pa.string()))).as_py() or 0
    here = pc.and_(pc.equal(rejected["rule"], reference.rule), pc.equal(rejected["column"], column))
    unknown = pc.sum(here).as_py() or 0
    return Finding(
        f"{column}_is_known",
        unknown == 0,
        f"{unknown} rows in quarantine: {column} {reference.rule}; "
        f"{excepted} accepted by a declared exception ({allowed})",
        Severity.WARN,
        {"rows": excepted, "values": allowed},
    )
