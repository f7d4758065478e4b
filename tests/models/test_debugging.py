"""Each check of a candidate's code finds the fault it is for, and is silent on what has none."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Drop, Preprocessor
from mlsys_assets.models.baselines import GroupRate, ZeroRule, ZeroRulePredictor
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.candidate import FitError, Fitted
from mlsys_assets.models.compression.compressed import Compressed
from mlsys_assets.models.compression.distillation import Distillation
from mlsys_assets.models.compression.truncation import Truncation
from mlsys_assets.models.debugging import (
    BATCH,
    CHECKS,
    OVERFITS,
    SAME_SEED,
    SEEDS,
    Brief,
    Memorizes,
    Randomized,
    debugged,
    overfits_one_batch,
    refusal,
    seeds_decide,
    together,
)
from mlsys_assets.models.ensembles.bagging import Bagging
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.human_rule import HumanRule, When
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.random_forest import RandomForest
from mlsys_assets.models.shuffled_labels import SHUFFLED
from mlsys_assets.models.tuning.automl import AutoML, Family
from mlsys_assets.models.tuning.space import Integers
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.types import Finding, Severity, days, hours

from .faulty_candidates import DrawsGlobally, IgnoresItsSeed, Keeps, Misaligned, Peeks

SOUND = (
    LogisticRegression(),
    LightGBM(rounds=10),
    LightGBM(rounds=300, patience=5, learning_rate=0.3, leaves=4, least_rows=200, l2=50.0, name="held_back"),
    LightGBM(rounds=10, column_share=0.5, row_share=0.5, more={"max_bin": 15, "lambda_l1": 9.0}, name="random_trees"),
    LightGBM(rounds=10, objective=Combined(1, 0.1), name="own_loss"),
    Calibrated(LightGBM(rounds=10)),
    Bagging(LightGBM(rounds=5), n=3),
    GroupRate(by=("carrier", "sched_hour")),
    HumanRule((When("precip", ">", 1.0),)),
    ZeroRule(),
)


@pytest.mark.parametrize("candidate", SOUND, ids=lambda c: c.name)
def test_what_is_sound_passes_every_check(candidate, train, validation) -> None:
    found = debugged(candidate, train, validation, seed=0, threads=1)
    assert [f.name for f in found] == list(CHECKS)
    assert [f.summary for f in found if not f.passed] == []
    assert refusal(found) == ""


@pytest.mark.parametrize("candidate", SOUND[:5], ids=lambda c: c.name)
def test_what_can_be_freed_learns_its_rows_by_heart_and_what_holds_it_back_kept_it_from_it(candidate, train) -> None:
    assert isinstance(candidate, Memorizes)
    found = overfits_one_batch(candidate, train, seed=0, threads=1)
    assert found.evidence["log_loss"] < 0.01
    assert found.evidence["rows"] == BATCH or isinstance(candidate, LogisticRegression)

    class Bound(type(candidate)):
        def unbounded(self):
            return candidate

    fields = {name: getattr(candidate, name) for name in candidate.__dataclass_fields__}
    assert not overfits_one_batch(Bound(**fields), train, seed=0, threads=1).passed


def test_trees_that_are_told_nothing_of_the_hour_and_the_rain_cannot_learn_by_heart(train) -> None:
    blind = replace(FOR_TREES, columns={name: Drop() for name in ("sched_hour", "precip", "noise")})
    found = overfits_one_batch(LightGBM(preprocessor=blind), train, seed=0, threads=1)
    assert not found.passed
    assert found.severity is Severity.WARN
    assert "preprocessing drops what tells rows apart" in found.summary


def test_a_line_is_asked_for_as_many_rows_as_it_can_hold(train) -> None:
    found = overfits_one_batch(LogisticRegression(), train, seed=0, threads=1)
    assert 4 <= found.evidence["rows"] < 16  # three numbers, and categories that are not rare
    wide = {
        f"more_{i}": pa.array(np.random.default_rng(i).normal(size=len(train)).astype(np.float32)) for i in range(80)
    }
    wider = replace(train, features=pa.table({n: train.features[n] for n in train.features.schema.names} | wide))
    found = overfits_one_batch(LogisticRegression(), wider, seed=0, threads=1)
    assert found.passed
    assert found.evidence["rows"] == BATCH
    for rows in (train, wider):
        assert not overfits_one_batch(Misaligned(), rows, seed=0, threads=1).passed


def test_a_batch_has_both_classes_and_no_row_twice(train) -> None:
    seen = []

    class Watched(LightGBM):
        def unbounded(self):
            return self

        def fit(self, train, validation, *, seed, threads):
            seen.append(train)
            raise FitError("seen enough")

    rare = replace(train, label=(np.arange(len(train)) % 300 == 7) * 1.0)
    twice = train.take(np.repeat(np.arange(40), 40))
    for rows in (train, rare, twice):
        found = overfits_one_batch(Watched(), rows, seed=0, threads=1)
        assert not found.passed
        assert "seen enough" in found.summary
    plain, few, unique = seen
    assert (len(plain), plain.label.sum()) == (64, 32)
    assert (len(few), few.label.sum()) == (37, 5)
    assert len(np.unique(unique.fingerprints)) == len(unique) <= 40


def test_rows_of_one_class_or_of_numbers_are_not_asked_for(train, validation) -> None:
    for label in (np.ones(len(train)), train.label * 7.5):
        found = debugged(LightGBM(), replace(train, label=label), validation, seed=0, threads=1)
        assert all(f.passed for f in found)
        assert "not asked" in found[0].summary
    none = train.take(np.zeros(len(train), dtype=bool))
    assert "not asked: 0 rows" in overfits_one_batch(LightGBM(), none, seed=0, threads=1).summary


def test_a_global_generator_is_found_and_a_seed_that_is_ignored(train, validation) -> None:
    same, _ = seeds_decide(DrawsGlobally(), train, validation, seed=0, threads=1)
    assert not same.passed
    assert same.severity is Severity.ERROR
    assert "differ in rates.json" in same.summary
    assert same.evidence["largest difference"] > 0
    same, matter = seeds_decide(IgnoresItsSeed(rounds=5, column_share=0.4), train, validation, seed=0, threads=1)
    assert same.passed
    assert not matter.passed
    assert matter.severity is Severity.WARN
    assert "hand the seed on" in matter.summary


def test_a_solver_that_draws_nothing_is_told_and_not_accused(train, validation) -> None:
    for candidate in (LogisticRegression(), LightGBM(rounds=3), ZeroRule()):
        same, matter = seeds_decide(candidate, train, validation, seed=0, threads=1)
        assert same.passed
        assert matter.passed
        assert "nothing is drawn" in matter.summary
    _, drawn = seeds_decide(LightGBM(rounds=3, row_share=0.5), train, validation, seed=0, threads=1)
    assert drawn.passed
    assert drawn.evidence["largest difference"] > 0


def test_a_recipe_that_differs_is_a_model_that_differs(train, validation) -> None:
    rounds = iter(range(9))

    class Counts(ZeroRule):
        def fit(self, train, validation, *, seed, threads):
            return replace(super().fit(train, validation, seed=seed, threads=threads), recipe={"rounds": next(rounds)})

    same, _ = seeds_decide(Counts(), train, validation, seed=0, threads=1)
    assert "differ in its recipe" in same.summary


def test_what_cannot_be_fitted_on_few_rows_is_said_so(train, validation) -> None:
    found = debugged(LogisticRegression(rounds=1), train, validation, seed=0, threads=1)
    assert not found[0].passed
    assert [f.passed for f in found[1:]] == [True] * 3
    assert all("did not converge" in f.summary for f in found)


def test_scores_that_are_no_numbers_are_said_and_end_nothing(train, validation) -> None:
    class GivesNan(LightGBM):
        def fit(self, train, validation, *, seed, threads):
            return Fitted(self.name, ZeroRulePredictor(np.nan))

    found = debugged(GivesNan(), train, validation, seed=0, threads=1)
    assert not found[0].passed
    assert "scores reach from nan" in found[0].summary
    assert "gave 500 of 500 rows a score that is not finite" in found[1].summary


def test_test_rows_are_refused(train, validation, later) -> None:
    for one, other in ((later, validation), (train, later)):
        with pytest.raises(TypeError, match="view only"):
            debugged(ZeroRule(), one, other, seed=0, threads=1)


def test_findings_of_several_candidates_become_one_a_check_and_name_who_failed(train, validation) -> None:
    candidates = (LogisticRegression(), Keeps(name="keeps"), Peeks(name="peeks"), DrawsGlobally(name="dice"))
    for candidate in candidates:
        candidate.fit(train, validation, seed=0, threads=1)
    found = {c.name: debugged(c, train, validation, seed=0, threads=1) for c in candidates}
    joined = {f.name: f for f in together(found)}
    assert list(joined) == list(CHECKS)
    assert joined[OVERFITS].passed
    assert joined[SEEDS].passed
    assert not joined[SHUFFLED].passed
    assert joined[SHUFFLED].severity is Severity.ERROR
    assert "keeps: AUC" in joined[SHUFFLED].summary
    assert "peeks: AUC" in joined[SHUFFLED].summary
    assert "logistic_regression" not in joined[SHUFFLED].summary
    assert joined[SAME_SEED].summary.startswith("dice: ")
    refused = [name for name, findings in found.items() if refusal(findings)]
    assert refused == ["keeps", "peeks", "dice"]
    assert together({})[0].passed


def test_only_what_is_an_error_refuses_a_candidate() -> None:
    warned = Finding("a", passed=False, summary="b", severity=Severity.WARN)
    assert refusal([warned]) == ""
    assert refusal([warned, replace(warned, severity=Severity.ERROR)]) == "a: b"


def test_protocols_are_told_apart() -> None:
    assert isinstance(LightGBM(), Brief)
    assert LightGBM().brief().rounds < LightGBM().rounds
    assert LightGBM(rounds=3).brief().rounds == 3
    assert isinstance(LogisticRegression(), Randomized)
    assert not isinstance(LogisticRegression(), Brief)
    assert not isinstance(ZeroRule(), Memorizes | Randomized)
    assert Preprocessor() == LogisticRegression().unbounded().preprocessor
    assert all(isinstance(one, Randomized) and one.randomized for one in (Mlp(), RandomForest()))


@dataclass(frozen=True)
class Endless:
    """Of metrics, none: whoever measures by it searches."""

    name: str = "endless"
    higher_is_better: bool = False

    def draws(self, label, score, weights):
        raise AssertionError("a search was begun")


WALK = WalkForward(2, days(5), hours(1))
SEARCHED = Tuned(LightGBM(rounds=200, least_rows=50), {"leaves": Integers(2, 9)}, metric=Endless())


@pytest.mark.parametrize(
    "candidate",
    [
        Calibrated(SEARCHED),
        Compressed(SEARCHED, Truncation(rounds=150)),
        AutoML((Family(LightGBM(rounds=200, least_rows=50), {"leaves": Integers(2, 9)}),), metric=Endless()),
        Stacking((SEARCHED, replace(SEARCHED, name="again"), LogisticRegression()), WALK),
        Bagging(SEARCHED, n=30),
        Distillation(SEARCHED, LightGBM(rounds=200, least_rows=50)),
    ],
    ids=lambda c: c.name,
)
def test_what_holds_a_search_is_asked_without_it_and_passes(candidate, train, validation) -> None:
    found = debugged(candidate, train, validation, seed=0, threads=1)
    assert [f.summary for f in found if not f.passed] == []
    assert "refused" not in found[1].summary
    assert not found[2].summary.startswith("not asked")
    freed = candidate.unbounded() if isinstance(candidate, Memorizes) else None
    assert freed is None or freed.least_rows == 1
    assert isinstance(candidate, Memorizes) is not isinstance(candidate, Stacking | Bagging)
