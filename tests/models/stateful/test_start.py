"""Where a training starts from, on which rows, and why: each row is learned from once along a lineage."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from mlsys_assets.data_sampling.identity import data_hash
from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.data_sampling.views import Validation
from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.sgd import Sgd
from mlsys_assets.models.stateful.start import (
    SCRATCH,
    Checkpoint,
    by_known,
    go_on,
    gone_on_from,
    learned_by,
    places,
    rest,
    start,
)
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.stateful.tree_updates import MoreTrees
from mlsys_assets.types import TimeWindow, days, hours, utc

from ..conftest import rows as made  # noqa: TID252 - a folder of tests has no name to import it by

SPLIT = TimeSplit(
    days(4), days(4), embargo=hours(6), static_test=(TimeWindow.of("2013-01-10", "2013-01-12"),)
)  # fmt: skip
FIRST, SECOND, THIRD = utc("2013-01-20"), utc("2013-01-26"), utc("2013-02-03")
BY = Stateful(MoreTrees(3), least_rows=50)
TREES = LightGBM(rounds=10, leaves=7)


def labelled(n: int = 2_000, *, seed: int = 0, late: float = 0.1) -> LabelledRows:
    """Rows of a month whose labels come within six hours, or, some of them, days later."""
    rng = np.random.default_rng(seed)
    features, label = made(n, seed=seed)
    at = np.datetime64("2013-01-01", "us") + np.sort(rng.integers(0, 33 * 86_400, n)) * np.timedelta64(1_000_000, "us")
    delay = np.where(rng.random(n) < late, rng.integers(0, 200, n), rng.integers(0, 6, n))
    known = at + delay * np.timedelta64(3_600_000_000, "us")
    ids, state = pa.array([f"r{i}" for i in rng.permutation(n)]), pa.array(["labelled"] * n)
    return LabelledRows(ids, at, features, label, known, state, days(10))


@pytest.fixture(scope="module")
def rows() -> LabelledRows:
    return labelled()


def checkpoint(candidate, rows, as_of) -> Checkpoint:
    split = SPLIT.split(rows, as_of=as_of)
    fitted = candidate.fit(split.train, split.validation, seed=1, threads=1)
    return Checkpoint(fitted.predictor, f"{as_of:%d}", as_of)


def began(candidate, rows, found, as_of, **more):
    seen = more.pop("seen", None)
    if seen is None:
        known = isinstance(found, Checkpoint)
        seen = learned_by(SPLIT, rows, found.as_of) if known else np.zeros(len(rows), dtype=bool)
    split = SPLIT.split(rows, as_of=as_of)
    return start(candidate, split.train, rows, found, seen=seen, by=more.pop("by", BY))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50), st.lists(st.integers(9, 40), min_size=1, max_size=6, unique=True))
def test_along_a_lineage_each_usable_row_is_learned_from_once(seed: int, at_days: list[int]) -> None:
    """Whatever the trainings' times are, and however late labels come: held against a count of every row."""
    rows, seen = labelled(400, seed=seed, late=0.4), np.zeros(400, dtype=bool)
    used: dict[str, int] = {}
    for as_of in (utc("2013-01-01") + timedelta(days=d) for d in sorted(at_days)):
        train = SPLIT.split(rows, as_of=as_of).train
        for name in train.take(~seen[places(train.ids, rows)]).ids.to_pylist():
            used[name] = used.get(name, 0) + 1
        before, seen = seen, learned_by(SPLIT, rows, as_of)
        assert not (before & ~seen).any()
        assert set(rows.ids.filter(pa.array(seen)).to_pylist()) == set(train.ids.to_pylist()) == set(used)
        left = SPLIT.refit_view(rows, as_of=as_of)
        tail = left.take(~seen[places(left.ids, rows)]).ids.to_pylist()
        once = [*used, *tail]
        assert len(once) == len(set(once))
        assert set(once) == set(rows.ids.filter(pa.array(_usable(rows, as_of))).to_pylist())
    assert set(used.values()) <= {1}


def test_at_the_borders_what_is_learned_from_is_the_training_part() -> None:
    """Predicted an embargo before its end and known at its end, or a microsecond off; and about a static test."""
    end, step = moment(SPLIT.windows(THIRD)["train"].end), np.timedelta64(1, "us")
    settled, offs = end - np.timedelta64(6, "h"), [-step, 0 * step, step]
    (static,) = SPLIT.static_test
    pairs = [(settled + a, end + b) for a in offs for b in offs]
    pairs += [
        (moment(edge) + a, moment(edge) + np.timedelta64(5, "h")) for edge in (static.start, static.end) for a in offs
    ]
    at, known = (np.array(times, "datetime64[us]") for times in zip(*sorted(pairs), strict=True))
    n = len(pairs)
    features, label = made(n, seed=1)
    ids, state = pa.array([f"r{i}" for i in range(n)]), pa.array(["labelled"] * n)
    rows = LabelledRows(ids, at, features, label, known, state, days(10))
    found = set(ids.filter(pa.array(learned_by(SPLIT, rows, THIRD))).to_pylist())
    assert found == set(SPLIT.split(rows, as_of=THIRD).train.ids.to_pylist())
    assert len(found) == 2 + 3  # before the embargo and known by the end; outside of the static test


def _usable(rows: LabelledRows, as_of: datetime) -> np.ndarray:
    (static,) = SPLIT.static_test
    outside = (rows.at < moment(static.start)) | (rows.at >= moment(static.end))
    return (rows.at < moment(as_of)) & (rows.known_at <= moment(as_of)) & outside & ~np.isnan(rows.label)


def test_new_rows_come_in_the_order_in_which_they_became_known_and_then_by_id(rows) -> None:
    found = began(TREES, rows, checkpoint(TREES, rows, FIRST), SECOND)
    told = {name: (known, name) for name, known in zip(rows.ids.to_pylist(), rows.known_at.tolist(), strict=True)}
    names = found.train.ids.to_pylist()
    assert names == sorted(names, key=told.get)
    assert names != sorted(names, key=rows.ids.to_pylist().index)  # it is another order than that of prediction
    late = [told[name][0] < moment(FIRST).tolist() for name in names]
    assert any(late)  # predicted before the parent's end, say; known only since
    again = by_known(found.train.take(np.random.default_rng(0).permutation(len(names))), rows)
    assert again.content_hash == found.train.content_hash


def test_the_evidence_tells_from_what_and_which_rows(rows) -> None:
    parent = replace(checkpoint(TREES, rows, FIRST), version=3)
    found = began(TREES, rows, parent, SECOND)
    known = rows.known_at[places(found.train.ids, rows)]
    assert found.evidence == {
        "from": "20", "as of": FIRST.isoformat(), "version": 3, "corrected": 0, "rows": len(found.train),
        "reason": f"{len(found.train)} of {len(SPLIT.split(rows, as_of=SECOND).train)} rows are new",
        "ids": data_hash(pa.table({"id": found.train.ids})), "known": [str(known.min()), str(known.max())],
    }  # fmt: skip
    record = gone_on_from(parent, BY)
    assert record["gone on from"] == "20"
    assert record["gone on from version"] == 3
    assert "MoreTrees" in str(record["gone on by"])


def test_what_passed_goes_on_over_what_is_left(rows) -> None:
    parent = checkpoint(TREES, rows, SECOND)
    seen, everything = learned_by(SPLIT, rows, SECOND), SPLIT.refit_view(rows, as_of=SECOND)
    found = rest(TREES, everything, rows, parent, seen=seen, by=BY)
    assert len(found.train) == len(everything) - len(SPLIT.split(rows, as_of=SECOND).train)
    assert found.reason == f"the {len(found.train)} rows that are left"
    model = go_on(TREES, found, by=BY, seed=1, threads=1)
    assert model.recipe["rounds"] == 13
    assert rest(TREES, everything, rows, "it is gone", seen=seen, by=BY).evidence["from"] == SCRATCH


def test_the_room_that_was_asked_for_at_the_start_is_there_at_the_end(rows) -> None:
    by = replace(BY, most_trees=16)
    found = began(TREES, rows, checkpoint(TREES, rows, FIRST), SECOND, by=by)
    evaluated = Checkpoint(go_on(TREES, found, by=by, seed=1, threads=1).predictor, "x", SECOND)
    left = rest(
        TREES, SPLIT.refit_view(rows, as_of=SECOND), rows, evaluated, seen=learned_by(SPLIT, rows, SECOND), by=by
    )  # fmt: skip
    assert left.checkpoint is evaluated
    again = began(TREES, rows, evaluated, THIRD, by=by)
    assert (again.checkpoint, again.reason) == (None, "it would have 19 trees, and 16 are allowed")


@pytest.mark.parametrize(
    ("candidate", "parent", "reason"),
    [
        (ZeroRule(), TREES, "it is a candidate that does not go on"),
        (LogisticRegression(), TREES, "it is a candidate that does not go on"),
        (Sgd(), TREES, "a lightgbm model has no state of a descent"),
        (TREES, LogisticRegression(), "a linear model, or one of an objective of its own, is not gone on from"),
        (TREES, "there is no champion", "there is no champion"),
    ],
)
def test_each_new_beginning_has_its_reason(rows, candidate, parent, reason) -> None:
    found = began(
        candidate, rows, parent if isinstance(parent, str) else checkpoint(parent, rows, FIRST), SECOND
    )  # fmt: skip
    assert (found.checkpoint, found.reason) == (None, reason)
    assert found.train.content_hash == SPLIT.split(rows, as_of=SECOND).train.content_hash
    assert found.evidence["from"] == SCRATCH
    with pytest.raises(ValueError, match="starts from scratch"):
        go_on(candidate, found, by=BY, seed=1, threads=1)


def test_too_few_new_rows_and_rows_of_one_class_are_insufficient_data(rows) -> None:
    parent = checkpoint(TREES, rows, FIRST)
    few = began(TREES, rows, parent, SECOND, by=replace(BY, least_rows=10_000))
    assert few.reason.startswith("insufficient data: ")
    assert few.reason.endswith(" new rows, least 10000")
    new = len(began(TREES, rows, parent, SECOND).train)
    assert began(TREES, rows, parent, SECOND, by=replace(BY, least_rows=new)).checkpoint is parent
    assert began(TREES, rows, parent, SECOND, by=replace(BY, least_rows=new + 1)).checkpoint is None
    since = ~learned_by(SPLIT, rows, FIRST)
    dull = replace(rows, label=np.where(since, 0.0, rows.label))
    one = began(TREES, dull, parent, SECOND)
    assert one.reason.startswith("insufficient data: the ")
    assert one.reason.endswith(" new rows are of one class")
    assert one.checkpoint is few.checkpoint is None


def test_a_corrected_label_of_a_row_that_was_learned_from_is_not_learned_again(rows) -> None:
    parent, seen = checkpoint(TREES, rows, FIRST), learned_by(SPLIT, rows, FIRST)
    before = began(TREES, rows, parent, THIRD)
    which = np.flatnonzero(seen)[:7]
    known, label = rows.known_at.copy(), rows.label.copy()
    known[which], label[which] = moment(FIRST) + np.timedelta64(1, "h"), 1 - label[which]
    corrected = replace(rows, known_at=known, label=label)
    found = began(TREES, corrected, parent, THIRD, seen=seen)
    assert found.train.content_hash == before.train.content_hash
    assert len(began(TREES, corrected, parent, THIRD).train) == len(before.train) + 7  # by their times alone


def test_rows_of_validation_are_no_rows_to_go_on_over(rows) -> None:
    one = SPLIT.split(rows, as_of=SECOND).validation
    assert isinstance(one, Validation)
    with pytest.raises(TypeError, match="a stateful training"):
        start(TREES, one, rows, "none", seen=np.zeros(len(rows), dtype=bool), by=BY)


def test_a_row_that_is_not_among_those_it_was_cut_from_is_told(rows) -> None:
    with pytest.raises(ValueError, match="1 of 2 rows of a view are not among the 2000"):
        places(pa.array(["r1", "stranger"]), rows)


def test_a_split_without_its_embargo_is_told(rows) -> None:
    with pytest.raises(ValueError, match="has no embargo"):
        learned_by(replace(SPLIT, embargo=None), rows, FIRST)
