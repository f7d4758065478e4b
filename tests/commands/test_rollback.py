"""A champion is taken back only to a model that loads; the move is on record, whatever happens in between."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from mlsys_assets.cli import main
from mlsys_assets.commands.rollback import CannotServe, Outcome, roll_back
from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.bundle import to_files
from mlsys_assets.types import FixedClock, days, utc
from mlsys_resources.mlflow_connection import ModelStoreError
from mlsys_resources.operations_rows import ModelVersion
from mlsys_resources.operations_store import Conflict, OperationsStore
from mlsys_resources.resources import Resources, build_resources
from mlsys_resources.run_log import RunLog

START = utc("2013-07-01")
NOW = utc("2013-09-02")
WHY = "it gives everyone 0.9"


@dataclass
class World:
    """One home, and a new system's name for every test."""

    stores: Resources
    system: str
    versions: list[ModelVersion] = field(default_factory=list)

    def register(self, rate: float, files: dict[str, bytes] | None = None) -> ModelVersion:
        """A model that gives everyone the same rate, registered as of a day later than the one before."""
        run = self.stores.models.log_run(RunLog(self.system, "zero_rule"))
        as_of = START + days(len(self.versions))
        content = files or to_files(ZeroRulePredictor(rate))
        version = self.stores.models.register(
            self.system, "zero_rule", run_id=run, content=content, record={"passport.json": b"{}"}, as_of=as_of
        )
        self.versions.append(version)
        return version

    def promote(self, version: ModelVersion) -> None:
        standing = self.stores.operations.alias(self.system, "champion")
        self.stores.operations.set_alias(
            self.system, "champion", version=version.version, content_hash=version.content_hash, as_of=version.as_of,
            expected_revision=standing.revision if standing else 0, reason="beats all",
        )  # fmt: skip

    def champions(self, *rates: float) -> None:
        for rate in rates:
            self.promote(self.register(rate))

    def back(self, now: datetime = NOW, **more) -> Outcome:
        more = {"reason": WHY} | more
        return roll_back(self.system, self.stores.operations, self.stores.models, now=FixedClock(now).now, **more)

    @property
    def stands(self) -> tuple[int, int]:
        """The champion's version, and how often the alias was moved."""
        alias = self.stores.operations.alias(self.system, "champion")
        return alias.version, alias.revision

    @property
    def recorded(self) -> list:
        return list(self.stores.operations.decisions(self.system, "rollback"))

    @property
    def shown(self) -> int:
        """The version that MLflow shows."""
        return int(self.stores.models._client.get_model_version_by_alias(self.system, "champion").version)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resources]:
    found = build_resources({"MLSYS_HOME": str(tmp_path_factory.mktemp("home"))}, clock=FixedClock(NOW).now)
    yield found
    found.operations.close()


numbers = itertools.count(1)


@pytest.fixture
def world(stores: Resources) -> World:
    return World(stores, f"system_{next(numbers)}")


def test_the_champion_before_serves_again_and_it_is_on_record(world: World) -> None:
    world.champions(0.1, 0.9)
    found = world.back()
    assert found.done
    assert world.stands == (1, 3)
    assert world.shown == 1
    (decision,) = world.recorded
    first, second = (version.content_hash for version in world.versions)
    assert (decision.as_of, decision.name, decision.verdict, decision.reason) == (
        NOW, "champion revision 3", "rolled back", WHY
    )  # fmt: skip
    assert decision.evidence == {"from": second, "to": first}
    assert decision.context == {"from_version": 2, "to_version": 1}
    assert world.stores.operations.attempts(world.system)[-1].reason == WHY
    said = "\n".join(found.lines)
    for part in (f"{world.system}: the champion went back, in 0.", "from version 2 to version 1", first[:16], WHY):
        assert part in said


def test_what_was_predicted_before_stays_the_other_champions(world: World) -> None:
    world.champions(0.1, 0.9)
    world.back()
    at = world.stores.operations.alias_at
    assert at(world.system, "champion", NOW - days(1)).version == 2
    assert at(world.system, "champion", NOW).version == 1


def test_twice_goes_further_back_and_then_there_is_nothing(world: World) -> None:
    world.champions(0.1, 0.5, 0.9)
    assert [(world.back().done, world.stands) for _ in range(3)] == [(True, (2, 4)), (True, (1, 5)), (False, (1, 5))]
    (line,) = world.back().lines
    assert line.startswith(
        f"{world.system}: nothing to go back to: no champion with other content came before version 1"
    )
    assert [decision.name for decision in world.recorded] == ["champion revision 4", "champion revision 5"]


def test_where_there_is_no_champion_there_is_nothing_to_go_back_to(world: World) -> None:
    assert world.back().lines == (f"{world.system}: nothing to go back to: there is no champion yet",)


def test_a_former_champion_can_be_named_and_no_other(world: World) -> None:
    world.champions(0.1, 0.5, 0.9)
    world.register(0.7)
    refused = world.back(to=4)
    assert not refused.done
    assert "version 4 was never champion; those that were: 1, 2, 3" in refused.lines[0]
    assert world.back(to=1).done
    assert world.stands == (1, 4)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_no_reason_no_rollback(world: World, reason: str) -> None:
    world.champions(0.1, 0.9)
    with pytest.raises(ValueError, match="a rollback needs a reason"):
        world.back(reason=reason)
    assert world.stands == (2, 2)


def _flip_a_byte(world: World) -> None:
    first = world.versions[0]
    (file,) = (world.stores.home / "mlartifacts").rglob(f"{first.run_id}/artifacts/model-*/rates.json")
    file.write_bytes(file.read_bytes().replace(b"0.1", b"0.2"))


def _lose_the_files(world: World) -> None:
    first = world.versions[0]
    for file in (world.stores.home / "mlartifacts").rglob(f"{first.run_id}/artifacts/model-*/*"):
        file.unlink()


@pytest.mark.parametrize("damage", [_flip_a_byte, _lose_the_files])
def test_a_model_that_no_longer_loads_is_not_gone_back_to(world: World, damage: Callable[[World], None]) -> None:
    world.champions(0.1, 0.9)
    damage(world)
    with pytest.raises(CannotServe, match=r"version 1 cannot be served, so that nothing was moved: .*--to: none"):
        world.back()
    assert world.stands == (2, 2)
    assert (len(world.stores.operations.attempts(world.system)), world.recorded) == (2, [])


def test_a_model_of_a_kind_that_is_no_longer_read_is_not_gone_back_to(world: World) -> None:
    world.champions(0.1)
    files = to_files(ZeroRulePredictor(0.5))
    world.promote(world.register(0.5, {name: data.replace(b"zero_rule", b"forgotten") for name, data in files.items()}))
    world.champions(0.9)
    with pytest.raises(CannotServe, match=r"'forgotten' is unknown.*--to: 1$"):
        world.back()
    assert world.stands == (3, 3)
    assert world.back(to=1).done


def test_a_clock_that_is_behind_moves_nothing(world: World) -> None:
    world.champions(0.1, 0.9)
    with pytest.raises(Conflict, match="comes too late"):
        world.back(now=START)
    assert (world.stands, world.recorded) == ((2, 2), [])


def test_a_promotion_meanwhile_comes_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.champions(0.1, 0.5)
    load = world.stores.models.load

    def slow(system: str, version: int):
        found = load(system, version)
        world.champions(0.9)
        return found

    monkeypatch.setattr(world.stores.models, "load", slow)
    with pytest.raises(Conflict, match="another promotion came first"):
        world.back()
    assert (world.stands, world.recorded) == ((3, 3), [])


def test_a_death_between_the_move_and_its_record_is_mended_and_not_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champions(0.1, 0.5, 0.9)

    def dies(*_: object) -> bool:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(OperationsStore, "record", dies)
        with pytest.raises(RuntimeError, match="killed here"):
            world.back()
    assert (world.stands, world.recorded) == ((2, 4), [])
    again = world.back(now=NOW + days(1), reason="once more")
    assert again.done
    assert "had gone back, and nothing more was moved: from version 3 to version 2" in again.lines[0]
    (decision,) = world.recorded
    assert (decision.as_of, decision.reason) == (NOW, WHY)
    assert (world.stands, world.shown) == ((2, 4), 2)
    assert world.back(now=NOW + days(1)).done
    assert world.stands == (1, 5)


def test_an_mlflow_that_cannot_be_reached_undoes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.champions(0.1, 0.9)

    def unreachable(*_: object) -> None:
        raise ModelStoreError("could not be shown in MLflow")

    monkeypatch.setattr(world.stores.models, "mirror_alias", unreachable)
    found = world.back()
    assert found.done
    assert "could not be shown in MLflow" in found.lines[-1]
    assert (world.stands[0], len(world.recorded)) == (1, 1)


def test_the_command_goes_back_as_of_the_systems_clock(tmp_path: Path) -> None:
    flights = World(build_resources({"MLSYS_HOME": str(tmp_path)}, clock=FixedClock(NOW).now), "flights")
    flights.champions(0.1, 0.9)
    flights.stores.operations.advance_clock("flights", to=NOW)
    command = [
        sys.executable,
        "-m",
        "mlsys_assets.cli",
        "rollback",
        "flights",
        "--home",
        str(tmp_path),
        "--reason",
        WHY,
    ]
    done, again = (subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(2))
    assert (done.returncode, flights.stands) == (0, (1, 3)), done.stderr
    assert "from version 2 to version 1" in done.stdout
    assert [decision.as_of for decision in flights.recorded] == [NOW]
    assert (again.returncode, again.stdout.split(":")[1]) == (1, " nothing to go back to")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["flights"], "--reason"), (["--reason", WHY], "say whose champion"), (["flights", "--to", "x"], "--to")],
)
def test_a_command_that_lacks_something_says_what(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    try:
        code = main(["rollback", *arguments])
    except SystemExit as ended:
        code = ended.code
    assert code != 0
    assert words in capsys.readouterr().err
