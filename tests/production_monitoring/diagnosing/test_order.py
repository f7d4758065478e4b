"""The order of a diagnosis: bugs explain what comes after them, shifts are priced, and what cannot look is told."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.concept.detectors import Ddm
from mlsys_assets.production_monitoring.declared_rules import Within
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.seen import TablePair
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Price, Remedy, Symptom
from mlsys_assets.production_monitoring.faults import of_diagnosis
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.shift_kind.kinds import KindLimits
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.types import TimeWindow

from .observed_worlds import LEARNER, WEEK, before, held_out, in_order, seen, told, unlabelled, week, with_column

CALM = week()
FLIPPED, MOVED, MORE = week(flipped=0.2), week(means=(0.7, 0.0, 0.0, 0.0)), week(share=0.31)
NONE = CALM.take(np.arange(0))


def put(rows: ScoredRows, name: str, values: object) -> ScoredRows:
    """The rows with other values of a column."""
    return replace(rows, features=with_column(rows.features, name, values))


def frozen(rows: ScoredRows) -> ScoredRows:
    return put(rows, "x5", np.full(len(rows), 0.3, dtype=np.float32))


def idle(rows: ScoredRows) -> ScoredRows:
    """A column moves that tells nothing."""
    return put(rows, "x9", rows.features["x9"].to_numpy() + np.float32(0.5))


def renamed(rows: ScoredRows) -> ScoredRows:
    names = ["longitude" if name == "x7" else name for name in rows.features.column_names]
    return replace(rows, features=rows.features.rename_columns(names))


SKEW = Symptom(Cause.SKEW, "served as known", "x3", "x3 was served otherwise than known", 0.4, 0.001)
SKEWED = Price(Estimate(0.02, 0.01, 0.03, 4_000, 800, 7), None, 4_000, "realised")


def kind_of(found: Diagnosis) -> tuple[Cause, Remedy, str | None]:
    return found.cause, found.remedy, None if found.price is None else found.price.how


@pytest.mark.parametrize(
    ("rows", "known", "expected"),
    [
        pytest.param(renamed(CALM), {}, (Cause.SCHEMA, Remedy.FIX_DATA, "realised"), id="schema"),
        pytest.param(frozen(CALM), {}, (Cause.PIPELINE, Remedy.FIX_DATA, "realised"), id="pipeline"),
        pytest.param(
            frozen(unlabelled(CALM)), {}, (Cause.PIPELINE, Remedy.FIX_DATA, "estimated"), id="pipeline, no labels"
        ),
        pytest.param(
            replace(unlabelled(CALM), score=np.where(np.arange(len(CALM)) < 200, 0.2, CALM.score)),
            {},
            (Cause.PIPELINE, Remedy.FIX_DATA, "estimated"),
            id="repeated predictions",
        ),
        pytest.param(
            CALM, {"skew": (SKEW,), "skew_price": SKEWED}, (Cause.SKEW, Remedy.FIX_SERVING, "realised"), id="skew"
        ),
        pytest.param(MOVED, {}, (Cause.COVARIATE, Remedy.REWEIGHT, "estimated"), id="features"),
        pytest.param(unlabelled(MOVED), {}, (Cause.COVARIATE, Remedy.WAIT, "estimated"), id="features, no labels"),
        pytest.param(
            week(means=(-0.7, 0.0, 0.0, 0.0)), {}, (Cause.COVARIATE, Remedy.NOTHING, "estimated"), id="easier features"
        ),
        pytest.param(
            idle(week(seed=5)),
            {},
            (Cause.COVARIATE, Remedy.NOTHING, "estimated"),
            id="idle features",
        ),
        pytest.param(MORE, {}, (Cause.LABEL, Remedy.CORRECT_PRIOR, "realised"), id="labels"),
        pytest.param(unlabelled(MORE), {}, (Cause.LABEL, Remedy.CORRECT_PRIOR, "estimated"), id="labels, unknown"),
        pytest.param(FLIPPED, {}, (Cause.CONCEPT, Remedy.RETRAIN, "realised"), id="meaning"),
        pytest.param(unlabelled(FLIPPED), {}, (Cause.NOTHING, Remedy.NOTHING, None), id="meaning, no labels"),
        pytest.param(CALM, {}, (Cause.NOTHING, Remedy.NOTHING, None), id="nothing"),
        pytest.param(NONE, {"held_out": None, "recent": None}, (Cause.UNTOLD, Remedy.WAIT, None), id="no rows"),
    ],
)
def test_each_cause_is_named_with_its_remedy_and_what_its_price_rests_on(
    rows: ScoredRows, known: dict[str, object], expected: tuple[Cause, Remedy, str | None]
) -> None:
    found = told(rows, **known)
    assert kind_of(found) == expected
    assert found.window == WEEK
    assert all(s.cause is found.cause for s in found.symptoms[:1])


def test_what_comes_first_explains_what_comes_after_it_and_all_of_it_is_listed() -> None:
    """Each of all bugs and a shift is taken away in turn: the next one is named."""
    both = frozen(renamed(MOVED))
    skew = {"skew": (SKEW,), "skew_price": SKEWED}
    first = told(both, **skew)
    assert first.cause is Cause.SCHEMA
    assert [s.cause for s in first.symptoms[:3]] == [Cause.SCHEMA, Cause.PIPELINE, Cause.COVARIATE]
    assert first.symptoms[-1] == SKEW
    assert told(frozen(MOVED), **skew).cause is Cause.PIPELINE
    skewed = told(MOVED, **skew)
    assert (skewed.cause, skewed.price, skewed.symptoms[0]) == (Cause.SKEW, SKEWED, SKEW)
    assert told(MOVED).cause is Cause.COVARIATE


def test_a_column_that_is_new_is_told_and_is_no_cause() -> None:
    new = put(CALM, "fresh", np.ones(len(CALM)))
    found = told(new)
    assert (found.cause, of_diagnosis(found)) == (Cause.NOTHING, ())
    assert [(s.test, s.where) for s in found.symptoms] == [("schema", "fresh")]
    assert found.untold == {"drift of fresh": "is new: no such column before"}
    assert told(put(FLIPPED, "fresh", np.ones(len(CALM)))).cause is Cause.CONCEPT


def test_columns_in_another_order_or_of_a_wider_type_are_told_and_are_no_cause() -> None:
    columns = CALM.features.column_names
    reordered = replace(CALM, features=CALM.features.select([columns[1], columns[0], *columns[2:]]))
    wider = put(CALM, "x7", CALM.features["x7"].cast(pa.float64()))
    for rows in (reordered, wider):
        found = told(rows)
        assert (found.cause, len(found.symptoms)) == (Cause.NOTHING, 1)


def test_a_bug_of_a_source_is_named_with_it_and_another_source_is_looked_at_all_the_same() -> None:
    table = before().features
    raw = {
        "young": TablePair(table.slice(0, 0), table, None, "2 days of rows, 7 days needed"),
        "weather": TablePair(table, with_column(CALM.features, "x4", pa.nulls(len(CALM), pa.float32()))),
    }
    found = told(CALM, raw=raw)
    assert (found.cause, found.symptoms[0].where) == (Cause.PIPELINE, "weather.x4")
    assert found.untold == {"bugs of young": "2 days of rows, 7 days needed"}


def test_a_broken_rule_is_a_bug_of_the_pipeline() -> None:
    rule = Within("x2", high=3.0)
    broken = put(CALM, "x2", np.where(np.arange(len(CALM)) % 20 == 0, 3.5, np.minimum(CALM.features["x2"], 2.9)))
    found = told(broken, asked=Monitoring(rules=(rule,)))
    assert (found.cause, found.symptoms[0].test) == (Cause.PIPELINE, "rule")


def test_a_reason_says_cause_symptoms_price_and_remedy() -> None:
    found = told(MOVED)
    assert found.reason.startswith("covariate shift: x0 moved by +0.7")
    assert str(found.price) in found.reason
    assert found.reason.endswith("remedy: reweight and retrain")
    many = replace(CALM, features=before().features.slice(0, len(CALM)))
    for name in ("x4", "x5", "x6", "x7", "x8"):
        many = put(many, name, np.full(len(CALM), 0.3, dtype=np.float32))
    assert "; and 2 more. " in told(many).reason
    assert "what it costs cannot be told" in told(frozen(CALM), held_out=None).reason
    assert told(CALM).reason == "nothing changed beyond what is usual"


def test_a_shift_that_is_usual_is_none_and_one_that_costs_is_named_by_its_labels() -> None:
    """The column was as far off in each of twenty weeks before."""
    past = {"x9": np.random.default_rng(0).normal(0.4, 0.05, 20)}
    assert told(idle(CALM)).cause is Cause.COVARIATE
    assert told(idle(CALM), past=past).cause is Cause.NOTHING
    always = {"x0": np.random.default_rng(0).normal(0.6, 0.05, 20)}
    found = told(MOVED, past=always)
    assert (found.cause, found.remedy) == (Cause.COVARIATE, Remedy.REWEIGHT)
    assert [s.test for s in found.symptoms] == ["density ratio"]
    assert told(unlabelled(MOVED), past=always).cause is not Cause.COVARIATE


def test_a_retraining_learns_from_the_day_on_which_labels_turned() -> None:
    """Four days before the week began."""
    turned, random = np.datetime64("2013-04-15T00:00", "us"), np.random.default_rng(0)
    since = (before().at >= turned) & (random.random(len(before())) < 0.4)
    recent = replace(before(), label=np.where(since, 1 - before().label, before().label))
    found = told(week(flipped=0.4), recent=recent)
    assert (found.cause, found.remedy) == (Cause.CONCEPT, Remedy.RETRAIN)
    assert found.learn_from is not None
    start = np.datetime64(found.learn_from.start.replace(tzinfo=None), "us")
    assert turned < start < turned + np.timedelta64(2, "D")
    deaf = Monitoring(together=None, detectors=(Ddm(threshold=1e9), Ddm(threshold=1e9, name="deaf")))
    assert told(week(flipped=0.4), recent=recent, asked=deaf).learn_from.start > found.learn_from.start
    assert told(MORE).learn_from is None


def test_features_that_moved_otherwise_than_the_share_says_are_no_label_shift() -> None:
    """Scores alone take either for the other; columns do not."""
    for by in (0.3, 0.5, 1.0):
        assert told(unlabelled(week(means=(by, 0.0, 0.0, 0.0)))).cause is Cause.COVARIATE
    for share in (0.31, 0.6, 0.8):
        assert told(unlabelled(week(share=share))).cause is Cause.LABEL


def test_it_is_the_same_every_time() -> None:
    assert told(MOVED).as_dict() == told(MOVED).as_dict()


# ------------------------------------------------------------------------------------------- bad input


def test_a_small_system_says_what_is_missing_and_looks_at_the_rest() -> None:
    none = {"predicted": NONE, "ids": pa.array([], pa.string()), "held_out": None, "recent": None}
    found = told(frozen(CALM), **none)
    assert (found.cause, found.price) == (Cause.PIPELINE, None)
    assert found.untold == {"kind of shift": "no champion, or nothing was predicted"}
    without = TablePair(CALM.features.slice(0, 0), CALM.features, None, "0 days of rows before, 28 days needed")
    flipped = told(FLIPPED, features=without, recent=None)
    assert flipped.cause is Cause.CONCEPT
    assert flipped.untold == {"bugs of features": "0 days of rows before, 28 days needed"}
    assert told(CALM, features=without, **none).cause is Cause.UNTOLD


@pytest.mark.parametrize("rows", [0, 1, 3, 29])
def test_few_rows_are_a_verdict_of_their_own(rows: int) -> None:
    few = CALM.take(np.arange(rows))
    found = told(few)
    assert (found.cause, found.remedy, of_diagnosis(found)) == (Cause.UNTOLD, Remedy.WAIT, None)
    assert found.reason.startswith("insufficient data")
    assert {"pipeline", "kind of shift", "drift of x0", "drift of place"} <= set(found.untold)
    for known in ({"held_out": few}, {"recent": few}, {"features": TablePair(few.features, CALM.features)}):
        assert told(CALM, **known).cause is Cause.NOTHING


ODD: dict[str, Callable[[int], object]] = {
    "null": lambda n: pa.nulls(n, pa.float32()),
    "of no type": pa.nulls,
    "NaN": lambda n: np.full(n, np.nan, dtype=np.float32),
    "infinite": lambda n: np.full(n, np.inf, dtype=np.float32),
    "constant": lambda n: np.ones(n, dtype=np.float32),
    "null text": lambda n: pa.nulls(n, pa.string()),
    "a date": lambda n: pa.array(np.full(n, np.datetime64("2013-01-01", "us"))),
    "lists": lambda n: pa.array([[1.0]] * n),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", ODD)
def test_a_column_that_was_always_odd_stops_nothing(odd: str) -> None:
    tables = {"before": before(), "now": MORE, "held": held_out()}
    rows = {name: put(one, "odd", ODD[odd](len(one))) for name, one in tables.items()}
    pair = TablePair(rows["before"].features, rows["now"].features)
    found = told(rows["now"], features=pair, held_out=rows["held"], recent=rows["before"])
    assert (found.cause, found.remedy) == (Cause.LABEL, Remedy.CORRECT_PRIOR)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("column", ["x1", "place"])
def test_a_column_that_becomes_odd_is_a_bug(column: str, odd: str) -> None:
    found = told(put(MORE, column, ODD[odd](len(MORE))))
    assert found.cause in (Cause.SCHEMA, Cause.PIPELINE)
    assert found.remedy is Remedy.FIX_DATA
    assert found.symptoms[0].where == column


@pytest.mark.parametrize("rows", [FLIPPED, MOVED], ids=["meaning", "features"])
def test_a_column_that_is_gone_stops_neither_the_refit_nor_the_dating(rows: ScoredRows) -> None:
    found = told(replace(rows, features=rows.features.drop_columns(["x9"])))
    assert (found.cause, found.symptoms[0].where) == (Cause.SCHEMA, "x9")


@pytest.mark.parametrize(
    ("label", "why"),
    [
        (np.zeros(len(CALM)), "0 positive labels"),
        (np.where(np.arange(len(CALM)) % 2, CALM.label, np.nan), "of 80% they are needed"),
        (np.full(len(CALM), np.nan), "0 labels"),
    ],
    ids=["one class", "half of them", "none"],
)
def test_labels_that_do_not_come_are_told(label: np.ndarray, why: str) -> None:
    found = told(replace(CALM, label=label))
    assert found.cause is Cause.NOTHING
    assert why in found.untold["kind of shift"]


@pytest.mark.parametrize(
    "held", [unlabelled(held_out()), held_out().take(np.arange(0)), held_out().take(np.arange(1))], ids=len
)
def test_a_champion_that_nothing_is_held_out_of_is_told(held: ScoredRows) -> None:
    found = told(FLIPPED, held_out=held)
    assert found.cause is Cause.NOTHING
    assert {"kind of shift", "label shift"} <= set(found.untold)


def test_the_window_of_another_seed_learns_from_other_draws_only() -> None:
    asked = seen(MORE)
    found = [Diagnosing(asked, Monitoring(), LEARNER, seed=seed).diagnosis() for seed in (0, 1)]
    assert found[0].cause is found[1].cause
    assert found[0].price != found[1].price
    assert isinstance(found[0].window, TimeWindow)


def test_rows_in_any_order_are_diagnosed_alike() -> None:
    shuffled = in_order(FLIPPED.take(np.random.default_rng(0).permutation(len(FLIPPED))))
    assert told(shuffled).as_dict() == told(FLIPPED).as_dict()


def test_a_loss_that_neither_level_nor_slope_nor_region_explains_is_a_concept_shift() -> None:
    """Days that turn as one leave a test of the line too little to go by; what they lose is beyond doubt."""
    blind = Monitoring(together=None, kinds=KindLimits(chance=1e-15))
    found = told(week(flipped=0.4), asked=blind)
    assert (found.cause, found.remedy, found.price.how) == (Cause.CONCEPT, Remedy.RETRAIN, "realised")
    assert (found.symptoms[0].test, found.learn_from) == ("excess loss", found.window)
    assert found.symptoms[0].size == found.price.log_loss.value > found.symptoms[0].limit
    assert told(CALM, asked=blind).cause is Cause.NOTHING
    assert told(unlabelled(week(flipped=0.4)), asked=blind).cause is Cause.NOTHING
