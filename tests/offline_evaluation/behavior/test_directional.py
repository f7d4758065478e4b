"""Which way a score must not move, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.offline_evaluation.behavior.behavioral_tests import Probe
from mlsys_assets.offline_evaluation.behavior.directional import Directional
from mlsys_assets.offline_evaluation.behavior.edge_cases import Between
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings, noise_scale
from mlsys_assets.offline_evaluation.verdict import Verdict

UP = Directional("temp", 1, by=1.0, at_most=1.0)


@pytest.fixture(scope="module")
def wave(read_view, scorer):
    """A score that rises and falls with ``temp``, so that some rows go the wrong way."""
    return Probe(scorer(lambda x: 2 * np.sin(x[0]), "temp"), read_view, seed=1)


def _score(temp: float) -> float:
    return 1 / (1 + np.exp(-2 * np.sin(np.float32(temp))))


def test_violations_are_those_of_a_count_by_hand(wave):
    found = UP.run(wave).evidence
    moves = np.array([_score(t + 1.0) - _score(t) for t in wave.rows.features["temp"].to_pylist()])
    assert found["rows"] == len(moves)
    assert found["violations"] == (moves < 0).sum()
    assert 0.3 < found["share"] == (moves < 0).mean() < 0.7
    assert found["mean violation"] == pytest.approx(-moves[moves < 0].mean(), abs=1e-6)
    assert found["largest violation"] == pytest.approx(-moves.min(), abs=1e-6)
    assert found["mean move"] == pytest.approx(moves.mean(), abs=1e-6)


def test_the_other_direction_has_the_other_violations(wave):
    up, down = UP.run(wave).evidence, replace(UP, direction=-1).run(wave).evidence
    assert up["violations"] + down["violations"] == up["rows"]
    assert up["mean move"] == down["mean move"]
    assert down["largest violation"] > 0


def test_so_many_may_go_the_wrong_way_as_are_allowed(wave):
    share = UP.run(wave).evidence["share"]
    assert replace(UP, at_most=share).run(wave).verdict is Verdict.PASS
    failed = replace(UP, at_most=share - 1e-6).run(wave)
    assert failed.verdict is Verdict.FAIL
    assert failed.summary.startswith(f"raising temp by 1 lowers {share:.1%} of 4,000 scores")
    assert replace(UP, at_most=0.0, direction=-1).run(wave).summary.startswith("raising temp by 1 raises ")


def test_a_score_that_only_rises_has_none(read_view, scorer):
    rising = Probe(scorer(lambda x: x[0] - 1, "temp"), read_view)
    found = Directional("temp", 1, by="measured", readings=Readings("origin"), at_most=0.0).run(rising)
    assert (found.verdict, found.evidence["violations"], found.evidence["mean violation"]) == (Verdict.PASS, 0, 0.0)
    assert found.evidence["raised by"] == noise_scale(read_view, "temp", Readings("origin"))
    unmoved = Directional("seats", 1, by=10.0, at_most=0.0).run(rising)
    assert unmoved.evidence["violations"] == 0


def test_only_the_rows_asked_for_are_raised(wave):
    """Between -π/2 and π/2 - 0.1 the sine rises; beyond it falls."""
    rising = Between(-np.pi / 2, np.pi / 2 - 0.1)
    found = replace(UP, by=0.1, where={"temp": rising}, at_most=0.0).run(wave)
    assert found.verdict is Verdict.PASS
    temp = wave.rows.features["temp"].to_numpy()
    assert found.evidence["rows"] == ((temp >= rising.low) & (temp <= rising.high)).sum()
    dry = replace(UP, where={"rain": Between(0, 0)}).run(wave)
    assert dry.evidence["rows"] == (wave.rows.features["rain"].to_numpy() == 0).sum()


def test_rows_without_the_column_are_left_out(wave):
    found = Directional("rain", 1, by=1.0).run(wave)
    assert found.evidence["rows"] == len(wave.rows) - wave.rows.features["rain"].null_count
    assert wave.rows.features["rain"].null_count > 0


def test_too_few_rows_or_readings_are_insufficient(wave, read_view):
    nowhere = replace(UP, where={"rain": Between(90, 99)}).run(wave)
    assert nowhere.verdict is Verdict.INSUFFICIENT_DATA
    assert "0 rows with temp" in nowhere.summary
    few = replace(wave, view=read_view.take(np.arange(250)))  # 25 hours
    assert "too few consecutive readings" in replace(UP, by="measured").run(few).summary


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"column": "tmp"}, "names ['tmp']"),
        ({"direction": 0}, "direction is 0; allowed: 1, -1"),
        ({"by": 0.0}, "by is 0.0"),
        ({"by": "guess"}, "by is 'guess'; it must be a number"),
        ({"at_most": 2}, "at_most is 2"),
        ({"where": {"wnd": Between()}}, "names ['wnd']"),
        ({"where": {"wind": 3}}, "where 'wind' is 3; it must be Between"),
        ({"where": {"wind": Between(2, 1)}}, "low 2 is above high 1"),
        ({"where": ("wind",)}, "where is a tuple; it must be Mapping"),
        ({"by": "measured", "readings": Readings("port")}, "names ['port']"),
        ({"called": "1st"}, "a name must be of letters"),
    ],
)  # fmt: skip
def test_mistakes_are_told(read_view, changed, said):
    columns = read_view.features.schema.names
    assert UP.mistakes(columns) == []
    assert any(said in mistake for mistake in replace(UP, **changed).mistakes(columns))
