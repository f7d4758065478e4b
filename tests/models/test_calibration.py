"""Calibration is learned on later rows the model never saw, equals the references, and refuses what it cannot learn."""

import json
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from mlsys_assets.data_sampling.views import Validation
from mlsys_assets.measures.metrics import Ece, LogLoss, value
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.calibrated_predictor import SigmoidMap, StepMap, read_map
from mlsys_assets.models.calibration import CALIBRATION, Calibrated, Isotonic, Platt
from mlsys_assets.models.candidate import FitError, Fitted
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.predictor import BundleError

METHODS = [Platt(), Isotonic()]
NAMED = {"argvalues": METHODS, "ids": [m.name for m in METHODS]}


def scored(n: int, *, bold: float = 2.0, seed: int = 0, digits: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and scores whose log-odds are ``bold`` times the truth and too high by 1."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1.0, 1.0, n)
    label = (rng.uniform(size=n) < 1 / (1 + np.exp(-truth))).astype(float)
    return label, np.round(1 / (1 + np.exp(-(bold * truth + 1))), digits)


@pytest.mark.parametrize("digits", [1, 2, 9])
@pytest.mark.parametrize("seed", range(4))
def test_isotonic_equals_scikit_learns(seed, digits) -> None:
    label, score = scored(700, seed=seed, digits=digits)
    least = 1 / (len(label) + 2)
    reference = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(score, label)
    new = np.concatenate([np.linspace(0, 1, 501), score])
    np.testing.assert_allclose(Isotonic().fit(label, score).apply(new), reference.predict(new), atol=1e-12, rtol=0)


@pytest.mark.parametrize("bold", [0.5, 1.0, 3.0])
def test_platt_equals_scipys_optimum_of_his_targets(bold) -> None:
    label, score = scored(500, bold=bold)
    n1, n0 = label.sum(), (1 - label).sum()
    target = np.where(label > 0, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    margin = np.log(score / (1 - score))

    def loss(v: np.ndarray) -> float:
        return float((np.logaddexp(0, v[0] * margin + v[1]) - target * (v[0] * margin + v[1])).sum())

    best = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    found = Platt().fit(label, score)
    assert (found.slope, found.intercept) == pytest.approx(tuple(best), abs=1e-6)


@pytest.mark.parametrize("method", **NAMED)
def test_calibration_mends_what_is_too_bold(method) -> None:
    label, score = scored(4_000)
    fresh, raw = scored(4_000, seed=1)
    mended = method.fit(label, score).apply(raw)
    assert value(Ece(), fresh, raw) > 0.1
    assert value(Ece(), fresh, mended) < 0.03
    assert value(LogLoss(), fresh, mended) < value(LogLoss(), fresh, raw) - 0.05


@pytest.mark.parametrize("method", **NAMED)
def test_no_score_becomes_a_certainty(method) -> None:
    label = np.repeat([0.0, 1.0], 60)
    score = np.concatenate([np.linspace(0, 0.5, 60), np.linspace(0.45, 1, 60)])
    found = method.fit(label, score).apply(np.array([0.0, 1e-300, 0.5, 1.0]))
    assert ((found > 0) & (found < 1)).all()
    assert (np.diff(found) >= 0).all()
    assert np.isfinite(value(LogLoss(), np.array([1.0, 1, 1, 0]), found))


@pytest.mark.parametrize("method", **NAMED)
@pytest.mark.parametrize(
    ("label", "score", "reason"),
    [
        ([0.0, 1.0, 0.0], [0.1, 0.2, 0.3], "at least 30 rows of each class, got 1 positive and 2 negative"),
        (np.zeros(200), np.linspace(0, 1, 200), "got 0 positive and 200 negative"),
        (np.arange(200) % 2, np.full(200, 0.25), "scores that differ, all 200 are 0.25"),
        (np.arange(200) % 2, np.r_[np.nan, np.linspace(0, 1, 199)], r"scores in \[0, 1\], got nan"),
        (np.arange(200) % 2, np.linspace(0, 1.5, 200), r"scores in \[0, 1\], got 1.0"),
        (np.arange(200) % 2, np.linspace(0, 1, 199), "200 labels and 199 scores"),
    ],
    ids=["3 rows", "one class", "constant", "nan", "outside", "lengths"],
)
def test_what_nothing_can_be_learned_from_is_refused(method, label, score, reason) -> None:
    with pytest.raises(FitError, match=reason):
        method.fit(np.asarray(label, dtype=float), np.asarray(score, dtype=float))


def test_scores_that_rank_the_wrong_way_are_refused_by_platt() -> None:
    label, score = scored(500)
    with pytest.raises(FitError, match="higher scores do not go with more positives"):
        Platt().fit(label, 1 - score)


@dataclass(frozen=True)
class Watched(LogisticRegression):
    """A candidate that remembers which validation rows it was handed."""

    seen: list[Validation] = field(default_factory=list)

    def fit(self, train, validation, *, seed, threads) -> Fitted:
        self.seen.append(validation)
        return super().fit(train, validation, seed=seed, threads=threads)


@dataclass(frozen=True)
class Recorder:
    """A method that remembers how many rows it was handed."""

    rows: list[np.ndarray] = field(default_factory=list)
    name: str = "recorder"

    def fit(self, label, score):
        self.rows.append(label)
        return SigmoidMap(1.0, 0.0)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_the_map_is_learned_on_later_rows_than_the_model_saw(train, validation, share) -> None:
    shuffled = validation.take(np.random.default_rng(0).permutation(len(validation)))
    within, method = Watched(), Recorder()
    Calibrated(within, method, share=share).fit(train, shuffled, seed=0, threads=1)
    (seen,), (learned,) = within.seen, method.rows
    assert len(learned) == pytest.approx(share * len(validation), abs=1)
    assert len(seen) + len(learned) == len(validation)
    later = np.sort(validation.at)[len(seen) :]
    assert seen.at.max() < later.min()
    assert sorted(learned) == sorted(validation.label[np.isin(validation.at, later)])


def test_rows_of_one_moment_stand_on_one_side(train, validation) -> None:
    together = Validation(
        validation.ids, np.repeat(validation.at[:5], 100), validation.features, validation.label, validation.window
    )
    within = Watched()
    Calibrated(within, share=0.5).fit(train, together, seed=0, threads=1)
    assert len(within.seen[0]) == 200
    one = Validation(
        validation.ids, np.repeat(validation.at[:1], 500), validation.features, validation.label, validation.window
    )
    with pytest.raises(FitError, match="several moments"):
        Calibrated(within).fit(train, one, seed=0, threads=1)


@pytest.mark.parametrize("method", **NAMED)
def test_a_refit_keeps_the_map_and_what_the_model_found(train, validation, later, method) -> None:
    candidate = Calibrated(LightGBM(rounds=40, patience=5, learning_rate=0.3), method)
    fitted = candidate.fit(train, validation, seed=1, threads=1)
    assert set(fitted.recipe) == {"rounds", CALIBRATION}
    recipe = json.loads(json.dumps(dict(fitted.recipe)))  # as the ledger holds it
    half = train.take(np.arange(len(train)) % 2 == 0)
    refitted = candidate.refit(half, recipe=recipe, seed=1, threads=1)
    assert refitted.recipe == fitted.recipe
    within = candidate.candidate.refit(half, recipe={"rounds": fitted.recipe["rounds"]}, seed=1, threads=1)
    expected = read_map(str(fitted.recipe[CALIBRATION])).apply(within.predict(later.features))
    assert np.array_equal(refitted.predict(later.features), expected)


def test_a_refit_without_a_map_is_refused(train) -> None:
    for recipe, reason in (
        ({"rounds": 3}, "a recipe with a 'calibration'"),
        ({"rounds": 3, CALIBRATION: "{"}, "is no calibration"),
        ({"rounds": 3, CALIBRATION: '{"map":"sigmoid","slope":-1.0,"intercept":0.0}'}, "a slope of -1.0"),
    ):
        with pytest.raises(ValueError, match=reason):
            Calibrated(LightGBM()).refit(train, recipe=recipe, seed=0, threads=1)


def test_a_calibration_that_cannot_be_learned_names_the_candidate(train, validation) -> None:
    few = validation.take(np.arange(60))
    with pytest.raises(FitError, match="logistic_regression_platt: calibration needs at least 30"):
        Calibrated(LogisticRegression()).fit(train, few, seed=0, threads=1)


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (Calibrated(LightGBM(), share=0.0), "share is 0.0; it must be a number, above 0"),
        (Calibrated(LightGBM(), share=1.0), "share is 1.0; it must be below 1"),
        (Calibrated(LightGBM(), share=float("nan")), "share is nan"),
        (Calibrated(Calibrated(LightGBM())), "'lightgbm_platt', which is calibrated already"),
        (Calibrated(LightGBM(rounds=0)), "rounds is 0"),
        (Calibrated(LightGBM), "candidate is the class LightGBM; write LightGBM(...)"),
        (Calibrated(LightGBM(), Platt), "method is the class Platt; write Platt(...)"),
        (Calibrated(LightGBM(), "platt"), "method is 'platt'; it must be CalibrationMethod"),
    ],
)
def test_mistakes_are_told(declared, told) -> None:
    assert any(told in mistake for mistake in declared.mistakes()), declared.mistakes()


@pytest.fixture(scope="module")
def bundle(train, validation) -> dict[str, bytes]:
    return to_files(Calibrated(LogisticRegression(), Isotonic()).fit(train, validation, seed=1, threads=1).predictor)


def test_the_model_within_is_kept_under_names_of_its_own(bundle, later) -> None:
    assert sorted(bundle) == ["bundle.json", "calibrator.json", "within.coefficients.json", "within.preprocessing.json"]
    loaded = from_files(bundle)
    assert np.array_equal(
        loaded.predict(later.features), loaded.calibration.apply(loaded.within.predict(later.features))
    )


@pytest.mark.parametrize(
    ("calibrator", "reason"),
    [
        (b'{"within":"linear","calibration":{"map":"sigmoid","slope":0.0,"intercept":1.0}}', "slope of 0.0"),
        (b'{"within":"linear","calibration":{"map":"steps","scores":[],"rates":[]}}', "at least one"),
        (b'{"within":"linear","calibration":{"map":"steps","scores":[0.1],"rates":[0.1,0.2]}}', "as many"),
        (b'{"within":"linear","calibration":{"map":"steps","scores":[0.2,0.1],"rates":[0.1,0.2]}}', "do not rise"),
        (b'{"within":"linear","calibration":{"map":"steps","scores":[0.1,0.2],"rates":[0.3,0.2]}}', "do not rise"),
        (b'{"within":"linear","calibration":{"map":"steps","scores":[0.1,0.2],"rates":[0.0,0.2]}}', "between 0 and 1"),
        (b'{"within":"linear","calibration":{"map":"spline"}}', "not what was written"),
        (
            b'{"within":"pickle","calibration":{"map":"sigmoid","slope":1.0,"intercept":1.0}}',
            "kind 'pickle' is unknown",
        ),
        (b'{"within":"calibrated","calibration":{"map":"sigmoid","slope":1.0,"intercept":1.0}}', "calibrated already"),
        (b'{"within":"lightgbm","calibration":{"map":"sigmoid","slope":1.0,"intercept":1.0}}', "within.model.txt"),
    ],
)
def test_files_that_are_no_calibrated_model_are_refused(bundle, calibrator, reason) -> None:
    with pytest.raises(BundleError, match=reason):
        from_files({**bundle, "calibrator.json": calibrator})


def test_maps_come_back_from_text_as_they_were() -> None:
    import msgspec

    for one in (SigmoidMap(0.1 + 0.2, -1 / 3), StepMap((0.1, 1 / 3), (0.2, 2 / 3))):
        assert read_map(msgspec.json.encode(one).decode()) == one


def test_an_empty_table_is_scored(bundle, later) -> None:
    assert from_files(bundle).predict(later.features[:0]).shape == (0,)
    assert isinstance(later.features, pa.Table)
