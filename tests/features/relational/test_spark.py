"""The relational engine on Spark: by definition, and with the same expressions as on DuckDB."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import worlds

COMPUTED = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from mlsys_assets.features.relational.engine import compute
from mlsys_resources.engines import Engine

sys.path.insert(0, sys.argv[1])
import worlds

folder = Path(sys.argv[2])
tables = {name: folder / f"{name}.parquet" for name in ("plan", "papers", "mended")}
tables["events"] = pq.read_table(folder / "events.parquet")
with Engine("pyspark", threads=2, memory="2GB", folder=folder / "spilled").open() as backend:
    found = compute(worlds.EXPRESSED, pq.read_table(folder / "asked.parquet"), tables, key="id", backend=backend)
pq.write_table(found, folder / "found.parquet")
"""
"""In a process of its own: a session and its Java stay as long as the process."""


@pytest.mark.prove
@pytest.mark.parametrize("steady", [True, False])
def test_every_kind_equals_its_definition_on_spark(oracle, tmp_path, steady: bool) -> None:
    random = np.random.default_rng(int(steady))
    asked, tables = worlds.asked(random, 12), worlds.tables_of(random, 40, steady=steady)
    for name, table in {**tables, "asked": asked}.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    beside = Path(worlds.__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", COMPUTED, beside, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    found = pq.read_table(tmp_path / "found.parquet")
    with np.errstate(over="ignore"):
        wanted = oracle(worlds.EXPRESSED, asked, tables)
    worlds.agree(found.column_names[2:], worlds.rows_of(found), wanted)
