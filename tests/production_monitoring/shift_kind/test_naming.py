"""Planted shifts of each kind are named, with their remedy; where nothing was planted, nothing is."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.diagnosis import Cause, Remedy, Symptom
from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.kinds import KindLimits, Known, ShiftKind
from mlsys_assets.production_monitoring.shift_kind.movement import movements
from mlsys_assets.production_monitoring.shift_kind.naming import informed, shift_kind
from mlsys_assets.types import TimeWindow

from .simulated import REFERENCE, STILL, World, moved

ROWS = 10_000
COVARIATE = (Cause.COVARIATE, Remedy.REWEIGHT)
LABEL = (Cause.LABEL, Remedy.CORRECT_PRIOR)
CONCEPT = (Cause.CONCEPT, Remedy.RETRAIN)
PLANTS = {
    "features by .5 SD": (moved(means=(0.5, 0.0, 0.0, 0.0)), COVARIATE),
    "features by 1 SD": (moved(means=(1.0, 0.0, 0.0, 0.0)), COVARIATE),
    "labels by 6 points": (moved(share=0.26), LABEL),
    "labels by 11 points": (moved(share=0.31), LABEL),
    "labels by 6 points down": (moved(share=0.14), LABEL),
    "10% flipped": (moved(flipped=0.1), CONCEPT),
    "20% flipped": (moved(flipped=0.2), CONCEPT),
    "one place of ten flipped": (moved(flipped_place="3"), CONCEPT),
    "all likelier, features as before": (moved(harder=0.4), CONCEPT),
    "nothing": (STILL, (Cause.NOTHING, Remedy.NOTHING)),
}
"""Of 20% positives. A champion that is not calibrated sees the same."""


def named(world: World, *, seed: int, **more: object) -> tuple[Cause, Remedy]:
    reference, window = moved(stretch=1.2).rows(REFERENCE, seed=1000 + seed), replace(world, stretch=1.2)
    found = shift_kind(reference, window.rows(ROWS, seed=seed), **more)  # type: ignore[arg-type]
    return found.cause, found.remedy


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_shift_is_named_with_its_remedy(plant: str) -> None:
    world, expected = PLANTS[plant]
    assert [named(world, seed=seed) for seed in range(3)] == [expected] * 3


@pytest.mark.prove
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_shift_is_named_in_97_of_100_seeds(plant: str) -> None:
    """Of six points of positives in 10,000 rows, their scores alone tell in 98 or 99 that it was they that moved."""
    world, expected = PLANTS[plant]
    found = [named(world, seed=seed) for seed in range(3, 103)].count(expected)
    print(f"{plant}: {found} of 100")
    assert found >= 97


def quiet(rows: int, tables: int, *, columns: int = 30) -> int:
    """How often nothing is named of so many tables, whose days are another few weeks, or as many."""
    found = 0
    for seed in range(tables):
        world = moved(columns=columns, stretch=(1.0, 1.3)[seed % 2], days=(7, 28)[seed // 2 % 2])
        reference = world.rows(min(rows, 20_000), seed=2 * seed)
        found += shift_kind(reference, world.rows(rows, seed=2 * seed + 1)).cause is Cause.NOTHING
    return found


def test_nothing_is_named_where_nothing_changed() -> None:
    assert quiet(1_000, 40) == 40
    assert quiet(10_000, 4) == 4


@pytest.mark.prove
@pytest.mark.parametrize(("rows", "tables"), [(1_000, 1_000), (10_000, 1_000), (100_000, 100)])
def test_at_most_one_alarm_in_a_thousand(rows: int, tables: int) -> None:
    assert quiet(rows, tables) >= tables * 0.999


def test_days_that_differ_by_more_than_features_tell_are_no_concept_shift() -> None:
    found = []
    for seed in range(12):
        reference = moved(by_day=0.5).rows(REFERENCE, seed=seed)
        window = moved(by_day=0.5, days=7, first_day=30).rows(6_500, seed=100 + seed)
        found.append(shift_kind(reference, window).cause)
    assert found == [Cause.NOTHING] * 12


def test_of_two_shifts_that_come_together_the_costlier_is_named_first_and_both_are_listed() -> None:
    reference = STILL.rows(REFERENCE, seed=1)
    label_more = shift_kind(reference, moved(means=(0.5, 0.0, 0.0, 0.0), share=0.45).rows(ROWS, seed=2))
    assert [s.cause for s in label_more.symptoms] == [Cause.LABEL, Cause.COVARIATE]
    assert label_more.symptoms[1].where == "x0"
    features_more = shift_kind(reference, moved(means=(1.0, 0.0, 0.0, 0.0), share=0.45).rows(ROWS, seed=2))
    assert [s.cause for s in features_more.symptoms] == [Cause.COVARIATE, Cause.LABEL]
    flipped = shift_kind(reference, moved(means=(0.5, 0.0, 0.0, 0.0), flipped=0.1).rows(ROWS, seed=3))
    assert [s.cause for s in flipped.symptoms] == [Cause.CONCEPT, Cause.COVARIATE]


def test_the_place_whose_labels_changed_is_named() -> None:
    found = shift_kind(STILL.rows(REFERENCE, seed=1), moved(flipped_place="7").rows(ROWS, seed=2))
    assert found.symptoms[0].where == "place"
    assert "place is 7" in found.reason


def test_a_movement_that_changes_no_loss_is_not_named() -> None:
    moved_idly = STILL.rows(ROWS, seed=2)
    column = moved_idly.features.schema.get_field_index("x5")
    shifted = moved_idly.features["x5"].to_numpy() + np.float32(1.0)
    idle = replace(moved_idly, features=moved_idly.features.set_column(column, "x5", [shifted]))
    assert shift_kind(STILL.rows(REFERENCE, seed=1), idle).cause is Cause.NOTHING


def test_features_that_moved_ask_for_a_retraining_if_the_loss_rose_or_one_gains() -> None:
    harder, easier = moved(means=(1.0, 0.0, 0.0, 0.0)), moved(means=(-1.0, 0.0, 0.0, 0.0))
    better = Estimate(-0.01, -0.02, -0.005, 5_000, 1_000, 14, error=0.002)
    no_better = replace(better, high=0.001)
    for refit in (None, better, no_better):
        assert named(harder, seed=1, known=Known(refit=refit)) == COVARIATE
    assert named(easier, seed=1, known=Known(refit=better)) == COVARIATE
    for refit in (None, no_better, replace(better, sufficient=False)):
        assert named(easier, seed=1, known=Known(refit=refit)) == (Cause.COVARIATE, Remedy.NOTHING)


def test_what_others_saw_move_is_taken_at_its_word_if_it_costs() -> None:
    told = Known((Symptom(Cause.COVARIATE, "psi", "x0", "", 0.3, 0.25),))
    a_little = moved(means=(0.25, 0.0, 0.0, 0.0))
    assert named(a_little, seed=1) == (Cause.NOTHING, Remedy.NOTHING)
    assert named(a_little, seed=1, known=told) == COVARIATE
    assert named(STILL, seed=1, known=told) == (Cause.NOTHING, Remedy.NOTHING)
    assert named(moved(share=0.31), seed=1, known=told) == LABEL


def test_features_that_moved_because_labels_did_are_no_shift_of_their_own() -> None:
    told = Known((Symptom(Cause.COVARIATE, "psi", "x0", "", 0.3, 0.25),))
    window = moved(share=0.45).rows(ROWS, seed=2)
    for known in (None, told):
        found = shift_kind(STILL.rows(REFERENCE, seed=1), window, known=known)
        assert [s.cause for s in found.symptoms] == [Cause.LABEL]


def test_many_more_positives_move_every_column_and_are_a_label_shift_alone() -> None:
    found = shift_kind(STILL.rows(REFERENCE, seed=1), moved(share=0.6).rows(ROWS, seed=2))
    assert [s.cause for s in found.symptoms] == [Cause.LABEL]


def test_where_each_class_moved_and_so_did_all_rows_a_level_is_of_the_positives() -> None:
    """Features moved back by as much as positives, of which there are more, moved them: neither row is as before."""
    found = shift_kind(STILL.rows(REFERENCE, seed=1), moved(means=(-1.0, 0.0, 0.0, 0.0), share=0.26).rows(ROWS, seed=2))
    assert Cause.LABEL in {s.cause for s in found.symptoms}
    assert Cause.CONCEPT not in {s.cause for s in found.symptoms}


def test_a_slope_that_is_beyond_chance_and_regains_nothing_is_not_named() -> None:
    world = moved(flipped=0.1)
    assert named(world, seed=1, limits=KindLimits(gain=0.0)) == CONCEPT
    assert named(world, seed=1, limits=KindLimits(gain=0.5)) == (Cause.NOTHING, Remedy.NOTHING)


def test_a_refit_that_tells_nothing_is_as_none() -> None:
    untold = Estimate(np.nan, np.nan, np.nan, 50, 10, 2, sufficient=False)
    assert named(moved(means=(1.0, 0.0, 0.0, 0.0)), seed=1, known=Known(refit=untold)) == COVARIATE


def test_a_retraining_learns_from_when_errors_got_worse() -> None:
    window = moved(flipped=0.2).rows(ROWS, seed=2)
    reference, since = STILL.rows(REFERENCE, seed=1), np.datetime64("2013-03-10", "us")
    last = window.at.max().astype(datetime).replace(tzinfo=UTC)
    told = shift_kind(reference, window, known=Known(since=since))
    assert told.learn_from == TimeWindow(datetime(2013, 3, 10, tzinfo=UTC), last)
    beyond = shift_kind(reference, window, known=Known(since=window.at.max() + np.timedelta64(1, "D")))
    assert beyond.learn_from == TimeWindow(last, last)
    untold = shift_kind(reference, window)
    assert untold.learn_from == TimeWindow(window.at.min().astype(datetime).replace(tzinfo=UTC), last)
    assert shift_kind(reference, moved(share=0.31).rows(ROWS, seed=2)).learn_from is None


@pytest.mark.parametrize(
    ("world", "more"),
    [
        (moved(means=(1.0, 0.0, 0.0, 0.0)), Known(refit=Estimate(-0.01, -0.02, 0.001, 5_000, 1_000, 14, error=0.002))),
        (moved(flipped=0.2), Known(since=np.datetime64("2013-03-10", "us"))),
        (STILL, Known(since=np.datetime64("2013-03-10", "us"))),
    ],
)
def test_what_others_find_out_later_gives_the_same_as_if_it_had_been_known(world: World, more: Known) -> None:
    reference, window = STILL.rows(REFERENCE, seed=1), world.rows(ROWS, seed=2)
    before, at_once = shift_kind(reference, window), shift_kind(reference, window, known=more)
    later = informed(before, window, more)
    assert [getattr(later, f.name) for f in fields(ShiftKind)] == [getattr(at_once, f.name) for f in fields(ShiftKind)]
    assert (before.learn_from != later.learn_from) is (world.flipped > 0)


def test_limits_say_what_counts() -> None:
    assert named(moved(share=0.31), seed=1, limits=KindLimits(gain=0.1)) == (Cause.NOTHING, Remedy.NOTHING)
    assert not KindLimits().mistakes()
    assert len(KindLimits(chance=0.0, gain=-1.0, moved=float("nan"), cost=-1.0).mistakes()) == 4


def late(share: float) -> Cause:
    rows = STILL.rows(1_000, seed=2)
    label = np.where(np.arange(1_000) < share * 1_000, rows.label, np.nan)
    return shift_kind(STILL.rows(2_000, seed=1), replace(rows, label=label)).cause


def test_labels_that_are_late_or_missing_tell_nothing() -> None:
    assert [late(share) for share in (0.0, 0.5, 0.9)] == [Cause.UNTOLD, Cause.UNTOLD, Cause.NOTHING]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": np.zeros(1_000)}, "0 positive labels of 1,000"),
        ({"label": np.full(1_000, np.nan)}, "0 labels of 1,000"),
        ({"score": np.full(1_000, 0.3)}, "the same score for all rows"),
        ({"at": np.full(1_000, np.datetime64("2013-03-01", "us"))}, "1 days"),
    ],
    ids=["one class", "no labels", "one score", "one day"],
)
def test_rows_that_cannot_tell_say_why(change: dict[str, np.ndarray], reason: str) -> None:
    rows = STILL.rows(1_000, seed=2)
    good = STILL.rows(2_000, seed=1)
    for pair in ((good, replace(rows, **change)), (replace(rows, **change), good)):  # type: ignore[arg-type]
        found = shift_kind(*pair)
        assert (found.cause, found.remedy) == (Cause.UNTOLD, Remedy.WAIT)
        assert reason in found.reason


def test_empty_windows_and_separate_classes_say_why() -> None:
    good = STILL.rows(2_000, seed=1)
    assert "no rows" in shift_kind(good, good.take(np.zeros(2_000, dtype=bool))).reason
    sure = replace(good, score=np.where(good.label > 0, 0.9, 0.1))
    assert shift_kind(good, sure).cause is Cause.UNTOLD


@pytest.mark.filterwarnings("error")
def test_columns_that_are_empty_constant_or_new_stop_nothing() -> None:
    reference, window = STILL.rows(2_000, seed=1), STILL.rows(2_000, seed=2)
    null, one = np.full(2_000, np.nan, dtype=np.float32), np.ones(2_000, dtype=np.float32)
    for first, second in ((null, null), (null, one), (one, null), (one, one), (one, 2 * one)):
        pair = (
            replace(rows, features=rows.features.append_column("odd", [values]))
            for rows, values in ((reference, first), (window, second))
        )
        assert shift_kind(*pair).cause is Cause.NOTHING
    new = replace(window, features=window.features.append_column("new", [one]))
    assert shift_kind(reference, new).cause is shift_kind(new, reference).cause is Cause.NOTHING


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "odd",
    [
        pa.array(np.datetime64("2013-03-01", "us") + np.arange(2_000)),
        pa.array(np.arange(2_000).astype("datetime64[D]")),
        pa.array([[1.0]] * 2_000),
        pa.array(np.arange(2_000) % 7).dictionary_encode(),
        pa.array(np.arange(2_000) % 2 == 0),
        pa.array(np.where(np.arange(2_000) % 3, 1.0, np.inf)),
        pa.array(["", "a", None, "b"] * 500).dictionary_encode(),
        pa.nulls(2_000),
    ],
    ids=["moments", "days", "lists", "coded numbers", "booleans", "infinite", "coded text", "nulls"],
)
def test_columns_of_any_kind_stop_nothing(odd: pa.Array) -> None:
    reference, window = STILL.rows(2_000, seed=1), STILL.rows(2_000, seed=2)
    pair = [replace(rows, features=rows.features.append_column("odd", odd)) for rows in (reference, window)]
    assert [shift_kind(*pair).cause, shift_kind(reference, pair[1]).cause] == [Cause.NOTHING] * 2


@pytest.mark.filterwarnings("error")
def test_a_constant_that_single_precision_rounds_tells_nothing() -> None:
    """The mean of 0.1, summed up, is not 0.1: what is left of it is no deviation to measure a movement by."""
    sides = []
    for rows, value in ((STILL.rows(2_000, seed=1), 0.1), (STILL.rows(2_000, seed=2), 0.100001)):
        column = pa.array(np.full(2_000, value, dtype=np.float32))
        sides.append(replace(rows, features=rows.features.append_column("odd", column)))
    found = movements(*sides, Days.of(sides[0].at, sides[1].at)).marginal
    assert found.value[found.names.index("odd")] == 0.0
    infinite = pa.array(np.where(np.arange(2_000) % 3, 0.1, np.inf).astype(np.float32))
    odd = replace(sides[1], features=sides[1].features.set_column(sides[1].features.num_columns - 1, "odd", infinite))
    assert shift_kind(sides[0], odd).cause is Cause.NOTHING
