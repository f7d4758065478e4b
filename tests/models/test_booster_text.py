import lightgbm
import numpy as np
import pytest

from mlsys_assets.models.booster_text import DEFAULT_LEFT, BoosterText
from mlsys_assets.models.booster_trees import CATEGORICAL
from mlsys_assets.models.first_parse import ParseError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear_predictor import logistic


@pytest.fixture(scope="module")
def predictor(train, validation):
    return LightGBM(rounds=12, more={"min_data_per_group": 5}).fit(train, validation, seed=1, threads=1).predictor


def walked(text, matrix):
    """The margin of each row as the text is read by hand: the slow way, which is the oracle of the fast ones."""
    return np.array([sum(leaf_of(tree, row) for tree in text.trees) for row in matrix.astype(np.float64)])


def leaf_of(tree, row):
    values = tree.numbers("leaf_value")
    if tree.leaves == 1:
        return values[0]
    at = 0
    while at >= 0:
        value, decision = row[tree.integers("split_feature")[at]], int(tree.fields["decision_type"][at])
        if decision & CATEGORICAL:
            left = not np.isnan(value) and value >= 0 and int(value) in tree.categories(at)
        elif np.isnan(value) and decision >> 2 & 3 == 2:
            left = bool(decision & DEFAULT_LEFT)
        else:
            left = np.nan_to_num(value) <= tree.numbers("threshold")[at]
        at = int(tree.integers("left_child" if left else "right_child")[at])
    return values[~at]


def test_what_is_read_is_what_lightgbm_scores_by(predictor, later):
    matrix = predictor.preprocessing.transform(later.features)
    text = BoosterText.of(predictor.text)
    assert any(tree.sets for tree in text.trees)
    assert np.isnan(matrix).any()
    np.testing.assert_allclose(logistic(walked(text, matrix)), predictor.predict(later.features), rtol=0, atol=1e-15)
    assert text.splits == sum(tree.leaves - 1 for tree in text.trees) > 100
    assert (text.objective, text.averaged) == ("binary sigmoid:1", False)


def test_what_is_taken_apart_goes_together_again(predictor):
    text = BoosterText.of(predictor.text)
    assert text.text() == predictor.text
    start = predictor.text.index(b"Tree=3\n")
    assert predictor.text[start:].startswith(text.trees[3].text(3))


def test_the_text_of_fewer_trees_tells_their_importances(predictor):
    text = BoosterText.of(predictor.text)
    fewer = text.of_trees(text.trees[2:5])
    found = lightgbm.Booster(model_str=fewer.text().decode())
    assert found.num_trees() == 3
    assert found.feature_importance().sum() == fewer.splits
    written = dict(line.split("=") for line in fewer.tail.decode().split("\n") if line.count("=") == 1)
    again = BoosterText.of(fewer.text())
    told = dict(line.split("=") for line in again.tail.decode().split("\n") if line.count("=") == 1)
    names = set(lightgbm.Booster(model_str=predictor.text.decode()).feature_name())
    assert sum(int(told[n]) for n in names & set(told)) == fewer.splits
    assert told != written


def test_a_text_that_is_not_whole_is_refused(predictor):
    with pytest.raises(ParseError):
        BoosterText.of(predictor.text[: len(predictor.text) // 2])
    with pytest.raises(ParseError):
        BoosterText.of(predictor.text.replace(b"left_child=1 ", b"left_child=0 ", 1))
