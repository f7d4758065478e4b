"""Bagging is the mean of fits on drawn days, each by its own recipe, and steadies what varies."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss

from mlsys_assets.data_sampling.block_bootstrap import resample
from mlsys_assets.data_sampling.oversampling import oversample
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.blend import BlendPredictor
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.distillation import Distillation
from mlsys_assets.models.ensembles.bagging import Bagging
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.types import days

DEEP = LightGBM(rounds=60, leaves=63, least_rows=2)


def test_it_is_the_mean_of_fits_on_drawn_days(train, validation, later) -> None:
    bag = Bagging(GroupRate(by=("carrier",)), n=4)
    fitted = bag.fit(train, validation, seed=5, threads=1)
    assert isinstance(fitted.predictor, BlendPredictor)
    seeds = np.random.default_rng(5).integers(2**31 - 1, size=(500, 2))[:4, 0].tolist()
    alone = [
        GroupRate(by=("carrier",)).refit(resample(train, seed=s), recipe={}, seed=0, threads=1).predict(later.features)
        for s in seeds
    ]
    assert fitted.predict(later.features) == pytest.approx(np.mean(alone, axis=0), rel=1e-12)
    assert len({one.tobytes() for one in alone}) == 4


def test_it_steadies_deep_trees(train, validation, later) -> None:
    alone = DEEP.fit(train, validation, seed=0, threads=1)
    bagged = Bagging(DEEP, n=8).fit(train, validation, seed=0, threads=1)
    losses = [log_loss(later.label, one.predict(later.features)) for one in (alone, bagged)]
    assert losses[1] < losses[0] - 0.03


def test_each_fit_has_its_own_seed_rows_and_rounds_and_a_refit_keeps_them(train, validation, later) -> None:
    bag = Bagging(LightGBM(rounds=60, patience=3, learning_rate=0.3), n=4)
    fitted = bag.fit(train, validation, seed=0, threads=1)
    rounds = [fitted.recipe[f"fit_{i:03d}.rounds"] for i in range(4)]
    assert len(set(rounds)) > 1
    again = bag.refit(train, recipe=fitted.recipe, seed=0, threads=1)
    assert np.array_equal(again.predict(later.features), fitted.predict(later.features))
    assert again.recipe == fitted.recipe
    assert to_files(bag.fit(train, validation, seed=1, threads=1).predictor) != to_files(fitted.predictor)
    parts = [part.contents()["model.txt"] for _, part in fitted.predictor.parts]
    assert len(set(parts)) == 4


def test_fits_on_the_same_days_would_differ_by_their_own_seeds(train, validation) -> None:
    drawing = LightGBM(rounds=3, column_share=0.4)
    bag = Bagging(drawing, n=2)
    fitted = bag.fit(train, validation, seed=5, threads=1)
    seeds = np.random.default_rng(5).integers(2**31 - 1, size=(500, 2))[:2].tolist()
    assert len({own for _, own in seeds}) == 2
    for (name, part), (draw, own) in zip(fitted.predictor.parts, seeds, strict=True):
        alone = drawing.fit(resample(train, seed=draw), validation, seed=own, threads=1).predictor
        assert part.contents() == alone.contents(), name


def test_more_fits_keep_the_first_ones(train, validation) -> None:
    few, more = (Bagging(ZeroRule(), n=n).fit(train, validation, seed=0, threads=1).predictor for n in (2, 5))
    assert dict(more.parts)["fit_001"] == dict(few.parts)["fit_001"]


def test_what_fails_in_it_is_told_with_its_name(train, validation) -> None:
    with pytest.raises(FitError, match="bagging: fit_000: logistic_regression did not converge"):
        Bagging(LogisticRegression(rounds=1)).fit(train, validation, seed=0, threads=1)
    with pytest.raises(TypeError, match="bagging takes rows as they came"):
        Bagging(ZeroRule()).fit(oversample(train, share=0.5, seed=0), validation, seed=0, threads=1)


@pytest.mark.parametrize(
    ("bag", "words"),
    [
        (Bagging(ZeroRule(), n=1), "n is 1; it must be a whole number, at least 2"),
        (Bagging(ZeroRule(), block=days(0)), "block must be longer than nothing"),
        (Bagging("zero"), "candidate is 'zero'"),
        (Bagging(LightGBM(rounds=0)), "rounds is 0"),
        (Bagging(Bagging(ZeroRule())), "is a blend already"),
        (Bagging(Distillation(ZeroRule(), LightGBM())), "cuts folds, which rows drawn anew cannot be"),
    ],
)
def test_mistakes_are_told(bag: Bagging, words: str) -> None:
    (told,) = bag.mistakes()
    assert words in told


def test_it_is_what_its_candidate_is() -> None:
    assert Bagging(ZeroRule()).baseline
    assert Bagging(GroupRate(by=("carrier",))).needs == ("carrier",)
    assert replace(Bagging(ZeroRule()), n=3).n == 3
