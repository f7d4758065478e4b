"""Performance as labels mature equals scikit-learn on a join done by hand; what cannot be told is null."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from mlsys_assets.data_labeling.label import label_schema
from mlsys_assets.measures.metrics import Brier, LogLoss, PrAuc, RocAuc
from mlsys_assets.prediction.batch import prediction_schema
from mlsys_assets.production_monitoring.performance import LEAST_LABELLED, affected, matured, performance_schema
from mlsys_assets.types import Daily, TimeWindow, days, utc

START = utc("2013-07-01")
CALENDAR = Daily(START)
METRICS = (LogLoss(), Brier(), RocAuc(), PrAuc())
ORACLES: dict[str, Callable] = {
    "log_loss": lambda y, p: sk.log_loss(y, p, labels=[0, 1]),
    "brier": sk.brier_score_loss,
    "roc_auc": sk.roc_auc_score,
    "pr_auc": sk.average_precision_score,
}
COUNTS = ("requests", "labelled", "unlabelled", "never", "positives")


def world(seed: int = 0, n: int = 900, span: int = 4) -> tuple[pa.Table, pa.Table]:
    """Predictions of four days, the champion changing in the third, and the labels of nine in ten of them."""
    rng = np.random.default_rng(seed)
    minute = rng.integers(0, span * 24 * 60, n)
    score = np.round(rng.uniform(0.01, 0.99, n), 3)
    at = [START + timedelta(minutes=int(m)) for m in minute]
    made = {
        "id": [f"r{i:04}" for i in range(n)],
        "predict_at": at,
        "score": score,
        "model_hash": ["new" if m > 2.5 * 24 * 60 else "old" for m in minute],
        "known_at": at,
    }
    kind = rng.choice(["yes", "never", "not yet"], n, p=[0.8, 0.1, 0.1])
    label = (rng.uniform(size=n) < score).astype(float)
    told = [i for i in range(n) if kind[i] != "not yet"]
    labels = {
        "id": [f"r{i:04}" for i in told] + ["stranger", "other"],
        "label": [label[i] if kind[i] == "yes" else None for i in told] + [1.0, None],
        "state": ["labelled" if kind[i] == "yes" else "cancelled" for i in told] + ["labelled", "cancelled"],
        "event_time": [at[i] for i in told] + [START] * 2,
        "known_at": [at[i] + timedelta(hours=3) for i in told] + [START] * 2,
    }
    return (
        pa.table(made, schema=prediction_schema("id", "predict_at")),
        pa.table(labels, schema=label_schema("id")),
    )


def by_hand(predictions: pa.Table, labels: pa.Table, cost: Callable) -> list[dict]:
    """A nested loop over rows, and scikit-learn on each group."""
    groups: dict[tuple, list[tuple[float, object]]] = {}
    told = {row["id"]: row["label"] for row in labels.to_pylist()}
    for row in predictions.to_pylist():
        tick = row["predict_at"].replace(hour=0, minute=0)
        groups.setdefault((tick, row["model_hash"]), []).append((row["score"], told.get(row["id"], "not yet")))
    found = []
    for (tick, model), rows in sorted(groups.items()):
        known = [(y, p) for p, y in rows if y not in (None, "not yet")]
        y, p = np.array(known).T
        counts = (len(rows), len(known), len(rows) - len(known), sum(y is None for _, y in rows), int(y.sum()))
        measured = {name: oracle(y, p) for name, oracle in ORACLES.items()}
        found.append(
            {"tick": tick, "model_hash": model, **dict(zip(COUNTS, counts, strict=True)), **measured}
            | {"mean_cost": cost(y, p)}
        )
    return found


def mean_cost(label: np.ndarray, score: np.ndarray) -> float:
    act = score >= 0.3
    return float(np.mean(np.where(act, 10.0 * (1 - label), 40.0 * label)))


def ask(predictions: pa.Table, labels: pa.Table, **more):
    return matured(predictions, labels, key="id", calendar=CALENDAR, metrics=METRICS, **more)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn_on_a_join_done_by_hand(seed: int) -> None:
    predictions, labels = world(seed)
    found = ask(predictions, labels, cost=mean_cost)
    assert found.rows.schema == performance_schema(METRICS)
    expected = by_hand(predictions, labels, mean_cost)
    assert [(r["tick"].day, r["model_hash"]) for r in expected] == [
        (1, "old"), (2, "old"), (3, "new"), (3, "old"), (4, "new")
    ]  # fmt: skip
    assert len(expected) == found.rows.num_rows
    for row, wanted in zip(found.rows.to_pylist(), expected, strict=True):
        exact = ("tick", "model_hash", *COUNTS)
        assert {name: row[name] for name in exact} == {name: wanted[name] for name in exact}
        for name in (*ORACLES, "mean_cost"):
            assert row[name] == pytest.approx(wanted[name], abs=1e-12), name
    assert found.unknown == 2


def test_the_order_of_the_rows_changes_no_bit() -> None:
    predictions, labels = world()
    expected = ask(predictions, labels, cost=lambda y, p: float((y * p).sum()))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        shuffled = (table.take(rng.permutation(len(table))) for table in (predictions, labels))
        again = ask(*shuffled, cost=lambda y, p: float((y * p).sum()))
        assert again.rows.equals(expected.rows)


def test_labels_that_came_since_mature_the_rest() -> None:
    predictions, labels = world()
    early = labels.filter(pa.array([at < START + days(2) for at in labels["known_at"].to_pylist()]))
    first, second = (ask(predictions, known).rows.to_pylist() for known in (early, labels))
    assert [row["requests"] for row in first] == [row["requests"] for row in second]
    gained = [b["labelled"] - a["labelled"] for a, b in zip(first, second, strict=True)]
    assert gained[0] == 0
    assert all(n > 0 for n in gained[1:])
    assert first[-1]["log_loss"] is None
    assert second[-1]["log_loss"] is not None


def few(label: list[float | None]) -> dict:
    n = len(label)
    ids = [f"r{i}" for i in range(n)]
    predictions = pa.table(
        {"id": ids, "predict_at": pa.array([START] * n, pa.timestamp("us", tz="UTC")),
         "score": np.linspace(0.1, 0.9, n), "model_hash": ["m"] * n}
    )  # fmt: skip
    labels = pa.table({"id": ids, "label": pa.array(label, pa.float64())})
    (row,) = ask(predictions, labels, cost=mean_cost).rows.to_pylist()
    return row


def test_too_few_labels_are_insufficient_data() -> None:
    thin, enough = few([0.0, 1.0] * 14 + [1.0, None]), few([0.0, 1.0] * 15)
    assert (thin["labelled"], enough["labelled"]) == (LEAST_LABELLED - 1, LEAST_LABELLED)
    for name in (*ORACLES, "mean_cost"):
        assert thin[name] is None
        assert enough[name] is not None


@pytest.mark.parametrize("only", [0.0, 1.0])
def test_one_class_tells_a_cost_but_no_metric(only: float) -> None:
    row = few([only] * 40)
    assert row["positives"] == 40 * only
    assert [row[name] for name in ORACLES] == [None] * 4
    assert row["mean_cost"] == pytest.approx(mean_cost(np.full(40, only), np.linspace(0.1, 0.9, 40)))


def test_a_cost_that_was_not_given_is_null() -> None:
    assert set(ask(*world()).rows["mean_cost"].to_pylist()) == {None}


def test_no_predictions_and_no_labels_are_no_error() -> None:
    predictions, labels = world()
    assert ask(predictions[:0], labels).rows.num_rows == 0
    assert ask(predictions[:0], labels).unknown == len(labels)
    waiting = ask(predictions, labels[:0])
    assert waiting.unknown == 0
    assert sum(waiting.rows["unlabelled"].to_pylist()) == len(predictions)


@pytest.mark.parametrize("which", ["predictions", "labels"])
def test_a_key_that_stands_twice_is_refused(which: str) -> None:
    tables = dict(zip(("predictions", "labels"), world(), strict=True))
    tables[which] = pa.concat_tables([tables[which], tables[which][7:8]])
    with pytest.raises(ValueError, match=f"1 rows of the {which} repeat a key"):
        ask(**tables)


@pytest.mark.parametrize(
    ("column", "words"), [("score", r"predictions lack the columns \['score'\]"), ("label", "labels lack the columns")]
)
def test_a_missing_column_is_named(column: str, words: str) -> None:
    tables = [t.drop_columns([column]) if column in t.schema.names else t for t in world()]
    with pytest.raises(ValueError, match=words):
        ask(*tables)


def test_a_label_of_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"labels are \[0\.5\]; allowed are 0, 1 and null"):
        few([0.0, 0.5])


def test_a_metric_named_as_a_count_is_refused() -> None:
    with pytest.raises(ValueError, match=r"named \['requests'\]"):
        performance_schema((Brier(name="requests"),))


def test_affected_ticks_are_those_whose_performance_changes() -> None:
    predictions, labels = world(n=300, span=9)
    rng = np.random.default_rng(1)
    for _ in range(10):
        new = rng.permutation(len(labels))[: rng.integers(0, 6)]
        old = np.setdiff1d(np.arange(len(labels)), new)
        before = ask(predictions, labels.take(old)).rows.to_pylist()
        after = ask(predictions, labels).rows.to_pylist()
        changed = sorted({b["tick"] for a, b in zip(before, after, strict=True) if a != b})
        found = affected(predictions, labels.take(new), key="id", calendar=CALENDAR)
        assert found == tuple(TimeWindow(tick, tick + days(1)) for tick in changed)
