"""The report on a challenger of flights: what it says, what it finds when something is wrong, and what it costs."""

import re
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from mlsys_assets import Bands, Finding, RandomBaseline, Severity, Slice
from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.data_sampling.views import OpenedTest, View
from mlsys_assets.measures.intervals import bootstrap, day_blocks
from mlsys_assets.offline_evaluation.champion_gate import RECENT, STATIC
from mlsys_assets.offline_evaluation.comparison import Scored, compare
from mlsys_assets.offline_evaluation.evaluation import Evaluator, groups_of
from mlsys_assets.offline_evaluation.report.assets import _asked, exhibits_of
from mlsys_assets.offline_evaluation.report.exhibit import Exhibit
from mlsys_assets.offline_evaluation.report.page import evaluation_page
from mlsys_assets.offline_evaluation.report.quality import is_it_better
from mlsys_assets.offline_evaluation.report.subject import Asked, Subject
from mlsys_assets.offline_evaluation.report.weaknesses import where_is_it_worse
from mlsys_assets.types import CHAMPION, TimeWindow, utc

CHALLENGER = "lightgbm"
QUESTIONS = ["Is it better?", "Where is it worse?", "How sure is it?", "Why does it say so?", "How does it behave?",
             "Would more data help?", "What does it cost?"]  # fmt: skip
TESTED = [Finding("invariant_to_tailnum", True, "0 decisions flip", Severity.ERROR)]


def judged(system, split, fitted, tests: dict[str, View], *, champion: str | None = None) -> Subject:
    """Return the challenger as the evaluation would hand it over; ``champion`` names who serves."""
    models = {c.name: fitted[c.name] for c in system.candidates if c.name in fitted}
    if champion is not None:
        models[CHAMPION] = fitted[champion]
    scored = {
        name: Scored(
            name, name, rows.at, rows.label, {k: m.predict(rows.features, threads=2) for k, m in models.items()},
            {k: k for k in models}, groups_of(system.slices, rows.features),
        )
        for name, rows in tests.items()
    }  # fmt: skip
    own = {"seed": 0, "support": system.gates.support}
    evaluator = Evaluator(system.metrics, system.slices, **own)
    evaluations = [
        evaluator.evaluate(tests[name], one.scores[k], model=k, hashes=("", ""), split=name)
        for name, one in scored.items()
        for k in models
    ]
    others = [k for k in models if k != CHALLENGER]
    compared = [
        compare(one, (CHALLENGER, k), system.gates.compared, by_slice=system.metrics[0], **own)
        for one in scored.values()
        for k in others
    ]
    candidates = [c for c in system.candidates if c.name in models]
    return Subject(CHALLENGER, candidates, models, split.train, split.validation, tests, scored, evaluations,
                   compared, TESTED, 0.25)  # fmt: skip


def wanted(system) -> Asked:
    return _asked(system)


@pytest.fixture(scope="module")
def opened(flights_split) -> dict[str, OpenedTest]:
    both = (flights_split.recent_test, flights_split.static_test)
    return {t.name: t.open(lambda read: None, models="", reason="") for t in both}


@pytest.fixture(scope="module")
def subject(flights_system, flights_split, flights_fitted, opened) -> Subject:
    return judged(flights_system, flights_split, flights_fitted, opened, champion="logistic_regression")


@pytest.fixture(scope="module")
def exhibits(subject, flights_system) -> dict[str, Exhibit]:
    return {e.question: e for e in exhibits_of(subject, wanted(flights_system), time.process_time)}


def test_every_question_has_its_answer_and_what_shows_it(exhibits) -> None:
    assert list(exhibits) == QUESTIONS
    assert exhibits["Is it better?"].answer.startswith(
        "Against champion: better on the recent test and better on the static test"
    )
    assert "take lightgbm" in exhibits["Is it better?"].answer
    assert "0 of" not in exhibits["Where is it worse?"].answer
    shown = {question: "".join(e.parts) for question, e in exhibits.items()}
    for question in QUESTIONS[:2] + QUESTIONS[3:4] + QUESTIONS[5:6]:
        assert "<svg" in shown[question], question
    assert shown["How sure is it?"].count("true positive rate") == 2  # the curves of two tests
    assert "Pareto front" in exhibits["What does it cost?"].answer
    assert "of all at 15 each, saves " in exhibits["What does it cost?"].answer
    checked = {f.name: f for e in exhibits.values() for f in e.findings}
    assert not checked["unseen_rows_resemble_training_rows"].passed  # September is no summer
    assert "sums_of_days_are_normal" in checked
    assert {"importance", "learning curve"} <= {name for e in exhibits.values() for name in e.thumbnails}


def test_the_page_is_whole_in_itself(exhibits) -> None:
    page = evaluation_page("flights", verdict="pass", reason="it is", exhibits=list(exhibits.values()), record="r")
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert "<script" not in page
    assert len(page) < 1_000_000


def test_small_pictures_are_seen_without_a_click(exhibits) -> None:
    for exhibit in exhibits.values():
        assert all(0 < len(small) < 1_000 for small in exhibit.thumbnails.values())


def test_it_is_seen_where_a_challenger_is_worse(flights_system, flights_split, flights_fitted, opened) -> None:
    """The labels of one carrier's flights from one airport at one hour are turned: nothing foretells them."""
    spoilt = {"carrier": "EV", "origin": "LGA"}

    def turned(rows: View) -> View:
        chosen = np.all([np.array(rows.features[c].to_pylist(), dtype=object) == v for c, v in spoilt.items()], axis=0)
        return replace(rows, label=np.where(chosen, 1 - rows.label, rows.label))

    tests = {RECENT: turned(opened[RECENT]), STATIC: opened[STATIC]}
    found = judged(flights_system, flights_split, flights_fitted, tests, champion="logistic_regression")
    exhibit = where_is_it_worse(found, wanted(flights_system))
    (searched,) = [f for f in exhibit.findings if f.name == "no_slice_is_worse_than_foretold"]
    assert not searched.passed
    assert "carrier=EV & origin=LGA" in exhibit.answer


def test_what_gains_nothing_is_told_to_be_not_worth_it(flights_system, flights_split, flights_fitted, opened) -> None:
    """The challenger knows no more than the person's rule."""
    poor = dict(flights_fitted) | {CHALLENGER: flights_fitted["person"],
                                   "logistic_regression": flights_fitted["group_rate"]}  # fmt: skip
    found = judged(flights_system, flights_split, poor, opened)
    exhibit = is_it_better(found, wanted(flights_system))
    (worth,) = [f for f in exhibit.findings if f.name == "machine_learning_is_worth_it"]
    assert not worth.passed
    assert "machine learning is not worth it here" in worth.summary


def made(subject: Subject, system) -> dict[str, Exhibit]:
    return {e.question: e for e in exhibits_of(subject, _asked(system), time.process_time)}


def test_a_champion_that_is_the_same_model_is_no_different(flights_system, subject) -> None:
    same = {name: replace(one, scores=dict(one.scores) | {CHAMPION: one.scores[CHALLENGER]})
            for name, one in subject.scored.items()}  # fmt: skip
    compared = [
        compare(one, (CHALLENGER, CHAMPION), flights_system.gates.compared, by_slice=flights_system.metrics[0])
        for one in same.values()
    ]
    found = is_it_better(replace(subject, scored=same, comparisons=compared), _asked(flights_system))
    assert found.answer.startswith("Against champion: no difference shown on the recent test and no difference shown")


def test_whatever_is_missing_the_rest_of_the_report_still_comes(flights_system, subject) -> None:
    """No baseline, no champion, ten rows to train on, three rows to test on, a metric that fails."""

    class Broken:
        name, higher_is_better = "broken", True

        def draws(self, label, score, weights):
            raise ZeroDivisionError("nothing there")

    own = {name: m for name, m in subject.predictors.items() if name in {CHALLENGER, "logistic_regression"}}
    models = [c for c in subject.candidates if c.name in own]
    alone = replace(subject, candidates=models, predictors=own, comparisons=[], train=subject.train.take(np.arange(10)))
    few = {name: rows.take(np.arange(3)) for name, rows in subject.tests.items()}
    scored = {
        name: replace(one, at=one.at[:3], label=one.label[:3], scores={k: s[:3] for k, s in one.scores.items()},
                      groups={k: g[:3] for k, g in one.groups.items()})
        for name, one in subject.scored.items()
    }  # fmt: skip
    broken = replace(flights_system, metrics=(Broken(), *flights_system.metrics))
    for odd, system in (
        (alone, flights_system),
        (replace(subject, tests=few, scored=scored), flights_system),
        (subject, broken),
    ):
        found = made(odd, system)
        assert list(found) == QUESTIONS
        assert sum("cannot be told: " in e.answer for e in found.values()) <= 3, {q: e.answer for q, e in found.items()}
        assert "nan" not in " ".join(e.answer for e in found.values())


def autumn(split, rows) -> OpenedTest:
    """October and November, which no model here has seen: some 55,000 rows."""
    window = TimeWindow(utc("2013-10-01"), utc("2013-12-01"))
    inside = (rows.at >= moment(window.start)) & (rows.at < moment(window.end)) & ~np.isnan(rows.label)
    whole = OpenedTest(rows.ids, rows.at, rows.features, np.nan_to_num(rows.label), window)
    return whole.take(inside)


def seconds(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


@pytest.mark.prove
def test_a_full_evaluation_takes_no_longer_than_the_training(
    flights_system, flights_split, flights_rows, flights_fitted, opened
) -> None:
    """With 1,000 draws, 60,000 rows, more than 20 slices and all reports, against fit and refit of the challenger."""
    tests = {RECENT: autumn(flights_split, flights_rows), STATIC: opened[STATIC]}
    slices = (*flights_system.slices, Slice("weekday"), Bands("distance", (500, 1_000, 1_500)))
    system = replace(flights_system, slices=slices)
    assert sum(1 for one in slices for _ in one.groups(tests[RECENT].features)) > 20
    assert len(tests[RECENT]) + len(tests[STATIC]) > 60_000
    (recipe,) = [c for c in system.candidates if c.name == CHALLENGER]

    def training() -> None:
        fitted = recipe.fit(flights_split.train, flights_split.validation, seed=0, threads=2)
        everything = system.time_split.refit_view(flights_rows, as_of=flights_split.as_of)
        recipe.refit(everything, recipe=fitted.recipe, seed=0, threads=2)

    def evaluation() -> None:
        found = judged(system, flights_split, flights_fitted, tests, champion="logistic_regression")
        exhibits_of(found, wanted(system), time.process_time)

    training(), evaluation()  # warm
    spent = [(seconds(training), seconds(evaluation)) for _ in range(3)]
    print("training, evaluation [CPU s]:", spent)
    assert np.median([e / t for t, e in spent]) <= 1.0


@pytest.mark.prove
def test_metrics_are_five_times_as_fast_as_scikit_learn_by_draw_and_slice(
    flights_system, flights_split, flights_rows, flights_fitted
) -> None:
    rows = autumn(flights_split, flights_rows)
    score, draws = flights_fitted[CHALLENGER].predict(rows.features), 1_000
    weights = bootstrap(day_blocks(rows.at), seed=0, draws=draws)
    groups = groups_of(flights_system.slices, rows.features)
    oracles = {
        "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=[0, 1]),
        "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
        "pr_auc": lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
        "brier": lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
    }
    for metric in flights_system.metrics:
        if metric.name not in oracles:
            continue
        chosen = [mask for mask in groups.values() if mask.sum() > 1_000]

        def ours(metric=metric, chosen=chosen) -> None:
            for mask in chosen:
                metric.draws(rows.label[mask], score[mask], weights.of(mask))

        def theirs(oracle=oracles[metric.name], chosen=chosen) -> None:
            for mask in chosen:
                oracle(rows.label[mask], score[mask], weights.counts[0][weights.block[mask]])

        ours(), theirs()
        ratio = seconds(theirs) / (seconds(ours) / draws)
        print(f"{metric.name}: {ratio:.0f} times as fast, by draw and slice")
        assert ratio >= 5


def test_random_scores_stand_beside_the_others(flights_fitted, opened) -> None:
    score = flights_fitted[RandomBaseline().name].predict(opened[RECENT].features)
    assert abs(sk.roc_auc_score(opened[RECENT].label, score) - 0.5) < 0.03
