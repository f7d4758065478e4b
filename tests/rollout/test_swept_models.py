"""The asset that sweeps the model store marks what no record vouches for, and removes it an hour later."""

import importlib.util
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlsys_assets import FixedClock, build_definitions, utc
from mlsys_resources.orphans import GRACE
from mlsys_resources.resources import build_resources
from mlsys_resources.run_log import RunLog

AS_OF = utc("2013-03-05")


@pytest.fixture(scope="module")
def rain():
    spec = importlib.util.spec_from_file_location("rain", Path(__file__).parents[1] / "systems" / "rain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.rain


def test_what_was_left_is_marked_and_an_hour_later_removed(tmp_path, rain) -> None:
    def swept(now) -> tuple[int, int]:
        stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=FixedClock(now).now)
        assets = list(build_definitions(rain, resources=stores).resolve_asset_graph().assets_defs)
        with dg.DagsterInstance.ephemeral() as instance:
            done = dg.materialize(
                assets, selection=[dg.AssetKey(["rain", "swept_models"])], instance=instance,
                partition_key=rain.calendar.key(AS_OF),
            )  # fmt: skip
        (event,) = done.asset_materializations_for_node("rain__swept_models")
        return event.metadata["marked"].value, event.metadata["removed"].value

    stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=FixedClock(AS_OF).now)
    saved = stores.models.save(stores.models.log_run(RunLog("rain", "x")), content={"model.txt": b"x"}, record={})
    folder = tmp_path / "mlartifacts" / saved.source
    assert folder.is_dir()
    assert swept(AS_OF) == (1, 0)
    assert swept(AS_OF + GRACE - timedelta(seconds=1)) == (1, 0)
    assert folder.is_dir()
    assert swept(AS_OF + GRACE) == (0, 1)
    assert not folder.exists()
    assert swept(AS_OF + 2 * GRACE) == (0, 0)
