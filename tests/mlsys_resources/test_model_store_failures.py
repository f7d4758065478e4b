"""A full disk, a server that is away, a record that cannot be written: a clear failure, nothing half-registered."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlsys_resources.artifact_files import LocalFiles, RemoteFiles, RunPlace, ServedElsewhere
from mlsys_resources.manifest import TamperedArtifact
from mlsys_resources.mlflow_connection import HttpBounds, ModelStoreError
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.run_log import DatasetVersion, RunLog

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize("method", ["log_batch", "log_inputs"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), RuntimeError("boom")])
def test_a_run_that_cannot_be_written_is_failed(
    world: Any, monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException
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


@pytest.mark.parametrize("step", ["create_registered_model", "create_model_version", "get_run"])
def test_what_fails_on_the_way_leaves_nothing_on_record(world: Any, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
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


def test_a_record_that_cannot_be_written_takes_its_version_back(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the operations store went away")

    with monkeypatch.context() as patch:
        patch.setattr(world.operations, "record_model", broken)
        with pytest.raises(RuntimeError, match="went away"):
            world.register()
    assert world.versions_in_mlflow() == []
    world.register()
    assert len(world.operations.models(world.system)) == 1


FULL_DISK = """
import resource, signal, sys
from dataclasses import replace
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


def test_a_full_disk_is_a_clear_failure_with_nothing_registered(world: Any) -> None:
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
    world: Any, monkeypatch: pytest.MonkeyPatch
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


def test_an_unreachable_server_fails_with_nothing_registered(
    tmp_path: Path, clock: Callable[[], datetime], world: Any
) -> None:
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
        models.register("flights", "lightgbm", run_id="a" * 32, content=world.content, record=world.record, as_of=JULY)
    assert operations.models("flights") == ()
    assert not (tmp_path / "artifacts").exists()
    operations.close()


@pytest.mark.prove
def test_a_real_server_keeps_models_and_a_stop_of_it_is_a_clear_failure(
    tmp_path: Path, clock: Callable[[], datetime], world: Any
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
        version = models.register(
            "flights", "lightgbm", run_id=run_id, content=world.content, record=world.record, as_of=JULY
        )
        assert models.load("flights", version.version).files == {**world.content, **world.record}
        assert models.run_url(run_id).startswith(f"{uri}/#/experiments/")
        (stored,) = (tmp_path / "server").rglob("model.txt")
        stored.write_bytes(world.content["model.txt"].replace(b"4", b"5", 1))
        with pytest.raises(TamperedArtifact, match=r"model\.txt"):
            models.load("flights", version.version)
        stored.write_bytes(world.content["model.txt"])
        folders = dict(models.folders("flights", run_id))
        assert folders == {"a": f"runs:/{run_id}/a", version.source.rsplit("/", 1)[-1]: version.source}
        assert models.discard(folders["a"])
        assert not models.discard(folders["a"])
        assert not list((tmp_path / "server").rglob("b.md"))
        assert stored.exists()
    finally:
        os.killpg(server.pid, 15)
        server.wait()
    never_read = replace(version, version=version.version + 1, content_hash="c", manifest_sha256="m" * 64)
    operations.record_model(never_read)
    with pytest.raises(ModelStoreError, match="check that MLflow"):
        models.load("flights", never_read.version)
    assert models.load("flights", version.version).files == {**world.content, **world.record}
    operations.close()


class Away(RemoteFiles):
    """The files of a server that does not answer."""

    def sizes(self, source: str) -> dict[str, int | None]:
        raise ConnectionError("no answer")


def test_what_a_server_gave_once_is_read_while_it_is_away_and_verified_as_ever(
    world: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault 8: the last verified champion keeps working, and a copy that was tampered with does not."""
    models = ModelStore(
        "http://127.0.0.1:1", operations=world.operations, artifact_root=tmp_path / "kept", clock=lambda: JULY
    )
    local = LocalFiles(world.root / "artifacts")
    world.client.create_experiment(world.system, artifact_location=local.location(world.system))
    world.models.__dict__["_files"] = RemoteFiles(world.client)
    first, second = world.register(), world.register(content={"model.txt": b"another"})
    models.__dict__.update(_client=world.client, _files=RemoteFiles(world.client))
    loaded = models.load(world.system, first.version)
    models.__dict__["_files"] = Away(world.client)
    assert not caplog.records
    assert models.load(world.system, first.version) == loaded
    assert "does not answer" in caplog.text
    with pytest.raises(ModelStoreError, match="no answer"):
        models.load(world.system, second.version)
    (copy,) = tmp_path.rglob("model.txt")
    copy.write_bytes(copy.read_bytes().replace(b"4", b"5", 1))
    with pytest.raises(TamperedArtifact, match=r"model\.txt"):
        models.load(world.system, first.version)
    world.models.__dict__["_files"] = local


@pytest.fixture
def remote(world: Any, tmp_path: Path) -> Iterator[ModelStore]:
    """A store behind a server, that keeps copies of what it gave; the world's files lie behind that server."""
    models = ModelStore(
        "http://127.0.0.1:1", operations=world.operations, artifact_root=tmp_path / "kept", clock=lambda: JULY
    )
    local = LocalFiles(world.root / "artifacts")
    if world.client.get_experiment_by_name(world.system) is None:
        world.client.create_experiment(world.system, artifact_location=local.location(world.system))
    world.models.__dict__["_files"] = RemoteFiles(world.client)
    models.__dict__.update(_client=world.client, _files=RemoteFiles(world.client))
    yield models
    world.models.__dict__["_files"] = local


@pytest.mark.parametrize("left", ["a file", "half a file", "a file of nobody", "all but the manifest"])
def test_a_copy_that_a_kill_left_unfinished_is_made_anew(
    world: Any, remote: ModelStore, tmp_path: Path, left: str
) -> None:
    version = world.register()
    loaded = remote.load(world.system, version.version)
    copy = tmp_path / "kept" / "verified" / version.manifest_sha256 / "artifacts"
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    assert (copy / "manifest.json") in files
    if left == "a file":
        for path in files[1:]:
            path.unlink()
    elif left == "half a file":
        (copy / "model.txt").write_bytes(b"x")
    elif left == "a file of nobody":
        (copy / "partial-x").write_bytes(b"x")
    else:
        (copy / "manifest.json").unlink()
    remote.__dict__["_files"] = Away(world.client)
    with pytest.raises((ModelStoreError, TamperedArtifact)):
        remote.load(world.system, version.version)
    remote.__dict__["_files"] = RemoteFiles(world.client)
    assert remote.load(world.system, version.version) == loaded
    remote.__dict__["_files"] = Away(world.client)
    assert remote.load(world.system, version.version) == loaded


def test_a_disk_that_takes_no_copy_stops_nobody_who_has_the_original(
    world: Any, remote: ModelStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    version = world.register()
    monkeypatch.setattr(LocalFiles, "save", full)
    assert remote.load(world.system, version.version).content == world.content
    assert "no copy of the model" in caplog.text


def test_what_is_discarded_behind_a_server_goes_with_its_copy_or_says_where_it_lies(
    world: Any, remote: ModelStore, tmp_path: Path
) -> None:
    """The server's word for where files lie is not trusted with this machine's disk."""
    version = world.register()
    remote.load(world.system, version.version)
    with pytest.raises(ServedElsewhere, match="which MLflow's server does not serve itself: delete them there"):
        remote.discard(version.source, manifest_sha256=version.manifest_sha256)
    assert list((world.root / "artifacts").rglob("model.txt"))
    assert not list((tmp_path / "kept").rglob("model.txt"))
    assert remote.discard(version.source.rsplit("/", 1)[0] + "/samples") is False


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
