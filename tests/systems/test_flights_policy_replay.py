"""The flights' own policy, replayed over half a year without a run, decides what the ledger says.

The year is lived first, by ``mlsys run``; run it by
``pytest tests/systems/test_flights_policy_replay.py -m prove``.
"""

import pytest

from mlsys_assets import Drift, Every, FixedClock, LabelVolume, Retraining, days, utc
from mlsys_assets.ledger import ALERT, MONITORING
from mlsys_assets.policy_replay.living import live
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.policy_replay.fidelity import fidelity
from mlsys_resources.resources import build_resources

pytestmark = pytest.mark.prove
END = "2013-12-30"


@pytest.fixture(scope="module")
def stores(flights_lived):
    return build_resources({"MLSYS_HOME": str(flights_lived(END))}, clock=FixedClock(utc(END)).now)


def test_half_a_year_of_flights_is_decided_as_it_was(flights_system, stores) -> None:
    (found,) = live(flights_system, stores, [Policy.of(flights_system)]).lived
    ledger = stores.operations.decisions(flights_system.name)
    told = fidelity(found, ledger)
    assert told.passed, told.summary
    assert len(found.trainings) == 7
    real = {
        (d.as_of, d.kind, d.name): d.content_hash
        for d in ledger
        if d.kind != ALERT and (d.kind != MONITORING or d.as_of > found.since)
    }
    assert {(d.as_of, d.kind, d.name): d.content_hash for d in found.decisions} == real


def test_twelve_policies_of_flights_cost_at_most_thrice_the_models_that_they_need(flights_system, stores) -> None:
    policies = [Policy(f"every_{n}", (Every(days(7 * n)),)) for n in (1, 2, 3, 4)]
    policies += [Policy(f"grown_{n}", (LabelVolume(grows=n / 100),)) for n in (2, 5, 10, 20)]
    policies += [Policy(f"drift_{n}", (Drift(over=n), Every(days(28))), Retraining(cooldown=days(14))) for n in (1, 2)]
    policies += [Policy("never", ()), Policy.of(flights_system)]
    found = live(flights_system, stores, policies, until=utc("2013-07-29"))
    assert found.cpu_s <= 3 * found.trainings_s
