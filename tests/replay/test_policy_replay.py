"""A policy lived once more decides what it decided, and another one what it would have."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mlsys_assets import Drift, Every, LabelVolume, Retraining, days, utc
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.ledger import ALERT, FAILED, GATE, GIVEN_UP, HOLD, INSUFFICIENT, MONITORING, RETRAINING, TRIGGER
from mlsys_assets.models.training import LocalTraining
from mlsys_assets.policy_replay import training
from mlsys_assets.policy_replay.living import live
from mlsys_assets.production_monitoring.performance import matured
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.policy_replay.fidelity import fidelity
from mlsys_assets.types import DeclarationError

from .triggers import CriesWolf

FIRST, UNTIL = utc("2013-03-05"), utc("2013-04-16")
WEEKLY = Policy("weekly", (Every(days(7)),))
MONTHLY = Policy("monthly", (Every(days(28)),))
NEVER = Policy("never", ())


def hashes(decisions, *kinds):
    """Return what was decided, by what it is about, as hashes of content."""
    return {(d.as_of, d.kind, d.name): d.content_hash for d in decisions if not kinds or d.kind in kinds}


def test_the_systems_own_policy_decides_as_the_ledger_says(six_weeks) -> None:
    assert any(isinstance(trigger, Drift) for trigger in six_weeks.system.triggers)
    (found,) = live(six_weeks.system, six_weeks.stores, [Policy.of(six_weeks.system)]).lived
    real = [d for d in six_weeks.decisions(since=FIRST) if d.kind != ALERT]
    real = [d for d in real if d.as_of > FIRST or d.kind != MONITORING]
    assert hashes(found.decisions) == hashes(real)
    assert fidelity(found, six_weeks.decisions()).passed
    said = [(d.kind, d.name) for d in found.decisions]
    assert said.count((RETRAINING, "arbiter")) == 7
    assert said.count((TRIGGER, "drift")) == 7
    assert said.count((GATE, "champion")) == 3
    assert [f"{at:%m-%d}" for at in found.trainings] == ["03-05", "03-19", "04-09"]
    assert [f"{at:%m-%d}" for at in found.promotions] == ["03-05", "03-19"]
    assert found.cpu_s > 0


def test_its_predictions_are_those_that_were_made(six_weeks) -> None:
    (found,) = live(six_weeks.system, six_weeks.stores, [Policy.of(six_weeks.system)]).lived
    real = six_weeks.stores.lake.read("rain", "predictions")
    np.testing.assert_array_equal(found.score, real["score"].to_numpy())
    assert len(found.at) == len(found.label) == len(real)
    assert set(np.unique(found.label[~np.isnan(found.label)])) == {0.0, 1.0}


def wrong_rows(predictions, labels, **told):
    return matured(predictions.slice(len(predictions) // 5), labels, **told)


def wrong_test(self, as_of):
    return SPLIT_WINDOWS(replace(self, test=self.test * 2), as_of)


SPLIT_WINDOWS = TimeSplit.windows


@pytest.mark.parametrize(
    ("where", "what", "planted"),
    [
        ("mlsys_assets.monitored_tick", "matured", wrong_rows),
        ("mlsys_assets.data_sampling.splits.TimeSplit", "windows", wrong_test),
    ],
    ids=["a metric of other rows", "another split"],
)
def test_a_planted_difference_is_seen(six_weeks, monkeypatch, where, what, planted) -> None:
    monkeypatch.setattr(f"{where}.{what}", planted)
    (found,) = live(six_weeks.system, six_weeks.stores, [Policy.of(six_weeks.system)]).lived
    kinds = (TRIGGER, RETRAINING)
    assert hashes(found.decisions, *kinds) != hashes(six_weeks.decisions(since=FIRST), *kinds)
    assert not fidelity(found, six_weeks.decisions()).passed


def test_a_model_that_two_policies_need_is_fitted_once_and_counts_for_both(six_weeks, monkeypatch) -> None:
    fits, system = [], replace(six_weeks.system)
    fit, refit = LocalTraining.fit, LocalTraining.refit

    def fitted(self, candidate, train, *rest, **told):
        fits.append((candidate.name, len(train)))
        return fit(self, candidate, train, *rest, **told)

    def refitted(self, candidate, train, **told):
        fits.append((f"{candidate.name} again", len(train)))
        return refit(self, candidate, train, **told)

    monkeypatch.setattr(LocalTraining, "fit", fitted)
    monkeypatch.setattr(LocalTraining, "refit", refitted)
    twin = Policy("twin", (LabelVolume(grows=1e6), Every(days(28))))
    found = live(system, six_weeks.stores, [MONTHLY, twin, WEEKLY], until=utc("2013-04-02"))
    monthly, as_well, weekly = found.lived
    assert monthly.trainings == as_well.trainings == (FIRST, utc("2013-04-02"))
    assert len(weekly.trainings) == 5
    assert set(monthly.trainings) < set(weekly.trainings)
    assert len(fits) == len(set(fits))
    assert sum(name == "lightgbm" for name, _ in fits) == 5
    assert monthly.cpu_s == as_well.cpu_s
    assert weekly.cpu_s > monthly.cpu_s
    assert found.trainings_s < monthly.cpu_s + as_well.cpu_s + weekly.cpu_s
    np.testing.assert_array_equal(monthly.score, as_well.score)


def test_twelve_policies_cost_at_most_thrice_the_models_that_they_need(six_weeks) -> None:
    policies = [Policy(f"every_{n}", (Every(days(7 * n)),)) for n in range(1, 7)]
    policies += [Policy(f"grown_{n}", (LabelVolume(grows=n / 10), Drift())) for n in range(1, 7)]
    found = live(six_weeks.system, six_weeks.stores, policies)
    assert len(found.lived) == 12
    assert found.cpu_s <= 3 * found.trainings_s


def test_who_never_trains_has_its_first_champion_to_the_end(six_weeks) -> None:
    never, weekly = live(six_weeks.system, six_weeks.stores, [NEVER, WEEKLY], until=utc("2013-03-26")).lived
    assert never.trainings == never.promotions == (FIRST,)
    assert {d.verdict for d in never.decisions if d.kind == RETRAINING and d.as_of > FIRST} == {HOLD}
    first = never.at < np.datetime64("2013-03-12")
    np.testing.assert_array_equal(never.score[first], weekly.score[first])
    assert (never.score[~first] != weekly.score[~first]).any()


def test_a_diagnosis_is_made_only_for_who_looks_at_one(six_weeks) -> None:
    policies = [MONTHLY, Policy("drift", (Drift(),))]
    without, with_one = live(six_weeks.system, six_weeks.stores, policies, until=utc("2013-03-19")).lived
    names = [{d.name for d in lived.decisions if d.kind == MONITORING} for lived in (without, with_one)]
    assert names == [{"performance", "drift"}, {"performance", "drift", "diagnosis"}]


def test_an_earlier_beginning_is_what_was_known_then(six_weeks) -> None:
    since = utc("2013-02-19")
    (early,) = live(six_weeks.system, six_weeks.stores, [WEEKLY], since=since, until=FIRST).lived
    assert early.trainings == (since, utc("2013-02-26"), FIRST)
    assert early.at.min() >= np.datetime64("2013-02-19")


@dataclass(frozen=True)
class Raises(CriesWolf):
    """A trigger that fails."""

    name: str = "raises"

    def verdict(self, history):
        raise RuntimeError("no idea")


def test_a_trigger_that_fails_is_on_record_and_stops_nobody(six_weeks) -> None:
    policy = Policy("fails", (Raises(), Every(days(14))), Retraining(cooldown=days(7)))
    (found,) = live(six_weeks.system, six_weeks.stores, [policy], until=utc("2013-03-19")).lived
    said = {d.verdict for d in found.decisions if (d.kind, d.name) == (TRIGGER, "raises")}
    assert said == {"error"}
    assert found.trainings == (FIRST, utc("2013-03-19"))


def test_rows_too_few_to_learn_from_are_a_verdict_and_the_replay_goes_on(six_weeks) -> None:
    start = utc("2013-01-08")
    (found,) = live(six_weeks.system, six_weeks.stores, [WEEKLY], since=start, until=utc("2013-02-19")).lived
    sets = {d.as_of: d.verdict for d in found.decisions if d.kind == "training_set"}
    assert sets[start] == INSUFFICIENT
    assert found.trainings[0] == start
    assert found.promotions
    assert found.promotions[0] > start


def test_a_training_that_fails_is_given_up_and_the_champion_stays(six_weeks, monkeypatch) -> None:
    evaluate = training.evaluate

    def fails(step, split, *, reason):
        if step.as_of > FIRST:
            raise RuntimeError("nobody can tell")
        return evaluate(step, split, reason=reason)

    monkeypatch.setattr(training, "evaluate", fails)
    (found,) = live(six_weeks.system, six_weeks.stores, [WEEKLY], until=utc("2013-03-19")).lived
    given_up = [d for d in found.decisions if d.name == GIVEN_UP]
    assert {d.verdict for d in given_up} == {FAILED}
    assert [d.as_of for d in given_up] == [utc("2013-03-12"), utc("2013-03-19")]
    assert found.promotions == (FIRST,)


def test_nothing_is_written_to_the_stores(six_weeks) -> None:
    before = six_weeks.hash, {t: six_weeks.stores.lake.version("rain", t) for t in six_weeks.stores.lake.tables("rain")}
    live(six_weeks.system, six_weeks.stores, [WEEKLY], until=utc("2013-03-12"))
    assert before == (six_weeks.hash, {t: six_weeks.stores.lake.version("rain", t) for t in before[1]})


def test_what_was_not_lived_is_not_replayed(six_weeks, life_of, rain) -> None:
    with pytest.raises(ValueError, match="run `mlsys run rain` first"):
        live(rain, life_of(rain).stores, [WEEKLY])
    for wrong, words in (
        ({"until": utc("2013-05-07")}, "has been lived from 2013-03-05"),
        ({"since": utc("2013-03-12")}, "at 2013-03-05 .* at the latest"),
        ({"since": utc("2013-02-20")}, "must be the start of a tick"),
        ({"since": utc("2013-01-01")}, "it must lie after 2013-01-01"),
    ):
        with pytest.raises(ValueError, match=words):
            live(six_weeks.system, six_weeks.stores, [WEEKLY], **wrong)
    with pytest.raises(DeclarationError, match="2 policies are named 'weekly'"):
        live(six_weeks.system, six_weeks.stores, [WEEKLY, WEEKLY])


@pytest.mark.prove
@pytest.mark.parametrize("policy", [WEEKLY, Policy("volume", (LabelVolume(grows=0.1), Drift()))], ids=lambda p: p.name)
def test_another_policy_decides_as_if_it_had_been_lived(six_weeks, life_of, policy) -> None:
    since, until = utc("2013-02-19"), utc("2013-03-19")
    (found,) = live(six_weeks.system, six_weeks.stores, [policy], since=since, until=until).lived
    other = replace(
        six_weeks.system, triggers=policy.triggers, retraining=policy.retraining, learning=policy.learning,
        simulated_from=since,
    )  # fmt: skip
    real = life_of(other).live(until)
    told = [d for d in real.decisions(since=since) if d.kind != ALERT and (d.as_of > since or d.kind != MONITORING)]
    mine = hashes(found.decisions)
    assert {key: said for key, said in hashes(told).items() if key in mine} == mine
    assert {key[1:] for key in hashes(told).keys() - mine.keys()} <= {(MONITORING, "diagnosis")}
