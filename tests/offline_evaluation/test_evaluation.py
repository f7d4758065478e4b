"""An evaluation gives each metric of the whole, and the first of each slice, as if the slice were all there is."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.offline_evaluation.evaluation import Evaluation, Evaluator
from mlsys_assets.offline_evaluation.slicing.slices import Slice
from mlsys_assets.types import TimeWindow, utc

DAYS, A_DAY = 20, 60
N = DAYS * A_DAY
ORIGINS = np.where(np.arange(N) % 7 == 0, None, np.where(np.arange(N) % 3 == 0, "JFK", "EWR"))


def drawn() -> tuple[OpenedTest, np.ndarray]:
    random = np.random.default_rng(1)
    at = np.datetime64("2013-06-01", "us") + (np.arange(N) // A_DAY).astype("timedelta64[D]")
    score = random.uniform(0.05, 0.95, size=N)
    label = (random.uniform(size=N) < score).astype(float)
    label[np.flatnonzero(ORIGINS == "JFK")[5:]] = 0  # five positives at most
    features = pa.table({"origin": pa.array(ORIGINS.tolist(), pa.string())})
    window = TimeWindow(utc("2013-06-01"), utc("2013-06-21"))
    return OpenedTest(pa.array([str(i) for i in range(N)]), at, features, label, window), score


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    rows, score = drawn()
    evaluator = Evaluator((LogLoss(), RocAuc()), (Slice("origin"),), support=Support(least_of_each_class=30))
    return evaluator.evaluate(rows, score, model="m", hashes=("mh", "dh"), split="recent_test")


def test_the_whole_has_every_metric(evaluation: Evaluation) -> None:
    rows, score = drawn()
    found = evaluation.whole
    assert found["log_loss"].value == pytest.approx(metrics.log_loss(rows.label, score))
    assert found["roc_auc"].value == pytest.approx(metrics.roc_auc_score(rows.label, score))
    for one in found.values():
        assert one.low < one.value < one.high
        assert (one.rows, one.blocks, one.sufficient) == (N, DAYS, True)


def test_a_slice_is_measured_on_its_own_rows(evaluation: Evaluation) -> None:
    rows, score = drawn()
    assert list(evaluation.slices) == ["origin=EWR", "origin=JFK", "origin=unknown"]
    for name, mask in (("EWR", ORIGINS == "EWR"), ("unknown", np.array([o is None for o in ORIGINS]))):
        (found,) = evaluation.slices[f"origin={name}"].values()
        assert found.value == pytest.approx(metrics.log_loss(rows.label[mask], score[mask]))
        assert found.rows == mask.sum()


def test_a_slice_without_support_says_so_and_is_not_logged(evaluation: Evaluation) -> None:
    (found,) = evaluation.slices["origin=JFK"].values()
    assert not found.sufficient
    assert np.isnan([found.value, found.low, found.high]).all()
    assert found.positives <= 5
    logged = evaluation.metrics()
    assert set(logged) == {"recent_test log_loss", "recent_test roc_auc", "recent_test origin=EWR log_loss",
                           "recent_test origin=unknown log_loss"}  # fmt: skip


def test_what_is_written_is_what_is_read(evaluation: Evaluation) -> None:
    said = evaluation.as_dict()
    again = Evaluation.from_dict("m", "recent_test", said)
    assert again.as_dict() == said
    assert again.whole["log_loss"].value == pytest.approx(evaluation.whole["log_loss"].value, rel=1e-11)


def test_rows_that_a_model_may_have_seen_are_left_out() -> None:
    rows, score = drawn()
    scored = Scored("recent_test", "dh", rows.at, rows.label, {"m": score}, {"m": "mh"})
    since = scored.unseen_since(utc("2013-06-11"))
    assert since.at.min() == np.datetime64("2013-06-11")
    assert len(since.label) == len(since.scores["m"]) == 10 * A_DAY
    np.testing.assert_array_equal(since.scores["m"], score[10 * A_DAY :])
