"""Trees that learn from new rows: LightGBM called by hand is the outside truth, and categories keep their codes."""

from dataclasses import replace

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.stateful.continues import Continues
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.stateful.tree_updates import UNSEEN, MoreTrees, NewLeaves, trees_of

from ..conftest import view  # noqa: TID252 - a folder of tests has no name to import it by

TREES = LightGBM(rounds=12, leaves=7, column_share=0.6)
SEED, FIVE = 4, MoreTrees(5)


@pytest.fixture(scope="module")
def new() -> Train:
    return view(Train, 900, seed=9)


@pytest.fixture(scope="module")
def parent(train, validation):
    return TREES.fit(train, validation, seed=SEED, threads=1).predictor


def gone_on(parent, new, trees=FIVE):
    return TREES.go_on(parent, new, by=Stateful(trees), seed=SEED, threads=1)


def by_hand(parent, new) -> tuple[np.ndarray, lightgbm.Booster, dict]:
    matrix = parent.preprocessing.transform(new.features)
    return matrix, lightgbm.Booster(model_str=parent.text.decode()), TREES.lightgbm_params(SEED, 1)


def test_further_trees_are_those_of_lightgbms_init_model(parent, new, later) -> None:
    matrix, before, params = by_hand(parent, new)
    data = lightgbm.Dataset(
        matrix, new.label, categorical_feature=list(parent.preprocessing.code_outputs), params=params
    )
    expected = lightgbm.train(params, data, 5, init_model=before)
    found = gone_on(parent, new)
    rows = parent.preprocessing.transform(later.features)
    np.testing.assert_array_equal(found.predict(later.features), expected.predict(rows))
    assert expected.num_trees() == trees_of(found.predictor) == found.recipe["rounds"] == 17
    first = lightgbm.Booster(model_str=found.predictor.text.decode()).predict(rows, num_iteration=12)
    np.testing.assert_array_equal(first, parent.predict(later.features))  # what was learned before stays


def test_a_rate_of_their_own_is_that_of_the_further_trees_alone(parent, new, later) -> None:
    slow = gone_on(parent, new, MoreTrees(5, learning_rate=0.001)).predict(later.features)
    moved = [
        np.abs(p - parent.predict(later.features)).max() for p in (slow, gone_on(parent, new).predict(later.features))
    ]
    assert 0 < moved[0] < moved[1] / 20


def test_new_leaves_are_those_of_lightgbms_refit(parent, new, later) -> None:
    matrix, before, params = by_hand(parent, new)
    codes = list(parent.preprocessing.code_outputs)
    expected = before.refit(matrix, new.label, decay_rate=0.4, categorical_feature=codes, dataset_params=params)
    found = gone_on(parent, new, NewLeaves(0.4))
    rows = parent.preprocessing.transform(later.features)
    np.testing.assert_array_equal(found.predict(later.features), expected.predict(rows))
    assert trees_of(found.predictor) == 12
    assert np.abs(found.predict(later.features) - parent.predict(later.features)).max() > 0.01
    unmoved = gone_on(parent, new, NewLeaves(1.0)).predict(later.features)
    np.testing.assert_allclose(unmoved, parent.predict(later.features), atol=1e-12)


@pytest.mark.parametrize("trees", [MoreTrees(5), NewLeaves(0.4)])
def test_what_has_gone_on_is_a_bundle_as_any_other_and_the_same_bytes_again(parent, new, later, trees) -> None:
    one, again = (to_files(gone_on(from_files(to_files(parent)), new, trees).predictor) for _ in range(2))
    assert one == again
    assert from_files(one).predict(later.features).tolist() == gone_on(parent, new, trees).predict(
        later.features
    ).tolist()  # fmt: skip


def _with_carrier(view, carriers):
    at = view.features.column_names.index("carrier")
    return replace(view, features=view.features.set_column(at, "carrier", pa.array(carriers, pa.string())))


@pytest.mark.parametrize("trees", [MoreTrees(5), NewLeaves(0.4)])
def test_a_new_category_is_missing_and_counted_and_no_other_changes_its_code(parent, new, later, trees) -> None:
    carriers = new.features["carrier"].to_pylist()
    strange = _with_carrier(new, ["00" if i < 40 else c for i, c in enumerate(carriers)])  # first in any order
    absent = _with_carrier(new, [None if i < 40 else c for i, c in enumerate(carriers)])
    found, expected = (gone_on(parent, one, trees) for one in (strange, absent))
    assert found.params[UNSEEN] == 40
    assert found.predictor.preprocessing == parent.preprocessing
    assert found.predictor.text == expected.predictor.text
    fresh = TREES.fit(strange, view_of(strange), seed=SEED, threads=1).predictor  # from scratch it is a code of its own
    assert fresh.preprocessing.categories != parent.preprocessing.categories
    np.testing.assert_array_equal(
        found.predictor.preprocessing.transform(later.features), parent.preprocessing.transform(later.features)
    )


def view_of(train: Train) -> Validation:
    return Validation(train.ids, train.at, train.features, train.label, train.window)


def test_the_order_of_rows_and_of_columns_decides_no_code(parent, new, later) -> None:
    backwards = new.take(np.arange(len(new))[::-1])
    shuffled = replace(new, features=new.features.select(new.features.column_names[::-1]))
    for other in (backwards, shuffled):
        assert gone_on(parent, other).predictor.preprocessing.to_json() == parent.preprocessing.to_json()
    assert gone_on(parent, shuffled).predictor.text == gone_on(parent, new).predictor.text


def test_what_cannot_be_gone_on_from_is_told(parent, train, validation, new) -> None:
    assert isinstance(TREES, Continues)
    assert not isinstance(LogisticRegression(), Continues)
    line = LogisticRegression().fit(train, validation, seed=1, threads=1).predictor
    assert TREES.cannot_go_on(parent, by=Stateful()) == ""
    assert "a linear model" in TREES.cannot_go_on(line, by=Stateful())
    own = replace(TREES, objective=Combined(1, 0.5))
    assert "an objective of its own" in own.cannot_go_on(parent, by=Stateful())
    with pytest.raises(FitError, match="is not gone on from"):
        gone_on(line, new)


def test_a_model_does_not_grow_for_ever(parent) -> None:
    """It needs room for the trees that are evaluated, and for those over the rows that evaluated them."""
    assert TREES.cannot_go_on(parent, by=Stateful(MoreTrees(5), most_trees=22)) == ""
    assert TREES.cannot_go_on(parent, by=Stateful(MoreTrees(5), most_trees=21)) == (
        "it would have 22 trees, and 21 are allowed"
    )
    assert TREES.cannot_go_on(parent, by=Stateful(NewLeaves(), most_trees=12)) == ""


def test_one_class_none_and_test_rows_are_refused(parent, new) -> None:
    with pytest.raises(FitError, match="needs both classes"):
        gone_on(parent, new.take(new.label > 0))
    with pytest.raises(FitError, match="needs training rows, got none"):
        gone_on(parent, new.take(np.zeros(len(new), dtype=bool)))
    with pytest.raises(TypeError):
        gone_on(parent, OpenedTest(new.ids, new.at, new.features, new.label, new.window))
