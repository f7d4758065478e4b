"""Models in a real MLflow: nothing half-registered, nothing loaded that was not registered byte by byte."""

import itertools
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlsys_resources.artifact_files import LocalFiles, RemoteFiles, RunPlace
from mlsys_resources.manifest import MANIFEST_NAME, TamperedArtifact
from mlsys_resources.mlflow_connection import HttpBounds, ModelStoreError
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_rows import ModelVersion
from mlsys_resources.operations_store import Conflict, OperationsStore, UnknownModel
from mlsys_resources.run_log import DatasetVersion, RunLog

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
CONTENT = {
    "model.txt": b"tree\nversion=v4\n" * 50,
    "preprocessing.json": b'{"mean": 0.25}',
    "onnx/mlp.onnx": b"\x08\x0a",
}
RECORD = {"passport.json": b'{"lake": 3}', "plots/loss.svg": b"<svg/>"}
EVERY_FILE = [*CONTENT, *RECORD, MANIFEST_NAME]


@dataclass
class World:
    """One MLflow store, one operations store, and a new system's name for every test."""

    root: Path
    operations: OperationsStore
    models: ModelStore
    system: str = ""

    def run(self, **changes: Any) -> str:
        return self.models.log_run(replace(RunLog(self.system, "lightgbm"), **changes))

    def register(self, run_id: str | None = None, **changes: Any) -> ModelVersion:
        what: dict[str, Any] = {"content": CONTENT, "record": RECORD, "as_of": JULY} | changes
        return self.models.register(self.system, "lightgbm", run_id=run_id or self.run(), **what)

    def folder(self, version: ModelVersion) -> Path:
        (found,) = (self.root / "artifacts").rglob(f"{version.run_id}/artifacts/model-*")
        return found

    @property
    def client(self) -> Any:
        return self.models._client

    def versions_in_mlflow(self) -> list[int]:
        return sorted(int(each.version) for each in self.client.search_model_versions(f"name = '{self.system}'"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("store")
    operations = OperationsStore(f"sqlite:///{root}/operations.db", clock=lambda: JULY)
    models = ModelStore(
        f"sqlite:///{root}/mlflow.db", operations=operations, artifact_root=root / "artifacts", clock=lambda: JULY
    )
    yield World(root, operations, models)
    operations.close()


numbers = itertools.count(1)


@pytest.fixture
def world(shared: World) -> World:
    return replace(shared, system=f"system_{next(numbers)}")


@pytest.fixture(params=["local", "through_mlflow"])
def either(world: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """The world with its files read directly, and then through MLflow's client as from a server."""
    local = LocalFiles(world.root / "artifacts")
    world.client.create_experiment(world.system, artifact_location=local.location(world.system))
    world.models.__dict__["_files"] = local if request.param == "local" else RemoteFiles(world.client)
    yield world
    world.models.__dict__["_files"] = local


# -- runs -----------------------------------------------------------------------------------------


def test_a_run_says_what_it_was_told(either: World) -> None:
    parent = either.run(name="study")
    run_id = either.run(
        params={"rounds": 120, "rate": 0.1},
        metrics={"test/auc[origin=EWR]": 0.75, "nan": float("nan")},
        curves={"loss": [0.7, 0.6, 0.55]},
        tags={"owner": "ops", "dagster_run": "d1"},
        datasets=[DatasetVersion("flights", "12", "lake/flights", "training")],
        artifacts={"plots/calibration.svg": b"<svg/>", "report.md": b"# one"},
        parent_run_id=parent,
    )
    run = either.client.get_run(run_id)
    assert (run.info.status, run.info.run_name, run.info.start_time) == ("FINISHED", "lightgbm", 1372636800000)
    assert run.data.params == {"rounds": "120", "rate": "0.1"}
    assert run.data.metrics["test/auc_origin_EWR_"] == 0.75
    assert run.data.tags.items() >= {"owner": "ops", "dagster_run": "d1", "mlflow.parentRunId": parent}.items()
    history = either.client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 0.7), (1, 0.6), (2, 0.55)]
    (table,) = run.inputs.dataset_inputs
    assert (table.dataset.name, table.dataset.digest, table.tags[0].value) == ("flights", "12", "training")
    assert either.client.download_artifacts(run_id, "plots/calibration.svg", str(either.root)).endswith(".svg")
    assert {item.path for item in either.client.list_artifacts(run_id)} == {"plots", "report.md"}


def test_a_run_leads_to_its_page(world: World) -> None:
    run_id = world.run()
    experiment = world.client.get_run(run_id).info.experiment_id
    place, kind = f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{run_id}", "?workflowType=machine_learning"
    assert world.models.run_url(run_id) == f"{place}{kind}"
    assert world.models.run_url(run_id, artifact="plots/a.png") == f"{place}/artifacts/plots/a.png{kind}"


def test_two_stores_may_make_one_experiment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = world.client.get_experiment_by_name, []

    def late(name: str) -> Any:
        asked.append(name)
        if len(asked) > 1:
            return real(name)
        world.client.create_experiment(name)  # somebody else, between the question and the answer
        return None

    monkeypatch.setattr(world.client, "get_experiment_by_name", late)
    assert world.client.get_run(world.run()).info.status == "FINISHED"


@pytest.mark.parametrize("method", ["log_batch", "log_inputs"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), RuntimeError("boom")])
def test_a_run_that_cannot_be_written_is_failed(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(world.client, method, broken)
    expected = ModelStoreError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        world.run(params={"a": 1}, datasets=[DatasetVersion("flights", "1", "lake", "training")])
    experiment = world.client.get_experiment_by_name(world.system)
    (run,) = world.client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    with pytest.raises(ValueError, match="is FAILED; a model is registered from a FINISHED run only"):
        world.register(run.info.run_id)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x'; drop table experiments; --", "file:///etc", "a" * 64, "é"])
def test_a_hostile_experiment_or_system_is_refused(world: World, name: str) -> None:
    """Faults 43 and 44."""
    with pytest.raises(ValueError, match="not an allowed name"):
        world.run(experiment=name)
    with pytest.raises(ValueError, match="not an allowed name"):
        world.models.register(name, "lightgbm", run_id="r", content=CONTENT, record={}, as_of=JULY)
    with pytest.raises(ValueError, match="not an allowed name"):
        world.models.load(name, 1)


# -- registering and loading ----------------------------------------------------------------------


def test_what_was_registered_is_what_is_loaded(either: World) -> None:
    run_id = either.run()
    version = either.register(run_id, tags={"owner": "ops"})
    loaded = either.models.load(either.system, version.version)
    assert loaded.version == version == either.operations.model(either.system, 1)
    assert loaded.files == {**CONTENT, **RECORD}
    assert (loaded.manifest.sha256, loaded.manifest.content_hash) == (version.manifest_sha256, version.content_hash)
    shown = either.client.get_model_version(either.system, "1")
    assert shown.run_id == run_id
    assert shown.tags == {
        "owner": "ops", "candidate": "lightgbm", "content_hash": version.content_hash, "as_of": JULY.isoformat()
    }  # fmt: skip


def test_a_step_run_again_finds_the_version_that_is_there(world: World) -> None:
    first = world.register()
    assert world.register(record={"passport.json": b"{}"}) == first
    assert world.register(as_of=AUGUST).version == 2
    assert world.register(content={**CONTENT, "model.txt": b"other"}).version == 3
    assert world.versions_in_mlflow() == [1, 2, 3]


def test_local_models_are_loaded_without_mlflow(world: World) -> None:
    """So a prediction tick does not wait seconds for an import; and the state folder can move as one."""
    version = world.register()
    moved = world.root / f"moved_{world.system}"
    shutil.copytree(world.root / "artifacts", moved)
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from mlsys_resources.model_store import ModelStore\n"
        "from mlsys_resources.operations_store import OperationsStore\n"
        "clock = lambda: datetime(2013, 7, 1, tzinfo=UTC)\n"
        "operations = OperationsStore(sys.argv[1], clock=clock)\n"
        "models = ModelStore('sqlite:////nowhere/mlflow.db', operations=operations,\n"
        "                    artifact_root=sys.argv[2], clock=clock)\n"
        "print(len(models.load(sys.argv[3], 1).files), sorted({'mlflow', 'pandas', 'requests'} & set(sys.modules)))\n"
    )
    arguments = [f"sqlite:///{world.root}/operations.db", str(moved), world.system]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(CONTENT) + len(RECORD)} []\n"
    assert version.source.startswith(world.system)


def test_a_candidate_is_saved_and_read_without_being_registered(either: World) -> None:
    saved = either.models.save(either.run(), content=CONTENT, record=RECORD)
    assert either.models.read(saved) == CONTENT
    assert either.versions_in_mlflow() == []
    assert either.operations.models(either.system) == ()
    for wrong in (replace(saved, content_hash="0" * 64), replace(saved, manifest_sha256="0" * 64)):
        with pytest.raises(TamperedArtifact, match=r"manifest\.json"):
            either.models.read(wrong)


@pytest.mark.parametrize("source", ["../x", "/etc", "a/../../b", "nowhere/at/all", ""])
def test_a_source_that_leads_elsewhere_is_refused(world: World, source: str) -> None:
    saved = world.models.save(world.run(), content=CONTENT, record=RECORD)
    with pytest.raises(TamperedArtifact):
        world.models.read(replace(saved, source=source))


def test_a_run_can_be_added_to(either: World) -> None:
    run_id = either.run(metrics={"loss": 0.5}, artifacts={"a.md": b"a"})
    either.models.add_to_run(run_id, metrics={"auc[origin=EWR]": 0.7}, artifacts={"plots/b.svg": b"b"})
    run = either.client.get_run(run_id)
    assert run.data.metrics == {"loss": 0.5, "auc_origin_EWR_": 0.7}
    assert run.info.status == "FINISHED"
    assert {item.path for item in either.client.list_artifacts(run_id)} == {"a.md", "plots"}
    with pytest.raises(ModelStoreError, match="nothing could be added to run unknown"):
        either.models.add_to_run("unknown", metrics={"loss": 0.5})


@pytest.mark.parametrize("version", [2, 99])
def test_what_has_no_trusted_record_does_not_exist(world: World, version: int) -> None:
    known = world.register()
    world.client.create_model_version(world.system, f"runs:/{known.run_id}/x", known.run_id)  # by somebody else
    assert world.versions_in_mlflow() == [1, 2]
    with pytest.raises(UnknownModel, match=r"known are \[1\]"):
        world.models.load(world.system, version)


def test_two_processes_registering_one_model_end_with_one_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = world.run(), world.run()
    other_process = OperationsStore(f"sqlite:///{world.root}/operations.db", clock=lambda: JULY)
    with monkeypatch.context() as patch:
        patch.setattr(world.operations, "find_model", lambda *_, **__: None)  # neither has seen the other yet
        patch.setattr(world.operations, "record_model", other_process.record_model)
        first, second = world.register(ours), world.register(theirs)
    assert first == second
    assert world.versions_in_mlflow() == [first.version]
    assert world.operations.models(world.system) == (first,)
    other_process.close()


def test_a_registry_that_starts_anew_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.register()
    monkeypatch.setattr(world.models, "_new_version", lambda *_, **__: first.version)
    monkeypatch.setattr(world.models, "_forget", lambda *_: None)
    with pytest.raises(Conflict, match="do not belong together"):
        world.register(content={"model.txt": b"other"})
    assert world.models.load(world.system, first.version).files["model.txt"] == CONTENT["model.txt"]


@pytest.mark.parametrize("step", ["create_registered_model", "create_model_version", "get_run"])
def test_what_fails_on_the_way_leaves_nothing_on_record(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    run_id = world.run()

    def broken(*_: object, **__: object) -> None:
        from mlflow.exceptions import MlflowException

        raise MlflowException("the server went away")

    with monkeypatch.context() as patch:
        patch.setattr(world.client, step, broken)
        with pytest.raises(ModelStoreError, match=r"is not on record .*the server went away.*run the step again"):
            world.register(run_id)
    assert world.operations.models(world.system) == ()
    assert world.register(run_id).version == 1  # and the step run again succeeds


def test_a_record_that_cannot_be_written_takes_its_version_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the operations store went away")

    with monkeypatch.context() as patch:
        patch.setattr(world.operations, "record_model", broken)
        with pytest.raises(RuntimeError, match="went away"):
            world.register()
    assert world.versions_in_mlflow() == []
    world.register()
    assert len(world.operations.models(world.system)) == 1


@pytest.mark.parametrize("content", [{}, {"model.pkl": b""}, {"../model.txt": b""}, {"code/x.py": b""}])
def test_files_that_are_not_allowed_reach_no_disk(world: World, content: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"allowed|at least one"):
        world.register("r", content=content)
    assert world.operations.models(world.system) == ()


def test_no_experiment_leads_out_of_the_root(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault 44: the root of artifacts is fixed, whatever an experiment in MLflow says; so it can also be moved."""
    world.client.create_experiment(world.system, artifact_location=tmp_path.as_uri())
    version = world.register(world.run(artifacts={"report.md": b"x"}))
    assert world.models.load(world.system, version.version).files == {**CONTENT, **RECORD}
    assert list(tmp_path.iterdir()) == []
    assert f"looks for the files of experiment {world.system} at {tmp_path.as_uri()}" in caplog.text


def test_a_run_of_an_experiment_with_a_hostile_name_is_refused(world: World) -> None:
    run = world.client.create_run(world.client.create_experiment(f"../{world.system}"))
    world.client.set_terminated(run.info.run_id)
    with pytest.raises(ValueError, match="not an allowed name"):
        world.register(run.info.run_id)


# -- tampering ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["flip", "truncate", "append", "empty", "remove", "swap"])
def test_any_file_that_differs_is_refused(either: World, how: str) -> None:
    """Faults 33 and 34: every file, the manifest among them."""
    version = either.register()
    for name, other in zip(EVERY_FILE, [*EVERY_FILE[1:], EVERY_FILE[0]], strict=True):
        path, twin = either.folder(version) / name, either.folder(version) / other
        good, second = path.read_bytes(), twin.read_bytes()
        if how == "remove":
            path.unlink()
        elif how == "swap":
            path.write_bytes(second)
            twin.write_bytes(good)
        else:
            path.write_bytes({
                "flip": good[:-1] + bytes([good[-1] ^ 1]), "truncate": good[:-1], "append": good + b" ", "empty": b"",
            }[how])  # fmt: skip
        with pytest.raises(TamperedArtifact) as refused:
            either.models.load(either.system, version.version)
        assert refused.value.file in (name, other) if how == "swap" else refused.value.file == name
        path.write_bytes(good)
        twin.write_bytes(second)
    assert either.models.load(either.system, version.version).files == {**CONTENT, **RECORD}


@pytest.mark.parametrize("name", ["MLmodel", "code/loader.py", "conda.yaml", "model2.txt", "onnx/more/x.onnx"])
def test_an_added_file_is_refused(either: World, name: str) -> None:
    """Faults 35 and 36: there is no MLmodel to edit and no code that a loader would run."""
    version = either.register()
    path = either.folder(version) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"loader_module: evil")
    with pytest.raises(TamperedArtifact, match=name):
        either.models.load(either.system, version.version)


def test_a_model_in_the_place_of_another_is_refused(world: World) -> None:
    """The manifest of the other one is consistent in itself, but it is not the one on record."""
    first, second = world.register(), world.register(content={**CONTENT, "model.txt": b"other"})
    shutil.rmtree(world.folder(first))
    shutil.copytree(world.folder(second), world.root / "artifacts" / first.source)
    with pytest.raises(TamperedArtifact, match=r"manifest\.json: its SHA-256"):
        world.models.load(world.system, first.version)


@pytest.mark.parametrize("how", ["link to a file", "link to a folder", "pipe", "folder is a link"])
def test_a_link_or_a_pipe_is_refused(world: World, tmp_path: Path, how: str) -> None:
    version = world.register()
    folder = world.folder(version)
    if how == "link to a file":
        shutil.copy(folder / "model.txt", tmp_path / "model.txt")
        (folder / "model.txt").unlink()
        (folder / "model.txt").symlink_to(tmp_path / "model.txt")
    elif how == "link to a folder":
        (folder / "more").symlink_to(tmp_path)
    elif how == "pipe":
        (folder / "model.txt").unlink()
        os.mkfifo(folder / "model.txt")
    else:
        shutil.move(folder, tmp_path / "model")
        folder.symlink_to(tmp_path / "model")
    with pytest.raises(TamperedArtifact, match=r"no plain file|symbolic link"):
        world.models.load(world.system, version.version)


def test_a_manifest_of_any_size_is_not_read(world: World) -> None:
    version = world.register()
    with (world.folder(version) / MANIFEST_NAME).open("r+b") as file:
        file.truncate(2**30)
    with pytest.raises(TamperedArtifact, match=r"manifest\.json: it has 1073741824 bytes"):
        world.models.load(world.system, version.version)


def test_a_trusted_record_that_was_changed_is_refused(world: World) -> None:
    version = world.register()
    with sqlite3.connect(world.root / "operations.db") as database:
        database.execute("UPDATE mlsys_models SET content_hash = 'x' WHERE system = ?", (world.system,))
    database.close()
    with pytest.raises(TamperedArtifact, match="its content is not x"):
        world.models.load(world.system, version.version)


# -- a full disk ----------------------------------------------------------------------------------

FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime
from mlsys_resources.model_store import ModelStore
from mlsys_resources.mlflow_connection import ModelStoreError
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.run_log import RunLog
root, system, run_id = sys.argv[1:]
clock = lambda: datetime(2013, 7, 1, tzinfo=UTC)
operations = OperationsStore(f"sqlite:///{root}/operations.db", clock=clock)
uri, files = f"sqlite:///{root}/mlflow.db", f"{root}/artifacts"
models = ModelStore(uri, operations=operations, artifact_root=files, clock=clock)
models._client
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000))
big = {"model.txt": b"x" * 30_000_000}
for step in (
    lambda: models.register(system, "lightgbm", run_id=run_id, content=big, record={}, as_of=clock()),
    lambda: models.log_run(RunLog(system, "too_big", artifacts=big)),
):
    try:
        step()
    except ModelStoreError as error:
        print(error)
"""


def test_a_full_disk_is_a_clear_failure_with_nothing_registered(world: World) -> None:
    run_id = world.run()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(world.root), world.system, run_id],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, second = done.stdout.splitlines()
    assert "'lightgbm' could not be registered, and is not on record (OSError: [Errno 27] File too large" in first
    assert "could not be logged" in second
    assert "check the disk's space" in first
    assert world.operations.models(world.system) == ()
    assert world.versions_in_mlflow() == []
    statuses = {
        run.info.run_name: run.info.status
        for run in world.client.search_runs([world.client.get_experiment_by_name(world.system).experiment_id])
    }
    assert statuses == {"lightgbm": "FINISHED", "too_big": "FAILED"}
    assert not [path for path in (world.root / "artifacts" / world.system).rglob("*") if path.is_file()]


def test_what_the_disk_lost_is_noticed_before_anything_is_registered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalFiles.save

    def lossy(self: LocalFiles, run: RunPlace, folder: str, files: dict[str, bytes]) -> str:
        return real(
            self, run, folder, {name: data[:-1] if name == "model.txt" else data for name, data in files.items()}
        )

    monkeypatch.setattr(LocalFiles, "save", lossy)
    with pytest.raises(TamperedArtifact, match=r"model\.txt"):
        world.register()
    assert world.operations.models(world.system) == ()
    assert world.versions_in_mlflow() == []


# -- aliases --------------------------------------------------------------------------------------


def test_mlflow_shows_the_alias_that_was_decided(world: World) -> None:
    assert world.models.mirrored_alias(world.system, "champion") is None  # nor a model that could have one
    first, second = world.register(), world.register(content={"model.txt": b"other"})
    world.models.mirror_alias(world.system, "champion")  # nothing decided yet: nothing shown
    assert world.models.mirrored_alias(world.system, "champion") is None
    for revision, version in enumerate((first, second)):
        world.operations.set_alias(
            world.system, "champion", version=version.version, content_hash=version.content_hash, as_of=JULY,
            expected_revision=revision, reason="gate passed",
        )  # fmt: skip
        world.models.mirror_alias(world.system, "champion")
        shown = world.client.get_model_version_by_alias(world.system, "champion")
        assert int(shown.version) == version.version == world.models.mirrored_alias(world.system, "champion")


def test_an_alias_that_moves_while_it_is_copied_is_copied_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = world.register(), world.register(content={"model.txt": b"other"})

    def move(version: ModelVersion, expected: int) -> None:
        world.operations.set_alias(
            world.system, "champion", version=version.version, content_hash=version.content_hash, as_of=JULY,
            expected_revision=expected, reason="gate passed",
        )  # fmt: skip

    move(first, 0)
    real, calls = world.client.set_registered_model_alias, []

    def slow(*arguments: str) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            move(second, 1)  # and its own mirror has already run
        real(*arguments)

    monkeypatch.setattr(world.client, "set_registered_model_alias", slow)
    world.models.mirror_alias(world.system, "champion")
    assert int(world.client.get_model_version_by_alias(world.system, "champion").version) == second.version


# -- a server -------------------------------------------------------------------------------------


def test_an_unreachable_server_fails_with_nothing_registered(tmp_path: Path, clock: Callable[[], datetime]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
    operations = OperationsStore(f"sqlite:///{tmp_path}/operations.db", clock=clock)
    models = ModelStore(
        uri, operations=operations, artifact_root=tmp_path / "artifacts", clock=clock,
        bounds=HttpBounds(timeout_s=1, retries=1, backoff_s=0),
    )  # fmt: skip
    with pytest.raises(
        ModelStoreError, match=f"'r' of experiment 'flights' could not be logged.*check that MLflow at {uri}"
    ):
        models.log_run(RunLog("flights", "r"))
    with pytest.raises(ModelStoreError, match="is not on record"):
        models.register("flights", "lightgbm", run_id="a" * 32, content=CONTENT, record=RECORD, as_of=JULY)
    assert operations.models("flights") == ()
    assert not (tmp_path / "artifacts").exists()
    operations.close()


@pytest.mark.prove
def test_a_real_server_keeps_models_and_a_stop_of_it_is_a_clear_failure(
    tmp_path: Path, clock: Callable[[], datetime]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", "--backend-store-uri",
         f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", str(tmp_path / "server")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=tmp_path,
    )  # fmt: skip
    try:
        uri = f"http://127.0.0.1:{port}"
        _wait_for(f"{uri}/health")
        operations = OperationsStore(f"sqlite:///{tmp_path}/operations.db", clock=clock)
        models = ModelStore(uri, operations=operations, artifact_root=tmp_path / "unused", clock=clock)
        run_id = models.log_run(RunLog("flights", "r", metrics={"auc": 0.75}, artifacts={"a/b.md": b"x"}))
        version = models.register("flights", "lightgbm", run_id=run_id, content=CONTENT, record=RECORD, as_of=JULY)
        assert models.load("flights", version.version).files == {**CONTENT, **RECORD}
        assert models.run_url(run_id).startswith(f"{uri}/#/experiments/")
        (stored,) = (tmp_path / "server").rglob("model.txt")
        stored.write_bytes(CONTENT["model.txt"].replace(b"4", b"5", 1))
        with pytest.raises(TamperedArtifact, match=r"model\.txt"):
            models.load("flights", version.version)
    finally:
        os.killpg(server.pid, 15)
        server.wait()
    with pytest.raises(ModelStoreError, match="check that MLflow"):
        models.load("flights", version.version)
    operations.close()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
