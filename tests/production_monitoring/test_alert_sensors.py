"""Failed checks and failed runs of a system are told, each once, by a sensor on a real Dagster instance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Barrier, Thread
from time import process_time

import dagster as dg
import pytest

from mlsys_assets import utc
from mlsys_assets.dagster_adapter import tick_job
from mlsys_assets.ledger import ALERT
from mlsys_assets.production_monitoring.alert_decision import Before
from mlsys_assets.production_monitoring.alerting import Alerting, Fault, Watch
from mlsys_assets.production_monitoring.controller import KEPT_EVERY, AlertController
from mlsys_assets.production_monitoring.findings import ALERTED
from mlsys_assets.production_monitoring.sensors import build_sensors, checks_of, look
from mlsys_assets.types import Severity, days
from mlsys_resources.alert_channels import ChannelDown
from mlsys_resources.operations_rows import AlertRow
from mlsys_resources.operations_store import OperationsStore

START = utc("2013-07-01")
ALERTING = Alerting("ops", channels=("file", "webhook"))


@dataclass(frozen=True)
class Lived:
    """As much of a system as the sensor looks at."""

    name: str = "lived"
    simulated_from: datetime = START


@dataclass
class Kept:
    """A channel that keeps what it is told, once it is up."""

    up: bool = True
    told: list[AlertRow] = field(default_factory=list)

    def send(self, alert: AlertRow) -> str:
        if not self.up:
            raise ChannelDown("refused")
        self.told.append(alert)
        return "kept"


@dataclass
class Stores:
    operations: OperationsStore
    alert_channels: Mapping[str, Kept]


@dataclass
class World:
    """A graph whose asset has a check of each severity, and fails when it is told to."""

    instance: dg.DagsterInstance
    stores: Stores
    system: Lived = field(default_factory=Lived)
    passes: dict[str, bool] = field(default_factory=lambda: {"broken": True, "odd": True})
    raises: bool = False

    def __post_init__(self) -> None:
        @dg.asset(
            key=["lived", "table"],
            check_specs=[dg.AssetCheckSpec(name, asset=["lived", "table"]) for name in self.passes],
        )
        def table() -> dg.MaterializeResult:
            if self.raises:
                raise ZeroDivisionError("password=s3cr3t-canary")
            severities = {"broken": dg.AssetCheckSeverity.ERROR, "odd": dg.AssetCheckSeverity.WARN}
            return dg.MaterializeResult(
                check_results=[
                    dg.AssetCheckResult(
                        passed=passed, check_name=name, severity=severities[name], description=f"{name} said so"
                    )
                    for name, passed in self.passes.items()
                ]
            )

        job = dg.define_asset_job(tick_job(self.system), [table])
        self.assets = [table]
        self.defs = dg.Definitions(assets=self.assets, jobs=[job], executor=dg.in_process_executor)

    def run(self, **passes: bool) -> None:
        self.passes |= passes
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        job = self.defs.resolve_job_def(tick_job(self.system))
        job.execute_in_process(instance=self.instance, raise_on_error=False, run_config=quiet)

    def look(self, alerting: Alerting = ALERTING) -> str:
        said = look(self.system, self.stores, alerting, instance=self.instance, checks=checks_of(self.assets))
        return said.skip_message

    def advance(self) -> None:
        now = self.stores.operations.clock("lived") or START
        self.stores.operations.advance_clock("lived", to=now + days(7))

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(alert.name, alert.verdict) for alert in self.stores.alert_channels["file"].told]


@pytest.fixture
def world(tmp_path, clock) -> Iterator[World]:
    operations = OperationsStore(f"sqlite:///{tmp_path}/operations.db", clock=clock)
    stores = Stores(operations, {"file": Kept(), "webhook": Kept()})
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(instance, stores)
    operations.close()


def test_a_failed_check_is_told_once_however_often_it_fails_and_once_more_when_it_passes(world: World) -> None:
    assert "0 told of 0" in world.look()
    for _ in range(3):
        world.run(broken=False)
        for _ in range(2):
            world.look()
        world.advance()
    assert world.told == [("failed check: lived/table: broken", "opened")]
    (one,) = world.stores.alert_channels["file"].told
    assert (one.severity, one.owner, "broken said so" in one.body) == ("error", "ops", True)
    world.run(broken=True)
    world.look()
    assert world.told[1:] == [("failed check: lived/table: broken", "resolved")]


def test_a_warning_is_told_by_declaration_alone(world: World) -> None:
    world.run(odd=False)
    world.look()
    assert world.told == []
    world.look(Alerting("ops", channels=("file",), check_warnings=True))
    assert world.told == [("failed check: lived/table: odd", "opened")]


def test_a_failed_run_is_told_without_its_text_and_what_its_checks_said_before_stands(world: World) -> None:
    world.run(broken=False)
    world.look()
    world.raises = True
    world.run()
    world.look()
    assert world.told == [("failed check: lived/table: broken", "opened"), ("failed run: lived_tick", "opened")]
    failed = world.stores.alert_channels["file"].told[-1]
    assert "lived__table by ZeroDivisionError" in failed.body
    assert "s3cr3t" not in failed.body
    world.raises = False
    world.run()
    world.look()
    assert world.told[2:] == [("failed run: lived_tick", "resolved")]


def test_at_one_moment_a_fault_may_come_go_and_come_again(world: World) -> None:
    for passes in (False, True, False):
        world.run(broken=passes)
        world.look()
    assert [verdict for _, verdict in world.told] == ["opened", "resolved", "opened"]


def test_a_channel_that_is_down_gets_it_at_the_next_look(world: World) -> None:
    hook = world.stores.alert_channels["webhook"]
    hook.up = False
    world.run(broken=False)
    assert "1 sent, 1 left; webhook: refused" in world.look()
    hook.up = True
    assert "0 told of 1; 1 sent, 0 left" in world.look()
    assert [len(channel.told) for channel in world.stores.alert_channels.values()] == [1, 1]


def test_the_sensor_is_the_systems_own_and_runs(world: World) -> None:
    (sensor,) = build_sensors(world.system, ALERTING, checks_of(world.assets))
    assert (sensor.name, sensor.default_status) == ("lived_alerts", dg.DefaultSensorStatus.RUNNING)
    world.run(broken=False)
    with dg.build_sensor_context(instance=world.instance, resources={"stores": world.stores}) as context:
        assert "1 told of 1; 2 sent, 0 left" in sensor(context).skip_message


def moved(where: str = "temp", size: float = 1.0) -> Fault:
    return Fault(Watch.DIAGNOSIS, "covariate shift", where, Severity.WARN, "it moved", size)


def test_a_diagnosis_is_on_the_ledger_told_or_not_and_a_tick_that_is_brought_in_again_decides_as_it_did(world) -> None:
    controller, operations = AlertController(world.system, world.stores, ALERTING), world.stores.operations
    weeks = [START + days(7 * n) for n in range(3)]
    for week, size in zip(weeks, (1.0, 1.0, 5.0), strict=True):
        controller.diagnosed([moved(size=size)], week)
    records = operations.decisions("lived", ALERT)
    assert [(r.name, r.verdict) for r in records] == [
        ("covariate shift: temp", verdict) for verdict in ("opened", "repeated", "worse")
    ]
    before = operations.ledger_hash("lived"), operations.alerts("lived")
    world.run(broken=False)
    world.look()  # what checks say changes nothing of it
    controller.diagnosed([moved()], weeks[1])
    controller.diagnosed([moved()], weeks[0])
    assert operations.ledger_hash("lived") == before[0]
    assert operations.alerts("lived")[:2] == before[1]
    controller.deliver()
    assert [v for n, v in world.told if n.startswith("covariate")] == ["opened", "worse"]


def test_two_processes_that_decide_at_once_tell_once(world: World) -> None:
    controller, start = AlertController(world.system, world.stores, ALERTING), Barrier(2)

    def go(later: int) -> None:
        start.wait()
        fault = Fault(Watch.CHECKS, "failed check", "t", Severity.ERROR, "so")
        controller.watched(Watch.CHECKS, [fault], START + days(later) / 1000)
        controller.deliver()

    threads = [Thread(target=go, args=(later,)) for later in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.told == [("failed check: t", "opened")]


def test_however_much_was_told_a_look_reads_only_what_is_new_and_takes_no_longer(world: World) -> None:
    world.run(broken=False)
    controller, store = AlertController(world.system, world.stores, ALERTING), world.stores.operations
    world.look()

    def spent() -> float:
        began = process_time()
        for _ in range(5):
            world.look()
        return (process_time() - began) / 5

    few = spent()
    for n in range(500):
        faults = [Fault(Watch.CHECKS, "failed check", f"t{n % 40}", Severity.ERROR, "so")] if n % 2 else []
        controller.watched(Watch.CHECKS, faults, START + days(n) / 1000)
    while controller.deliver().left:
        pass
    many = spent()
    assert len(store.alerts("lived")) > 500
    kept = store.alert_checkpoint("lived", "checks")
    assert len(store.alerts("lived", after=kept.number)) <= KEPT_EVERY
    assert Before.read(kept.state).after(store.alerts("lived", after=kept.number)) == Before.of(store.alerts("lived"))
    assert store.alert_checkpoint("lived", "runs").number >= kept.number - KEPT_EVERY  # though it found nothing
    assert many < 2 * few + 0.02


def test_a_tick_that_is_brought_in_again_after_much_was_kept_decides_as_it_did(world: World) -> None:
    controller, operations = AlertController(world.system, world.stores, ALERTING), world.stores.operations
    weeks = [START + days(7 * n) for n in range(2 * KEPT_EVERY)]

    def live(week: datetime) -> None:
        n = weeks.index(week)
        controller.diagnosed([moved(size=2.0**n)] if n % 3 else [], week)

    for week in weeks:
        live(week)
    assert operations.alert_checkpoint("lived", "diagnosis").number >= KEPT_EVERY
    before = operations.ledger_hash("lived"), operations.alerts("lived")
    for week in (weeks[-1], weeks[3], weeks[40]):
        live(week)
    assert (operations.ledger_hash("lived"), operations.alerts("lived")) == before
    kept = operations.alert_checkpoint("lived", "diagnosis")
    following = operations.alerts("lived", after=kept.number)
    assert Before.read(kept.state).after(following) == Before.of(before[1])


def test_that_faults_stand_is_no_fault_of_its_own() -> None:
    names = [ALERTED, "odd"]

    @dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="page") for name in names])
    def page() -> dg.MaterializeResult:
        return dg.MaterializeResult()

    assert [key.name for key in checks_of([page])] == ["odd"]
