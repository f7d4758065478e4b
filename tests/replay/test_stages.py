"""Each of the four stages of continual learning, lived: who starts a training, and what of it stands in the ledger."""

from dataclasses import replace

import pytest

from mlsys_assets import build_definitions, utc
from mlsys_assets.instance import open_instance
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.retraining.stage import Stage
from mlsys_assets.runs import Runner

FIRST, AFTER_THREE_WEEKS = utc("2013-03-05"), utc("2013-03-26")


def staged(system, stage: Stage, **changes):
    return replace(system, retraining=replace(system.retraining, stage=stage), **changes)


def trained(life) -> list[str]:
    return sorted(life.said("training_set", "training_set"))


def test_by_hand_only_a_person_trains_and_the_verdicts_are_on_record(life_of, rain) -> None:
    """The first training waits for a person too; what he trains serves, and life goes on."""
    life = life_of(staged(rain, Stage.MANUAL)).live(FIRST)
    (held,) = life.decisions("retraining")
    assert (held.verdict, held.reason) == ("hold", "by hand only; nothing was trained yet")
    assert {d.verdict for d in life.decisions("trigger")} == {"insufficient data"}
    assert trained(life) == []
    with open_instance(life.folder) as instance:
        runner = Runner(life.system, build_definitions(life.system, resources=life.stores), instance)
        runner.as_of("rain_train", FIRST)
    assert trained(life) == ["03-05"]
    assert life.said("gate", "champion") == {"03-05": "pass"}
    assert life.said("promotion", "champion") == {"03-05": "promoted"}


@pytest.mark.prove
@pytest.mark.parametrize("stage", Stage)
def test_a_short_life_in_each_stage(life_of, rain, stage) -> None:
    """Four weeks: by hand nothing is trained, by the clock after three, by all triggers as soon as there is cause."""
    every, *_ = rain.triggers
    life = life_of(staged(rain, stage)).live("2013-04-02")
    arbiter = [d for d in life.decisions("retraining") if d.name == "arbiter"]
    assert len(arbiter) == 5
    assert all(len(life.said("trigger", t.name)) == 5 for t in rain.triggers)
    fired = {d.as_of for d in life.decisions("trigger") if d.verdict == "yes"}
    by_clock = {d.as_of for d in life.decisions("trigger") if d.verdict == "yes" and d.name == every.name}
    first, *later = arbiter
    if stage is Stage.MANUAL:
        assert {d.verdict for d in arbiter} == {"hold"}
        assert trained(life) == []
        return
    assert first.verdict == "train"
    asked = {d.as_of for d in later if d.verdict == "train"}
    assert asked <= (by_clock if stage.by_clock_alone else fired)
    assert "03-26" in trained(life) if stage.by_clock_alone else len(trained(life)) >= 1
    assert life.system.learns.stateful == (Stateful() if stage is Stage.STATEFUL else None)
