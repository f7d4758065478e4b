"""Future-blindness: no feature changes when what was not yet known is removed or altered."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.tables import KNOWN_AT, PREDICT_AT
from mlsys_assets.types import Finding

Engine = Callable[[pa.Table, Mapping[str, pa.Table]], pa.Table]
"""Computes features from requests and tables: key and time, then one column a feature; rows as requested."""
Positions = NDArray[np.intp]

FUTURE_ROWS = 2_000
"""How many of a table's next rows are altered: the nearest future is what leaks."""
NAMED = 5
"""How many columns a summary names."""


@dataclass(frozen=True)
class Sample:
    """Which requests to test: about ``rows`` at random, with all others of the same prediction times."""

    rows: int = 2_000
    seed: int = 0

    def groups(self, at: NDArray[np.int64]) -> list[Positions]:
        """Return positions of the chosen requests, one array for each prediction time."""
        order = np.argsort(at, kind="stable")
        times, first = np.unique(at[order], return_index=True)
        by_time = np.split(order, first[1:])
        drawn = np.random.default_rng(self.seed).permutation(len(at))
        chosen: list[Positions] = []
        # Drawn by row, so that a time stands as good a chance as it has requests.
        for place in dict.fromkeys(np.searchsorted(times, at[drawn]).tolist()):
            if sum(map(len, chosen)) >= self.rows:
                break
            chosen.append(by_time[place])
        return chosen


@dataclass(frozen=True)
class Outcomes:
    """How a request is told from others, when it is made, and which tables tell what became of it."""

    key: str
    tables: tuple[str, ...]
    predict_at: str = PREDICT_AT


def future_blindness(
    engine: Engine, requests: pa.Table, tables: Mapping[str, pa.Table], *, outcomes: Outcomes, sample: Sample
) -> Finding:
    """Return whether the features of sampled requests stand when their future is another.

    They are computed again in two worlds for each prediction time t: one has neither the requests'
    own outcomes nor anything that became known after t; in the other both say something else. An
    own outcome that was known by t counts as future, too: it betrays a prediction time that lies
    after what is to be predicted. That a row known by t *is* read must be shown by other means: an
    engine that reads nothing passes.
    """
    at = NumpyTable(requests).moments(outcomes.predict_at)
    groups = sample.groups(at)
    rows = np.concatenate([np.empty(0, np.intp), *groups])
    truth = engine(requests.take(pa.array(rows)), tables)
    worlds = _Worlds(tables, outcomes, requests)
    changed: Counter[str] = Counter()
    guilty, done = 0, 0
    for group in groups:
        asked, wanted = requests.take(pa.array(group)), truth.slice(done, len(group))
        touched = np.zeros(len(group), np.bool_)
        for world in worlds.at(int(at[group[0]]), group):
            for name, differs in _differences(wanted, engine(asked, world)):
                changed[name] += int(differs.sum())
                touched |= differs
        guilty, done = guilty + int(touched.sum()), done + len(group)
    return _finding(len(rows), guilty, changed)


class _Worlds:
    """Tables as they would be if the future were missing, or another."""

    def __init__(self, tables: Mapping[str, pa.Table], outcomes: Outcomes, requests: pa.Table) -> None:
        self._tables = {name: table.sort_by(KNOWN_AT).combine_chunks() for name, table in tables.items()}
        self._known = {name: NumpyTable(table).moments(KNOWN_AT) for name, table in self._tables.items()}
        self._own: dict[str, NDArray[np.int64]] = {}
        for name in outcomes.tables:
            # Where in the table each request's outcome stands; -1 where it has none there.
            keys = self._tables[name][outcomes.key].combine_chunks()
            place = pc.fill_null(pc.index_in(requests[outcomes.key].combine_chunks(), value_set=keys), -1)
            self._own[name] = place.to_numpy().astype(np.int64)

    def at(self, moment: int, group: Positions) -> Iterator[dict[str, pa.Table]]:
        """Yield the world without the future of these requests, then the one with another future."""
        without, altered = {}, {}
        for name, table in self._tables.items():
            past = int(np.searchsorted(self._known[name], moment, side="right"))
            own = np.unique(self._own[name][group]) if name in self._own else np.empty(0, np.int64)
            own = own[own >= 0]
            kept = _cut(table.slice(0, past), own[own < past])
            future = np.union1d(np.arange(past, min(past + FUTURE_ROWS, len(table))), own)
            without[name] = kept
            altered[name] = pa.concat_tables([kept, _another(table.take(pa.array(future)))])
        yield without
        yield altered


def _cut(table: pa.Table, out: NDArray[np.int64]) -> pa.Table:
    pieces, begin = [], 0
    for row in out.tolist():
        pieces.append(table.slice(begin, row - begin))
        begin = row + 1
    return pa.concat_tables([*pieces, table.slice(begin)])


def _another(table: pa.Table) -> pa.Table:
    """Return rows of the same keys and times with other numbers: further out, every second one the other way."""
    sign = np.where(np.arange(len(table)) % 2, -1.0, 1.0)
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            other = pc.multiply(pc.add(pc.multiply(pc.abs(table[i]), 3.0), 1000.0), pa.array(sign))
            table = table.set_column(i, field, other.cast(field.type))
    return table


def _differences(wanted: pa.Table, found: pa.Table) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for name in wanted.column_names[2:]:
        mine, theirs = wanted[name].to_pylist(), found[name].to_pylist()
        differs = np.array([a != b for a, b in zip(mine, theirs, strict=True)])
        if differs.any():
            yield name, differs


def _finding(rows: int, guilty: int, changed: Counter[str]) -> Finding:
    worst = ", ".join(name for name, _ in changed.most_common(NAMED))
    summary = f"no feature of {rows} requests changed when their future was removed or altered"
    if guilty:
        summary = (
            f"{guilty} of {rows} requests have features that change with the future, most often {worst}; none may: "
            "look for a prediction time later than the outcome, or for rows read by another time than known_at"
        )
    return Finding("future_blindness", guilty == 0, summary,
                   evidence={"rows": rows, "guilty": guilty, "columns": len(changed), "worst": worst})  # fmt: skip
