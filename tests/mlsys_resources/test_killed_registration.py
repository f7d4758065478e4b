"""Killed at any stage of registration and promotion: the champion is the old or the new one, and orphans are swept."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_rows import WON
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.orphans import GRACE
from mlsys_resources.run_log import RunLog

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
STAGES = ("run begun", "a file written", "files saved", "version made", "on record", "alias moved", "alias shown")
"""Each is where the process dies, right after."""
LEFT = {
    "run begun": ["run"], "a file written": ["files"], "files saved": ["files"], "version made": ["files", "version"],
    "on record": [], "alias moved": [], "alias shown": [],
}  # fmt: skip
PROMOTE = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from mlsys_resources import artifact_files, model_store, run_log
from mlsys_resources.operations_rows import Decision
from mlsys_resources.operations_store import OperationsStore

folder, warm, *stages = sys.argv[1:]
model_store.ModelStore(f"sqlite:///{warm}/mlflow.db", operations=None, artifact_root=warm, clock=None)._client
for stage in stages:  # each dies in a process of its own, which need not import again
    root, child = f"{folder}/{stage}", os.fork()
    if child == 0:
        break
    print(os.waitpid(child, 0)[1], flush=True)
else:
    sys.exit(0)
as_of = datetime.fromisoformat("2013-08-01T00:00:00+00:00")
operations = OperationsStore(f"sqlite:///{root}/operations.db", clock=lambda: as_of)
models = model_store.ModelStore(
    f"sqlite:///{root}/mlflow.db", operations=operations, artifact_root=Path(root) / "artifacts", clock=lambda: as_of
)

def dies(at, owner, name):
    if at == stage:
        whole = getattr(owner, name)
        def killed(*given, **named):
            whole(*given, **named)
            os.kill(os.getpid(), signal.SIGKILL)
        setattr(owner, name, killed)

if stage == "run begun":
    dies("run begun", models._client, "create_run")
run_id = models.log_run(run_log.RunLog("flights", "lightgbm"))
dies("a file written", artifact_files, "_write_whole")
dies("files saved", artifact_files.LocalFiles, "save")
dies("version made", models, "_new_version")
dies("on record", operations, "record_model")
dies("alias moved", operations, "set_alias")
dies("alias shown", models, "mirror_alias")
champion = operations.alias("flights", "champion")
version = models.register(
    "flights", "lightgbm", run_id=run_id, content={"model.txt": b"new"}, record={"passport.json": b"{}"}, as_of=as_of
)
if champion.content_hash != version.content_hash:
    operations.set_alias(
        "flights", "champion", version=version.version, content_hash=version.content_hash, as_of=as_of,
        expected_revision=champion.revision, reason="the gate passed",
    )
models.mirror_alias("flights", "champion")
evidence = {"model": version.content_hash}
operations.record(Decision("flights", as_of, "promotion", "champion", "promoted", "the gate passed", evidence))
"""


class Store:
    """A store in a folder, as somebody sees it who comes after."""

    def __init__(self, root: Path, now: datetime) -> None:
        self.root, self.now = root, now
        self.operations = OperationsStore(f"sqlite:///{root}/operations.db", clock=lambda: self.now)
        self.models = ModelStore(
            f"sqlite:///{root}/mlflow.db", operations=self.operations, artifact_root=root / "artifacts",
            clock=lambda: self.now,
        )  # fmt: skip

    @property
    def shown(self) -> list[int]:
        return sorted(int(v.version) for v in self.models._client.search_model_versions("name = 'flights'"))

    @property
    def folders(self) -> set[str]:
        return {path.relative_to(self.root / "artifacts").as_posix() for path in self.root.rglob("model-*")}


@pytest.fixture(scope="module")
def one_champion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("store"), JULY)
    run_id = store.models.log_run(RunLog("flights", "lightgbm"))
    old = store.models.register(
        "flights", "lightgbm", run_id=run_id, content={"model.txt": b"old"}, record={"passport.json": b"{}"}, as_of=JULY
    )
    store.operations.set_alias(
        "flights", "champion", version=old.version, content_hash=old.content_hash, as_of=JULY, expected_revision=0,
        reason="the first",
    )  # fmt: skip
    store.models.mirror_alias("flights", "champion")
    store.operations.close()
    return store.root


@pytest.fixture(scope="module")
def died(one_champion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store for each stage, in which a promotion died right after it."""
    folder = tmp_path_factory.mktemp("died")
    for stage in STAGES:
        shutil.copytree(one_champion, folder / stage)
    assert promote(folder, *STAGES, warm=one_champion) == [signal.SIGKILL] * len(STAGES)
    return folder


def promote(folder: Path, *stages: str, warm: Path) -> list[int]:
    """Register and promote in the store of each stage; return how each process ended."""
    done = subprocess.run(
        [sys.executable, "-c", PROMOTE, str(folder), str(warm), *stages], check=True, stdout=subprocess.PIPE, text=True
    )
    return [int(status) for status in done.stdout.split()]


@pytest.fixture(scope="module")
def again(died: Path, one_champion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of it in which each was done again, and nothing died."""
    folder = shutil.copytree(died, tmp_path_factory.mktemp("again") / "stores")
    for stage in STAGES:
        (folder / stage).rename(folder / f"{stage} again")
    assert promote(folder, *(f"{stage} again" for stage in STAGES), warm=one_champion) == [0] * len(STAGES)
    return folder


@pytest.fixture
def store(one_champion: Path, tmp_path: Path) -> Iterator[Store]:
    found = Store(shutil.copytree(one_champion, tmp_path / "store"), AUGUST)
    yield found
    found.operations.close()


@pytest.mark.parametrize("stage", STAGES)
def test_whenever_it_dies_the_champion_is_the_old_or_the_new(died: Path, stage: str) -> None:
    """Fault 6; the ledger of attempts tells which of them it is."""
    store = Store(died / stage, AUGUST)
    champion = store.operations.alias("flights", "champion")
    loaded = store.models.load("flights", champion.version)
    assert loaded.content == {"model.txt": b"new" if stage in ("alias moved", "alias shown") else b"old"}
    won = [attempt for attempt in store.operations.attempts("flights") if attempt.outcome == WON]
    assert (won[-1].version, won[-1].content_hash) == (champion.version, champion.content_hash)
    store.operations.close()


@pytest.mark.parametrize("stage", STAGES)
def test_done_again_the_champion_is_the_new_and_what_was_left_is_swept(again: Path, stage: str) -> None:
    store = Store(again / f"{stage} again", AUGUST)
    champion = store.operations.alias("flights", "champion")
    assert store.models.load("flights", champion.version).content == {"model.txt": b"new"}
    assert store.models.mirrored_alias("flights", "champion") == champion.version
    assert len([a for a in store.operations.attempts("flights") if a.outcome == WON]) == 2
    assert [d.verdict for d in store.operations.decisions("flights", "promotion")] == ["promoted"]

    assert sorted(o.kind for o in store.models.sweep("flights")) == LEFT[stage]
    assert sorted(o.kind for o in store.models.sweep("flights") if o.removed) == []
    store.now += GRACE
    assert sorted(o.kind for o in store.models.sweep("flights") if o.removed) == LEFT[stage]
    assert store.models.sweep("flights") == []
    trusted = store.operations.models("flights")
    assert store.shown == [model.version for model in trusted]
    assert store.folders == {model.source for model in trusted}
    assert {store.models.load("flights", model.version).content["model.txt"] for model in trusted} == {b"old", b"new"}
    store.operations.close()


def test_what_is_under_way_is_let_be(store: Store) -> None:
    """A registration that goes on when it is swept around is not disturbed."""
    run_id = store.models.log_run(RunLog("flights", "lightgbm"))
    saved = store.models.save(run_id, content={"model.txt": b"slow"}, record={})
    (seen,) = store.models.sweep("flights")
    assert (seen.kind, seen.name, seen.removed) == ("files", saved.source, False)
    store.now += GRACE - timedelta(seconds=1)
    version = store.models.register(
        "flights", "lightgbm", run_id=run_id, content={"model.txt": b"slow"}, record={}, as_of=AUGUST
    )
    store.now += timedelta(days=1)
    assert store.models.sweep("flights") == []
    assert store.models.load("flights", version.version).content == {"model.txt": b"slow"}


def test_a_system_that_was_never_logged_has_no_orphans(store: Store) -> None:
    assert store.models.sweep("rain") == []


@pytest.mark.parametrize("tag", ["yesterday", "2013-07-01", "", "2099-01-01T00:00:00+00:00"])
def test_a_tag_that_was_not_written_here_starts_the_hour_anew(store: Store, tag: str) -> None:
    """MLflow's tags are anybody's: one that tells no moment before now neither stops a sweep nor hastens it."""
    run_id = store.models.log_run(RunLog("flights", "lightgbm"))
    saved = store.models.save(run_id, content={"model.txt": b"left"}, record={})
    store.models._client.set_tag(run_id, f"orphan_since.{saved.source.rsplit('/', 1)[-1]}", tag)
    assert [(o.since, o.removed) for o in store.models.sweep("flights")] == [(AUGUST, False)]
    store.now += GRACE
    assert [o.removed for o in store.models.sweep("flights")] == [True]


def test_files_of_a_run_that_people_deleted_stop_no_sweep(store: Store) -> None:
    saved = []
    for name in ("deleted", "unknown", "left"):
        run_id = store.models.log_run(RunLog("flights", name))
        saved.append(store.models.save(run_id, content={"model.txt": name.encode()}, record={}))
    store.models._client.delete_run(saved[0].source.split("/")[1])
    folder = store.root / "artifacts" / "flights"
    (folder / saved[1].source.split("/")[1]).rename(folder / ("0" * 32))
    (folder / ".cache" / "artifacts").mkdir(parents=True)
    (folder / "linked").symlink_to(folder / saved[2].source.split("/")[1])
    (seen,) = store.models.sweep("flights")
    assert (seen.name, seen.removed) == (saved[2].source, False)
