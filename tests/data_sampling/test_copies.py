"""Copies across the split: found where they were planted, and no coincidence called one."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.coincidence import coincidence
from mlsys_assets.data_sampling.copies import copies_across, near_copies_across
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation
from mlsys_assets.types import Severity, TimeWindow, days, utc

START = utc("2013-01-01")
SPANS = {"train": (0, 100), "validation": (102, 114), "recent_test": (116, 128), "static_test": (40, 42)}
"""Days from the start, first and after, of each part."""
KINDS = {"train": Train, "validation": Validation, "recent_test": OpenedTest, "static_test": OpenedTest}
EACH = 40
"""Rows a day."""


def part(name, features, random, *, label=None):
    first, after = SPANS[name]
    n = (after - first) * EACH
    at = np.datetime64("2013-01-01", "us") + np.repeat(np.arange(first, after), EACH) * np.timedelta64(1, "D")
    ids = pa.array([f"{name}{i}" for i in range(n)])
    window = TimeWindow(START + days(first), START + days(after))
    table = features(n, random)
    labels = (random.random(n) < 0.3).astype(float) if label is None else label(table)
    return KINDS[name](ids, at, table, labels, window)


def split_of(features, *, label=None, seed=0):
    random = np.random.default_rng(seed)
    parts = {name: part(name, features, random, label=label) for name in SPANS}
    return sealed(parts)


def sealed(parts):
    tests = {
        n: Test(parts[n], name=n, content_hash="0", as_of=START + days(128)) for n in ("recent_test", "static_test")
    }
    return Split(parts["train"], parts["validation"], as_of=START + days(128), **tests)


def fine(n, random):
    """Fourteen numbers and a text: no two rows are equal."""
    numbers = {f"x{j}": random.normal(size=n).astype(np.float32) for j in range(14)}
    return pa.table(numbers | {"s": pa.array(random.choice(["p", "q"], n).tolist())})


def coarse(n, random):
    """Six columns of three values: 729 contents, so that most rows stand in training."""
    return pa.table({f"x{j}": random.integers(1, 4, size=n).astype(np.float32) for j in range(6)})


def rare(n, random):
    """Of every thirty rows, one is like others."""
    common = random.random(n) < 1 / 30
    values = {f"x{j}": np.where(common, 1.0, random.normal(size=n)).astype(np.float32) for j in range(13)}
    values["x0"] = np.where(common, random.integers(0, 400, n), random.normal(size=n)).astype(np.float32)
    return pa.table(values)


def planted(split, n, name, change=lambda table, random: table, source="train"):
    """A split with n copies of training rows in a later part, at times of that part."""
    random = np.random.default_rng(5)
    view = getattr(split, name)
    whole = view if name == "validation" else view._view
    copied = getattr(split, source).take(random.choice(len(getattr(split, source)), n, replace=False))
    more = type(whole)(
        pa.concat_arrays([whole.ids, pa.array([f"copy{i}" for i in range(n)])]),
        np.concatenate([whole.at, random.choice(whole.at, n)]),
        pa.concat_tables([whole.features, change(copied.features, random)]),
        np.concatenate([whole.label, copied.label]),
        whole.window,
    )
    parts = {"train": split.train, "validation": split.validation} | {
        test: getattr(split, test)._view for test in ("recent_test", "static_test")
    }
    return sealed(parts | {name: more})


def one_changed(table, random):
    column = pa.array(table["x3"].to_numpy() * np.float32(1.5))
    return table.set_column(3, "x3", column).set_column(14, "s", pa.array(["other"] * len(table)))


@pytest.mark.parametrize("name", ["validation", "recent_test", "static_test"])
def test_planted_copies_are_all_found_and_an_error(name):
    clean = split_of(fine)
    found = copies_across(clean)
    assert (found.passed, set(found.evidence.values())) == (True, {0})
    found = copies_across(planted(clean, 300, name))
    assert (found.passed, found.severity) == (False, Severity.ERROR)
    assert found.evidence[f"train & {name}"] == 300
    assert f"train & {name} 300 (300 distinct" in found.summary


def test_copies_of_validation_in_the_test_are_an_error_too():
    found = copies_across(planted(split_of(fine), 200, "recent_test", source="validation"))
    assert found.severity is Severity.ERROR
    assert found.evidence["validation & recent_test"] == 200
    assert found.evidence["train & recent_test"] == 0


def test_two_copies_may_be_chance_and_are_told():
    found = copies_across(planted(split_of(fine), 2, "validation"))
    assert (found.passed, found.severity) == (False, Severity.WARN)
    assert found.evidence["train & validation"] == 2


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("features", [coarse, rare], ids=lambda f: f.__name__)
def test_coarse_rows_repeat_without_an_error(features, seed):
    found = copies_across(split_of(features, seed=seed))
    assert found.severity is Severity.WARN
    assert found.evidence["train & validation"] > 0


def test_copies_stand_out_among_those_of_chance():
    found = copies_across(planted(split_of(rare), 200, "validation"))
    assert found.severity is Severity.ERROR


def test_labels_that_agree_are_evidence():
    by_chance = copies_across(split_of(coarse)).evidence
    assert by_chance["labels of copies agree"] == pytest.approx(by_chance["would by chance"], abs=0.06)
    copied = copies_across(planted(split_of(fine), 300, "validation")).evidence
    assert copied["labels of copies agree"] == 1.0
    assert copied["would by chance"] == pytest.approx(0.58, abs=0.06)


def test_rows_of_an_outage_that_are_all_alike_are_one_content():
    """A feed that fails for a day in training and for another in validation: many equal rows, and one content."""
    split = split_of(fine)
    broken = [
        replace(p, features=pa.concat_tables([p.features[:-EACH], pa.table({
            n: pa.nulls(EACH, p.features[n].type) for n in p.features.schema.names})]))
        for p in (split.train, split.validation)
    ]  # fmt: skip
    found = copies_across(replace(split, train=broken[0], validation=broken[1]))
    assert found.severity is Severity.WARN
    assert found.evidence["train & validation"] == EACH


def test_copies_dealt_out_over_all_days_are_no_measure_of_chance():
    """Oversampled rows that were given other days: labels come back with them, which chance would not do."""
    random = np.random.default_rng(3)
    split = split_of(fine)
    train, validation = split.train, split.validation
    positive = np.flatnonzero(train.label > 0)
    extra = [random.choice(positive, n) for n in (2_000, 250)]
    bigger = []
    for view, rows in zip((train, validation), extra, strict=True):
        merged = type(view)(
            pa.concat_arrays([view.ids, pa.array([f"{type(view).__name__}{i}" for i in range(len(rows))])]),
            np.concatenate([view.at, random.choice(view.at, len(rows))]),
            pa.concat_tables([view.features, train.features.take(pa.array(rows))]),
            np.concatenate([view.label, train.label[rows]]),
            view.window,
        )
        bigger.append(merged.take(np.argsort(merged.at, kind="stable")))
    found = copies_across(replace(split, train=bigger[0], validation=bigger[1]))
    assert found.severity is Severity.ERROR
    assert found.evidence["train & validation"] == 250
    chance = coincidence(bigger[0], [bigger[0].fingerprints], rows=len(bigger[1]))
    assert chance.carried
    assert chance.rate == 0


def test_labels_that_follow_from_coarse_features_make_no_copies_of_coincidences():
    found = copies_across(split_of(coarse, label=lambda table: (table["x0"].to_numpy() > 2).astype(float)))
    assert found.evidence["labels of copies agree"] == 1.0
    assert found.severity is Severity.WARN


@pytest.mark.parametrize("name", ["validation", "recent_test"])
def test_near_copies_are_found(name):
    clean = split_of(fine)
    assert near_copies_across(clean).passed
    found = near_copies_across(planted(clean, 300, name, one_changed))
    assert found.severity is Severity.ERROR
    assert not found.passed
    assert found.evidence[f"train & {name}"] >= 297  # of the rows of the last day before, none is looked at
    assert copies_across(planted(clean, 300, name, one_changed)).passed


def test_exact_copies_are_not_counted_as_near_ones():
    assert near_copies_across(planted(split_of(fine), 300, "validation")).passed


@pytest.mark.parametrize("seed", range(10))
def test_rows_that_are_often_alike_are_no_near_copies(seed):
    def often(n, random):
        few = random.integers(0, 60, n)
        shared = {f"x{j}": (few * (j + 1) + 1).astype(np.float32) for j in range(10)}
        own = {f"y{j}": random.normal(size=n).astype(np.float32) for j in range(4)}
        return pa.table(dict(zip([f"z{j}" for j in range(14)], (shared | own).values(), strict=True)))

    found = near_copies_across(split_of(often, seed=seed))
    assert found.severity is Severity.WARN


def test_neighbours_within_each_others_time_are_a_warning_at_most():
    found = near_copies_across(planted(split_of(fine), 300, "static_test", one_changed))
    assert (found.passed, found.severity) == (False, Severity.WARN)
    assert found.evidence["train & static_test"] == 300


def test_neighbours_at_the_border_are_left_out():
    """Where labels come at once, the first rows of a part follow on the last of the part before."""
    random = np.random.default_rng(0)
    split = split_of(fine)
    last = split.train.take(np.arange(len(split.train))[-EACH:])
    moved = replace(split.validation, window=TimeWindow(START + days(100), START + days(114)))
    changed = pa.concat_tables([one_changed(last.features, random), moved.features[EACH:]])
    assert near_copies_across(replace(split, validation=replace(moved, features=changed))).passed


def test_few_columns_or_days_tell_nothing():
    found = near_copies_across(split_of(coarse))
    assert found.passed
    assert found.summary.startswith("insufficient data: 6 columns")
    clean = split_of(fine)
    day = replace(clean.train, at=np.repeat(clean.train.at[:1], len(clean.train)))
    found = copies_across(planted(replace(clean, train=day), 300, "validation"))
    assert (found.passed, found.severity) == (False, Severity.WARN)
    assert "chance untold" in found.summary


def test_empty_parts_share_nothing():
    split = split_of(fine)
    none = np.array([], dtype=np.intp)
    for empty in (replace(split, train=split.train.take(none)), replace(split, validation=split.validation.take(none))):
        assert copies_across(empty).passed
        assert near_copies_across(empty).passed
