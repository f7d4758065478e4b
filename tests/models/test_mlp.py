"""A multi-layer perceptron: scikit-learn's numbers, stopped on our validation, refused where it did not learn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.mlp import Mlp

SMALL = Mlp(hidden=(16, 8), epochs=30, batch=64)
BUSY = Mlp(hidden=(32, 32), epochs=100, patience=4, batch=32, learning_rate=0.01, l2=0.0)
"""It soon learns its rows better than others."""


def with_label(train, label):
    return Train(train.ids, train.at, train.features, label, train.window)


@pytest.fixture(scope="module")
def fitted(train, validation):
    return SMALL.fit(train, validation, seed=3, threads=1)


@pytest.fixture(scope="module")
def overfitted(train, validation):
    return BUSY.fit(train, validation, seed=3, threads=1)


def test_probabilities_are_scikit_learns_own_up_to_single_precision(train, validation, later):
    """The same epochs from the same generator, scored by scikit-learn in float32: so many digits can agree."""
    prepared = Preprocessor().fit(train)
    generator = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(3)))
    reference = MLPClassifier((16, 8), alpha=3e-3 * 64, batch_size=64, random_state=generator)
    for _ in range(5):
        reference.partial_fit(prepared.matrix, train.label, classes=[0.0, 1.0])
    expected = reference.predict_proba(prepared.preprocessing.transform(later.features))[:, 1]
    ours = SMALL.refit(train, recipe={"epochs": 5}, seed=3, threads=1).predict(later.features)
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_the_loss_curve_is_the_log_loss_after_each_epoch(fitted, overfitted, train, validation):
    for one in (fitted, overfitted):
        epochs = one.recipe["epochs"]
        for view, curve in ((train, one.loss_curve.train), (validation, one.loss_curve.validation)):
            assert curve[epochs - 1] == pytest.approx(log_loss(view.label, one.predict(view.features)), abs=1e-6)
    earlier = SMALL.refit(train, recipe={"epochs": 2}, seed=3, threads=1)
    assert fitted.loss_curve.validation[1] == pytest.approx(
        log_loss(validation.label, earlier.predict(validation.features)), abs=1e-6
    )


def test_it_stops_on_validation_and_keeps_the_best_epoch(overfitted):
    curve, epochs = overfitted.loss_curve, overfitted.recipe["epochs"]
    assert epochs == np.argmin(curve.validation) + 1
    assert len(curve.validation) == epochs + BUSY.patience < BUSY.epochs
    assert min(curve.train) < curve.train[epochs - 1]
    assert overfitted.params["epochs"] == epochs


def test_without_patience_it_takes_all_epochs(train, validation):
    declared = Mlp((32, 32), epochs=12, patience=None, batch=32, learning_rate=0.01, l2=0.0)
    fitted = declared.fit(train, validation, seed=3, threads=1)
    assert fitted.recipe == {"epochs": 12}
    assert len(fitted.loss_curve.train) == 12
    assert np.argmin(fitted.loss_curve.validation) < 11


def test_what_validation_says_moves_nothing_but_the_number_of_epochs(train, validation, overfitted):
    half = validation.take(np.arange(0, len(validation), 2))
    other = BUSY.fit(train, half, seed=3, threads=1)
    shared = min(len(other.loss_curve.train), len(overfitted.loss_curve.train))
    assert other.loss_curve.train[:shared] == overfitted.loss_curve.train[:shared]
    assert other.loss_curve.validation[:shared] != overfitted.loss_curve.validation[:shared]


def test_threads_do_not_change_a_byte_of_it_and_seeds_do(train, validation):
    wide = Mlp(hidden=(256, 64), epochs=2)
    with threadpool_limits(limits=2):
        two = wide.fit(train, validation, seed=1, threads=2)
    one = wide.fit(train, validation, seed=1, threads=1)
    assert to_files(one.predictor) == to_files(two.predictor)
    assert to_files(wide.fit(train, validation, seed=2, threads=1).predictor) != to_files(one.predictor)


def test_a_large_seed_is_a_seed(train):
    SMALL.refit(train, recipe={"epochs": 2}, seed=2**40, threads=1)


def test_it_does_not_touch_numpys_own_generator(train):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - what must stay as it was
    SMALL.refit(train, recipe={"epochs": 2}, seed=1, threads=1)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_l2_is_the_same_pull_whatever_the_batch(train):
    """scikit-learn's own alpha is divided by the rows of a step."""
    sums = [
        sum((layer.weights**2).sum() for layer in found.predictor.layers)
        for found in (
            Mlp((8,), batch=batch, l2=0.3).refit(train, recipe={"epochs": 20 * batch // 50}, seed=1, threads=1)
            for batch in (50, 500)
        )
    ]
    assert sums[1] < 3 * sums[0]
    free = Mlp((8,), batch=50, l2=0.0).refit(train, recipe={"epochs": 20}, seed=1, threads=1)
    assert sums[0] < 0.3 * sum((layer.weights**2).sum() for layer in free.predictor.layers)


def test_unbounded_it_learns_64_rows_by_heart_even_if_there_is_nothing_to_learn(train, validation):
    few = train.take(np.arange(64))
    noise = with_label(few, np.random.default_rng(0).permutation(few.label))
    assert SMALL.fit(noise, validation, seed=1, threads=1).loss_curve.train[-1] > 0.2
    free = Mlp(l2=1.0, epochs=3, patience=1).unbounded()
    assert (free.l2, free.patience, free.name) == (0.0, None, "mlp")
    learned = free.fit(noise, validation, seed=1, threads=1)
    assert learned.loss_curve.train[-1] < 0.15
    assert roc_auc_score(noise.label, learned.predict(noise.features)) > 0.99


def test_more_rows_in_a_step_than_there_are_is_all_of_them(train):
    few = train.take(np.arange(50))
    one, two = (Mlp((4,), batch=batch).refit(few, recipe={"epochs": 60}, seed=1, threads=1) for batch in (50, 100_000))
    assert np.array_equal(one.predict(few.features), two.predict(few.features))


@pytest.mark.parametrize(("learning_rate", "reason"), [(1e3, "after 3 epochs .* log loss"), (1e30, "non-finite")])
def test_a_fit_that_diverges_is_refused(train, validation, learning_rate, reason):
    wild = Mlp((16, 8), epochs=3, batch=64, learning_rate=learning_rate)
    for fit in (
        lambda: replace(wild, patience=None).fit(train, validation, seed=1, threads=1),
        lambda: wild.refit(train, recipe={"epochs": 3}, seed=1, threads=1),
    ):
        with pytest.raises(FitError, match=f"mlp diverged.*{reason}"):
            fit()


def test_more_weights_than_a_small_network_has_are_refused_before_any_time_is_spent(train, validation):
    with pytest.raises(FitError, match="20000000 are taken: make hidden layers smaller"):
        Mlp(hidden=(4096, 4096, 4096)).fit(train, validation, seed=1, threads=1)


@pytest.mark.parametrize("recipe", [{}, {"rounds": 3}, {"epochs": 0}, {"epochs": 2.5}])
def test_a_recipe_without_epochs_is_refused(train, recipe):
    with pytest.raises(ValueError, match="a recipe with a number of epochs"):
        SMALL.refit(train, recipe=recipe, seed=1, threads=1)


def test_every_mistake_of_a_declaration_is_told():
    assert Mlp().mistakes() == []
    wrong = Mlp(
        hidden=(0, 5000), epochs=0, patience=0, learning_rate=0, l2=-1, batch=0, preprocessor=None, name="wrong"
    )
    told = "\n".join(wrong.mistakes())
    for what in ("hidden[0]", "hidden[1]", "epochs", "patience", "learning_rate", "l2", "batch", "preprocessor"):
        assert f"candidate 'wrong': {what} " in told
    assert len(wrong.mistakes()) == 8
    assert "must be a tuple of int: was a comma forgotten" in Mlp(hidden=64).mistakes()[0]
    assert Mlp(hidden=()).mistakes() == ["candidate 'mlp': hidden has 0 layers; give 1 to 15"]
    assert len(Mlp(hidden=(4,) * 16).mistakes()) == 1
