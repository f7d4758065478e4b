"""Source-blindness: no row of a source changes when raw records that came later are removed.

What a feature reads of a row was known when the row was, if its values are made of its own record. A ``derive`` that
fills gaps from the next record, interpolates between two, or scales by the whole table makes them of later records
too, which no feature store sees. So does a reader that joins records.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.batch import read_batch
from mlsys_assets.data_ingestion.filing import micros, reach
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, SOURCE_FILE, SOURCE_LINE
from mlsys_assets.types import EPOCH, Finding, Severity, TimeWindow

FINDING = "no_source_looks_ahead"
"""The check's."""
CUTS = 10
"""At how many moments the records are cut off to see whether the rows before stay as they are."""
READS = 2
"""At how many of them they are read anew, too: reading may be slow."""

AT_RANDOM = 3
"""So many of the moments at least are drawn from all; the others are behind records with gaps."""
SAME = 1e-9
"""Numbers no further apart are the same: a sum of floats may depend on how many are summed beside it."""
REMEDIES = {
    "derive": (
        "Let derive make each row of its own record alone. What fills a gap, or scales, belongs into a feature or a "
        "fitted transform."
    ),
    "read": (
        "Let read give each record as it was delivered; where it must join records, let known_at be when the last "
        "of them was known."
    ),
}
"""What to do about a function that looks ahead."""

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class SourceAudit:
    """What was said against sources, and how many of their rows were held against themselves.

    Parameters
    ----------
    suspicions
        One for each source of which rows changed.
    sources
        Those looked at.
    rows, cuts
        How many rows were compared in all, at how many moments.
    """

    suspicions: tuple[Suspicion, ...]
    sources: tuple[str, ...]
    rows: int
    cuts: int

    @property
    def finding(self) -> Finding:
        """The check's outcome."""
        clean = (
            f"no row of {len(self.sources)} sources changed when the records that became known after it were removed "
            f"({self.rows:,} compared at {self.cuts} moments)"
            if self.rows
            else f"insufficient data: {len(self.sources)} sources have no row that could be compared"
        )
        evidence = {"sources": len(self.sources), "rows": self.rows, "cuts": self.cuts, "sufficient": self.rows > 0}
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=evidence)


def source_blindness(sources: Sequence[Source], window: TimeWindow, *, seed: int = 0) -> SourceAudit:
    """Return which sources have rows that change with records that became known after them.

    At some moments of the window ``derive`` is given only the records whose rows were known by then, and at some of
    these the records are read as they were then: up to the moment, not to the window's end. A row that was known by
    then must be the same. Snapshots, of which all is known at once, are not looked at. What a reader joins without
    regard to the window that it is asked for cannot be seen here.

    Parameters
    ----------
    sources
        Their readers and functions are tried.
    window
        What became known in it; a week or four say enough, and cost little.
    seed
        Decides at which moments the records are cut off.
    """
    looked = [source for source in sources if not source.snapshot]
    audits = [_Audit(source, window, seed=seed) for source in looked]
    found = [suspicion for audit in audits for suspicion in audit.suspicions()]
    rows, cuts = sum(audit.compared for audit in audits), sum(len(audit.moments) for audit in audits)
    return SourceAudit(tuple(found), tuple(source.name for source in looked), rows, cuts)


class _Audit:
    """One source's rows of a window, held against what they are without later records."""

    def __init__(self, source: Source, window: TimeWindow, *, seed: int) -> None:
        self._source, self._window = source, window
        self._raw = source.read(reach(source, window))
        self._rows, self._record = _derived(source, self._raw)
        self._known = micros(self._rows[KNOWN_AT])
        self.moments = self._moments(np.random.default_rng(seed))
        self.compared = 0

    def suspicions(self) -> Iterator[Suspicion]:
        """Yield what changes with what ``derive`` is given, or else with what ``read`` is asked for."""
        tried = (("derive", self._cut, self.moments), ("read", self._read, self.moments[:READS]))
        every = (
            (what, [self._change(without(moment), moment) for moment in moments]) for what, without, moments in tried
        )
        guilty = ((what, [one for one in found if one.changed]) for what, found in every)
        yield from islice((self._suspicion(what, found) for what, found in guilty if found), 1)

    def _moments(self, random: np.random.Generator) -> list[int]:
        """Return when to cut: behind a gap of each column, which the next record might fill, then at random."""
        times = np.unique(self._known)[:-1]  # behind the last one nothing is left to remove
        nothing = pa.array(self._source.nulls, pa.string())
        drawn = []
        for column in (column for column in self._source.raw if column.nullable):
            texts = self._raw[column.name].cast(pa.string())
            gap = np.asarray(pc.or_(texts.is_null(), pc.is_in(texts, value_set=nothing)))[self._record]
            drawn += random.permutation(np.intersect1d(self._known[gap], times))[:1].tolist()
        drawn = drawn[: CUTS - AT_RANDOM]
        return list(dict.fromkeys([*drawn, *random.permutation(times).tolist()]))[:CUTS]

    def _cut(self, moment: int) -> tuple[pa.Table, Positions]:
        """Return the rows, and the records that they are of, without records whose rows became known later."""
        kept = np.ones(len(self._raw), np.bool_)
        kept[self._record[self._known > moment]] = False
        rows, record = _derived(self._source, self._raw.filter(pa.array(kept)))
        return rows, np.flatnonzero(kept)[record]

    def _read(self, moment: int) -> tuple[pa.Table, Positions]:
        """Return the rows of what would have been read by then."""
        end = EPOCH + timedelta(microseconds=moment + 1)
        raw = self._source.read(reach(self._source, TimeWindow(min(self._window.start, end), end)))
        rows, record = _derived(self._source, raw)
        return rows, pc.fill_null(pc.index_in(_names(raw), value_set=_names(self._raw)), -1).to_numpy()[record]

    def _change(self, without: tuple[pa.Table, Positions], moment: int) -> "_Change":
        """Return what differs in the rows known by then that are there both ways."""
        rows, record = without
        place = np.full(len(self._raw) + 1, -1)
        place[record] = np.arange(len(record))
        mine = np.flatnonzero((self._known <= moment) & (place[self._record] >= 0))
        now, then = self._rows.take(pa.array(mine)), rows.take(pa.array(place[self._record[mine]]))
        self.compared += len(mine)
        differs = {name: column_differs(now[name], then[name]) for name in now.column_names}
        return _Change(now, then, moment, {name: found for name, found in differs.items() if found.any()})

    def _suspicion(self, what: str, found: Sequence["_Change"]) -> Suspicion:
        first, name = found[0], next(iter(found[0].changed))
        place, count = int(np.flatnonzero(first.changed[name])[-1]), first.rows_changed
        now, then = (table[name][place].as_py() for table in (first.now, first.then))
        row = ", ".join(f"{key} {first.now[key][place].as_py()}" for key in self._source.key)
        at = f"{EPOCH + timedelta(microseconds=first.moment):%Y-%m-%d %H:%M}"
        return Suspicion(
            tuple(dict.fromkeys(f"{self._source.name}.{column}" for one in found for column in one.changed)),
            Severity.ERROR,
            f"change with records that became known later: of {len(first.now):,} rows known by {at} UTC {count:,} have "
            f"other values without these, such as {name} of the row of {row}: {then} becomes {now}",
            "A feature that reads such a row as of its known_at reads what was not known.",
            REMEDIES[what],
            {"source": self._source.name, "function": what, "changed_rows": count, "rows": len(first.now), "at": at},
        )


@dataclass(frozen=True, eq=False)
class _Change:
    """The rows known by a moment, as they are now and as they are without later records, and what differs."""

    now: pa.Table
    then: pa.Table
    moment: int
    changed: Mapping[str, NDArray[np.bool_]]

    @property
    def rows_changed(self) -> int:
        return int(np.any(list(self.changed.values()), axis=0).sum())


def _derived(source: Source, raw: pa.Table) -> tuple[pa.Table, Positions]:
    """Return the rows that have their times, and which of the raw records each is of."""
    batch = read_batch(source, raw)
    rows, record = batch.rows.select(source.column_names), batch.numbers[batch.positions]
    timed = pc.and_(rows[KNOWN_AT].is_valid(), rows[EVENT_TIME].is_valid())
    return rows.filter(timed), record[np.asarray(timed)]


def _names(raw: pa.Table) -> pa.Array:
    """Return where each record stands in which file."""
    return pc.binary_join_element_wise(
        raw[SOURCE_FILE].cast(pa.string()), raw[SOURCE_LINE].cast(pa.string()), "/"
    ).combine_chunks()


def column_differs(one: pa.ChunkedArray, other: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return (n,) whether two columns' values differ; what is missing, or no number, is the same on both sides."""
    if one.equals(other):
        return np.zeros(len(one), np.bool_)
    if pa.types.is_floating(one.type):
        a, b = one.to_numpy().astype(np.float64), other.to_numpy().astype(np.float64)
        far: NDArray[np.bool_] = ~np.isclose(a, b, rtol=SAME, atol=SAME, equal_nan=True)
        return far
    unlike = pc.fill_null(pc.not_equal(one, other), pa.scalar(False))
    found: NDArray[np.bool_] = np.asarray(pc.or_(unlike, pc.xor(one.is_null(), other.is_null())))
    return found
