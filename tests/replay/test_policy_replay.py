"""A policy lived once more decides what it decided, and another one what it would have."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mlsys_assets import Drift, Every, LabelVolume, Retraining, days, utc
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.data_sampling.training_window import SinceChange, SlidingWindow
from mlsys_assets.evaluated_models import JudgedRefit
from mlsys_assets.ledger import (
    ALERT,
    FAILED,
    GATE,
    GIVEN_UP,
    HOLD,
    INSUFFICIENT,
    MONITORING,
    PROMOTION,
    RETRAINING,
    TRIGGER,
)
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.training import LocalTraining
from mlsys_assets.policy_replay import training
from mlsys_assets.policy_replay.living import Lives, live
from mlsys_assets.production_monitoring.performance import matured
from mlsys_assets.retraining.learning import Learning
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.policy_replay.fidelity import fidelity
from mlsys_assets.retraining.policy_replay.judged_requests import JudgedRequests
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.types import DeclarationError, TimeWindow

from .triggers import CriesWolf

REFIT_BESIDE = "static_test refit minus champion"
FIRST, SECOND, THIRD = utc("2013-03-05"), utc("2013-03-12"), utc("2013-03-19")
WEEKLY = Policy("weekly", (Every(days(7)),))


@dataclass(frozen=True)
class Raises(CriesWolf):
    """A trigger that fails."""

    name: str = "raises"

    def verdict(self, history):
        raise RuntimeError("no idea")


POLICIES = (
    WEEKLY,
    Policy("fortnight", (Every(days(14)),)),
    Policy("twin", (LabelVolume(grows=1e6), Every(days(14)))),
    Policy("never", ()),
    Policy("drift", (Drift(),)),
    Policy("fails", (Raises(), Every(days(14))), Retraining(cooldown=days(7))),
)


def hashes(decisions, *kinds):
    """Return what was decided, by what it is about, as hashes of content."""
    return {(d.as_of, d.kind, d.name): d.content_hash for d in decisions if not kinds or d.kind in kinds}


@pytest.fixture(scope="module")
def own(six_weeks) -> Lived:
    """The system's own policy, lived once more."""
    return live(six_weeks.system, six_weeks.stores, [Policy.of(six_weeks.system)]).lived[0]


@dataclass
class Several:
    """Several policies lived side by side for two weeks, what was fitted for them, and the stores before."""

    lives: Lives
    fits: list[tuple[str, int]]
    before: tuple[object, ...]

    def __getitem__(self, name: str) -> Lived:
        return next(lived for lived in self.lives.lived if lived.policy.name == name)


def written(life):
    """Return what tells whether anything was written to a life's stores."""
    lake = life.stores.lake
    return life.hash, *((table, lake.version("rain", table)) for table in lake.tables("rain"))


@pytest.fixture(scope="module")
def several(six_weeks) -> Several:
    """Several policies, and each fit that they took."""
    fits: list[tuple[str, int]] = []
    fit, refit = LocalTraining.fit, LocalTraining.refit

    def fitted(self, candidate, train, *rest, **told):
        fits.append((candidate.name, len(train)))
        return fit(self, candidate, train, *rest, **told)

    def refitted(self, candidate, train, **told):
        fits.append((f"{candidate.name} again", len(train)))
        return refit(self, candidate, train, **told)

    before = written(six_weeks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTraining, "fit", fitted)
        patch.setattr(LocalTraining, "refit", refitted)
        return Several(live(six_weeks.system, six_weeks.stores, POLICIES, until=THIRD), fits, before)


def test_the_systems_own_policy_decides_as_the_ledger_says(six_weeks, own) -> None:
    assert any(isinstance(trigger, Drift) for trigger in six_weeks.system.triggers)
    real = [d for d in six_weeks.decisions(since=FIRST) if d.kind != ALERT]
    assert hashes(own.decisions) == hashes(d for d in real if d.as_of > FIRST or d.kind != MONITORING)
    said = [(d.kind, d.name) for d in own.decisions]
    assert said.count((RETRAINING, "arbiter")) == 7
    assert said.count((TRIGGER, "drift")) == 7
    assert said.count((GATE, "champion")) == 3
    assert [f"{at:%m-%d}" for at in own.trainings] == ["03-05", "03-19", "04-09"]
    assert [f"{at:%m-%d}" for at in own.promotions] == ["03-05", "03-19"]
    assert fidelity(own, six_weeks.decisions()).passed


def test_it_judges_each_refit_as_it_was_judged(six_weeks, own) -> None:
    real, mine = ({d.as_of: d for d in told if d.kind == PROMOTION} for told in (six_weeks.decisions(), own.decisions))
    assert {at: d.content_hash for at, d in mine.items()} == {at: d.content_hash for at, d in real.items()}
    judged = {f"{at:%m-%d}" for at, d in mine.items() if any(name.startswith(REFIT_BESIDE) for name in d.evidence)}
    assert judged == {"03-19"}  # the first had no champion beside it, the last did not pass the gate


def test_its_predictions_are_those_that_were_made(six_weeks, own) -> None:
    real = six_weeks.stores.lake.read("rain", "predictions")
    np.testing.assert_array_equal(own.score, real["score"].to_numpy())
    assert len(own.at) == len(own.label) == len(real)
    assert set(np.unique(own.label[~np.isnan(own.label)])) == {0.0, 1.0}


def wrong_rows(predictions, labels, **told):
    return matured(predictions.slice(len(predictions) // 5), labels, **told)


WINDOWS = TimeSplit.windows


def wrong_test(self, as_of):
    return WINDOWS(replace(self, test=self.test * 2), as_of)


@pytest.mark.parametrize(
    ("where", "planted"),
    [
        ("mlsys_assets.monitored_tick.matured", wrong_rows),
        ("mlsys_assets.data_sampling.splits.TimeSplit.windows", wrong_test),
    ],
    ids=["a metric of other rows", "another split"],
)
def test_a_planted_difference_is_seen(six_weeks, monkeypatch, where, planted) -> None:
    monkeypatch.setattr(where, planted)
    (found,) = live(six_weeks.system, six_weeks.stores, [Policy.of(six_weeks.system)], until=THIRD).lived
    real = six_weeks.decisions(since=FIRST, until=THIRD)
    assert hashes(found.decisions, TRIGGER) != hashes(real, TRIGGER)
    assert not fidelity(found, real).passed


def test_a_model_that_two_policies_need_is_fitted_once(several) -> None:
    assert several["weekly"].trainings == (FIRST, SECOND, THIRD)
    assert several["fortnight"].trainings == several["twin"].trainings == (FIRST, THIRD)
    assert len(several.fits) == len(set(several.fits))
    assert sum(name == "lightgbm" for name, _ in several.fits) == 3
    np.testing.assert_array_equal(several["fortnight"].score, several["twin"].score)


def test_it_counts_in_full_for_each_and_once_in_what_was_spent(several) -> None:
    assert several["fortnight"].cpu_s == several["twin"].cpu_s > several["never"].cpu_s > 0
    assert several["weekly"].cpu_s > several["twin"].cpu_s
    assert several.lives.trainings_s < several["weekly"].cpu_s + several["twin"].cpu_s
    assert several.lives.trainings_s < sum(several.lives.spent.values()) < several.lives.cpu_s
    told = sum(d.context.get("cpu_s", 0.0) for d in several["weekly"].decisions)
    assert told == pytest.approx(several["weekly"].cpu_s, rel=0.1)


def test_who_never_trains_has_its_first_champion_to_the_end(several) -> None:
    never, weekly = several["never"], several["weekly"]
    assert never.trainings == never.promotions == (FIRST,)
    assert {d.verdict for d in never.decisions if d.kind == RETRAINING and d.as_of > FIRST} == {HOLD}
    first = never.at < np.datetime64("2013-03-12")
    assert 0 < first.sum() < len(first)
    np.testing.assert_array_equal(never.score[first], weekly.score[first])
    assert (never.score[~first] != weekly.score[~first]).any()


def test_a_diagnosis_is_made_only_for_who_looks_at_one(several) -> None:
    names = [{d.name for d in several[p].decisions if d.kind == MONITORING} for p in ("fortnight", "drift")]
    assert names == [{"performance", "drift"}, {"performance", "drift", "diagnosis"}]


def test_a_trigger_that_fails_is_on_record_and_stops_nobody(several) -> None:
    said = [d.verdict for d in several["fails"].decisions if (d.kind, d.name) == (TRIGGER, "raises")]
    assert said == ["error"] * 3
    assert several["fails"].trainings == (FIRST, THIRD)


def test_nothing_is_written_to_the_stores(six_weeks, several) -> None:
    assert several.before == written(six_weeks)


def test_an_earlier_beginning_with_rows_too_few_is_a_verdict_and_the_replay_goes_on(six_weeks) -> None:
    start, until = utc("2013-01-08"), utc("2013-02-19")
    monthly = Policy("monthly", (Every(days(28)),))
    (found,) = live(six_weeks.system, six_weeks.stores, [monthly], since=start, until=until).lived
    sets = {d.as_of: d.verdict for d in found.decisions if d.kind == "training_set"}
    assert sets[start] == INSUFFICIENT
    assert found.trainings[0] == start
    assert found.promotions[0] > start
    unserved = found.at < np.datetime64(found.promotions[0].replace(tzinfo=None))
    assert 0 < unserved.sum() < len(unserved)
    np.testing.assert_array_equal(np.isnan(found.score), unserved)


def test_policies_whose_first_champions_came_at_other_times_are_judged_where_both_had_one(six_weeks) -> None:
    start, until = utc("2013-01-08"), utc("2013-04-02")
    policies = [Policy("never", ()), Policy.of(six_weeks.system)]
    lives = live(six_weeks.system, six_weeks.stores, policies, since=start, until=until).lived
    assert lives[0].promotions[0] != lives[1].promotions[0]
    found = JudgedRequests.of(lives, TimeWindow(start, until))
    assert len(found.at) > 0
    assert found.at.min() >= max(np.datetime64(life.promotions[0].replace(tzinfo=None)) for life in lives)


def test_a_training_that_fails_is_given_up_and_the_champion_stays(six_weeks, monkeypatch) -> None:
    evaluate = training.evaluate

    def fails(step, split, *, reason):
        if step.as_of > FIRST:
            raise RuntimeError("nobody can tell")
        return evaluate(step, split, reason=reason)

    monkeypatch.setattr(training, "evaluate", fails)
    (found,) = live(six_weeks.system, six_weeks.stores, [WEEKLY], until=SECOND).lived
    (given_up,) = [d for d in found.decisions if d.name == GIVEN_UP]
    assert (given_up.as_of, given_up.verdict) == (SECOND, FAILED)
    assert given_up.reason == "rain_train as of 2013-03-12 failed 3 times; the champion stays"
    assert given_up.context["error"] == "RuntimeError: nobody can tell"
    assert found.promotions == (FIRST,)


def test_a_refit_that_is_worse_than_the_champion_is_held(six_weeks, monkeypatch) -> None:
    monkeypatch.setattr(training, "judge_refit", lambda *_: JudgedRefit("the refit is worse"))
    (found,) = live(six_weeks.system, six_weeks.stores, [WEEKLY], until=FIRST).lived
    (told,) = [d for d in found.decisions if d.kind == "promotion"]
    assert found.promotions == ()
    assert (told.verdict, "the refit is worse" in told.reason) == ("held", True)


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ({"until": utc("2013-05-07")}, "has been lived from 2013-03-05"),
        ({"since": SECOND}, "at 2013-03-05 .* at the latest"),
        ({"since": utc("2013-02-20")}, "must be the start of a tick"),
        ({"since": utc("2013-01-01")}, "it must lie after 2013-01-01"),
        ({"since": utc("2012-01-03")}, "must be the start of a tick"),
    ],
)
def test_a_period_that_was_not_lived_is_refused(six_weeks, period, words) -> None:
    with pytest.raises(ValueError, match=words):
        live(six_weeks.system, six_weeks.stores, [WEEKLY], **period)


def test_a_system_that_was_not_lived_is_refused(life_of, rain) -> None:
    with pytest.raises(ValueError, match="run `mlsys run rain` first"):
        live(rain, life_of(rain).stores, [WEEKLY])


def test_policies_with_mistakes_are_refused(six_weeks) -> None:
    with pytest.raises(DeclarationError, match="2 policies are named 'weekly'"):
        live(six_weeks.system, six_weeks.stores, [WEEKLY, WEEKLY])


OTHERS = (
    WEEKLY,
    Policy("volume", (LabelVolume(grows=0.1), Drift())),
    Policy("sliding", WEEKLY.triggers, learning=Learning(window=SlidingWindow(days(40)), refit=False)),
    Policy("since_change", (*WEEKLY.triggers, Drift()), learning=Learning(window=SinceChange(at_least=days(35)))),
    Policy("stateful", WEEKLY.triggers, learning=Learning(stateful=Stateful(least_rows=10))),
)


@pytest.mark.prove
@pytest.mark.parametrize("policy", OTHERS, ids=lambda p: p.name)
def test_another_policy_decides_as_if_it_had_been_lived(six_weeks, life_of, policy) -> None:
    since, until = utc("2013-02-19"), SECOND
    (found,) = live(six_weeks.system, six_weeks.stores, [policy], since=since, until=until).lived
    other = replace(
        six_weeks.system, triggers=policy.triggers, retraining=policy.retraining, learning=policy.learning,
        simulated_from=since,
    )  # fmt: skip
    told = life_of(other).live(until).decisions(since=since)
    real = hashes(d for d in told if d.kind != ALERT and (d.as_of > since or d.kind != MONITORING))
    mine = hashes(found.decisions)
    assert mine == {key: said for key, said in real.items() if key in mine}
    assert {key[1:] for key in real.keys() - mine.keys()} <= {(MONITORING, "diagnosis")}


@pytest.mark.prove
def test_twelve_policies_cost_at_most_thrice_the_models_that_they_need(six_weeks) -> None:
    policies = [Policy(f"every_{n}", (Every(days(7 * n)),)) for n in range(1, 7)]
    policies += [Policy(f"grown_{n}", (LabelVolume(grows=n / 10), Drift())) for n in range(1, 7)]
    found = live(six_weeks.system, six_weeks.stores, policies)
    assert len(found.lived) == 12
    assert found.cpu_s <= 3 * found.trainings_s
