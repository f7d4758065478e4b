"""A stack believes what held on later rows, is refitted by its recipe, and says what is wrong with it."""

import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Solver
from sklearn.metrics import log_loss, roc_auc_score

from mlsys_assets.data_sampling.oversampling import oversample
from mlsys_assets.data_sampling.time_folds import BlockedFolds, WalkForward
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.ensembles.bagging import Bagging
from mlsys_assets.models.ensembles.meta import LogisticMeta
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.log_odds import log_odds
from mlsys_assets.types import days, hours

from .remembering import Remembering


def test_a_base_that_remembers_its_rows_is_not_believed(train, validation, later, folds) -> None:
    stack = Stacking((LogisticRegression(), Remembering()), folds)
    fitted = stack.fit(train, validation, seed=0, threads=1)
    within = dict(fitted.predictor.parts)["remembering"]
    assert roc_auc_score(train.label, within.predict(train.features)) == 1.0
    weights = fitted.predictor.line.weights
    assert weights["remembering"] < 0.1 * weights["logistic_regression"]
    alone = LogisticRegression().fit(train, validation, seed=0, threads=1)
    stacked, single = (log_loss(later.label, one.predict(later.features)) for one in (fitted, alone))
    assert stacked < single + 0.01


def test_in_fold_scores_would_have_it_believed_above_all(train, validation) -> None:
    """What the type keeps from being written: the control of the test above."""
    own = [c.fit(train, validation, seed=0, threads=1) for c in (LogisticRegression(), Remembering())]
    in_fold = np.column_stack([log_odds(one.predict(train.features)) for one in own])
    line, memory = Solver(C=1e6, max_iter=1_000).fit(in_fold, train.label).coef_[0]
    assert memory > 10 * abs(line)


def test_it_is_better_than_its_bases_where_each_knows_what_the_other_does_not(train, validation, later, folds) -> None:
    bases = (GroupRate(by=("carrier",), name="by_carrier"), GroupRate(by=("precip",), name="by_rain"))
    fitted = Stacking(bases, folds).fit(train, validation, seed=0, threads=1)
    alone = [log_loss(later.label, part.predict(later.features)) for _, part in fitted.predictor.parts]
    assert log_loss(later.label, fitted.predict(later.features)) < min(alone) - 0.003


def test_the_bases_are_what_they_are_alone_and_the_recipe_holds_theirs(train, validation, folds) -> None:
    trees = LightGBM(rounds=60, patience=5, learning_rate=0.3)
    fitted = Stacking((trees, LogisticRegression()), folds).fit(train, validation, seed=3, threads=1)
    alone = trees.fit(train, validation, seed=3, threads=1)
    assert to_files(dict(fitted.predictor.parts)["lightgbm"]) == to_files(alone.predictor)
    assert fitted.recipe["lightgbm.rounds"] == alone.recipe["rounds"] < 60
    assert set(fitted.recipe) == {"lightgbm.rounds", "meta"}
    assert fitted.params["out_of_fold_rows"] == int((train.at >= np.datetime64("2013-01-16")).sum())


def test_a_refit_learns_the_bases_anew_and_takes_the_weights_over(train, validation, folds) -> None:
    stack = Stacking((LightGBM(rounds=10), LogisticRegression()), folds)
    fitted = stack.fit(train, validation, seed=3, threads=1)
    turned = replace(train, label=1 - train.label)
    again = stack.refit(turned, recipe=fitted.recipe, seed=3, threads=1)
    assert again.predictor.line == fitted.predictor.line
    assert again.recipe == fitted.recipe
    assert to_files(again.predictor) != to_files(fitted.predictor)
    drawn = oversample(train, share=0.5, seed=0)
    assert stack.refit(drawn, recipe=fitted.recipe, seed=3, threads=1).predictor.line == fitted.predictor.line
    with pytest.raises(ValueError, match="is no line of a stack"):
        stack.refit(train, recipe={"lightgbm.rounds": 3}, seed=3, threads=1)
    other = replace(stack, candidates=(LogisticRegression(), ZeroRule()))
    with pytest.raises(ValueError, match="has bases"):
        other.refit(train, recipe=fitted.recipe, seed=3, threads=1)


def test_its_seed_is_that_of_each_base_at_a_refit_too(train, validation, folds) -> None:
    drawing = LightGBM(rounds=5, column_share=0.5, row_share=0.5)
    stack = Stacking((drawing, ZeroRule()), folds)
    fitted = stack.fit(train, validation, seed=3, threads=1)
    again, other = (stack.refit(train, recipe=fitted.recipe, seed=s, threads=1) for s in (3, 4))
    assert to_files(again.predictor) == to_files(fitted.predictor)
    assert to_files(other.predictor) != to_files(fitted.predictor)


def test_no_base_is_handed_a_row_that_it_scores(train, validation, folds, monkeypatch) -> None:
    seen = []
    refit = GroupRate.refit

    def watched(self, train, *, recipe, seed, threads):
        seen.append(set(train.ids.to_pylist()))
        return refit(self, train, recipe=recipe, seed=seed, threads=threads)

    monkeypatch.setattr(GroupRate, "refit", watched)
    scored = []
    monkeypatch.setattr(
        LogisticMeta, "fit", lambda self, out: scored.append(out) or (_ for _ in ()).throw(FitError("x"))
    )
    with pytest.raises(FitError, match="stack: x"):
        Stacking((GroupRate(by=("carrier",)), ZeroRule()), folds).fit(train, validation, seed=0, threads=1)
    whole, *parts = seen  # GroupRate.fit is its refit on all rows
    (out,) = scored
    assert whole == set(train.ids.to_pylist())
    for number, part in enumerate(parts):
        assert part.isdisjoint(np.array(out.ids.to_pylist())[out.fold == number].tolist())
    assert len(parts) == folds.count


def test_what_fails_in_it_is_told_with_its_name(train, validation, folds) -> None:
    few = Stacking((LogisticRegression(), ZeroRule()), WalkForward(9, days(5), hours(1)))
    with pytest.raises(FitError, match=r"stack: .*longer than the history"):
        few.fit(train, validation, seed=0, threads=1)
    slow = Stacking((LogisticRegression(rounds=1), ZeroRule()), folds)
    with pytest.raises(FitError, match="stack: logistic_regression did not converge"):
        slow.fit(train, validation, seed=0, threads=1)
    with pytest.raises(TypeError, match="stack takes rows as they came"):
        slow.fit(oversample(train, share=0.5, seed=0), validation, seed=0, threads=1)


TWO = (LogisticRegression(), ZeroRule())
WALK = WalkForward(1, days(1), hours(1))


@pytest.mark.parametrize(
    ("stack", "words"),
    [
        (Stacking((ZeroRule(),), WALK), "1 bases; give 2"),
        (Stacking([ZeroRule()], WALK), "must be a tuple of Candidate"),
        (Stacking((ZeroRule(), "x"), WALK), r"candidates\[1\] is 'x'"),
        (Stacking((ZeroRule(), ZeroRule()), WALK), "2 bases are named 'zero_rule'"),
        (Stacking((ZeroRule(), ZeroRule("a.b")), WALK), "a base is called 'a.b'"),
        (Stacking((ZeroRule(), LightGBM(rounds=0)), WALK), "rounds is 0"),
        (Stacking(TWO, BlockedFolds(3, hours(1))), "must be WalkForward"),
        (Stacking(TWO, WalkForward(0, days(1), hours(1))), "count is 0"),
        (Stacking(TWO, WALK, LogisticMeta(0)), "penalty is 0"),
        (Stacking(TWO, WALK, "ridge"), "must be LogisticMeta"),
        (
            Stacking((ZeroRule(), Calibrated(Stacking(TWO, WALK))), WALK),
            "holds a stack",
        ),
        (Bagging(Calibrated(Stacking(TWO, WALK))), "cuts folds"),
    ],
)  # fmt: skip
def test_mistakes_are_told(stack, words: str) -> None:
    (told,) = stack.mistakes()
    assert re.search(words, told)
