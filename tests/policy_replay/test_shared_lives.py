"""Lives share a training where they learn alike, and nowhere else."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlsys_assets import Every, Learning, Policy, Retraining, Stage, Stateful, days, utc
from mlsys_assets.policy_replay.journal import Journal
from mlsys_assets.policy_replay.life import Life, under
from mlsys_assets.policy_replay.memory_operations import MemoryOperations
from mlsys_assets.policy_replay.patience import Patience
from mlsys_assets.policy_replay.workshop import Workshop

RAIN = runpy.run_path(str(Path(__file__).parents[1] / "systems" / "rain.py"))["rain"]
SCRATCH = Policy("scratch", (Every(days(7)),))


def past(policy: Policy):
    """Return what a life before its first training shares its work by."""
    journal = Journal()
    stores = SimpleNamespace(operations=MemoryOperations(journal))
    return Life(policy, under(RAIN, policy, utc("2013-03-05")), journal, stores, Workshop(), Patience())._past


@pytest.mark.parametrize(
    ("policy", "alike"),
    [
        (Policy("other", (Every(days(14)),)), True),
        (Policy("by_stage", (Every(days(7)),), Retraining(stage=Stage.STATEFUL)), False),
        (Policy("declared_so", (Every(days(7)),), learning=Learning(stateful=Stateful())), False),
        (Policy("unrefitted", (Every(days(7)),), learning=Learning(refit=False)), False),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_what_learns_otherwise_has_another_past(policy, alike) -> None:
    """Also where the stage says so, and not what is declared to be learned from."""
    assert (past(policy) == past(SCRATCH)) is alike


def test_a_stage_that_goes_on_is_one_past_with_what_is_declared_to() -> None:
    by_stage = Policy("by_stage", (Every(days(7)),), Retraining(stage=Stage.STATEFUL))
    declared = Policy("declared_so", (Every(days(7)),), learning=Learning(stateful=Stateful()))
    assert past(by_stage) == past(declared)
