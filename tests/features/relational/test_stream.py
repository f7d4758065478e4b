"""Features of more requests than are held at once: the same, in the same order, in the same memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import worlds

from mlsys_assets.features.aggregate import count, last, mean
from mlsys_assets.features.derived import Derived
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.relational.engine import compute
from mlsys_assets.features.relational.stream import stream, write
from mlsys_assets.features.request import Request
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.types import DeclarationError, hours

LIMIT = "256MB"
"""What the database may take in the proof of flat memory."""
FLAT = 1.3
"""How much more memory ten times the rows may take."""


FEATURES: tuple[Feature, ...] = (
    Request("place", "size"),
    Lookup(worlds.PAPERS, by="line", columns=("cost",)),
    Trailing(worlds.EVENTS, by="place", over=hours(4), n=count(), delay=mean("delay"), kind=last("kind")),
    Derived(both=lambda f: f["place_n_4h"] + f["line_cost"]),
)


@pytest.mark.parametrize("at_once", [4, 12, 100])
def test_batches_are_the_same_as_all_at_once(duckdb, tmp_path, at_once: int) -> None:
    random = np.random.default_rng(5)
    features, asked, tables = FEATURES, worlds.asked(random, 12), worlds.tables_of(random, 40)
    wanted = compute(features, asked, tables, key="id", backend=duckdb)
    pq.write_table(asked, tmp_path / "asked.parquet", row_group_size=5)
    reader = stream(features, tmp_path / "asked.parquet", tables, key="id", backend=duckdb, at_once=at_once)
    assert reader.schema == wanted.schema
    assert write(reader, tmp_path / "found.parquet") == 12
    assert pq.read_table(tmp_path / "found.parquet").equals(wanted)


def test_a_table_of_the_database_comes_by_prediction_time(duckdb) -> None:
    random = np.random.default_rng(6)
    features, asked, tables = FEATURES, worlds.asked(random, 12), worlds.tables_of(random, 40)
    wanted = compute(features, asked, tables, key="id", backend=duckdb)
    duckdb.con.register("asked", asked)
    found = stream(features, duckdb.table("asked"), tables, key="id", backend=duckdb, at_once=5).read_all()
    duckdb.con.unregister("asked")
    assert found["predict_at"].to_pylist() == sorted(asked["predict_at"].to_pylist())
    assert found.sort_by("id").equals(wanted.sort_by("id"))


def test_a_folder_of_files_is_read_in_order(duckdb, tmp_path) -> None:
    random = np.random.default_rng(8)
    features, asked, tables = FEATURES, worlds.asked(random, 12), worlds.tables_of(random, 40)
    parts = tmp_path / "asked"
    parts.mkdir()
    for i in range(3):
        pq.write_table(asked.slice(4 * i, 4), parts / f"part-{i}.parquet")
    found = stream(features, parts, tables, key="id", backend=duckdb, at_once=5).read_all()
    assert found.equals(compute(features, asked, tables, key="id", backend=duckdb))


def test_batches_hold_no_more_than_was_said(duckdb, tmp_path) -> None:
    random = np.random.default_rng(7)
    asked, tables = worlds.asked(random, 11), worlds.tables_of(random, 9)
    pq.write_table(asked, tmp_path / "asked.parquet")
    reader = stream(FEATURES, tmp_path / "asked.parquet", tables, key="id", backend=duckdb, at_once=4)
    assert [batch.num_rows for batch in reader] == [4, 4, 3]


def test_what_does_not_fit_is_refused_before_anything_is_read(duckdb, tmp_path) -> None:
    pq.write_table(worlds.REQUESTS.empty_table().drop_columns("place"), tmp_path / "asked.parquet")
    with pytest.raises(DeclarationError, match="'place'"):
        stream(FEATURES, tmp_path / "asked.parquet", {}, key="id", backend=duckdb)


COMPUTED = f"""
import json, resource, sys
from pathlib import Path
import pyarrow as pa
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import age, count, last, mean, sum as total
from mlsys_assets.features.relational.stream import stream, write
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column
from mlsys_assets.types import days, hours
from mlsys_resources.engines import Engine

folder = Path(sys.argv[1])
columns = (Column("id", "int64"), Column("place", "int64"), Column("delay", "float64"))
events = Source("events", read=lambda window: pa.table({{}}), raw=(), columns=columns, derive=lambda t: t, key=("id",))
features = (
    Trailing(events, by="place", over=(hours(3), days(7)), n=count(), delay=mean("delay"), last=last("delay"),
             age=age(), late=count(lambda row: row["delay"] > 15)),
    Trailing(events, by=(), over=hours(1), n=count(), delay=total("delay")),
)
with Engine("duckdb", memory="{LIMIT}", threads=2).open() as backend:
    reader = stream(features, folder / "requests.parquet", {{"events": folder / "events.parquet"}}, key="id",
                    backend=backend, at_once=50_000)
    rows = write(reader, folder / "found.parquet")
print(json.dumps({{"rows": rows, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""


def _synthetic(folder: Path, n: int) -> None:
    """Write ``n`` events and as many requests, by time; their number a day is the same whatever ``n``."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in ("events", "requests"):
        moments = np.sort(random.integers(0, n * 30_000_000, n)).astype("datetime64[us]")
        at = pa.array(moments).cast(pa.timestamp("us", tz="UTC"))
        table = {"id": np.arange(n), "place": random.integers(0, 500, n), "delay": random.integers(-20, 200, n) / 1.0}
        times = {"event_time": at, "known_at": at} if name == "events" else {"predict_at": at}
        pq.write_table(pa.table({**table, **times}), folder / f"{name}.parquet", row_group_size=50_000)


@pytest.mark.prove
def test_ten_times_the_rows_take_the_same_memory(tmp_path) -> None:
    peaks = {}
    for n in (150_000, 1_500_000):  # requests, and as many events
        folder = tmp_path / str(n)
        _synthetic(folder, n)
        done = subprocess.run([sys.executable, "-c", COMPUTED, folder], capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        assert said["rows"] == pq.read_metadata(folder / "found.parquet").num_rows == n
        peaks[2 * n] = said["peak"]
    print(peaks)
    few, many = peaks.values()
    assert many <= FLAT * few, peaks
