"""The gate on flights: what poisons labels, noise that looks like progress, and a past that is still to be served."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets import LightGBM, LogLoss, NonInferiority, Slice, Superiority
from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.measures.power import Power
from mlsys_assets.offline_evaluation.champion_gate import RECENT, STATIC
from mlsys_assets.offline_evaluation.comparison import Comparison, Scored, compare
from mlsys_assets.offline_evaluation.evaluation import Evaluator, groups_of
from mlsys_assets.offline_evaluation.verdict import Case, GateVerdict, Verdict, decide
from mlsys_assets.types import utc

RECIPE = LightGBM(rounds=40, column_share=0.3, more={"max_bin": 63})
EVERY = 6
"""Of so many training rows one is fitted on: enough for what is shown here."""


@pytest.fixture(scope="module")
def tests(flights_split: Split):
    return {t.name: t.open(lambda read: None, models="", reason="") for t in
            (flights_split.recent_test, flights_split.static_test)}  # fmt: skip


@pytest.fixture(scope="module")
def few(flights_split: Split) -> Train:
    return flights_split.train.take(np.arange(0, len(flights_split.train), EVERY))


@pytest.fixture(scope="module")
def champion(few, flights_split):
    return RECIPE.fit(few, flights_split.validation, seed=0, threads=2)


def poisoned(view, chosen: np.ndarray):
    """Return the view with the labels of some rows the wrong way round."""
    return replace(view, label=np.where(chosen, 1 - view.label, view.label))


def asked(system, tests, challenger, champion, baselines) -> tuple[GateVerdict, list[Comparison]]:
    """Return what the system's gate says of a challenger, and the comparisons with the champion."""
    gates = replace(system.gates, slice_margin=0.02)
    models = {"challenger": challenger, "champion": champion, **baselines}
    scored = {
        name: Scored(
            name, name, rows.at, rows.label, {k: m.predict(rows.features, threads=2) for k, m in models.items()},
            {k: k for k in models}, groups_of(system.slices, rows.features),
        )
        for name, rows in tests.items()
    }  # fmt: skip
    own = {"seed": 0, "support": gates.support}
    against = [compare(t, ("challenger", b), gates.compared, **own) for t in scored.values() for b in baselines]
    champ = [
        compare(t, ("challenger", "champion"), gates.compared, by_slice=gates.champion.metric, **own)
        for t in scored.values()
    ]
    verdict = decide(
        gates, Case("challenger", [], against, champ), model_hash="challenger", data_hashes={t: t for t in tests}
    )
    return verdict, champ


@pytest.fixture(scope="module")
def baselines(flights_fitted):
    return {name: flights_fitted[name] for name in ("zero_rule", "group_rate")}


def test_an_honest_challenger_passes(flights_system, tests, few, flights_split, champion, baselines) -> None:
    """The control: the same rows, another seed."""
    challenger = RECIPE.fit(few, flights_split.validation, seed=1, threads=2)
    assert asked(flights_system, tests, challenger, champion, baselines)[0].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("share", "carriers"), [(0.05, None), (0.2, None), (1.0, ("EV",))], ids=["1 in 20", "1 in 5", "all of one carrier"]
)
def test_poisoned_labels_promote_nobody(
    flights_system, tests, few, flights_split, champion, baselines, share, carriers
) -> None:
    """Wrong labels in training, validation and recent test alike: the static test, kept since, holds the challenger."""
    rng = np.random.default_rng(0)

    def flipped(view):
        chosen = rng.random(len(view)) < share
        if carriers:
            chosen &= np.isin(np.array(view.features["carrier"].to_pylist(), dtype=object), carriers)
        return poisoned(view, chosen)

    challenger = RECIPE.fit(flipped(few), flipped(flights_split.validation), seed=0, threads=2)
    seen = dict(tests) | {RECENT: flipped(tests[RECENT])}
    verdict, _ = asked(flights_system, seen, challenger, champion, baselines)
    assert verdict.verdict is Verdict.FAIL
    assert STATIC in verdict.reason


def test_what_fits_a_corrupted_present_is_held_by_the_trusted_past(
    flights_system, tests, flights_split, champion, baselines
) -> None:
    """A broken feed turns the labels of United's flights round, for six weeks: recent rows want who believes it."""

    def broken(view):
        mine = np.array(view.features["carrier"].to_pylist(), dtype=object) == "UA"
        return poisoned(view, mine & (view.at >= moment(utc("2013-08-01"))))

    since = flights_split.train.at >= moment(utc("2013-08-01"))
    fresh = broken(flights_split.train.take(since))
    challenger = RECIPE.fit(fresh, broken(flights_split.validation), seed=0, threads=2)
    seen = dict(tests) | {RECENT: broken(tests[RECENT])}
    verdict, (recent, static) = asked(flights_system, seen, challenger, champion, baselines)
    assert recent.differences["log_loss"].high < 0  # on recent rows it is shown to be better
    assert static.differences["log_loss"].low > 0  # and on trusted ones to be worse
    evaluator = Evaluator((LogLoss(),), (Slice("origin"),))
    losses = [
        evaluator.evaluate(rows, champion.predict(rows.features), model="champion", hashes=("", ""), split=RECENT)
        for rows in (tests[RECENT], seen[RECENT])
    ]
    assert losses[1].whole["log_loss"].low > losses[0].whole["log_loss"].high  # the champion's recent metric falls
    assert verdict.verdict is Verdict.FAIL
    assert f"worse than the champion's on {STATIC}" in verdict.reason


def seeds_compared(few: Train, split: Split, tests, seeds: int, comparisons: int) -> list[bool]:
    """Return whether each of so many comparisons of one recipe with itself, on days drawn anew, shows superiority."""
    rows = tests[RECENT]
    fitted = [RECIPE.fit(few, split.validation, seed=s, threads=2).predict(rows.features) for s in range(seeds)]
    rng, gate, block, passed = np.random.default_rng(1), Superiority(), day_blocks(rows.at), []
    by_day = [np.flatnonzero(block == day) for day in range(block.max() + 1)]
    for trial in range(comparisons):
        first, second = rng.choice(seeds, size=2, replace=False)
        days = rng.integers(0, len(by_day), size=14)
        chosen = np.concatenate([by_day[day] for day in days])
        at = np.repeat(np.datetime64("2013-01-01", "us") + np.arange(14).astype("timedelta64[D]"),
                       [len(by_day[day]) for day in days])  # fmt: skip
        scores = {"challenger": fitted[first][chosen], "champion": fitted[second][chosen]}
        drawn = Scored(RECENT, "rows", at, rows.label[chosen], scores, dict.fromkeys(scores, "h"))
        found = compare(drawn, ("challenger", "champion"), [LogLoss()], seed=trial).differences["log_loss"]
        passed.append(not gate.shortfall(found, RECENT))
    return passed


def test_identical_recipes_of_other_seeds_are_seldom_called_better(few, flights_split, tests) -> None:
    assert np.mean(seeds_compared(few, flights_split, tests, seeds=4, comparisons=60)) <= 0.05


@pytest.mark.prove
def test_identical_recipes_of_other_seeds_pass_in_at_most_5_of_100(few, flights_split, tests) -> None:
    passed = seeds_compared(few, flights_split, tests, seeds=20, comparisons=200)
    print("passed", np.mean(passed))
    assert np.mean(passed) <= 0.05


def test_what_days_can_show_is_told_beforehand(flights_fitted, flights_split, tests) -> None:
    """From validation alone: the gain that two weeks of recent rows show, four times of five."""
    rows = flights_split.validation
    losses = {name: log_losses(rows.label, flights_fitted[name].predict(rows.features)) for name in
              ("lightgbm", "logistic_regression")}  # fmt: skip
    power = Power.foretold(losses["logistic_regression"] - losses["lightgbm"], day_blocks(rows.at))
    least = power.least_gain(14)
    assert power.at(least, 14) == pytest.approx(0.8, abs=1e-6)
    assert 0.0005 < least < 0.02
    assert NonInferiority().recent < least  # a smaller margin asks for more than two weeks can show
