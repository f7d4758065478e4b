"""What shuffling costs is what a loop over rows, and scikit-learn, say; twins hide each other unless joined."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss, roc_auc_score

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.offline_evaluation.importance.permutation import Permutation
from mlsys_assets.types import DeclarationError


def table_of(frame: np.ndarray, names: list[str]) -> pa.Table:
    return pa.table({n: pa.array(list(c), pa.string() if n == "carrier" else pa.float32())
                     for n, c in zip(names, frame.T, strict=True)})  # fmt: skip


class Wrapped(ClassifierMixin, BaseEstimator):
    """The same model as scikit-learn asks for it."""

    def __init__(self, predictor, names):
        self.predictor, self.names = predictor, names
        self.classes_ = np.array([0.0, 1.0])

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        p = self.predictor.predict(table_of(x, self.names))
        return np.column_stack([1 - p, p])


def test_it_is_scikit_learns(fitted, validation):
    rows, names, repeats = validation.take(np.arange(0, 1_500, 3)), validation.features.schema.names, 40
    frame = np.array([rows.features[n].to_pylist() for n in names], dtype=object).T
    theirs = permutation_importance(
        Wrapped(fitted.predictor, names), frame, rows.label, scoring="neg_log_loss", n_repeats=repeats, random_state=0
    )
    mine = Permutation(seeds=tuple(range(repeats))).falls(fitted.predictor, rows)
    for name, mean, sd in zip(names, theirs.importances_mean, theirs.importances_std, strict=True):
        assert mine[name].value == pytest.approx(mean, abs=4 * sd * (2 / repeats) ** 0.5 + 1e-6), name


@pytest.mark.parametrize(("metric", "measure"), [(LogLoss(), log_loss), (RocAuc(), roc_auc_score)])
def test_it_is_a_loop_over_columns_and_shuffles(fitted, validation, metric, measure):
    sign = -1 if metric.higher_is_better else 1
    found = Permutation(metric, seeds=(3, 4)).falls(fitted.predictor, validation)
    before = measure(validation.label, fitted.predict(validation.features))
    for name in validation.features.schema.names:
        falls = []
        for seed in (3, 4):
            order = np.random.default_rng(seed).permutation(len(validation))
            place = validation.features.schema.get_field_index(name)
            moved = validation.features.set_column(place, name, validation.features[name].take(pa.array(order)))
            falls.append(sign * (measure(validation.label, fitted.predict(moved)) - before))
        assert found[name].value == pytest.approx(np.mean(falls), abs=1e-12), name
    assert found["strong"].low > 0
    assert found["nothing"].low < 0 < found["strong"].value


def test_twins_hide_each_other_unless_they_are_shuffled_together(fitted, validation):
    joint = {"either": ("twin", "copy"), "twin": ("twin",), "copy": ("copy",)}
    found = Permutation().falls(fitted.predictor, validation, groups=joint)
    assert list(found) == ["either", "twin", "copy"]
    assert found["either"].low > 0
    assert found["either"].value > 1.3 * (found["twin"].value + found["copy"].value)


def test_what_no_score_depends_on_costs_nothing_at_all(train, validation):
    stump = LightGBM(rounds=1, leaves=2).fit(train, validation, seed=0, threads=1).predictor
    found = Permutation().falls(stump, validation)
    assert [name for name, fall in found.items() if fall.value != 0] == ["strong"]
    assert (found["weak"].low, found["weak"].high, found["weak"].sufficient) == (0, 0, True)
    nobody = ZeroRule().fit(train, validation, seed=0, threads=1).predictor
    assert {fall.value for fall in Permutation().falls(nobody, validation).values()} == {0.0}


def test_neither_the_order_of_the_columns_nor_other_columns_change_anything(fitted, validation):
    names = validation.features.schema.names
    turned = replace(validation, features=validation.features.select(names[::-1]).append_column(
        "more", pa.array(np.arange(len(validation), dtype=np.float32))))  # fmt: skip
    found, again = (Permutation().falls(fitted.predictor, view) for view in (validation, turned))
    assert {n: again[n] for n in names} == found
    assert again["more"].value == 0


def test_at_most_so_many_rows_are_scored(fitted, validation):
    few = Permutation(rows=500)
    assert len(few.drawn(1_500)) == len(set(few.drawn(1_500).tolist())) == 500
    assert few.drawn(400).tolist() == list(range(400))
    assert few.falls(fitted.predictor, validation)["strong"].rows == 500
    assert few.falls(fitted.predictor, validation) == few.falls(fitted.predictor, validation)


def test_too_few_days_tell_nothing(fitted, validation):
    found = Permutation().falls(fitted.predictor, validation.take(np.arange(100)))
    assert not any(fall.sufficient for fall in found.values())
    assert np.isnan(found["strong"].value)


def test_mistakes_are_told(fitted, validation):
    wrong = Permutation(metric="log_loss", seeds=(), rows=0)
    assert len(wrong.mistakes()) == 3
    with pytest.raises(DeclarationError, match=r"seeds are \(\); give 1 or more, each once"):
        wrong.falls(fitted.predictor, validation)
    with pytest.raises(ColumnError, match="wind"):
        Permutation().falls(fitted.predictor, validation, groups={"weather": ("wind",)})
