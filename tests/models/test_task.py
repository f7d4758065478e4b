"""A task says what goes in and out, and its target takes the label's place only in rows that may be fitted on."""

import numpy as np
import pytest

from mlsys_assets.data_sampling.views import Test, Train, Validation
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.task import Classification, Regression, with_target
from mlsys_assets.types import utc

LATE = Regression("arr_delay", cut=15, unit="min")


def test_what_comes_out_is_said() -> None:
    assert (Classification().output, LATE.output) == ("P(label = 1)", "P(arr_delay > 15 min)")
    assert Regression("delay", cut=0.5).output == "P(delay > 0.5)"
    assert LATE.record["task objective"] == "squared_error"
    assert Classification().record["task"] == "classification"
    assert LATE.mistakes() == Classification().mistakes() == []


def test_the_label_is_whether_the_target_exceeds_the_cut() -> None:
    assert LATE.label(np.array([15.0, 15.5, -3])).tolist() == [0, 1, 0]
    assert np.isnan(LATE.label(np.array([np.nan]))).all()


def test_the_target_takes_the_labels_place_and_nothing_else_changes(train, validation) -> None:
    target = np.arange(len(train), dtype=float)
    view = with_target(train, target)
    assert isinstance(view, Train)
    assert isinstance(with_target(validation, validation.label), Validation)
    assert view.label.tolist() == target.tolist()
    assert (view.ids, view.features, view.window) == (train.ids, train.features, train.window)
    assert view.content_hash != train.content_hash
    assert with_target(train, train.label).content_hash == train.content_hash


def test_a_classifier_refuses_rows_with_a_target(late_train, late_validation) -> None:
    with pytest.raises(FitError, match="labels 0 and 1, got"):
        LogisticRegression().fit(late_train, late_validation, seed=1, threads=1)


def test_test_rows_get_no_target(later) -> None:
    sealed = Test(later, name="recent_test", content_hash="0", as_of=utc("2013-02-01"))
    for rows in (later, sealed):
        with pytest.raises(TypeError, match="Train or Validation view, got"):
            with_target(rows, later.label)


def test_a_target_must_be_known_of_every_row(train) -> None:
    for target, words in (
        (train.label[1:], r"shape \(1499,\) for 1500 rows"),
        (np.where(np.arange(1_500) < 2, np.nan, 1.0), "2 of 1500 rows is not finite"),
        (train.label[:, None], "give one number a row"),
    ):
        with pytest.raises(ValueError, match=words):
            with_target(train, target)


@pytest.mark.parametrize(
    "task",
    [
        Classification("hinge"),  # type: ignore[arg-type]
        Regression(" ", cut=1),
        Regression("x", cut=np.inf),
        Regression("x", cut=1, unit="x" * 21),
        Regression("x", cut=1, objective="log_loss"),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_told(task) -> None:
    assert len(task.mistakes()) == 1
