"""A row's score is always by models of earlier rows, and nothing else can be held."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.folds import FoldError
from mlsys_assets.data_sampling.oversampling import oversample
from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.ensembles.out_of_fold import score_out_of_fold
from mlsys_assets.types import days, hours


def test_each_row_is_scored_by_what_was_fitted_on_the_rows_an_embargo_before_its_fold(train, folds, scored) -> None:
    """The oracle: the fold's rows by hand, and a base fitted on what came before them."""
    end = np.datetime64("2013-01-31", "us")
    for number, back in enumerate((15, 10, 5)):
        begins = end - np.timedelta64(back, "D")
        mine = (train.at >= begins) & (train.at < begins + np.timedelta64(5, "D"))
        before = train.take(train.at < begins - np.timedelta64(6, "h"))
        assert scored.ids.filter(pa.array(scored.fold == number)).equals(train.ids.filter(pa.array(mine)))
        by_hand = GroupRate(by=("carrier",)).refit(before, recipe={}, seed=0, threads=1)
        assert np.array_equal(scored.scores[scored.fold == number, 2], by_hand.predict(train.features.filter(mine)))
        assert scored.fitted_until[number] == before.at.max()
        assert np.array_equal(scored.label[scored.fold == number], train.label[mine])
    assert scored.bases == ("logistic_regression", "lightgbm", "group_rate")


def test_labels_of_a_fold_do_not_move_its_scores(train, folds, scored) -> None:
    last = train.at >= np.datetime64("2013-01-26")
    turned = replace(train, label=np.where(last, 1 - train.label, train.label))
    found = score_out_of_fold([(GroupRate(by=("carrier",)), {})], turned, folds, seed=0, threads=1)
    assert np.array_equal(found.scores[:, 0], scored.scores[:, 2])


def test_in_fold_scores_cannot_be_held(scored) -> None:
    with pytest.raises(ValueError, match="not later than what the models that scored them were fitted on"):
        replace(scored, fitted_until=np.full(3, scored.at.max()))
    rows = len(scored.label)
    one = int((scored.fold == 0).sum())
    with pytest.raises(ValueError, match=f"{rows - one} of {rows} rows are not later|rows are not later"):
        replace(scored, fold=np.full(rows, 2))
    with pytest.raises(ValueError, match=f"1 of {rows} rows were scored twice"):
        replace(scored, ids=pa.concat_arrays([scored.ids[:1], scored.ids[:-1]]))
    with pytest.raises(ValueError, match="3 models and"):
        replace(scored, scores=scored.scores[:-1])


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.5, np.inf])
def test_scores_that_are_no_probabilities_are_named(scored, bad: float) -> None:
    scores = scored.scores.copy()
    scores[4, 1] = bad
    with pytest.raises(FitError, match="lightgbm gave 1 of"):
        replace(scored, scores=scores)


def test_what_cannot_be_walked_through_is_refused(train, validation) -> None:
    zero = [(ZeroRule(), {})]
    with pytest.raises(FoldError, match="longer than the history"):
        score_out_of_fold(zero, train, WalkForward(9, days(5), hours(6)), seed=0, threads=1)
    with pytest.raises(TypeError, match="cut the Train view first"):
        score_out_of_fold(
            zero, oversample(train, share=0.5, seed=0), WalkForward(1, days(5), hours(6)), seed=0, threads=1
        )
    with pytest.raises(TypeError, match="Train view only"):
        score_out_of_fold(zero, validation, WalkForward(1, days(5), hours(6)), seed=0, threads=1)
    early = Train(train.ids, train.at, train.features, (train.at > np.datetime64("2013-01-20")) * 1.0, train.window)
    with pytest.raises(FitError, match="zero_rule needs both classes"):
        score_out_of_fold(zero, early, WalkForward(2, days(7), hours(6)), seed=0, threads=1)
