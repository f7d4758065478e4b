from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.data_sampling.splits import PARTS, TimeSplit, random_split
from mlsys_assets.data_sampling.training_window import Expanding, Known, SeasonMatched, SinceChange, SlidingWindow
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.types import DeclarationError, TimeWindow, days, hours, utc

AS_OF = utc("2013-02-10")
START = utc("2013-01-01")
STATIC = (TimeWindow.of("2013-01-05", "2013-01-07"), TimeWindow.of("2013-01-20", "2013-01-21"))
SPLIT = TimeSplit(validation=days(7), test=days(7), embargo=hours(36), static_test=STATIC)


WINDOW = timedelta(hours=48)


def rows_of(asked, delays, values=None):
    """Rows asked at hours since the start, labelled after delays in hours; None = never labelled."""
    at = [START + timedelta(hours=h) for h in asked]
    known = [a + timedelta(hours=1 if d is None else d) for a, d in zip(at, delays, strict=True)]
    ids = [f"r{i}" for i in range(len(at))]
    moment = pa.timestamp("us", tz="UTC")
    values = [float(i % 2) for i in range(len(at))] if values is None else values
    features = pa.table(
        {"id": pa.array(ids, pa.string()), "asked": pa.array(at, moment), "x": np.arange(len(at), dtype=np.float32)}
    )
    labels = pa.table({
        "id": pa.array(ids, pa.string()),
        "label": pa.array([None if d is None else v for d, v in zip(delays, values, strict=True)], pa.float64()),
        "state": pa.array(["cancelled" if d is None else "labelled" for d in delays], pa.string()),
        "known_at": pa.array(known, moment),
    })  # fmt: skip
    return LabelledRows.join(features, labels, key="id", at="asked", window=WINDOW)


def parts_of(split):
    views = [split.train, split.validation, split.recent_test._view, split.static_test._view]
    return dict(zip(PARTS, views, strict=True))


def fate_by_hand(asked: datetime, known: datetime | None, split: TimeSplit, as_of: datetime) -> str | None:
    """The rule for one row, written the long way round."""
    if asked >= as_of or known is None or known > as_of:
        return None
    if any(asked in window for window in split.static_test):
        name, end = "static_test", as_of
    elif asked >= as_of - split.test:
        name, end = "recent_test", as_of
    elif asked >= as_of - split.test - split.validation:
        name, end = "validation", as_of - split.test
    else:
        name, end = "train", as_of - split.test - split.validation
    return name if asked < end - split.embargo and known <= end else None


hour = st.integers(0, 45 * 24)
delay = st.one_of(st.none(), st.integers(0, 60))


@given(st.lists(st.tuples(hour, delay), max_size=60))
def test_every_row_has_the_fate_that_the_rule_gives_it(pairs):
    rows = rows_of([a for a, _ in pairs], [d for _, d in pairs])
    split = SPLIT.split(rows, as_of=AS_OF)
    found = {i: name for name, view in parts_of(split).items() for i in view.ids.to_pylist()}
    for i, (asked, late) in enumerate(pairs):
        at = START + timedelta(hours=asked)
        known = None if late is None else at + timedelta(hours=late)
        assert found.get(f"r{i}") == fate_by_hand(at, known, SPLIT, AS_OF)
    assert sum(split.fates.values()) == len(pairs)
    assert all(split.fates[name] == len(view) for name, view in parts_of(split).items())


@given(st.lists(st.tuples(hour, delay), min_size=1, max_size=60))
def test_no_part_holds_a_label_that_the_next_part_could_not_have_known(pairs):
    split = SPLIT.split(rows_of([a for a, _ in pairs], [d for _, d in pairs]), as_of=AS_OF)
    known = {f"r{i}": START + timedelta(hours=a + (d or 0)) for i, (a, d) in enumerate(pairs)}
    for name, next_start in (("train", AS_OF - days(14)), ("validation", AS_OF - days(7)), ("recent_test", AS_OF)):
        assert all(known[i] <= next_start for i in parts_of(split)[name].ids.to_pylist())


def test_a_label_that_came_later_than_the_embargo_allows_is_purged():
    start = 26 * 24  # of validation, in hours since the start
    rows = rows_of([start - 40, start - 41, start - 42], [41, 41, 42])
    split = SPLIT.split(rows, as_of=AS_OF)
    assert split.train.ids.to_pylist() == ["r2", "r1"]  # known as validation starts, not an hour after
    assert split.fates["purged"] == 1


@given(st.lists(st.tuples(hour, delay), max_size=60))
def test_the_refit_has_every_known_label_but_the_static_test(pairs):
    rows = rows_of([a for a, _ in pairs], [d for _, d in pairs])
    expected = set()
    for i, (a, d) in enumerate(pairs):
        at = START + timedelta(hours=a)
        static = any(at in window for window in STATIC)
        if at < AS_OF and d is not None and at + timedelta(hours=d) <= AS_OF and not static:
            expected.add(f"r{i}")
    view = SPLIT.refit_view(rows, as_of=AS_OF)
    assert isinstance(view, Train)
    assert set(view.ids.to_pylist()) == expected


windows = st.one_of(
    st.builds(lambda d: SlidingWindow(days(d)), st.integers(1, 30)),
    st.builds(lambda d: SeasonMatched(days(d), days(d)), st.integers(1, 30)),
    st.builds(lambda d: SinceChange(days(d)), st.integers(1, 30)),
)


@given(st.lists(st.tuples(hour, delay), max_size=60), windows, st.lists(st.integers(0, 40), max_size=2))
def test_a_window_thins_train_and_refit_alone_and_every_row_has_a_fate(pairs, window, changed):
    rows = rows_of([a for a, _ in pairs], [d for _, d in pairs])
    changes = tuple(START + days(d) for d in sorted(changed))
    whole = SPLIT.split(rows, as_of=AS_OF)
    split = SPLIT.split(rows, as_of=AS_OF, window=window, changes=changes)
    for name in PARTS[1:]:
        assert parts_of(split)[name].content_hash == parts_of(whole)[name].content_hash
    inside = window.chosen(whole.train.at, Known(AS_OF - days(14), changes))
    assert split.train.ids.to_pylist() == whole.train.take(inside).ids.to_pylist()
    assert split.fates["train"] == inside.sum()
    assert split.fates["outside the window"] == (~inside).sum()
    assert sum(split.fates.values()) == len(pairs)
    refit = SPLIT.refit_view(rows, as_of=AS_OF)
    inside = window.chosen(refit.at, Known(AS_OF, changes))
    found = SPLIT.refit_view(rows, as_of=AS_OF, window=window, changes=changes)
    assert found.ids.to_pylist() == refit.take(inside).ids.to_pylist()
    for view, end in ((split.train, AS_OF - days(14)), (found, AS_OF)):
        assert view.window.end == end
        assert moment(view.window.start) == (view.at.min() if len(view) else moment(end))


def test_what_was_not_thinned_tells_of_no_window():
    rows = rows_of(list(range(0, 45 * 24, 5)), [2] * 216)
    assert "outside the window" not in SPLIT.split(rows, as_of=AS_OF).fates
    assert SPLIT.split(rows, as_of=AS_OF, window=Expanding()).train.window == SPLIT.windows(AS_OF)["train"]


@pytest.mark.parametrize(
    ("length", "values", "told"),
    [
        (hours(36), None, "train has 0 rows; refit has 35 rows (516 rows stand outside the window); least 80: wait"),
        (days(5), lambda h: h % 2 if h < 35 * 24 else 1, "2013-02-10: refit has a single class (432 rows stand"),
        (days(5), lambda h: h % 2, ""),
    ],
)
def test_a_window_of_too_few_rows_or_one_class_is_insufficient_data(length, values, told):
    asked = list(range(40 * 24))
    rows = rows_of(asked, [2] * len(asked), values and [float(values(h)) for h in asked])
    split = SPLIT.split(rows, as_of=AS_OF, window=SlidingWindow(length))
    refit = SPLIT.refit_view(rows, as_of=AS_OF, window=SlidingWindow(length))
    found = split.adequate(least=80, refit=refit)
    assert found.passed is (told == "")
    assert told in found.summary


def test_features_labels_and_times_stay_together():
    rows = rows_of([500, 3, 250, 90], [1, 2, 3, 4], [0.0, 1.0, 1.0, 0.0])
    view = SPLIT.refit_view(rows, as_of=AS_OF)
    assert view.ids.to_pylist() == ["r1", "r3", "r2", "r0"]
    assert view.features["x"].to_pylist() == [1.0, 3.0, 2.0, 0.0]
    assert view.features.schema.names == ["x"]
    assert view.label.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert (np.diff(view.at) > np.timedelta64(0)).all()


def test_rows_without_a_label_are_counted_by_what_became_of_them():
    asked = [0, 1, 2, 39 * 24, 39 * 24 + 1, 50 * 24]
    split = SPLIT.split(rows_of(asked, [None, None, 2, 30, None, 1]), as_of=AS_OF)
    counts = {name: n for name, n in split.fates.items() if name.startswith("unlabelled")}
    assert counts == {"unlabelled: cancelled": 3, "unlabelled: not known yet": 1}
    assert split.fates["after as-of"] == 1


def test_a_row_the_labels_do_not_mention_is_waited_for_or_given_up():
    asked = pa.array([START, AS_OF - WINDOW, AS_OF - timedelta(hours=1)], pa.timestamp("us", tz="UTC"))
    features = pa.table({"id": ["a", "b", "c"], "asked": asked, "x": [1.0, 2.0, 3.0]})
    labels = pa.table({"id": pa.array([], pa.string()), "label": pa.array([], pa.float64()),
                       "state": pa.array([], pa.string()),
                       "known_at": pa.array([], pa.timestamp("us", tz="UTC"))})  # fmt: skip
    rows = LabelledRows.join(features, labels, key="id", at="asked", window=WINDOW)
    fates = SPLIT.split(rows, as_of=AS_OF).fates
    assert (fates["unlabelled: never known"], fates["unlabelled: not known yet"]) == (1, 2)


def test_changing_a_label_after_as_of_changes_nothing():
    asked = list(range(0, 40 * 24, 5))
    delays = [40 if a > 37 * 24 else 2 for a in asked]
    before = SPLIT.split(rows_of(asked, delays), as_of=AS_OF)
    flipped = [1.0 - i % 2 if START + timedelta(hours=a + d) > AS_OF else float(i % 2)
               for i, (a, d) in enumerate(zip(asked, delays, strict=True))]  # fmt: skip
    after = SPLIT.split(rows_of(asked, delays, flipped), as_of=AS_OF)
    assert flipped != [float(i % 2) for i in range(len(asked))]
    assert before.recent_test.content_hash == after.recent_test.content_hash
    assert np.array_equal(before.train.label, after.train.label)


def test_the_test_hash_names_rows_features_and_labels():
    asked, delays = list(range(35 * 24, 40 * 24)), [1] * 120
    first = SPLIT.split(rows_of(asked, delays), as_of=AS_OF).recent_test
    assert len(first) == 120 - 36  # the last 36 hours before as-of are embargoed
    assert first.content_hash == SPLIT.split(rows_of(asked, delays), as_of=AS_OF).recent_test.content_hash
    one_flipped = [float(i % 2) for i in range(120)]
    one_flipped[5] = 1 - one_flipped[5]
    assert first.content_hash != SPLIT.split(rows_of(asked, delays, one_flipped), as_of=AS_OF).recent_test.content_hash


def test_a_test_is_opened_only_after_its_read_is_recorded():
    split = SPLIT.split(rows_of([36 * 24], [1]), as_of=AS_OF)
    reads = []
    opened = split.recent_test.open(reads.append, models="abc", reason="gate")
    assert opened.ids.to_pylist() == ["r0"]
    assert (reads[0].split, reads[0].models, reads[0].reason) == ("recent_test", "abc", "gate")

    def refuse(read):
        raise PermissionError("the ledger is closed")

    with pytest.raises(PermissionError):
        split.recent_test.open(refuse, models="abc", reason="gate")


def test_a_split_without_rows_is_insufficient_not_a_crash():
    split = SPLIT.split(rows_of([], []), as_of=AS_OF)
    finding = split.adequate(least=10)
    assert not finding.passed
    assert "train has 0 rows" in finding.summary
    assert isinstance(split.validation, Validation)


def test_a_part_with_a_single_class_is_insufficient():
    asked = list(range(0, 38 * 24, 2))
    enough = SPLIT.split(rows_of(asked, [1] * len(asked)), as_of=AS_OF)
    assert enough.adequate(least=10).passed
    constant = SPLIT.split(rows_of(asked, [1] * len(asked), [0.0] * len(asked)), as_of=AS_OF)
    assert "train has a single class" in constant.adequate(least=10).summary


def test_mistakes_in_the_declaration_are_all_listed():
    overlapping = (TimeWindow.of("2013-01-08", "2013-01-11"), TimeWindow.of("2013-01-10", "2013-01-12"))
    wrong = TimeSplit(validation=days(0), test=days(1), embargo=hours(36), static_test=overlapping)
    for used in (lambda: wrong.split(rows_of([], []), as_of=AS_OF), lambda: wrong.with_embargo(hours(1))):
        with pytest.raises(DeclarationError) as caught:
            used()
        for words, mistake in zip(("validation must", "leaves nothing", "overlap"), caught.value.mistakes, strict=True):
            assert words in mistake
    (mistake,) = TimeSplit(validation=days(3), test=days(3), embargo=-hours(1)).mistakes()
    assert "negative" in mistake


def test_the_embargo_is_filled_from_the_label_delay_and_never_shorter():
    open_split = TimeSplit(validation=days(7), test=days(7))
    with pytest.raises(ValueError, match="no embargo"):
        open_split.split(rows_of([], []), as_of=AS_OF)
    assert open_split.with_embargo(hours(36)) == TimeSplit(validation=days(7), test=days(7), embargo=hours(36))
    assert SPLIT.with_embargo(hours(12)) is SPLIT
    with pytest.raises(DeclarationError, match="shorter than the label delay"):
        SPLIT.with_embargo(hours(48))


def test_a_random_split_is_refused_unless_forced_and_then_recorded():
    rows = rows_of(list(range(38 * 24)), [1] * (38 * 24))
    notes = []
    with pytest.raises(ValueError, match="forced"):
        random_split(rows, by=SPLIT, as_of=AS_OF, seed=1, forced=" ", record=notes.append)
    assert notes == []
    drawn = random_split(rows, by=SPLIT, as_of=AS_OF, seed=1, forced="to show the leak", record=notes.append)
    assert "to show the leak" in notes[0].summary
    assert notes[0].passed is False
    ordered = SPLIT.split(rows, as_of=AS_OF)
    assert {n: len(v) for n, v in parts_of(drawn).items()} == {n: len(v) for n, v in parts_of(ordered).items()}
    assert drawn.train.at.max() > drawn.recent_test._view.at.min()
    ids = [i for v in parts_of(drawn).values() for i in v.ids.to_pylist()]
    assert len(ids) == len(set(ids))


def test_a_joined_table_needs_its_columns_and_unique_keys():
    moment = pa.timestamp("us", tz="UTC")
    features = pa.table({"id": ["a", "a"], "asked": pa.array([START] * 2, moment), "x": [1.0, 2.0]})
    labels = pa.table({"id": ["a"], "label": [1.0], "state": ["labelled"], "known_at": pa.array([START], moment)})
    with pytest.raises(ValueError, match="1 rows of the features repeat a key"):
        LabelledRows.join(features, labels, key="id", at="asked", window=WINDOW)
    with pytest.raises(ValueError, match=r"lack the columns.*'state'"):
        LabelledRows.join(features[:1], labels.drop_columns(["state"]), key="id", at="asked", window=WINDOW)
    unnamed = labels.set_column(0, "id", pa.array([None], pa.string()))
    with pytest.raises(ValueError, match="have no key"):
        LabelledRows.join(features[:1], unnamed, key="id", at="asked", window=WINDOW)


def test_as_of_is_a_moment_whatever_zone_it_is_told_in():
    asked, delays = list(range(30 * 24, 40 * 24)), [1] * 240
    told = AS_OF.astimezone(timezone(timedelta(hours=9)))
    one, other = (SPLIT.split(rows_of(asked, delays), as_of=moment) for moment in (AS_OF, told))
    assert one.recent_test.content_hash == other.recent_test.content_hash
    assert one.fates == other.fates
