"""The order of diagnosis: bugs explain shifts, labels outrank scores, scores features, and nothing is named twice."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosing.seen import Seen, TablePair
from mlsys_assets.production_monitoring.diagnosis import Cause, Price, Remedy, Symptom
from mlsys_assets.production_monitoring.drift.shifted import ShiftLimits

from .seen_worlds import UNTOLD, making, moved, seen

FLIPPED, LIKELIER, WARMER = moved(flipped=0.2), moved(share=0.31), moved(means=(1.0, 0.0, 0.0, 0.0))
SKEW = Symptom(Cause.SKEW, "served", "x1", "x1 was served otherwise than known", 0.2, 0.01)
SKEW_PRICE = Price(Estimate(0.05, 0.04, 0.06, 10_000, 1_200, 7, error=0.004), None, 10_000, "realised")


def unlabelled(of: Seen) -> Seen:
    rows = of.predicted
    return replace(of, predicted=replace(rows, label=np.full(len(rows), np.nan)))


def renamed(pair: TablePair) -> TablePair:
    names = ["another" if name == "x5" else name for name in pair.now.column_names]
    return replace(pair, now=pair.now.rename_columns(names))


def scaled(pair: TablePair) -> TablePair:
    at = pair.now.schema.get_field_index("x5")
    return replace(pair, now=pair.now.set_column(at, "x5", pa.array(pair.now["x5"].to_numpy() * 1_000)))


@pytest.mark.parametrize(
    ("world", "cause", "remedy", "how"),
    [
        (FLIPPED, Cause.CONCEPT, Remedy.RETRAIN, "realised"),
        (LIKELIER, Cause.LABEL, Remedy.CORRECT_PRIOR, "realised"),
        (WARMER, Cause.COVARIATE, Remedy.REWEIGHT, "estimated"),
        (moved(), Cause.NOTHING, Remedy.NOTHING, None),
    ],
    ids=["flipped", "likelier", "warmer", "still"],
)
def test_a_shift_is_named_with_its_price(world, cause, remedy, how) -> None:
    found = making(seen(world)).diagnosis()
    assert (found.cause, found.remedy) == (cause, remedy)
    assert (found.price is None) if how is None else found.price.how == how


def test_what_a_shift_costs_is_what_the_world_says() -> None:
    of = seen(FLIPPED)
    price, still = making(of).diagnosis().price, seen(moved())
    dearer = [np.mean(np.where(s.predicted.label > 0, -np.log(s.predicted.score), -np.log1p(-s.predicted.score)))
              for s in (of, still)]  # fmt: skip
    assert price.log_loss.low < dearer[0] - dearer[1] < price.log_loss.high
    assert price.money.value > 0
    assert price.requests == 10_000


def test_a_schema_change_explains_a_bug_a_skew_and_a_shift() -> None:
    whole = seen(FLIPPED)
    every = replace(whole, features=renamed(scaled(whole.features)), skew=(SKEW,), skew_price=SKEW_PRICE)
    bugged = replace(whole, features=scaled(whole.features), skew=(SKEW,), skew_price=SKEW_PRICE)
    skewed = replace(whole, skew=(SKEW,), skew_price=SKEW_PRICE)
    found = [making(one).diagnosis() for one in (every, bugged, skewed, whole)]
    assert [one.cause for one in found] == [Cause.SCHEMA, Cause.PIPELINE, Cause.SKEW, Cause.CONCEPT]
    assert [one.remedy for one in found] == [Remedy.FIX_DATA, Remedy.FIX_DATA, Remedy.FIX_SERVING, Remedy.RETRAIN]
    assert found[2].price == SKEW_PRICE
    assert found[1].price.how == "realised"  # what labels say, whoever is to blame
    assert {s.cause for s in found[0].symptoms} >= {Cause.SCHEMA, Cause.SKEW}
    for one in found:
        assert one.symptoms[0].cause is one.cause
        assert one.reason.startswith(f"{one.cause}: {one.symptoms[0].told}")
        assert one.reason.endswith(f"remedy: {one.remedy}")


def test_a_bug_of_a_source_is_told_by_its_name() -> None:
    of = seen()
    found = making(replace(of, raw={"weather": scaled(of.features)})).diagnosis()
    assert found.cause is Cause.PIPELINE
    assert found.symptoms[0].where == "weather.x5"


def test_a_new_column_is_told_and_is_no_shift() -> None:
    of = seen()
    new = of.features.now.append_column("new", pa.array(np.zeros(len(of.ids))))
    for one in (of, unlabelled(of)):
        found = making(replace(one, features=replace(of.features, now=new))).diagnosis()
        assert (found.cause, found.remedy) == (Cause.NOTHING, Remedy.NOTHING)
        assert [(s.cause, s.where) for s in found.symptoms] == [(Cause.SCHEMA, "new")]
        assert found.price is None


def test_without_labels_the_scores_tell_a_label_shift_and_features_a_covariate_shift() -> None:
    likelier, warmer, still = (making(unlabelled(seen(world))).diagnosis() for world in (LIKELIER, WARMER, moved()))
    assert (likelier.cause, likelier.remedy) == (Cause.LABEL, Remedy.CORRECT_PRIOR)
    assert likelier.symptoms[0].test == "score_mixture"
    assert (warmer.cause, warmer.remedy) == (Cause.COVARIATE, Remedy.WAIT)
    assert warmer.symptoms[0].where == "x0"
    assert (still.cause, still.remedy) == (Cause.NOTHING, Remedy.NOTHING)
    assert likelier.price.how == warmer.price.how == "estimated"
    for one in (likelier, warmer, still):
        assert "0 labels of 10,000" in one.untold["kind of shift"]


def idle() -> Seen:
    """A column that tells nothing of the label moved."""
    of = seen()
    at = of.features.now.schema.get_field_index("x5")
    now = of.features.now.set_column(at, "x5", pa.array(of.features.now["x5"].to_numpy() + np.float32(1.0)))
    return replace(of, predicted=replace(of.predicted, features=now), features=replace(of.features, now=now))


def test_a_column_that_moved_and_costs_nothing_is_told_and_left_alone() -> None:
    found = making(idle()).diagnosis()
    assert (found.cause, found.remedy) == (Cause.COVARIATE, Remedy.NOTHING)
    assert [s.where for s in found.symptoms] == ["x5"]
    assert found.price.log_loss.low < 0 < found.price.log_loss.high


def test_what_is_usual_of_a_column_is_no_shift() -> None:
    past = {f"x{i}": np.random.default_rng(i).lognormal(np.log(0.6 if i == 5 else 0.01), 0.3, 30) for i in range(6)}
    of = unlabelled(idle())
    assert making(of).diagnosis().cause is Cause.COVARIATE
    assert making(replace(of, past=past)).diagnosis().cause is Cause.NOTHING


def test_features_that_the_share_of_positives_moved_are_a_label_shift_though_no_label_tells() -> None:
    """So many more positives move ``x0`` far, and within each class it lies as before."""
    of = unlabelled(seen(moved(share=0.6)))
    found = making(of, columns=ShiftLimits(psi=0.03))
    assert "x0" in {s.where for s in found._covariate.symptoms}
    assert found.diagnosis().cause is Cause.LABEL


def test_a_refit_that_gains_asks_for_a_retraining() -> None:
    """Where features moved to, the champion's score is cut off; a refit on the weeks before goes on."""
    of = seen(WARMER)
    cut = [replace(rows, score=np.clip(rows.score, 0.01, 0.25)) for rows in (of.held_out, of.recent, of.predicted)]
    found = making(replace(of, held_out=cut[0], recent=cut[1], predicted=cut[2]))
    assert found._refit().high < 0
    assert found.diagnosis().remedy in {Remedy.REWEIGHT, Remedy.RETRAIN}


def test_a_retraining_learns_from_when_detectors_agree_that_errors_rose() -> None:
    of = seen(FLIPPED)
    found = making(of)
    since = found._since(found.kind.reference)
    assert of.predicted.at.min() <= since < of.predicted.at.max()
    told = found.diagnosis().learn_from
    assert told.start.replace(tzinfo=None) == since.astype("datetime64[us]").item()
    assert told.end.replace(tzinfo=None) == of.predicted.at.max().item()


def test_without_a_champion_data_alone_are_looked_at() -> None:
    of = seen(WARMER)
    no_rows = of.predicted.take(np.zeros(0, dtype=np.intp))
    none = replace(of, predicted=no_rows, ids=of.ids[:0], held_out=None, recent=None)
    found = making(none).diagnosis()
    assert (found.cause, found.remedy, found.price) == (Cause.COVARIATE, Remedy.WAIT, None)
    assert found.untold["kind of shift"] == "no champion, or nothing was predicted"
    assert "what it costs cannot be told" in found.reason
    nothing = TablePair(of.features.before.slice(0, 0), of.features.now, untold=UNTOLD)
    found = making(replace(none, features=nothing, raw={"weather": nothing})).diagnosis()
    assert (found.cause, found.remedy) == (Cause.UNTOLD, Remedy.WAIT)
    assert found.untold["bugs of features"] == found.untold["bugs of weather"] == UNTOLD
    assert found.reason == "insufficient data: nothing could be held against anything"


def test_equal_inputs_give_an_equal_diagnosis() -> None:
    one, two = (making(seen(FLIPPED)).diagnosis().as_dict() for _ in range(2))
    assert one == two


@pytest.mark.parametrize("rows", [0, 1, 10])
def test_where_no_column_can_be_told_nothing_is_said_to_be_as_before(rows: int) -> None:
    whole = seen()
    few = whole.predicted.take(np.arange(rows))
    pair = replace(whole.features, now=whole.features.now.slice(0, rows))
    small = replace(whole, predicted=few, ids=whole.ids[:rows], features=pair)
    reference = replace(whole, features=replace(whole.features, before=whole.features.before.slice(0, rows)))
    found = making(small).diagnosis()
    assert (found.cause, "drift of x0" in found.untold) == (Cause.UNTOLD, True)
    assert making(reference).diagnosis().cause is Cause.NOTHING  # labels tell
