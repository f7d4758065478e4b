"""A dozen policies that anybody would ask about, each sound and each another; a system's own are asked for by name."""

from dataclasses import dataclass, field

import pytest

from mlsys_assets.data_sampling.training_window import SlidingWindow
from mlsys_assets.measures.metrics import LogLoss, Metric, RocAuc
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.retraining.arbiter import Retraining, decide
from mlsys_assets.retraining.by_drift import Drift
from mlsys_assets.retraining.by_performance import PerformanceDrop
from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.by_volume import LabelVolume
from mlsys_assets.retraining.history import History, Monitored, Training
from mlsys_assets.retraining.learning import Learning
from mlsys_assets.retraining.policy import Policy, policies_mistakes
from mlsys_assets.retraining.policy_replay.standard_policies import (
    asked_policies,
    in_words,
    known_policies,
    reference,
    standard_policies,
)
from mlsys_assets.retraining.stage import Stage
from mlsys_assets.retraining.trigger import Trigger, ask
from mlsys_assets.types import Calendar, Weekly, days, utc


@dataclass(frozen=True)
class System:
    """What of a system says how it decides."""

    triggers: tuple[Trigger, ...] = (LabelVolume(0.3), PerformanceDrop(0.2), Drift(costs=0.01))
    retraining: Retraining = Retraining(cooldown=days(7))
    policies: tuple[Policy, ...] = ()
    metrics: tuple[Metric, ...] = (LogLoss(), RocAuc())
    learning: Learning = Learning(refit=False)
    learns: Learning = Learning(stateful=Stateful())
    calendar: Calendar = field(default_factory=lambda: Weekly("2013-01-01"))


MINE = Policy("mondays", (Every(days(7)),))


def trained(policy: Policy, weeks: int = 26) -> list[int]:
    """Return the weeks in which a policy trains, where labels grow evenly and nothing else happens."""
    found, born = [0], utc("2013-01-01")
    for week in range(1, weeks):
        at = born + days(7 * week)
        labels = 1000 + 50 * week
        trainings = tuple(Training(born + days(7 * n), 1000 + 50 * n) for n in found)
        history = History(at, trainings, tuple(t.as_of for t in trainings), (Monitored(at, labels),))
        verdicts = {trigger.name: ask(trigger, history) for trigger in policy.triggers}
        if decide(policy.retraining, verdicts, history).train:
            found.append(week)
    return found[1:]


def test_they_are_a_dozen_sound_policies_that_learn_as_the_system_does() -> None:
    found = standard_policies(System())
    assert 12 <= len(found) <= 14
    assert policies_mistakes(found) == []
    assert all(policy.learning == System().learns for policy in found[1:])
    assert found[0] == Policy("declared", System().triggers, Retraining(cooldown=days(7)), Learning(refit=False))


def test_each_trains_when_its_name_says() -> None:
    known = known_policies(System())
    assert trained(known["never"]) == []
    assert trained(known["every_tick"]) == list(range(1, 26))
    assert trained(known["every_4_ticks"]) == list(range(4, 26, 4))
    assert trained(known["labels_grow_50_percent"]) == [10, 25]  # 1000, 1500, 2250
    assert trained(known["labels_grow_10_percent"])[:3] == [2, 5, 8]  # 1000, 1100, 1210 (1250), 1375 (1400)
    assert trained(known["labels_grow_with_cooldown"])[:3] == [4, 8, 12]
    assert trained(known["drift"]) == trained(known["performance_drop"]) == []
    assert trained(known["drift_or_every_8_ticks"]) == [8, 16, 24]


def test_thresholds_are_the_systems_own_where_it_has_any() -> None:
    own, bare = known_policies(System()), known_policies(System(triggers=()))
    assert own["performance_drop"].triggers == (PerformanceDrop(0.2),)
    assert own["drift"].triggers == (Drift(costs=0.01),)
    assert bare["drift"].triggers == (Drift(),)
    assert bare["performance_drop"].triggers == (PerformanceDrop(0.05, RocAuc()),)
    assert "declared" not in bare
    assert "performance_drop" not in known_policies(System(triggers=(), metrics=(LogLoss(),)))


def test_what_is_asked_for_by_name_comes_in_that_order() -> None:
    system = System(policies=(MINE,))
    assert [p.name for p in asked_policies(system)] == ["declared", "never", "every_tick", "mondays"]
    assert asked_policies(System()) == standard_policies(System())
    assert [p.name for p in asked_policies(system, "mondays, never,mondays")] == ["mondays", "never"]
    assert asked_policies(system, "all") == (*standard_policies(system), MINE)


def test_a_systems_own_takes_the_place_of_one_of_its_name() -> None:
    mine = Policy("never", (Every(days(700)),))
    assert known_policies(System(policies=(mine,)))["never"] == mine


def test_a_name_that_is_not_known_is_told_with_those_that_are() -> None:
    with pytest.raises(LookupError, match=r"'mondys'; allowed: declared, never, .*, mondays. Did you mean 'mondays'\?"):
        asked_policies(System(policies=(MINE,)), "never,mondys")
    with pytest.raises(LookupError, match="a policy is ''"):
        asked_policies(System(), "")


def test_losses_are_told_against_what_trains_most() -> None:
    assert reference(standard_policies(System())) == "every_tick"
    assert reference((MINE,)) is None


def test_each_says_itself_in_words() -> None:
    known = known_policies(System(learns=Learning()))
    assert in_words(known["never"], days(7)) == "stays with its first champion"
    assert in_words(known["every_4_ticks"], days(7)) == "every 4 ticks (train on any yes)"
    said = in_words(known["performance_drop_and_labels_grow"], days(7))
    assert in_words(known["every_tick"], days(7)) == "every tick (train on any yes)"
    assert in_words(known["drift"], days(7)).startswith("Drift (train on any yes; ")
    assert said == (
        "performance_drop: roc_auc worse by 0.2; label_volume: labels +10% "
        "(train on performance_drop and label_volume; none within 28 days of another)"
    )
    assert all(in_words(policy, days(7)) for policy in known.values())


def test_how_it_learns_is_said_where_two_differ_in_nothing_else() -> None:
    learnings = (Learning(), Learning(refit=False), Learning(stateful=Stateful()), Learning(SlidingWindow(days(63))))
    weekly = [Policy("weekly", (Every(days(7)),), learning=learning) for learning in learnings]
    weekly.append(Policy("weekly", (Every(days(7)),), Retraining(stage=Stage.STATEFUL)))
    assert [in_words(policy, days(7)).partition(")")[2] for policy in weekly] == [
        "",
        "; learns from all that is known, without a refit",
        "; goes on from the champion",
        "; learns from the last 63 days",
        "; goes on from the champion",
    ]
