import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import worlds
from hypothesis import given, strategies as st

from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.online.engine import OnlineFeatures, records
from mlsys_assets.features.request_table import request_columns

Oracle = Callable[..., list[list[Any]]]
FEATURES = worlds.FEATURES


def online(features: Sequence[Feature] = FEATURES) -> OnlineFeatures:
    return OnlineFeatures(features, request_columns(worlds.REQUESTS))


def told(tables: dict[str, pa.Table]) -> list[tuple[str, dict[str, Any]]]:
    """Every row of every table, as an event of its source."""
    return [(name, row) for name, table in tables.items() for row in records(table, table.column_names)]


def read_all(state: OnlineFeatures, asked: pa.Table) -> list[list[Any]]:
    with np.errstate(all="ignore"):
        return [state.read(row, row["predict_at"]) for row in records(asked, asked.column_names)]


def agree(found: list[list[Any]], wanted: list[list[Any]]) -> None:
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            stored = a if a is None or isinstance(a, str) else float(np.float32(a))
            assert stored == b or math.isclose(stored, b, rel_tol=1e-6, abs_tol=worlds.TOLERANCE)


@given(seed=st.integers(0, 2**32 - 1), requests=st.integers(0, 12), rows=st.integers(0, 40), steady=st.booleans())
def test_every_kind_equals_its_definition_whatever_the_order_of_events(
    oracle: Oracle, seed: int, requests: int, rows: int, steady: bool
) -> None:
    random = np.random.default_rng(seed)
    asked, tables = worlds.asked(random, requests), worlds.tables_of(random, rows, steady=steady)
    state, events = online(), told(tables)
    for i in random.permutation(len(events)).tolist():
        assert state.update(*events[i])
    agree(read_all(state, asked), oracle(FEATURES, asked, tables))


@given(seed=st.integers(0, 2**32 - 1))
def test_batch_and_online_give_the_same_bits(seed: int) -> None:
    random = np.random.default_rng(seed)
    asked, tables = worlds.asked(random, 12), worlds.tables_of(random, 40)
    state = online()
    state.load(tables)
    batch = compute(FEATURES, asked, tables, key="id")
    columns = [[None] * asked.num_rows, *map(list, zip(*read_all(state, asked), strict=True))][1:]
    for name, found in zip(state.names, columns, strict=True):
        assert pa.array(found, batch[name].type).equals(batch[name].combine_chunks()), name
