"""On flights: a slice that was spoilt is found, chance is not, a carrier with 29 flights is not judged, storms err."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import fairlearn.metrics as fairlearn
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from scipy.special import expit, logit

from mlsys_assets import LogLoss, RocAuc
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import OpenedTest, View
from mlsys_assets.measures.intervals import bootstrap, day_blocks
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.slicing.decision_rates import EQUALIZED_ODDS, TruePositiveRate, decisions
from mlsys_assets.offline_evaluation.slicing.error_analysis import Quadrant, Quadrants, worst_rows
from mlsys_assets.offline_evaluation.slicing.excess_loss import surprise
from mlsys_assets.offline_evaluation.slicing.fairness import Fairness
from mlsys_assets.offline_evaluation.slicing.found_slices import SliceSearch
from mlsys_assets.offline_evaluation.slicing.isolation import Isolation
from mlsys_assets.offline_evaluation.slicing.simpson import models_by_group
from mlsys_assets.offline_evaluation.slicing.slice_finder import SliceFinder
from mlsys_assets.offline_evaluation.slicing.slices import Bands, Slice
from mlsys_assets.types import TimeWindow

FINDER = SliceFinder(
    ("carrier", "origin", "dest", "sched_hour", "sched_arr_hour", "weekday", "planned_hours", "origin_visib")
)
SPOILT = {"carrier": "EV", "origin": "LGA", "sched_hour": "17"}
DRAWS = 1_000


@dataclass(frozen=True, eq=False)
class Scored:
    """Rows that the model of October has not seen, with its scores."""

    rows: View
    score: np.ndarray

    @property
    def spoilt(self) -> np.ndarray:
        """(n,) the flights of EV from LaGuardia that were to leave between 17 and 18 o'clock."""
        found = np.ones(len(self.rows), dtype=bool)
        for name, value in SPOILT.items():
            found &= next(mask for text, mask in Slice(name).groups(self.rows.features) if text == value)
        return found

    def search(self, label: np.ndarray) -> SliceSearch:
        return FINDER.find(self.rows.features, surprise(label, self.score), self.rows.at)

    def drawn(self, seed: int, *, by_day: float) -> np.ndarray:
        rng, day = np.random.default_rng(seed), day_blocks(self.rows.at)
        effect = rng.normal(0, by_day, size=day.max() + 1)[day]
        return (rng.random(len(self.score)) < expit(logit(self.score) + effect)).astype(float)


def _between(rows: LabelledRows, start: str, end: str) -> View:
    chosen = (rows.at >= np.datetime64(start)) & (rows.at < np.datetime64(end)) & ~np.isnan(rows.label)
    kept = pa.array(chosen)
    window = TimeWindow.of(start, end)
    return View(rows.ids.filter(kept), rows.at[chosen], rows.features.filter(kept), rows.label[chosen], window)


def _opened(split: Split, name: str) -> OpenedTest:
    return getattr(split, name).open(lambda read: None, models="lightgbm", reason="proof")


@pytest.fixture(scope="session")
def autumn(flights_rows: LabelledRows, flights_fitted: dict[str, Predictor]) -> Scored:
    """October and November: 55,000 rows."""
    rows = _between(flights_rows, "2013-10-01", "2013-12-01")
    return Scored(rows, flights_fitted["lightgbm"].predict(rows.features))


@pytest.fixture(scope="session")
def recent(flights_split: Split, flights_fitted: dict[str, Predictor]) -> Scored:
    """The recent test: two weeks."""
    rows = _opened(flights_split, "recent_test")
    return Scored(rows, flights_fitted["lightgbm"].predict(rows.features))


@pytest.mark.parametrize(("name", "size"), [("autumn", 54), ("recent", 19)])
def test_a_spoilt_slice_is_found_first(request: pytest.FixtureRequest, name: str, size: int) -> None:
    scored = request.getfixturevalue(name)
    spoilt = scored.spoilt
    assert spoilt.sum() == size
    found = scored.search(np.where(spoilt, 1 - scored.rows.label, scored.rows.label))
    print(f"{found.looked_at:,} slices of {len(spoilt):,} rows:", *found.found, sep="\n  ")
    assert found.found[0].values == SPOILT
    assert found.found[0].p_value < 0.01
    assert "carrier=EV & origin=LGA & sched_hour=17" in found.finding().summary


@pytest.mark.parametrize("by_day", [0.0, 1.0], ids=["rows alone", "days that differ"])
def test_it_is_silent_where_labels_are_drawn_from_the_scores(recent: Scored, by_day: float) -> None:
    assert sum(bool(recent.search(recent.drawn(seed, by_day=by_day)).found) for seed in range(20)) <= 1


@pytest.mark.prove
@pytest.mark.parametrize("name", ["autumn", "recent"])
@pytest.mark.parametrize("by_day", [0.0, 1.0], ids=["rows alone", "days that differ"])
def test_it_is_silent_in_ninety_five_of_a_hundred_tries(
    request: pytest.FixtureRequest, name: str, by_day: float
) -> None:
    scored = request.getfixturevalue(name)
    alarms = sum(bool(scored.search(scored.drawn(seed, by_day=by_day)).found) for seed in range(100))
    print(f"{name}: {alarms} of 100")
    assert alarms <= 5


def test_tens_of_thousands_of_slices_take_a_second_or_two(autumn: Scored) -> None:
    start = time.process_time()
    found = autumn.search(autumn.rows.label)
    spent = time.process_time() - start
    print(f"{found.looked_at:,} slices of {len(autumn.score):,} rows in {spent:.2f} s")
    assert found.looked_at > 20_000
    assert spent < 4


def test_a_carrier_with_29_flights_is_insufficient_data_and_no_violation(
    flights_rows: LabelledRows, flights_fitted: dict[str, Predictor]
) -> None:
    rows = _between(flights_rows, "2013-01-01", "2014-01-02")
    those = decisions(rows.label, flights_fitted["logistic_regression"].predict(rows.features), threshold=0.2)
    weights = bootstrap(day_blocks(rows.at), seed=0, draws=DRAWS)
    report = Fairness(Slice("carrier"), (TruePositiveRate(),), at_most=0.05).measure(rows.features, those, weights)
    found = report.rates["recall"].estimates
    print(report.finding.summary, *(f"{k}: {v}" for k, v in found.items()), sep="\n  ")
    assert (found["OO"].rows, found["OO"].sufficient) == (29, False)
    assert found["UA"].sufficient
    assert "OO" not in report.disparity.groups
    assert "recall of OO: insufficient data (29 rows" in report.finding.summary
    assert report.finding.evidence["recall OO"] is None


def test_recall_by_carrier_is_fairlearns(autumn: Scored) -> None:
    those = decisions(autumn.rows.label, autumn.score, threshold=0.2)
    carrier = np.array(autumn.rows.features["carrier"].to_pylist())
    weights = bootstrap(day_blocks(autumn.rows.at), seed=0, draws=DRAWS)
    start = time.process_time()
    report = Fairness(Slice("carrier"), EQUALIZED_ODDS, at_most=0.2).measure(autumn.rows.features, those, weights)
    spent = time.process_time() - start
    print(f"{report.finding.summary} ({spent:.2f} s)")
    frame = fairlearn.MetricFrame(
        metrics=fairlearn.true_positive_rate, y_true=those.label, y_pred=those.acted, sensitive_features=carrier
    )
    supported = report.rates["recall"].supported
    assert {g: report.rates["recall"].estimates[g].value for g in supported} == pytest.approx(
        frame.by_group[supported].to_dict()
    )
    assert len(supported) > 8
    assert spent < 2


@pytest.fixture(scope="session")
def storms() -> Callable[[pa.Table], np.ndarray]:
    """Return (n,) which flights were to leave in fog, heavy rain or a gale."""

    def stormy(features: pa.Table) -> np.ndarray:
        sight, rain, wind = (features[f"origin_{name}"].to_numpy() for name in ("visib", "precip", "wind_speed"))
        return (sight < 3) | (rain > 0.05) | (wind > 25)

    return stormy


def test_storms_are_commoner_among_edge_cases(
    flights_split: Split, flights_fitted: dict[str, Predictor], storms: Callable[[pa.Table], np.ndarray]
) -> None:
    rows = _opened(flights_split, "static_test")
    score = flights_fitted["lightgbm"].predict(rows.features)
    isolation = Isolation.fit(flights_split.train, seed=0)
    quadrants = Quadrants.of(isolation.unusual(rows.features), decisions(rows.label, score, threshold=0.5))
    storm, edge = storms(rows.features), quadrants.rows(Quadrant.EDGE_CASE)
    weights = bootstrap(day_blocks(rows.at), seed=0, draws=DRAWS)
    excess, errors = quadrants.excess(storm, weights=weights), quadrants.excess_error(weights=weights)
    shares = {
        q.value: f"{n:,} rows, {storm[quadrants.rows(q)].mean():.1%} storm" for q, n in quadrants.counts().items()
    }
    print(shares, f"more storm among edge cases: {excess}", f"more errors among unusual rows: {errors}", sep="\n")
    assert min(quadrants.counts().values()) > 100
    assert excess.low > 0
    usual = quadrants.rows(Quadrant.HARD)
    table = [[(storm & edge).sum(), (~storm & edge).sum()], [(storm & usual).sum(), (~storm & usual).sum()]]
    assert stats.fisher_exact(table, alternative="greater").pvalue < 1e-3  # among errors too, row by row


def test_the_worst_rows_are_late_flights_that_looked_safe(recent: Scored) -> None:
    found = worst_rows(recent.rows, recent.score, n=20, columns=("carrier", "origin", "dest", "sched_hour"))
    assert len(found) == 20
    assert set(found["label"].to_pylist()) == {1.0}
    assert max(found["score"].to_pylist()) < 0.1


def test_no_slicing_reverses_the_model_and_the_group_rate(autumn: Scored, flights_fitted: dict[str, Predictor]) -> None:
    rows = autumn.rows
    other = flights_fitted["group_rate"].predict(rows.features)
    weights = bootstrap(day_blocks(rows.at), seed=0)
    for slicing in (Slice("origin"), Slice("carrier"), Bands("distance", edges=(500, 1_000, 2_000))):
        for metric in (LogLoss(), RocAuc()):
            groups = list(slicing.groups(rows.features))
            found = models_by_group(metric, rows.label, (autumn.score, other), groups, weights=weights)
            assert found.sufficient
            assert found.finding(what=metric.name, by=slicing.name).passed
