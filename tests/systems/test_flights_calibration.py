"""Flights: what calibration on a later fold mends, what a season leaves, and what can be told before labels come."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import Ece, LightGBM, MLSystem, Slice
from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.measures.metrics import value
from mlsys_assets.models.calibration import Calibrated, Isotonic, Platt
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.prior_correction import Trust, on_trial, own_shift, reference_shift
from mlsys_assets.offline_evaluation.confidence.calibration import calibration_report, residual_miscalibration
from mlsys_assets.offline_evaluation.confidence.confidence import Abstention, risk_coverage
from mlsys_assets.offline_evaluation.confidence.conformal import coverage_holds, coverage_report, prediction_sets

SCHEDULE = (
    "carrier",
    "origin",
    "dest",
    "distance",
    "sched_hour",
    "sched_arr_hour",
    "weekday",
    "planned_hours",
    "tailnum_seats",
)
WEATHER = ("temp", "dewp", "humid", "wind", "precip", "pressure", "visib", "rain")
LATELY = (
    "sched_hour", "all_dep_delay_3h", "origin_dep_delay_1h", "origin_dep_delay_3h", "origin_delay_2h",
    "carrier_delay_3h", "carrier_dep_delay_3h", "dest_delay_6h", "origin_lost_3h", "tailnum_last_delay_2d",
    "carrier_flight_delay_28d",
)  # fmt: skip
"""How late others were in the hours before: what follows the season by itself."""
MODEL = LightGBM(rounds=60, column_share=0.5, more={"max_bin": 63})
WINDOW = np.timedelta64(5, "D")
"""Days of earlier predictions that a shift is told from: as ``Trust``'s least shift chosen on April to September."""
AT_MOST = 0.035


@dataclass(frozen=True)
class Predictions:
    """What was predicted in some months, each by a model retrained as the month began."""

    score: np.ndarray
    reference: np.ndarray
    label: np.ndarray
    at: np.ndarray
    known_at: np.ndarray
    prior: np.ndarray

    def take(self, rows: np.ndarray) -> "Predictions":
        return Predictions(**{name: part[rows] for name, part in vars(self).items()})

    def of(self, month: int) -> "Predictions":
        return self.take((month_of(self.at) == month) & ~np.isnan(self.label))

    def known(self, begin: np.datetime64) -> np.ndarray:
        return (self.at < begin) & (self.known_at <= begin) & ~np.isnan(self.label)


def month_of(at: np.ndarray) -> np.ndarray:
    return at.astype("datetime64[M]").astype(int) % 12 + 1


def only(rows: LabelledRows, columns: tuple[str, ...]) -> LabelledRows:
    return replace(rows, features=rows.features.select(list(columns)))


def known_long_before(rows: LabelledRows) -> tuple[str, ...]:
    weather = [n for n in rows.features.schema.names if n.startswith("origin_") and any(w in n for w in WEATHER)]
    around = [n for n in rows.features.schema.names if "planned_around" in n or "due_around" in n]
    return (*SCHEDULE, *around, *weather)


def start(month: int) -> datetime:
    return datetime(2013 + month // 13, (month - 1) % 12 + 1, 1, tzinfo=UTC)


def month_scores(
    system: MLSystem, rows: LabelledRows, month: int, model: LightGBM
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a month's rows, their scores by the model as of its start, and the share it was trained on."""
    train = system.time_split.refit_view(rows, as_of=start(month))
    fitted = model.refit(train, recipe={"rounds": model.rounds}, seed=0, threads=1)
    here = np.flatnonzero((rows.at >= moment(start(month))) & (rows.at < moment(start(month + 1))))
    return here, fitted.predict(rows.features.take(pa.array(here))), float(train.label.mean())


def predicted(
    system: MLSystem, rows: LabelledRows, months: range, *, reference: tuple[str, ...], model: LightGBM
) -> Predictions:
    parts = []
    for month in months:
        here, score, prior = month_scores(system, only(rows, known_long_before(rows)), month, MODEL)
        _, other, _ = month_scores(system, only(rows, reference), month, model)
        parts.append((score, other, rows.label[here], rows.at[here], rows.known_at[here], np.full(len(here), prior)))
    return Predictions(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def by_reference(found: Predictions) -> np.ndarray:
    """Return the scores corrected each day by what both models said of the five days before."""
    corrected, day = found.score.copy(), found.at.astype("datetime64[D]")
    for today in np.unique(day):
        past = found.take((day < today) & (day >= today - WINDOW))
        shift = reference_shift(past.score, past.reference, past.at, seed=0)
        corrected[day == today] = Trust().corrected(found.score[day == today], shift)
    return corrected


def by_own_scores(found: Predictions, *, days: int = 28) -> np.ndarray:
    """Return the scores corrected each week by what they themselves say of four weeks, the week's own included."""
    corrected = found.score.copy()
    week = (found.at - np.datetime64("2012-12-31")) // np.timedelta64(7, "D")
    for one in np.unique(week):
        end = found.at[week == one].max()
        past = found.take((found.at <= end) & (found.at > end - np.timedelta64(days, "D")))
        shift = own_shift(past.score, past.at, train_prior=float(found.prior[week == one][-1]), seed=0)
        corrected[week == one] = Trust().corrected(found.score[week == one], shift)
    return corrected


def tried(found: Predictions, corrected: np.ndarray, months: range) -> np.ndarray:
    """Return corrected scores in the months before which the correction had passed its trial, else those given."""
    scores = found.score.copy()
    for month in months:
        past = found.known(moment(start(month)))
        both = (corrected[past], found.score[past])
        if on_trial(found.label[past], both, found.at[past], seed=0)[0]:
            scores[month_of(found.at) == month] = corrected[month_of(found.at) == month]
    return scores


def errors(found: Predictions, score: np.ndarray, months: range) -> Mapping[int, float]:
    rows = {m: (month_of(found.at) == m) & ~np.isnan(found.label) for m in months}
    return {m: value(Ece(), found.label[here], score[here]) for m, here in rows.items()}


@pytest.fixture(scope="module")
def summer_and_september(flights_system, flights_rows) -> Predictions:
    return predicted(flights_system, flights_rows, range(8, 10), reference=LATELY, model=MODEL)


@pytest.fixture(scope="module")
def autumn(flights_rows: LabelledRows, flights_fitted: Mapping[str, Predictor]) -> tuple[np.ndarray, ...]:
    """Labels, scores by the system's LightGBM, times and positions of the rows since September: none was trained on."""
    here = np.flatnonzero((flights_rows.at >= np.datetime64("2013-09-01")) & ~np.isnan(flights_rows.label))
    score = flights_fitted["lightgbm"].predict(flights_rows.features.take(pa.array(here)))
    return flights_rows.label[here], score, flights_rows.at[here], here


def test_september_is_told_by_another_models_scores_before_its_labels_come(summer_and_september) -> None:
    """13 % were late where 24 % had been: plan and weather could not know, the delays of the hours before do."""
    found = summer_and_september
    raw, mended = (errors(found, score, range(8, 10)) for score in (found.score, by_reference(found)))
    assert raw[9] > 0.07
    assert mended[9] <= AT_MOST
    assert mended[8] <= raw[8] + 0.005


def test_a_models_own_scores_cannot_tell_september(summer_and_september) -> None:
    """Flights were planned and weather was as before: what their scores tell misses more than the share of training."""
    found = summer_and_september
    assert errors(found, by_own_scores(found), range(9, 10))[9] > AT_MOST
    week = (found.at - np.datetime64("2012-12-31")) // np.timedelta64(7, "D")
    told, kept = [], []
    for one in np.unique(week)[1:-1]:  # whole weeks
        here = found.take((week == one) & ~np.isnan(found.label))
        shift = own_shift(here.score, here.at, train_prior=float(here.prior[-1]), seed=0)
        told.append(abs(shift.new_prior - here.label.mean()))
        kept.append(abs(here.prior[-1] - here.label.mean()))
    assert np.mean(told) > np.mean(kept) + 0.02


@pytest.mark.prove
def test_no_month_is_made_worse_by_a_reference_or_by_own_scores_on_trial(flights_system, flights_rows) -> None:
    """July to December, retrained each month; what is chosen here was chosen on April to September.

    Another model's scores need no trial: they were calibrated. What a model says of itself is wrong more often than
    right, and its trial refuses it, month by month.
    """
    (system_model,) = (c for c in flights_system.candidates if isinstance(c, LightGBM))
    every = tuple(flights_rows.features.schema.names)
    found = predicted(flights_system, flights_rows, range(4, 13), reference=every, model=system_model)
    own = replace(found, score=found.reference)
    for case, corrected in (
        (found, by_reference(found)),
        (found, tried(found, by_own_scores(found), range(5, 13))),
        (own, tried(own, by_own_scores(own), range(5, 13))),
    ):
        raw, mended = (errors(case, s, range(7, 13)) for s in (case.score, corrected))
        print("raw", raw, "corrected", mended)
        assert all(mended[m] <= raw[m] + 0.005 for m in raw)
    assert errors(found, by_reference(found), range(9, 10))[9] <= AT_MOST
    untried = errors(own, by_own_scores(own), range(7, 13))
    assert untried[7] > 0.2  # sure, material, and wrong: the interval alone would have let it pass


@pytest.mark.parametrize("method", [Platt(), Isotonic()], ids=lambda m: m.name)
def test_calibrating_on_later_rows_mends_much_of_a_season(method, flights_rows, flights_split: Split) -> None:
    names = list(known_long_before(flights_rows))
    train, validation, test = (
        replace(view, features=view.features.select(names))
        for view in (flights_split.train, flights_split.validation, flights_split.recent_test._view)
    )
    fitted = Calibrated(MODEL, method).fit(train, validation, seed=0, threads=1)
    raw = value(Ece(), test.label, fitted.predictor.within.predict(test.features))
    mended = value(Ece(), test.label, fitted.predict(test.features))
    assert raw > 0.075
    assert mended < raw - 0.025
    assert set(fitted.recipe) == {"rounds", "calibration"}


def test_a_december_after_an_autumn_shows_as_residual_miscalibration(flights_system, flights_rows) -> None:
    rows = only(flights_rows, known_long_before(flights_rows))
    train = flights_system.time_split.refit_view(rows, as_of=start(9))
    fitted = MODEL.refit(train, recipe={"rounds": MODEL.rounds}, seed=0, threads=1)
    here = np.flatnonzero((rows.at >= moment(start(9))) & ~np.isnan(rows.label))
    label, at, score = rows.label[here], rows.at[here], fitted.predict(rows.features.take(pa.array(here)))
    learned = np.isin(month_of(at), (9, 10))
    mended = Platt().fit(label[learned], score[learned]).apply(score)
    november, december = month_of(at) == 11, month_of(at) == 12
    assert value(Ece(), label[november], mended[november]) < value(Ece(), label[november], score[november]) - 0.04
    assert residual_miscalibration(calibration_report(label[november], mended[november], at[november])).passed
    found = residual_miscalibration(calibration_report(label[december], mended[december], at[december]))
    assert not found.passed
    assert "0.326 happened: all scores are too low" in found.summary
    assert found.evidence["base rate"] == pytest.approx(0.3256, abs=1e-4)
    assert found.evidence["ece low"] > 0.08
    assert found.evidence["in_the_large low"] > 0.5


def test_what_is_calibrated_already_is_not_mended_by_a_map_of_another_season(autumn) -> None:
    label, score, at, _ = autumn
    learned, december = month_of(at) <= 10, month_of(at) == 12
    raw = value(Ece(), label[december], score[december])
    mapped = Platt().fit(label[learned], score[learned]).apply(score[december])
    assert raw < 0.025
    assert value(Ece(), label[december], mapped) > raw
    assert residual_miscalibration(calibration_report(label[december], score[december], at[december])).passed


def test_sets_keep_their_promise_on_exchangeable_rows_and_lose_it_from_september_to_december(
    autumn, flights_rows: LabelledRows
) -> None:
    label, score, at, here = autumn
    half = np.random.default_rng(0).uniform(size=len(label)) < 0.5
    random = coverage_report(label[~half], prediction_sets(label[half], score[half], score[~half]), at[~half])
    assert random.coverage.value == pytest.approx(0.9, abs=0.02)
    assert coverage_holds(random).passed

    september, december = month_of(at) == 9, month_of(at) == 12
    features = flights_rows.features.take(pa.array(here[december]))
    groups = {f"origin={group}": rows for group, rows in Slice("origin").groups(features)}
    sets = prediction_sets(label[september], score[september], score[december])
    shifted = coverage_report(label[december], sets, at[december], groups=groups)
    found = coverage_holds(shifted)
    assert not found.passed
    assert 0.80 < shifted.coverage.value < 0.87
    assert shifted.coverage.high < random.coverage.low
    assert all(e.sufficient for e in shifted.slices.values())
    assert set(shifted.slices) == {"origin=EWR", "origin=JFK", "origin=LGA"}


def test_leaving_the_least_sure_to_others_pays_at_a_fair_price(autumn, flights_system: MLSystem) -> None:
    label, score, at, _ = autumn
    chosen, later = month_of(at) <= 10, month_of(at) == 11
    abstention = Abstention(8.0, flights_system.costs)
    band = abstention.band(label[chosen], score[chosen])
    report = abstention.report(label[later], score[later], at[later], band=band)
    assert report.saved.low > 0.0
    assert abstention.expected(score[later], band) == pytest.approx(report.cost.value, rel=0.05)
    wrong = ((score >= 0.5) != (label > 0)).astype(float)[later]
    curve = risk_coverage(wrong, np.abs(score[later] - 0.5))
    kept = np.searchsorted(curve.coverage, 0.8)
    assert curve.risk[kept] < 0.7 * wrong.mean()
