"""A metric under noise falls as theory says, and the choice between two models flips where it must."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import LogLoss, RocAuc, value
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import FunctionScorer, Probe
from mlsys_assets.offline_evaluation.behavior.perturbation import ChoiceCurve, Perturbed, model_choice
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings, noise_scale
from mlsys_assets.offline_evaluation.verdict import Verdict

LEVELS = (1.0, 3.0)
OWN = Perturbed(("temp",), scale=(1.0,), levels=LEVELS, readings=None)


@pytest.fixture(scope="module")
def probes(read_view, scorer):
    """Of ``temp`` an AUC of Φ(1.5 / √2) is to be had, of ``wind`` one of Φ(0.8 / √2)."""
    models = {"temp": scorer(lambda x: x[0] - 1, "temp"), "wind": scorer(lambda x: x[0] - 1, "wind")}
    return {name: Probe(model, read_view, seed=1) for name, model in models.items()}


def test_the_curve_is_that_of_theory(probes):
    """Of two normal distributions with 1.5 between them and noise of ``level``: AUC = Φ(1.5 / √(2 + 2 level²))."""
    curve = replace(OWN, levels=(0.5, 1.0, 2.0, 4.0)).curve(probes["temp"])
    assert curve.levels == (0.0, 0.5, 1.0, 2.0, 4.0)
    for level, found, change in zip(curve.levels, curve.values, curve.changes, strict=True):
        expected = norm.cdf(1.5 / np.sqrt(2 * (1 + level**2)))
        assert found.value == pytest.approx(expected, abs=0.025)
        assert found.low < found.value < found.high
        assert change.value == pytest.approx(found.value - curve.values[0].value)
    assert curve.values[0].value == value(RocAuc(), probes["temp"].rows.label, probes["temp"].base)
    assert (curve.changes[0].low, curve.changes[0].high) == (0.0, 0.0)


def test_the_choice_of_a_model_flips_where_theory_says(probes):
    """1.5 / √(1 + level²) is above 0.8 up to a level of 1.59, and below it from there on."""
    found = model_choice(OWN, ("temp", probes["temp"]), ("wind", probes["wind"]))
    assert [found.better(level) for level in found.levels] == ["temp", "temp", "wind"]
    assert found.flips_at == 3.0
    turned = model_choice(OWN, ("wind", probes["wind"]), ("temp", probes["temp"]))
    assert turned.flips_at == 3.0
    assert turned.better(3.0) == "wind"
    never = model_choice(replace(OWN, levels=(1.0,)), ("temp", probes["temp"]), ("wind", probes["wind"]))
    assert never.flips_at is None


def test_a_flip_is_the_same_by_a_metric_that_falls(probes):
    found = model_choice(replace(OWN, metric=LogLoss()), ("temp", probes["temp"]), ("wind", probes["wind"]))
    assert found.better(0.0) == "temp"
    assert found.differences[0].value < 0


def _choice(*bounds) -> ChoiceCurve:
    found = tuple(Estimate((low + high) / 2, low, high, 9, 4, 9) for low, high in bounds)
    return ChoiceCurve(("a", "b"), RocAuc(), tuple(float(k) for k in range(len(bounds))), found)


def test_what_chance_explains_is_no_flip():
    assert _choice((0.1, 0.2), (-0.3, 0.1), (-0.2, -0.1)).flips_at == 2.0
    assert _choice((0.1, 0.2), (-0.3, 0.1)).flips_at is None
    assert _choice((-0.1, 0.2), (-0.3, -0.1)).flips_at is None  # neither was better to begin with
    assert _choice((0.1, 0.2), (np.nan, np.nan)).better(0.0) == "a"
    lost = replace(
        _choice((0.1, 0.2), (-0.3, -0.1)), differences=(Estimate(np.nan, np.nan, np.nan, 1, 1, 1, False),) * 2
    )
    assert lost.flips_at is None
    assert lost.better(0.0) is None


def test_both_models_meet_the_same_noise(probes, read_view, scorer):
    """A model against itself, declared beside another column: not a score differs."""
    again = Probe(scorer(lambda x: x[0] - 1 + 0 * x[1], "temp", "wind"), read_view, seed=1)
    both = replace(OWN, columns=("wind", "temp"), scale=(1.0, 1.0))
    for alone, beside in zip(OWN.scores(probes["temp"]), both.scores(again), strict=True):
        np.testing.assert_array_equal(alone, beside)
    with pytest.raises(ValueError, match="by another seed"):
        model_choice(OWN, ("a", probes["temp"]), ("b", Probe(again.model, read_view, seed=2)))
    with pytest.raises(ValueError, match="on other rows"):
        model_choice(OWN, ("a", probes["temp"]), ("b", Probe(again.model, read_view.take(np.arange(500)), seed=1)))


def _seen(test, probe, column):
    """Return what the model is given of a column, at each level."""
    tables = []

    def watched(rows):
        tables.append(rows[column].to_numpy(zero_copy_only=False))
        return probe.model.function(rows)

    test.scores(Probe(FunctionScorer(watched, probe.model.columns), probe.view, seed=probe.seed))
    return tables


def test_noise_is_of_the_declared_size_and_grows_with_the_level(probes):
    clean, once, thrice = (t.astype(float) for t in _seen(replace(OWN, scale=(0.1,)), probes["temp"], "temp"))
    inside = (thrice > clean.min()) & (thrice < clean.max())
    assert (once - clean)[inside].std() == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose((thrice - clean)[inside], 3 * (once - clean)[inside], atol=1e-5)


def test_values_stay_among_those_that_occur_and_missing_ones_missing(probes):
    clean, *noisy = _seen(Perturbed(("rain",), scale=(5.0,), levels=LEVELS, readings=None), probes["temp"], "rain")
    for table in noisy:
        np.testing.assert_array_equal(np.isnan(table), np.isnan(clean))
        assert np.nanmin(table) >= 0.0
        assert np.nanmax(table) <= np.nanmax(clean)


def test_rows_of_a_reading_share_its_noise(probes):
    shared = Perturbed(("seats",), scale=(0.01,), levels=(1.0,), readings=Readings("origin"))
    clean, noisy = _seen(shared, probes["temp"], "seats")
    reading = Readings("origin").reading(probes["temp"].rows)
    inside = (clean > clean.min()) & (clean < clean.max())
    noise = np.round(noisy - clean, 3)
    for k in range(20):
        assert np.ptp(noise[(reading == k) & inside]) <= 0.002  # float32 of seats
    assert len(set(noise.tolist())) > 20


def test_the_measured_scale_is_that_of_all_rows(read_view, probes):
    measured = Perturbed(("temp", "rain"), readings=Readings("origin"))
    expected = {name: noise_scale(read_view, name, Readings("origin")) for name in ("temp", "rain")}
    assert measured.scales(probes["temp"]) == expected
    assert OWN.scales(probes["temp"]) == {"temp": 1.0}


def test_the_verdict_rests_on_the_interval_at_the_level_1(probes):
    curve = OWN.curve(probes["temp"])
    value_lost, worst = curve.lost(1.0)
    assert 0.05 < value_lost < worst
    strict, lax = (replace(OWN, most=most).run(probes["temp"]) for most in ((value_lost + worst) / 2, worst + 1e-9))
    assert (strict.verdict, lax.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert "smooth these columns" in strict.summary
    assert strict.evidence["lost"] == value_lost
    assert strict.evidence["roc_auc at 3"] == curve.values[2].value
    loss = replace(OWN, metric=LogLoss()).run(probes["temp"])
    assert loss.verdict is Verdict.FAIL
    assert loss.evidence["lost"] > 0.05


def test_a_column_that_is_not_read_costs_nothing(probes):
    found = Perturbed(("seats",), readings=None).run(probes["temp"])
    assert (found.evidence["lost"], found.evidence["lost at most"], found.verdict) == (0.0, 0.0, Verdict.PASS)
    assert "by 0.0000, at most 0.0000" in found.summary


def test_readings_or_labels_that_cannot_tell_are_insufficient(probes, read_view):
    sparse = read_view.take(np.flatnonzero(read_view.at.astype("datetime64[h]").astype(int) % 2 == 0))
    found = Perturbed(("temp",), readings=Readings("origin")).run(Probe(probes["temp"].model, sparse))
    assert found.verdict is Verdict.INSUFFICIENT_DATA
    assert "too few consecutive readings of ['temp']" in found.summary
    one_class = read_view.take(read_view.label > 0)
    assert OWN.run(Probe(probes["temp"].model, one_class)).verdict is Verdict.INSUFFICIENT_DATA
    a_day = read_view.take(np.arange(240))
    assert "interval of roc_auc" in OWN.run(Probe(probes["temp"].model, a_day)).summary


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"columns": ("tmp",)}, "names ['tmp'], which are no feature columns"),
        ({"columns": ()}, "names no columns"),
        ({"columns": "temp"}, "was a comma forgotten?"),
        ({"scale": "guessed"}, "scale is 'guessed'; it must be 'measured', or a tuple"),
        ({"scale": (1.0, 2.0)}, "one number a column"),
        ({"scale": (0.0,)}, "a scale is 0.0; it must be a number, above 0"),
        ({"levels": (0.5, 2.0)}, "1, at which the verdict is reached, must be among them"),
        ({"levels": (1.0, -1.0)}, "a level is -1.0"),
        ({"metric": RocAuc}, "is the class RocAuc; write RocAuc(...)"),
        ({"most": -0.1}, "most is -0.1"),
        ({"readings": Readings("port")}, "names ['port']"),
        ({"readings": None, "scale": "measured"}, "readings is None; it must be Readings"),
        ({"called": "two words"}, "a name must be of letters"),
    ],
)  # fmt: skip
def test_mistakes_are_told(read_view, changed, said):
    columns = read_view.features.schema.names
    assert OWN.mistakes(columns) == []
    assert any(said in mistake for mistake in replace(OWN, **changed).mistakes(columns))
