"""The weekly rain system, its data as it is and as it might have been, and lives lived on it."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from mlsys_assets import FixedClock, MLSystem, build_definitions, utc
from mlsys_assets.instance import open_instance
from mlsys_assets.replay import Replay
from mlsys_assets.runs import Runner
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources, build_resources

SYSTEMS = Path(__file__).parents[1] / "systems"
FIRST, UNTIL = utc("2013-03-05"), utc("2013-04-16")


@pytest.fixture(scope="session")
def rain() -> MLSystem:
    """The weekly rain system."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SYSTEMS))
        spec = importlib.util.spec_from_file_location("rain_weekly", SYSTEMS / "rain_weekly.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.rain


Change = Callable[[pa.Table], pa.Table]


def changed(system: MLSystem, change: Change, *names: str) -> MLSystem:
    """Return the system with what its readers give changed, of the sources named."""
    new = {s.name: replace(s, read=_changed(s.read, change)) if s.name in names else s for s in system.sources}
    label = replace(
        system.label,
        source=new[system.label.source.name],
        never={state: new[source.name] for state, source in system.label.never.items()},
    )
    assert not {s.name for f in system.features for s in [getattr(f, "source", None)] if s} & set(names)
    return replace(system, sources=tuple(new.values()), label=label)


def _changed(read, change: Change):
    return lambda window: change(read(window))


@dataclass
class Life:
    """A system in a state folder, and what became of it."""

    system: MLSystem
    folder: Path

    @property
    def stores(self) -> Resources:
        return build_resources({"MLSYS_HOME": str(self.folder)}, clock=FixedClock(UNTIL).now)

    def live(self, until: datetime | str = UNTIL, *, told: Callable[[str], None] = lambda _: None) -> "Life":
        @contextmanager
        def doing(what: str) -> Iterator[None]:
            told(what)
            yield

        stores = self.stores
        with open_instance(self.folder) as instance:
            runner = Runner(self.system, build_definitions(self.system, resources=stores), instance)
            for _ in Replay(runner, stores, doing).run(utc(until)):
                pass
        return self

    @property
    def hash(self) -> str:
        return self.stores.operations.ledger_hash(self.system.name)

    def decisions(self, kind: str | None = None, **bounds: datetime) -> tuple[Decision, ...]:
        return self.stores.operations.decisions(self.system.name, kind, **bounds)

    def said(self, kind: str, name: str) -> dict[str, str]:
        """Return the verdicts of one kind and name, by day."""
        return {f"{d.as_of:%m-%d}": d.verdict for d in self.decisions(kind) if d.name == name}


@pytest.fixture(scope="session")
def born(rain, made_once) -> Path:
    """The state folder of the weekly rain system as of its first champion."""
    return made_once("born", lambda folder: Life(rain, folder).live(FIRST))


@pytest.fixture
def grown(born, tmp_path) -> Callable[[MLSystem], Life]:
    """Make a life of a system that goes on from the first champion."""

    def make(system: MLSystem) -> Life:
        return Life(system, shutil.copytree(born, tmp_path / f"home{len(list(tmp_path.iterdir()))}"))

    return make


def run_command(home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    """Start ``mlsys`` on the weekly rain system, in a process group of its own, with what is set besides."""
    paths = os.pathsep.join((str(SYSTEMS.parents[1]), str(SYSTEMS)))
    own = {"MLSYS_WORKSPACE": "rain_weekly", "PYTHONPATH": paths, "MLSYS_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "mlsys_assets.cli", *arguments], env=os.environ | own | dict(environment or {}),
        text=True, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def mlsys() -> Callable[..., "subprocess.Popen[str]"]:
    """Start the command on the weekly rain system."""
    return run_command


@pytest.fixture(scope="session")
def six_weeks(mlsys, rain, work, made_once) -> Life:
    """Six weeks after the first champion, undisturbed, in a process of its own."""

    def lived(home: Path) -> None:
        before = work.spent()
        with mlsys(home, "run", "rain", "--fresh", "--until", f"{UNTIL:%Y-%m-%d}") as process:
            said, wrong = process.communicate()
        (home / "work.txt").write_text(str(work.spent() - before))
        assert process.returncode == 0, said + wrong
        (home / "said.txt").write_text(said)

    return Life(rain, made_once("six_weeks", lived))


@pytest.fixture(scope="session")
def change() -> Callable[..., MLSystem]:
    """Change what readers give."""
    return changed


@pytest.fixture
def life_of(tmp_path) -> Callable[[MLSystem], Life]:
    """Make a life of a system that begins with nothing."""

    def make(system: MLSystem) -> Life:
        folder = tmp_path / f"new{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return Life(system, folder)

    return make


URLS = ("MLSYS_OPERATIONS_URL", "MLSYS_TRACKING_URI", "MLSYS_DAGSTER_URL")


@pytest.fixture
def databases(postgres_server) -> Iterator[dict[str, str]]:
    """Three new databases on one server, by the variable that names each; any password opens them."""
    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    names = {variable: f"test_{variable.lower()}_{os.getpid()}" for variable in URLS}
    with admin.connect() as connection:
        for name in names.values():
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    secret = postgres_server.replace("postgres@", "postgres:canary-4b1d-of-a-password@")
    yield {variable: secret.replace("@/postgres?", f"@/{name}?") for variable, name in names.items()}
    with admin.connect() as connection:
        for name in names.values():
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
