"""A person's rows go for good from every byte of the state folder, and what learned from them serves no more."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pyarrow.compute as pc
import pytest

from mlsys_assets import FixedClock, build_definitions, days, utc
from mlsys_assets.commands.doctor import examine
from mlsys_assets.commands.erasure_plan import Affected, plan
from mlsys_assets.commands.erasure_steps import _retire, begin, carry_out
from mlsys_assets.commands.rebuild import CannotRebuild, rebuild
from mlsys_assets.commands.rollback import roll_back
from mlsys_assets.replay import Replay
from mlsys_assets.runs import Runner
from mlsys_assets.state_folder import own
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_erasures import Erasure, Retirement
from mlsys_resources.operations_store import RetiredModel
from mlsys_resources.resources import build_resources
from mlsys_resources.table_version import RowsGone
from mlsys_resources.value_search import mentions

from .conftest import NOW, TICKS, WHO, WHY, Home


def test_the_plan_lists_rows_versions_and_models_and_changes_nothing(home: Home) -> None:
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    found = home.planned()
    assert found.keys == {"asked 1a"}
    assert found.rows == {
        f"rain.{table}": 1
        for table in ("features", "labels", "people", "predictions", "profile", "weather", "weather_quarantine")
    }
    assert set(found.tables["rain", "labels"].versions) == {2, 3}
    assert [model.version for model in found.affected.models] == [2, 3]
    assert found.shared[:2] == ("origin_wet_3h", "origin_damp_3h")  # of weather, by a key that others share
    assert WHO not in json.dumps(found.record())
    assert {p: p.read_bytes() for p in before if p.suffix == ".parquet" or "mlartifacts" in p.parts} == {
        p: data for p, data in before.items() if p.suffix == ".parquet" or "mlartifacts" in p.parts
    }


def test_before_it_the_value_is_found_where_it_was_put(home: Home) -> None:
    """Else a search that finds nothing afterwards would say nothing."""
    found = {str(path.relative_to(home.path).parts[-1]) for path in mentions(home.path, WHO)}
    assert {"web.log", "mlflow.db"} <= found
    assert any(name.startswith("operations.db") for name in found)
    assert sum(name.endswith(".parquet") for name in found) == 4  # weather, people, profile, quarantine


def test_an_erasure_leaves_nothing_of_the_one_and_all_of_the_others(home: Home) -> None:
    assert home.erased() == []
    home.require_gone()
    assert [finding.summary for finding in examine(home.stores) if not finding.passed] == []


def test_versions_that_held_a_row_can_never_be_read_again_and_others_can(home: Home) -> None:
    home.erased()
    lake = home.stores.lake
    for version in (2, 3):
        with pytest.raises(RowsGone, match=f"version {version} of rain.labels cannot be read any more"):
            lake.read("rain", "labels", version=version)
    assert lake.read("rain", "labels", version=1).num_rows == 2


def test_files_of_affected_models_are_gone_and_those_of_others_load(home: Home) -> None:
    home.erased()
    models = home.stores.models
    assert models.load("rain", 1).content
    for version in (2, 3):
        with pytest.raises(RetiredModel, match=f"rain version {version} is retired"):
            models.load("rain", version)
    assert len(list((home.path / "mlartifacts" / "rain").rglob("bundle.json"))) == 1


def test_samples_of_rows_and_searches_under_way_go_where_a_training_is_affected(home: Home) -> None:
    for system in ("rain", "other"):
        (home.path / "searches" / system / "2013-03-19").mkdir(parents=True)
    samples = home.path / "mlartifacts" / "rain"
    assert len(list(samples.rglob("samples/*.csv"))) == 6
    home.erased()
    left = list(samples.rglob("samples/*.csv"))
    as_ofs = [home.stores.models._client.get_run(path.parts[-4]).data.tags["as_of"] for path in left]
    assert as_ofs == [(TICKS[0] + days(14)).isoformat()] * 2
    assert len(list(samples.rglob("plots/*"))) == 3  # which tell of no row
    assert [path.name for path in (home.path / "searches").iterdir()] == ["other"]


def test_a_copy_of_what_a_server_gave_goes_too_and_that_of_another_stays_as_it_is(home: Home) -> None:
    models = home.stores.operations.models("rain")
    for model in models:
        copy = home.path / "mlartifacts" / "verified" / model.manifest_sha256 / "artifacts"
        copy.mkdir(parents=True)
        (copy / "manifest.json").write_text(f"of {WHO}?" if model.version == 1 else "x")
    left = home.erased()
    kept = list((home.path / "mlartifacts" / "verified").rglob("*.json"))
    assert [path.parts[-3] for path in kept] == [models[0].manifest_sha256]
    assert kept[0].read_text() == f"of {WHO}?"  # a person must look: its bytes are on record
    assert len(left) == 1
    assert left[0].startswith(str(kept[0]))


def test_what_a_server_does_not_delete_is_told_and_the_rest_is_done(home: Home, monkeypatch) -> None:
    from mlsys_resources.artifact_files import LocalFiles, ServedElsewhere

    def refused(self: LocalFiles, source: str) -> bool:
        raise ServedElsewhere(f"{source} lies elsewhere")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "discard", lambda self, source: "verified" in source or refused(self, source))
        left = home.erased()
    assert len(left) == 6  # two models, their candidates' folders among them, and the samples of four runs
    assert all("lies elsewhere" in each for each in left)
    assert home.stores.operations.erasures("rain")[0].done_at is None
    assert home.erased() == []
    home.require_gone()


def test_with_no_unaffected_champion_there_is_none_until_the_next_training(home: Home) -> None:
    with home.stores.operations._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM mlsys_alias_attempts WHERE version = 1")
    said: list[str] = []
    stores = home.stores
    found = home.planned()
    carry_out(
        stores, found, begin(stores, found, system="rain", reason=WHY, now=NOW), systems=("rain",), say=said.append
    )
    (told,) = [line for line in said if line.startswith("rain: no champion")]
    for words in (
        "nothing is predicted until",
        "job rain_train does at once",
        "`mlsys ledger rain` says what it lacks",
    ):
        assert words in told
    assert stores.operations.alias("rain", "champion").version in stores.operations.retired("rain")


def test_a_short_value_is_not_looked_for_in_texts(home: Home) -> None:
    (home.path / "service_logs" / "web.log").write_text("x 17 y")
    assert mentions(home.path, "17") == []


def test_what_cannot_be_taken_out_is_told_and_the_erasure_is_not_done(home: Home) -> None:
    (home.path / "dump.bin").write_bytes(b"\xff\x00" + WHO.encode() + b"\x00")
    (left,) = home.erased()
    assert left.startswith(f"{home.path / 'dump.bin'} still holds the value")
    assert home.stores.operations.erasures("rain")[0].done_at is None
    (home.path / "dump.bin").unlink()
    assert home.erased() == []


def test_a_champion_that_does_not_load_is_passed_over_for_the_one_before(home: Home) -> None:
    """The second is unaffected here, and its files are damaged: the first takes the place of the third."""
    stores = home.stores
    stores.operations.retire(Retirement("rain", 3, "e", NOW))
    (file,) = (home.path / "mlartifacts" / stores.operations.model("rain", 2).source).glob("bundle.json")
    file.write_bytes(b"x")
    said: list[str] = []
    _retire(stores, "rain", Affected(), Erasure("rain", "e", "owner", WHY, NOW, {}), said.append)
    assert stores.operations.alias("rain", "champion").version == 1
    assert "version 2 cannot be served" in said[0]
    assert "other former champions, for --to: 1" in said[0]


def test_nobody_goes_back_to_a_retired_champion_though_its_files_are_there(home: Home, monkeypatch) -> None:
    """As behind a server that deletes none, or where an erasure was cut short."""
    with monkeypatch.context() as patch:
        patch.setattr(ModelStore, "discard", lambda *_, **__: False)
        home.erased()
    stores = home.stores
    assert list((home.path / "mlartifacts" / stores.operations.model("rain", 3).source).iterdir())
    found = roll_back("rain", stores.operations, stores.models, reason=WHY, now=stores.clock, to=3)
    assert not found.done
    assert "version 3 is retired" in found.lines[0]
    assert stores.operations.alias("rain", "champion").version == 1
    with pytest.raises(CannotRebuild, match="retired as of 2013-03-19"):
        rebuild(stores, "rain", 3)


def test_the_name_of_a_table_is_not_taken_out_of_texts(home: Home) -> None:
    """Else each log, and Dagster's own history, would lose the names that it rests on."""
    assert not home.planned("observation", "weather").in_texts
    assert not home.planned("owner", "P-1").in_texts
    assert home.planned().in_texts


def test_a_whole_number_is_told_as_its_column_tells_it(home: Home) -> None:
    assert home.planned("count", "005").value == "5"
    with pytest.raises(ValueError, match="'five' is no whole number"):
        home.planned("count", "five")


@pytest.mark.prove
def test_a_life_goes_on_without_what_was_erased_and_trains_anew(life, tmp_path: Path) -> None:
    """Brought in again, the row stays away; and a model that never saw it takes the place of the one retired."""
    path, gone = Path(shutil.copytree(life.stores.home, tmp_path / "home")), "EWR 2013-02-10T05"
    until, environment = utc("2013-04-02"), {"MLSYS_HOME": str(path)}
    with own(path, command="mlsys erase", environment=environment) as owned:
        stores = build_resources(environment, clock=FixedClock(NOW).now)
        found = plan(life.system, [life.system], stores, column="observation", value=gone)
        assert [model.version for model in found.affected.models] == [1, 2]
        begun = begin(stores, found, system="rain", reason=WHY, now=NOW)
        assert carry_out(stores, found, begun, systems=("rain",), say=lambda _: None) == []
        runner = Runner(life.system, build_definitions(life.system, resources=stores), owned.instance)
        runner.ticks("rain_ingest", life.system.calendar.tick_of(utc("2013-02-10")))  # the raw file holds it still
        assert list(Replay(runner, stores, nullcontext).run(until))[-1] == until
    for table in stores.lake.tables("rain"):
        rows = stores.lake.read("rain", table)
        if "observation" in rows.column_names:
            assert not pc.any(pc.equal(rows["observation"], gone)).as_py(), table
    champion = stores.operations.alias("rain", "champion")
    assert champion.version == 3
    assert champion.version not in stores.operations.retired("rain")
    empty = stores.lake.read("rain", "predictions", window=("predict_at", utc("2013-03-19"), utc("2013-04-02")))
    assert empty.num_rows == 0  # nobody served until then
    stores.operations.close()
