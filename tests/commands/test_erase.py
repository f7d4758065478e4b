"""A person's rows go for good from every byte of the state folder, and what learned from them serves no more."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import FixedClock, MLSystem, Workspace, build_definitions, days, utc
from mlsys_assets.cli import main
from mlsys_assets.commands.doctor import examine
from mlsys_assets.commands.erasure_plan import Affected, Plan, plan
from mlsys_assets.commands.erasure_steps import _retire, begin, carry_out
from mlsys_assets.commands.rebuild import CannotRebuild, rebuild
from mlsys_assets.commands.rollback import roll_back
from mlsys_assets.data_ingestion.quarantine import QUARANTINE
from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.bundle import to_files
from mlsys_assets.replay import Replay
from mlsys_assets.runs import Runner
from mlsys_assets.state_folder import own
from mlsys_assets.tables import TIMESTAMP
from mlsys_resources.lake import Lake
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_erasures import Erasure, Retirement
from mlsys_resources.operations_rows import Decision
from mlsys_resources.operations_store import OperationsStore, RetiredModel
from mlsys_resources.resources import Resources, build_resources
from mlsys_resources.run_log import RunLog
from mlsys_resources.table_version import RowsGone
from mlsys_resources.value_search import mentions

SYSTEMS = Path(__file__).parents[1] / "systems"
WHO, WHY, NEXT = "P-90210", "a person asked for it, ticket 17", "P-90211"
"""Whose rows are erased, why, and whose must stay."""
TICKS = [utc("2013-01-01"), utc("2013-02-05"), utc("2013-03-05")]
"""Of three months, each in a file of its own."""
NOW = utc("2013-03-19")
PEOPLE = (NEXT, WHO, NEXT)
"""Who asked in each tick: of the first, the first model knew."""


@pytest.fixture(scope="session")
def rain() -> MLSystem:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SYSTEMS))
        spec = importlib.util.spec_from_file_location("rain_weekly_erased", SYSTEMS / "rain_weekly.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.rain


def opened(home: Path) -> Resources:
    return build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(NOW).now)


def _fill(home: Path) -> None:
    """Three ticks of a few rows, a model trained before and one after the person's, and traces all around."""
    stores = opened(home)
    for n, (tick, who) in enumerate(zip(TICKS, PEOPLE, strict=True)):
        at, names = pa.array([tick, tick], TIMESTAMP), [f"asked {n}a", f"asked {n}b"]
        for table, columns in {
            "weather": {"observation": names, "owner": pa.array([who, NEXT]), "known_at": at},
            "features": {"observation": names, "predict_at": at, "x": pa.array([0.5 * n, 1.0])},
            "labels": {"observation": names, "known_at": at, "label": pa.array([1.0, 0.0])},
            "predictions": {"observation": names, "score": pa.array([0.1, 0.2])},
        }.items():
            rows = pa.table(columns)
            stores.lake.write_ticks(
                "rain", table, rows.append_column("tick", at), schema=rows.schema, ticks=[tick], run_id=f"run {n}"
            )
        record = json.dumps({"by": who, "x": "?"})
        broken = [("not a number", "x", "?", record, tick, "file", n)]
        rows = pa.table(list(map(list, zip(*broken, strict=True))), schema=QUARANTINE).append_column("tick", at[:1])
        stores.lake.write_ticks("rain", "weather_quarantine", rows, schema=QUARANTINE, ticks=[tick], run_id=f"run {n}")
        people = pa.table({"owner": sorted({*PEOPLE[: n + 1]})})
        stores.lake.write_snapshot("rain", "people", people, schema=people.schema, run_id=f"run {n}")
        _train(stores, n + 1, tick + days(14))
    stores.lake.write_snapshot(
        "rain", "profile", pa.table({"category": [WHO, NEXT], "count": [1, 5]}),
        schema=pa.schema([("category", pa.string()), ("count", pa.int64())]), run_id="run",
    )  # fmt: skip
    stores.operations.save_online(
        "rain", signature="s", at=NOW, snapshots="{}", put={("last", WHO.encode()): b"x"}, after=None
    )
    (home / "service_logs").mkdir()
    (home / "service_logs" / "web.log").write_text(f"asked for {WHO} and {WHO}1\n")
    stores.operations.close()


def _train(stores: Resources, version: int, as_of: datetime) -> None:
    tags, sample = {"asked_by": WHO, "as_of": as_of.isoformat()}, {"samples/validation.csv": b"id\nasked 1a\n"}
    run = stores.models.log_run(RunLog("rain", "zero_rule", tags=tags, artifacts={**sample, "plots/curve.svg": b"x"}))
    stores.models.log_run(RunLog("rain", "killed", tags=tags, artifacts=sample))  # before its record
    content = to_files(ZeroRulePredictor(version / 10))
    saved = stores.models.save(run, content=content, record={"passport.json": b"{}"})
    versions = {table: stores.lake.version("rain", table) for table in ("features", "labels")}
    for kind, name, context in (
        ("training_set", "training_set", {"versions": versions}), ("candidate", "zero_rule",
         {"source": saved.source, "manifest_sha256": saved.manifest_sha256, "mlflow_run": run}),
    ):  # fmt: skip
        stores.operations.record(Decision("rain", as_of, kind, name, "adequate", "", {}, context))
    found = stores.models.register(
        "rain", "zero_rule", run_id=run, content=content, record={"passport.json": b"{}"}, as_of=as_of
    )
    stores.operations.set_alias(
        "rain", "champion", version=found.version, content_hash=found.content_hash, as_of=as_of,
        expected_revision=version - 1, reason="better",
    )  # fmt: skip


@dataclass
class Home:
    path: Path
    system: MLSystem

    @property
    def stores(self) -> Resources:
        return opened(self.path)

    def planned(self, column: str = "owner", value: str = WHO) -> Plan:
        return plan(self.system, [self.system], self.stores, column=column, value=value)

    def erased(self) -> list[str]:
        """Erase as the command does, and return what is left."""
        stores, found = self.stores, self.planned()
        erasure = begin(stores, found, system="rain", reason=WHY, now=NOW)
        left = carry_out(stores, found, erasure, systems=("rain",), say=lambda _: None)
        stores.operations.close()
        return left

    def require_gone(self) -> None:
        """Nothing of the person is left, and nothing of anybody else is missing."""
        stores = self.stores
        assert mentions(self.path, WHO) == []
        raw = [path for path in self.path.rglob("*") if path.is_file() and WHO.encode() in path.read_bytes()]
        assert [path.name for path in raw] == ["web.log"]  # where it is the beginning of another's name
        assert (self.path / "service_logs" / "web.log").read_text() == f"asked for [erased] and {WHO}1\n"
        others = ["asked 0a", "asked 0b", "asked 1b", "asked 2a", "asked 2b"]
        for table in ("weather", "features", "labels", "predictions"):
            assert stores.lake.read("rain", table)["observation"].to_pylist() == others, table
        assert stores.lake.read("rain", "people")["owner"].to_pylist() == [NEXT]
        assert stores.lake.read("rain", "profile")["category"].to_pylist() == [NEXT]
        assert stores.lake.read("rain", "weather_quarantine").num_rows == 2
        assert stores.operations.retired("rain") == {2, 3}
        assert stores.operations.alias("rain", "champion").version == 1
        assert [d.name for d in stores.operations.decisions("rain", "retirement")] == ["version 2", "version 3"]
        (erasure,) = stores.operations.decisions("rain", "erasure")
        assert (erasure.reason, erasure.evidence["requests"], erasure.evidence["rows"]["rain.labels"]) == (WHY, 1, 1)
        assert stores.operations.online_position("rain") is None
        (done,) = stores.operations.erasures("rain")
        assert done.done_at == NOW


@pytest.fixture(scope="session")
def asked(made_once: Callable[..., Path]) -> Path:
    return made_once("asked", _fill)


@pytest.fixture
def home(asked: Path, rain: MLSystem, tmp_path: Path) -> Home:
    return Home(Path(shutil.copytree(asked, tmp_path / "home")), rain)


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


STEPS: list[tuple[type, str, int]] = [
    (OperationsStore, "retire", 0), (OperationsStore, "set_alias", 0), (Lake, "erase", 0), (Lake, "erase", 3),
    (ModelStore, "discard", 1), (OperationsStore, "forget_online", 0), (OperationsStore, "record", 1),
    (OperationsStore, "finish_erasure", 0),
]  # fmt: skip


@pytest.mark.parametrize(("store", "step", "after"), STEPS)
def test_cut_short_at_any_step_it_goes_on_when_it_is_asked_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, store: type, step: str, after: int
) -> None:
    done, calls = getattr(store, step), []

    def dies(*args: object, **more: object) -> object:
        calls.append(step)
        if len(calls) > after:
            raise RuntimeError("killed here")
        return done(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(store, step, dies)
        with pytest.raises(RuntimeError, match="killed here"):
            home.erased()
    assert home.stores.operations.erasures("rain")[0].done_at is None
    assert "ask `mlsys erase` for it again" in " ".join(f.summary for f in examine(home.stores) if not f.passed)
    assert home.erased() == []
    home.require_gone()


def test_cut_short_between_commit_and_deletion_it_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlsys_resources import table_erasure

    def dies(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(table_erasure, "delete_files", dies)
        with pytest.raises(RuntimeError, match="killed here"):
            home.erased()
    assert mentions(home.path / "lake", WHO)
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


def test_it_is_refused_while_another_process_owns_the_folder(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    code = "from mlsys_resources.folder_lock import *; from datetime import *; from pathlib import Path\n"
    code += "import sys, time\n"
    code += "with locked(Path(sys.argv[1]), Holder.this('mlsys run', since=datetime.now(UTC))):\n"
    code += "  print('owned', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(home.path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "owned\n"
        assert _command(home, monkeypatch, "--yes") == 1
        owner.kill()
    assert "is in use by mlsys run" in capsys.readouterr().err
    assert home.planned().rows


def _command(home: Home, monkeypatch: pytest.MonkeyPatch, *more: str, where: str = f"owner={WHO}") -> int:
    from mlsys_assets.commands import erase
    from mlsys_assets.systems import workspace as module

    monkeypatch.setattr(os, "environ", dict(os.environ) | {"MLSYS_HOME": str(home.path)})
    monkeypatch.setattr(module, "workspace", Workspace(home.system))

    def anew(**_: object) -> Workspace:
        monkeypatch.setattr(module, "workspace", Workspace(home.system))
        return module.workspace

    monkeypatch.setattr(erase, "asked_workspace", anew)
    return main(["erase", "rain", "--where", where, *(["--reason", WHY] if "--reason" not in more else []), *more])


def test_the_command_tells_first_and_erases_when_it_is_told_to(home: Home, monkeypatch, capsys) -> None:
    assert _command(home, monkeypatch) == 0
    told = capsys.readouterr().out
    assert "rain.weather: 1 rows; 2 version(s) become unreadable" in told
    assert "rain version 3, the champion: retired" in told
    assert "rain: back to version 1, which is not affected" in told
    assert "nothing was changed" in told
    assert home.planned().rows
    assert _command(home, monkeypatch, "--yes") == 0
    assert "rain: erased, on record as" in capsys.readouterr().out
    assert mentions(home.path, WHO) == []
    assert _command(home, monkeypatch, "--yes") == 0
    assert "it was erased as of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "where", "words"),
    [
        ((), "owner", "say COLUMN=VALUE"),
        ((), "colour=red", "no table of rain has a column 'colour'; there are: category"),
        ((), "x=0.5", "'x' is of type double"),
        (("--reason", f"{WHO} asked"), f"owner={WHO}", "the reason holds the value"),
        (("--reason", " "), f"owner={WHO}", "needs a reason"),
    ],
)
def test_what_cannot_be_erased_is_refused_by_name(home: Home, monkeypatch, capsys, more, where, words) -> None:
    assert _command(home, monkeypatch, *more, where=where) == 1
    assert words in capsys.readouterr().err


def test_a_value_that_nobody_has_is_told(home: Home, monkeypatch, capsys) -> None:
    assert _command(home, monkeypatch, "--yes", where="owner=P-00000") == 1
    assert "no row of rain has owner = 'P-00000'" in capsys.readouterr().out


def test_json_is_told_where_nothing_was_changed_too(home: Home, monkeypatch, capsys) -> None:
    assert _command(home, monkeypatch, "--yes", "--json", where="owner=P-00000") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["left"]) == ({}, [])
    assert told["done"] == ["no row of rain has owner = 'P-00000': nothing was changed"]


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


@pytest.mark.prove
def test_killed_at_any_moment_it_goes_on_when_it_is_asked_again(home: Home, tmp_path: Path) -> None:
    code = (
        "import sys; from mlsys_assets.cli import main;"
        "sys.exit(main(['erase', 'rain', '--home', sys.argv[1], '--where', sys.argv[2], '--reason', 'asked', '--yes']))"
    )
    environment = {
        **os.environ,
        "MLSYS_WORKSPACE": "rain_weekly",
        "PYTHONPATH": os.pathsep.join([str(SYSTEMS), *sys.path]),
    }
    call = [sys.executable, "-W", "ignore", "-c", code, str(home.path), f"owner={WHO}"]
    wait, killed = 1.0, 0
    while True:
        with subprocess.Popen(
            call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=SYSTEMS
        ) as run:
            try:
                _, said = run.communicate(timeout=wait)
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                killed, wait = killed + 1, wait + 0.15
                continue
        assert run.returncode == 0, said
        break
    assert killed > 3
    assert mentions(home.path, WHO) == []
    assert home.stores.operations.retired("rain") == {2, 3}
