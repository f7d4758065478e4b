"""The relational engine on Spark: by definition, and with the same expressions as on DuckDB."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest

HERE = Path(__file__).parent
COMPUTED = """
import importlib.util, sys
from pathlib import Path
import pyarrow.parquet as pq
from mlsys_assets.features.relational.engine import compute
from mlsys_resources.engines import Engine

def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(sys.argv[1]) / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

folder, world = Path(sys.argv[2]), load("conftest").World()
features = load("test_engine")._features(world)
tables = {name: folder / f"{name}.parquet" for name in ("plan", "papers", "fixed")}
tables["events"] = pq.read_table(folder / "events.parquet")
with Engine("pyspark", threads=2, memory="2GB", folder=folder / "spilled").open() as backend:
    found = compute(features, pq.read_table(folder / "asked.parquet"), tables, key="id", backend=backend)
pq.write_table(found, folder / "found.parquet")
"""
"""In a process of its own: a session and its Java stay as long as the process."""


def _engine_test() -> ModuleType:
    spec = importlib.util.spec_from_file_location("test_engine", HERE / "test_engine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.prove
@pytest.mark.parametrize("steady", [True, False])
def test_every_kind_equals_its_definition_on_spark(oracle, world, tmp_path, steady: bool) -> None:
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("Spark is not installed; `make prove` installs it")
    shared = _engine_test()
    random = np.random.default_rng(int(steady))
    asked, tables = world.asked(random, 12), world.tables(random, 40, steady=steady)
    for name, table in {**tables, "asked": asked}.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    done = subprocess.run([sys.executable, "-c", COMPUTED, HERE, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    with np.errstate(over="ignore"):
        shared._agree(pq.read_table(tmp_path / "found.parquet"), oracle(shared._features(world), asked, tables))
