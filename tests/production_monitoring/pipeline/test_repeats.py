"""Rows that came twice, and thirty equal predictions in a row."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.production_monitoring.pipeline.repeats import repeated_predictions, repeated_rows


def table(seed: int, rows: int = 1_000) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({"x": rng.normal(size=rows), "c": rng.choice(["a", "b"], rows)})


def test_rows_that_came_twice() -> None:
    now = table(1)
    assert repeated_rows(table(0), now, seed=0).symptoms == ()
    (found,) = repeated_rows(table(0), pa.concat_tables([now, now.slice(0, 200)]), seed=0).symptoms
    assert "16.7% of 1,200 rows" in found.told
    (found,) = repeated_rows(table(0, 400), pa.concat_tables([now, now]), seed=0).symptoms
    assert found.measures["before"] == 0


def test_rows_that_are_alike_anyway_are_usual() -> None:
    few = [pa.table({"c": np.random.default_rng(seed).choice(["a", "b"], 500 + 300 * seed)}) for seed in range(2)]
    assert repeated_rows(*few, seed=0).symptoms == ()
    counts = [pa.table({"c": np.random.default_rng(s).integers(0, 900, 1_000 * (1 + s))}) for s in range(2)]
    assert repeated_rows(*counts, seed=0).symptoms == ()


def test_no_rows_cannot_tell() -> None:
    for before, now in ((table(0), table(1, 0)), (table(0, 1), table(1))):
        found = repeated_rows(before, now, seed=0)
        assert found.symptoms == ()
        assert "too few" in found.untold["repeated rows"]


def scores(rows: int = 2_000, *, seed: int = 0, run: int = 0, value: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    score = np.random.default_rng(seed).beta(2, 8, rows)
    score[700 : 700 + run] = value
    return score, np.datetime64("2013-03-01") + np.arange(rows) * np.timedelta64(1, "m")


@pytest.mark.parametrize("value", [0.25, np.nan])
def test_thirty_equal_predictions_in_a_row_alarm(value: float) -> None:
    score, at = scores(run=30, value=value)
    shuffled = np.random.default_rng(1).permutation(len(score))
    (found,) = repeated_predictions(score[shuffled], at[shuffled]).symptoms
    assert (found.where, found.size) == ("scores", 30)
    assert repeated_predictions(*scores(run=29)).symptoms == ()
    (found,) = repeated_predictions(*scores(run=30), before=scores(seed=1)[0]).symptoms
    assert found.measures["chance"] < 1e-6


def test_all_equal_alarm_unless_declared_or_ever_so() -> None:
    score, at = scores(run=0)
    same = np.full(len(score), 0.2)
    assert repeated_predictions(same, at, before=score).symptoms
    assert repeated_predictions(same, at, before=same).symptoms == ()
    told = repeated_predictions(same, at, constant=True)
    assert (told.symptoms, "declared" in told.untold["repeated predictions"]) == ((), True)


def test_a_model_of_few_values_repeats_them_by_chance() -> None:
    """A tree of two leaves says one of them 97 times in 100: runs of a hundred are nothing."""
    rng = np.random.default_rng(2)
    for seed in range(50):
        score = np.where(np.random.default_rng(seed).random(2_000) < 0.97, 0.1, 0.6)
        at = scores()[1]
        assert repeated_predictions(score, at).symptoms == ()
        assert repeated_predictions(score, at, before=np.where(rng.random(2_000) < 0.97, 0.1, 0.6)).symptoms == ()


def test_too_few_and_of_unequal_length() -> None:
    score, at = scores()
    assert "29 predictions" in repeated_predictions(score[:29], at[:29]).untold["repeated predictions"]
    assert repeated_predictions(score[:0], at[:0]).symptoms == ()
    with pytest.raises(ValueError, match="2000 predictions and 1999 prediction times"):
        repeated_predictions(score, at[1:])


def test_a_run_that_the_model_says_itself_is_none_and_one_that_it_does_not_is_told() -> None:
    """A tree has one value for a spell of dry weather; a default that is served in its place is none."""
    score, at = scores(run=40, value=0.02)
    asked: list[np.ndarray] = []

    def as_served(places: np.ndarray) -> np.ndarray:
        asked.append(places)
        return score[places]

    shuffled = np.random.default_rng(1).permutation(len(score))
    score, at = score[shuffled], at[shuffled]
    assert repeated_predictions(score, at, again=as_served).symptoms == ()
    (places,) = asked
    assert (len(places), set(score[places])) == (40, {0.02})
    assert list(at[places]) == sorted(at[places])
    assert repeated_predictions(score, at, again=lambda places: np.linspace(0.1, 0.3, len(places))).symptoms
    assert repeated_predictions(score, at, again=lambda places: np.full(len(places), np.nan)).symptoms


def test_a_model_that_says_nothing_else_is_stuck_though_it_says_so_again() -> None:
    score, at = scores(run=0)
    same = np.where(np.arange(len(score)) < 0.95 * len(score), 0.2, score)
    assert repeated_predictions(same, at, before=score, again=lambda places: same[places]).symptoms
    assert not repeated_predictions(same, at[::-1], before=same, again=lambda places: same[places]).symptoms


def test_no_model_is_asked_where_no_run_is_odd() -> None:
    def never(_: np.ndarray) -> np.ndarray:
        raise AssertionError("it is not to be loaded")

    assert repeated_predictions(*scores(run=29), again=never).symptoms == ()


def test_a_longer_run_that_is_meant_hides_no_other() -> None:
    score, at = scores(run=40, value=0.02)
    score[-35:] = 0.5
    meant = np.where(score == 0.5, 0.3, score)
    (found,) = repeated_predictions(score, at, again=lambda places: meant[places]).symptoms
    assert (found.size, found.measures["value"]) == (35.0, 0.5)
    assert repeated_predictions(score, at, again=lambda places: score[places]).symptoms == ()
