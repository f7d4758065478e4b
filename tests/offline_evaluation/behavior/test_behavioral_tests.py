"""What every behavioral test keeps to, and what probes and their results say."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.mistakes import misnamed
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import (
    LEAST_PROBED,
    PROBED_ROWS,
    BehavioralTest,
    BehaviorResult,
    FunctionScorer,
    Probe,
    run_behavior,
    with_column,
)
from mlsys_assets.offline_evaluation.behavior.directional import Directional
from mlsys_assets.offline_evaluation.behavior.edge_cases import Between, EdgeCase, Higher
from mlsys_assets.offline_evaluation.behavior.invariance import Invariant, RowsAlone
from mlsys_assets.offline_evaluation.behavior.perturbation import Perturbed
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings
from mlsys_assets.offline_evaluation.verdict import Verdict

DECLARED = (
    Perturbed(("temp", "rain"), readings=Readings("origin"), most=0.3),
    Perturbed(("temp",), scale=(0.5,), readings=None, called="own_scale", most=0.3),
    Invariant("carrier"),
    Invariant("tailnum"),
    RowsAlone(),
    Directional("rain", 1, by=0.5),
    Directional("temp", 1, where={"rain": Between(0, 0)}),
    EdgeCase("heat", {"temp": 3.0, "carrier": None}, Higher()),
)


@pytest.fixture
def model(scorer):
    return scorer(lambda x: 1.2 * x[0] - 1.5 + 0.3 * x[1], "temp", "rain")


@pytest.mark.parametrize("test", DECLARED, ids=lambda t: t.name)
class TestEveryOne:
    def test_is_a_sound_declaration(self, test, read_view):
        assert isinstance(test, BehavioralTest)
        assert misnamed("a check", test.name) == []
        assert test.mistakes(read_view.features.schema.names, request=["tailnum"]) == []

    def test_names_columns_that_are_not_there(self, test, read_view):
        if not isinstance(test, RowsAlone):
            assert any("no feature column" in m or "no column" in m for m in test.mistakes(["seats"]))

    def test_finds_the_same_again(self, test, read_view, model):
        first, again = (test.run(Probe(model, read_view, seed=3)) for _ in range(2))
        assert first == again
        assert first.verdict is Verdict.PASS, first.summary

    def test_gives_a_check(self, test, read_view, model):
        found = test.run(Probe(model, read_view, seed=3))
        assert (found.finding.name, found.finding.passed, found.finding.summary) == (test.name, True, found.summary)
        assert found.finding.evidence["verdict"] == "pass"
        assert all(isinstance(v, str | int | float | bool | None) for v in found.evidence.values())
        assert not any(isinstance(v, np.generic) for v in found.evidence.values())

    def test_says_that_rows_are_too_few(self, test, read_view, model):
        few = read_view.take(np.arange(LEAST_PROBED - 1))
        found = test.run(Probe(model, few if not isinstance(test, RowsAlone) else few.take(np.arange(0)), seed=3))
        assert found.verdict is Verdict.INSUFFICIENT_DATA
        assert found.finding.passed
        assert found.summary.startswith("insufficient data")

    def test_does_not_change_the_rows(self, test, read_view, model):
        before = read_view.features
        test.run(Probe(model, read_view, seed=3))
        assert read_view.features.equals(before)

    def test_scores_few_rows_a_few_times(self, test, read_view, model):
        sizes = []

        def counted(rows):
            sizes.append(rows.num_rows if isinstance(rows, pa.Table) else 1)
            return model.function(rows)

        test.run(Probe(FunctionScorer(counted, model.columns), read_view, seed=3))
        assert max(sizes) <= PROBED_ROWS
        assert sum(size == PROBED_ROWS for size in sizes) <= 6  # unchanged, and one for each changed copy


def test_rows_are_scored_unchanged_once_for_all_tests(read_view, model):
    unchanged = []
    probe = Probe(FunctionScorer(lambda rows: _watched(unchanged, rows, model), model.columns), read_view)
    found = run_behavior(DECLARED, probe)
    assert [r.test for r in found] == [t.name for t in DECLARED]
    assert sum(rows is probe.rows.features for rows in unchanged) == 1


def _watched(seen, rows, model):
    seen.append(rows)
    return model.function(rows)


def test_a_probe_draws_rows_by_its_seed_and_keeps_their_order(read_view, model):
    first, same, other = (Probe(model, read_view, seed=seed).rows for seed in (1, 1, 2))
    assert len(first) == len(set(first.ids.to_pylist())) == PROBED_ROWS
    assert first.ids.equals(same.ids)
    assert not first.ids.equals(other.ids)
    assert (np.diff([int(name[1:]) for name in first.ids.to_pylist()]) > 0).all()
    few = read_view.take(np.arange(10))
    assert Probe(model, few).rows is few


def test_what_is_drawn_for_one_purpose_does_not_depend_on_others(read_view, model):
    probe = Probe(model, read_view, seed=1)
    first = probe.random("noise", "temp").random(3)
    np.testing.assert_array_equal(first, probe.random("noise", "temp").random(3))
    for other in (
        probe.random("noise", "wind"),
        probe.random("noiset", "emp"),
        Probe(model, read_view, seed=2).random("noise", "temp"),
    ):
        assert not np.array_equal(first, other.random(3))


def test_decisions_flip_across_the_threshold_only(read_view):
    def scores(rows):
        return np.linspace(0.1, 0.9, len(rows))

    probe = Probe(FunctionScorer(scores, ()), read_view.take(np.arange(5)), threshold=0.5)
    np.testing.assert_allclose(probe.base, [0.1, 0.3, 0.5, 0.7, 0.9])
    assert probe.flipped(np.array([0.49, 0.5, 0.49, 0.71, 0.5])).tolist() == [False, True, True, False, False]


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_scores_that_are_no_probabilities_are_refused(read_view, bad):
    probe = Probe(FunctionScorer(lambda rows: np.full(len(rows), bad), ()), read_view)
    with pytest.raises(ValueError, match=f"{PROBED_ROWS} of {PROBED_ROWS} scores are no probabilities"):
        RowsAlone().run(probe)


def test_scores_of_another_number_are_refused(read_view):
    with pytest.raises(ValueError, match=r"scores of shape \(3,\) for 4000 rows"):
        _ = Probe(FunctionScorer(lambda rows: np.full(3, 0.5), ()), read_view).base


def test_a_failed_test_is_a_check_that_warns():
    finding = BehaviorResult("t", Verdict.FAIL, "it did not", {"share": 0.5}).finding
    assert not finding.passed
    assert finding.severity == "warn"
    assert finding.evidence == {"verdict": "fail", "share": 0.5}


def test_other_values_keep_the_columns_type_and_place(read_view):
    rows = read_view.features.slice(0, 3)
    changed = with_column(rows, "temp", np.array([1.0, np.nan, 3.0]))
    assert changed.schema.equals(rows.schema)
    assert changed["temp"].to_pylist() == [1.0, None, 3.0]
    assert changed.drop_columns(["temp"]).equals(rows.drop_columns(["temp"]))


def test_whole_numbers_stay_whole_and_others_are_not_cut(read_view):
    rows = pa.table({"seats": pa.array([1, 2, None], pa.int16()), "rain": pa.array([True, False, None])})
    whole = with_column(rows, "seats", np.array([4.0, np.nan, 6.0]))
    assert whole.schema.equals(rows.schema)
    assert whole["seats"].to_pylist() == [4, None, 6]
    assert with_column(rows, "seats", np.array([4.5, np.nan, 6.0]))["seats"].to_pylist() == [4.5, None, 6.0]
    assert with_column(rows, "rain", np.array([0.5, np.nan, 1.0]))["rain"].to_pylist() == [0.5, None, 1.0]
    assert with_column(rows, "rain", np.array([0.0, np.nan, 1.0]))["rain"].to_pylist() == [False, None, True]


def test_a_test_that_raises_has_failed_and_the_others_still_run(read_view, model):
    impossible = EdgeCase("odd", {"temp": "warm"}, Higher())
    before, broken, after = run_behavior((RowsAlone(), impossible, RowsAlone()), Probe(model, read_view))
    assert before == after
    assert before.verdict is Verdict.PASS
    assert (broken.test, broken.verdict) == ("case_odd", Verdict.FAIL)
    assert broken.summary.startswith("it could not be run: TypeError: the case 'odd': 'temp' holds ")
    assert broken.finding.evidence == {"verdict": "fail", "raised": "TypeError"}
