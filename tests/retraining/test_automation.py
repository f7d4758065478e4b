"""An asset of one's own hangs on the decision to train, by a condition of Dagster's."""

from dataclasses import dataclass

import dagster as dg
import pytest

from mlsys_assets import Calendar, days, hours, utc
from mlsys_assets.dagster_adapter import as_ofs, key
from mlsys_assets.retraining.automation import decided_to_train
from mlsys_assets.retraining.history import REMEMBERED

START = utc("2013-07-01")
pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")  # as Dagster calls what it evaluates with


@dataclass(frozen=True)
class Named:
    """As much of a system as the condition looks at."""

    calendar: Calendar = Calendar(START, hours(1), end=START + days(4))
    name: str = "lived"

    def home(self, _table: str) -> str:
        return self.name


SYSTEM = Named()
DECIDED = decided_to_train(SYSTEM)
DECISION = dg.AssetSpec(key(SYSTEM, "retraining_decision"), partitions_def=as_ofs(SYSTEM))


def assets(condition: dg.AutomationCondition) -> dg.Definitions:
    """Return an asset of the decision's partitions and one without any, which both have the condition."""

    @dg.asset(partitions_def=as_ofs(SYSTEM), deps=[DECISION], automation_condition=condition)
    def told() -> None: ...

    @dg.asset(automation_condition=condition)
    def page() -> None: ...

    return dg.Definitions([DECISION, told, page])


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tell(instance: dg.DagsterInstance, hour: int, verdict: str) -> str:
    """Tell the graph of a decision, as the arbiter's sensor does."""
    partition = SYSTEM.calendar.key(START + hours(hour))
    event = dg.AssetMaterialization(DECISION.key, partition=partition, metadata={"decision": verdict})
    instance.report_runless_asset_event(event)
    return partition


def asked(instance: dg.DagsterInstance, condition: dg.AutomationCondition, cursor=None):
    at = SYSTEM.calendar.start + days(2)
    return dg.evaluate_automation_conditions(assets(condition), instance, evaluation_time=at, cursor=cursor)


def partitions(found, name: str) -> set[str | None]:
    return set(found.get_requested_partitions(dg.AssetKey(name)))


def test_it_is_true_for_the_as_ofs_of_which_was_decided_to_train(instance) -> None:
    assert asked(instance, DECIDED).total_requested == 0
    said = {
        tell(instance, n, verdict): verdict for n, verdict in enumerate(["train", "hold", "train", "hold"], start=1)
    }
    found = asked(instance, DECIDED)
    assert partitions(found, "told") == {at for at, verdict in said.items() if verdict == "train"}
    assert partitions(found, "page") == set()
    tell(instance, 5, "train")
    assert partitions(asked(instance, DECIDED), "page") == {None}


def test_each_decision_is_asked_for_once_where_it_is_combined(instance) -> None:
    tell(instance, 1, "hold")
    later = tell(instance, 2, "train")
    missing = DECIDED & dg.AutomationCondition.missing()
    assert partitions(asked(instance, missing), "told") == {later}
    instance.report_runless_asset_event(dg.AssetMaterialization("told", partition=later))
    assert partitions(asked(instance, missing), "told") == set()
    once = DECIDED.newly_true()
    first = asked(instance, once)
    assert partitions(first, "page") == {None}
    assert partitions(asked(instance, once, first.cursor), "page") == set()


def test_a_decision_that_was_told_again_is_what_it_is_now(instance) -> None:
    tell(instance, 1, "train")
    tell(instance, 1, "hold")
    assert asked(instance, DECIDED).total_requested == 0


def test_it_looks_back_no_further_than_a_trigger_does(instance) -> None:
    """What a tick costs does not grow with what was decided before."""
    first = tell(instance, 0, "train")
    for n in range(1, REMEMBERED):
        tell(instance, n, "hold")
    assert partitions(asked(instance, DECIDED), "told") == {first}
    tell(instance, REMEMBERED, "hold")
    assert partitions(asked(instance, DECIDED), "told") == set()


def test_it_says_itself_in_words() -> None:
    assert DECIDED.description == "lived/retraining_decision is train"


def test_a_sensor_in_the_code_server_asks_for_the_run(instance) -> None:
    """Nowhere else: the daemon knows conditions of Dagster's own alone."""
    sensor = dg.AutomationConditionSensorDefinition("own", target="*", use_user_code_server=True)
    definitions = dg.Definitions.merge(assets(DECIDED.newly_true()), dg.Definitions(sensors=[sensor]))
    at = tell(instance, 2, "train")
    context = dg.build_sensor_context(instance, repository_def=definitions.get_repository_def(), sensor_name="own")
    found = sensor.evaluate_tick(context).run_requests
    asked = {(k.to_user_string(), request.partition_key) for request in found for k in request.asset_selection}
    assert asked == {("told", at), ("page", None)}
