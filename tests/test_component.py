"""A defs.yaml gives what a Workspace gives."""

from pathlib import Path

import dagster as dg
import pytest

from mlsys_assets import Workspace
from mlsys_assets.component import _declared
from mlsys_assets.systems.flights.system import flights

DEFS = """
type: mlsys_assets.component.MLSystemsComponent
attributes:
  systems: [{}]
"""


def loaded(folder: Path, *systems: str) -> dg.Definitions:
    (folder / "defs" / "models").mkdir(parents=True)
    (folder / "defs" / "models" / "defs.yaml").write_text(DEFS.format(", ".join(systems)))
    (folder / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "defs"\ndefs_module = "defs"\n'
    )
    return dg.load_from_defs_folder(path_within_project=folder / "defs")


def test_the_graph_is_that_of_a_workspace(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = loaded(tmp_path, "mlsys_assets.systems.flights.system.flights")
    theirs = Workspace(flights, environment={"MLSYS_HOME": str(tmp_path)}).definitions
    dg.Definitions.validate_loadable(mine)
    for name in ("schedules", "sensors"):
        assert {one.name for one in getattr(mine, name)} == {one.name for one in getattr(theirs, name)} != set()
    graphs = [defs.resolve_asset_graph() for defs in (mine, theirs)]
    assert graphs[0].get_all_asset_keys() == graphs[1].get_all_asset_keys()
    jobs = [{job.name for job in defs.get_repository_def().get_all_jobs()} for defs in (mine, theirs)]
    assert jobs[0] == jobs[1] > {"flights_tick", "flights_train"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("flights", "is no module.name"),
        ("nowhere.flights", "there is no module 'nowhere'"),
        ("mlsys_assets.systems.flights.system.fligths", "is not there; name an MLSystem"),
        ("mlsys_assets.systems.flights.system.NEW_YORK", "is a ZoneInfo; name an MLSystem"),
    ],
)
def test_what_is_no_system_is_told(name: str, why: str) -> None:
    with pytest.raises(LookupError, match=why):
        _declared(name)
