"""What tells nothing goes, what tells something stays; a loss that may be too large ends it; tests choose nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mlsys_assets.data_sampling.views import Test
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import RocAuc
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.bundle import to_files
from mlsys_assets.offline_evaluation.importance.removal import RemovalStudy, by_contribution, by_permutation
from mlsys_assets.offline_evaluation.importance.removed import Removal, RemovalStep
from mlsys_assets.thumbnails import LIMIT
from mlsys_assets.types import DeclarationError

READS = {
    "strong": ("Lookup strong", "table a"),
    "weak": ("Lookup weak", "table b"),
    "nothing": ("Trailing nothing", "table c"),
    "few": ("Trailing few", "table a"),
}


def ticking() -> Callable[[], float]:
    """A meter that is a second further whenever it is read."""
    ticks = iter(range(1_000_000))
    return lambda: float(next(ticks))


@pytest.fixture(scope="module")
def removal(train, validation, opened, recipe) -> Removal:
    return RemovalStudy(ticking(), allowed=0.02).measure(recipe, train, validation, reads=READS, test=opened)


def test_what_tells_nothing_goes_first_and_what_tells_something_stays(removal, train):
    assert {"nothing", "few"} <= set(removal.removed)
    assert {"strong", "carrier"} <= set(removal.left.columns)
    assert set(removal.removed) & {"twin", "copy"} != {"twin", "copy"}
    assert removal.whole.columns == tuple(train.features.schema.names)
    assert set(removal.steps[1].columns) == set(removal.whole.columns) - {"nothing", "few"}
    assert len(removal.removed) + len(removal.left.columns) == 7


def test_every_step_that_stands_is_surely_within_what_is_allowed(removal):
    for step in removal.steps[1:]:
        assert step.accepted == (step.lost.high <= removal.allowed)
        assert step.lost.value == pytest.approx(step.found.value - removal.whole.found.value)
    assert not removal.steps[-1].accepted
    assert removal.whole.accepted
    assert removal.left.lost.high <= 0.02


def test_a_steps_numbers_are_those_of_a_fit_on_its_columns(removal, train, validation, recipe):
    step = removal.steps[1]
    parts = [replace(view, features=view.features.select(list(step.columns))) for view in (train, validation)]
    fitted = recipe.fit(*parts, seed=0, threads=1)
    score = fitted.predict(validation.features)
    assert step.found.value == pytest.approx(log_loss(validation.label, score))
    assert step.auc.value == pytest.approx(roc_auc_score(validation.label, score))
    assert step.bundle_bytes == sum(map(len, to_files(fitted.predictor).values()))
    assert step.seconds == 1 / 50


def test_what_is_read_for_removed_columns_alone_is_no_longer_needed(removal):
    """Table a is read for ``few``, which goes, and for ``strong``, which stays."""
    assert "Lookup strong" not in removal.unneeded
    assert {"Trailing nothing", "Trailing few", "table c"} <= set(removal.unneeded)
    assert "table a" not in removal.unneeded
    assert ("table b" in removal.unneeded) == ("weak" in removal.removed)


def test_the_test_rows_choose_nothing(removal, train, validation, opened, recipe):
    flipped = replace(opened, label=1 - opened.label)
    other = RemovalStudy(ticking(), allowed=0.02).measure(recipe, train, validation, test=flipped)
    assert other.steps == removal.steps
    assert removal.tested.lost.value == pytest.approx(removal.tested.after.value - removal.tested.before.value)
    before = log_loss(opened.label, recipe.fit(train, validation, seed=0, threads=1).predict(opened.features))
    assert removal.tested.before.value == pytest.approx(before)
    assert removal.tested.before.value < 0.6 < other.tested.before.value
    sealed = Test(opened, name="recent", content_hash="h", as_of=opened.window.end)
    with pytest.raises((TypeError, AttributeError)):
        RemovalStudy(ticking()).measure(recipe, train, sealed)


@pytest.mark.parametrize("weigh", [by_permutation, by_contribution])
def test_nothing_goes_where_nothing_may_be_lost(train, validation, recipe, weigh):
    bare = [replace(view, features=view.features.select(["strong", "weak", "carrier"])) for view in (train, validation)]
    found = RemovalStudy(ticking(), allowed=0.0, weigh=weigh).measure(recipe, *bare)
    assert found.removed == ()
    assert "no column can go" in found.text()
    assert len(found.steps) == 2
    assert len(found.steps[1].columns) == 2


def test_half_as_many_are_tried_where_a_step_lost_too_much(train, validation, recipe):
    found = RemovalStudy(ticking(), allowed=0.02, share=0.9).measure(recipe, train, validation)
    assert [len(step.columns) for step in found.steps[:3]] == [7, 1, 4]
    assert [step.accepted for step in found.steps[:3]] == [True, False, True]
    few = RemovalStudy(ticking(), allowed=0.02, share=0.9, most_fits=2).measure(recipe, train, validation)
    assert len(few.steps) == 2
    assert few.removed == ()


def test_a_metric_that_is_better_high_loses_when_it_falls(train, validation, recipe):
    found = RemovalStudy(ticking(), RocAuc(), allowed=0.01, seeds=(0, 1)).measure(recipe, train, validation)
    assert {"nothing", "few"} <= set(found.removed)
    assert found.steps[-1].lost.value == pytest.approx(found.whole.found.value - found.steps[-1].found.value)
    assert not found.steps[-1].accepted


def test_what_a_recipe_needs_stays(train, validation):
    found = RemovalStudy(ticking(), allowed=1.0).measure(GroupRate(by=("few", "nothing")), train, validation)
    assert found.left.columns == ("nothing", "few")
    assert found.tested is None


def test_too_few_rows_remove_nothing(train, validation, recipe):
    found = RemovalStudy(ticking()).measure(recipe, train, validation.take(np.arange(100)))
    assert found.removed == ()
    assert "insufficient data" in found.text()
    assert found.thumbnail().endswith("insufficient data")
    assert "insufficient data" in found.plot()


def test_it_is_told_and_drawn(removal):
    assert f"{len(removal.removed)} of 7 columns can go; log_loss lost " in removal.text()
    assert "no longer needed: " in removal.text()
    assert "on rows that chose nothing, log_loss lost " in removal.text()
    assert removal.table().count("\n") == 1 + len(removal.steps)
    assert removal.plot().startswith("<svg")
    assert len(removal.thumbnail()) < LIMIT


def test_how_much_faster_one_row_is():
    told = Estimate(0.4, 0.3, 0.5, 100, 50, 10)
    steps = [RemovalStep(("a", "b")[:n], told, told, told, seconds, 10, True) for n, seconds in ((2, 8e-5), (1, 6e-5))]
    found = Removal("trees", "log_loss", 0.005, tuple(steps))
    assert found.faster == pytest.approx(0.25)
    assert "one row takes 60 µs in place of 80 µs" in found.text()


def test_mistakes_are_told(train, validation, recipe):
    wrong = RemovalStudy("clock", metric="log_loss", allowed=-1, share=0, seeds=(), most_fits=0)
    assert len(wrong.mistakes()) == 6
    with pytest.raises(DeclarationError, match="meter is no function"):
        wrong.measure(recipe, train, validation)
