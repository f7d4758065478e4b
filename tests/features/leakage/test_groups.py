"""Rows that are known by their group are, and rows that are not known are not accused."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.leakage.group_rows import EVERY, MEMBERS, asked_days
from mlsys_assets.features.leakage.groups import group_leakage
from mlsys_assets.features.leakage.known_group import NOTED_GAP
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.types import Severity, TimeWindow

WINDOW = TimeWindow.of("2013-06-01", "2013-09-01")
PROBE = LightGBM(rounds=30, leaves=15, learning_rate=0.2, more={"max_bin": 31})


def views(features, label, at, *, later):
    """Both parts, and how rows are dealt out to them."""
    parts = []
    for kind, rows in ((Train, ~later), (Validation, later)):
        ids = pa.array(np.flatnonzero(rows)).cast(pa.string())
        parts.append(kind(ids, at[rows], features.filter(pa.array(rows)), label[rows], WINDOW))
    return parts[0], parts[1]


def with_column(train, validation, name, column):
    return [
        type(v)(v.ids, v.at, v.features.append_column(name, own), v.label, v.window)
        for v, own in zip((train, validation), column, strict=True)
    ]


def days_of(n, random, days=60):
    day = np.sort(random.integers(0, days, n))
    return np.datetime64("2013-06-01", "us") + day * np.timedelta64(1, "D"), day >= days * 2 // 3


def hospitals(shift, *, seed=0, n=9_000, number=24):
    """Patients of hospitals, each with scanners of its own: its column tells the hospital, not the illness."""
    random = np.random.default_rng(seed)
    at, later = days_of(n, random)
    hospital = random.integers(0, number, n)
    scanner = random.permutation(number)[hospital] + random.normal(size=n) * 0.05
    x = random.normal(size=n)
    level = shift * np.random.default_rng(9).normal(size=number)
    label = (random.random(n) < 1 / (1 + np.exp(1 - x - level[hospital]))).astype(float)
    table = pa.table({"x": x.astype(np.float32), "scanner": scanner.astype(np.float32)})
    ids = pa.array(hospital)
    return (
        *views(table, label, at, later=later),
        {"hospital": (ids.filter(pa.array(~later)), ids.filter(pa.array(later)))},
    )


@pytest.mark.parametrize("seed", range(3))
def test_hospitals_told_by_their_scanners_are_found(seed):
    train, validation, groups = hospitals(2.0, seed=seed)
    found = group_leakage(train, validation, PROBE, groups=groups, seed=seed)
    (one,) = found.found
    assert (one.name, one.groups, one.straddling) == ("hospital", 24, 1.0)
    assert one.seen.value - one.unseen.value == pytest.approx(one.gap.value, abs=1e-12)
    assert {s.columns for s in found.suspicions} == {("hospital",)}
    assert not found.finding.passed
    assert found.finding.severity is Severity.ERROR
    assert "a probe ranks other days with an AUC of" in found.finding.summary


@pytest.mark.parametrize("seed", range(5))
def test_hospitals_without_a_level_of_their_own_are_not(seed):
    train, validation, groups = hospitals(0.0, seed=seed)
    found = group_leakage(train, validation, PROBE, groups=groups, seed=seed)
    assert found.suspicions == ()
    assert found.finding.passed
    assert abs(found.found[0].gap.value) < 0.04
    assert abs(found.found[0].gain.value) < 0.01
    assert found.finding.evidence["gap of hospital"] == found.found[0].gap.value
    assert found.finding.evidence["gain of hospital"] == found.found[0].gain.value


def test_a_group_column_is_found_without_being_handed_in():
    train, validation, groups = hospitals(2.5)
    column = [pa.chunked_array([ids.cast(pa.string())]) for ids in groups["hospital"]]
    found = group_leakage(*with_column(train, validation, "clinic", column), PROBE, seed=0)
    assert {s.columns for s in found.suspicions} == {("clinic",)}


def test_a_few_rows_of_many_patients_are_known_by_their_signature():
    """Each of 6,000 patients has three rows in training and some later: their measures tell the person."""
    random = np.random.default_rng(1)
    n = 24_000
    at, later = days_of(n, random)
    patient = random.integers(0, 6_000, n)
    signature = random.normal(size=(6_000, 4))[patient] + random.normal(size=(n, 4)) * 0.02
    label = (random.random(6_000) < 0.4).astype(float)[patient]
    table = pa.table({f"x{j}": signature[:, j].astype(np.float32) for j in range(4)})
    ids = pa.array(patient).cast(pa.string())
    groups = {"patient": (ids.filter(pa.array(~later)), ids.filter(pa.array(later)))}
    train, validation = views(table, label, at, later=later)
    probe = LightGBM(rounds=60, leaves=127, learning_rate=0.3, least_rows=2)
    found = group_leakage(train, validation, probe, groups=groups, seed=0)
    assert found.found[0].gap.value > 0.15
    assert found.found[0].known.value > 0.95  # and each row's brothers have its label
    assert [s.columns for s in found.suspicions] == [("patient",)]
    shuffled = {"patient": tuple(pa.array(random.permutation(np.asarray(g))) for g in groups["patient"])}
    assert group_leakage(train, validation, probe, groups=shuffled, seed=0).suspicions == ()


@dataclass(frozen=True)
class Knows:
    """Ranks perfectly the rows whose group it was trained on, and of others none."""

    seen: list
    perfect_from: int | None = None

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Any:
        self.seen.append(train)
        known = set(train.features["g"].to_pylist())
        always = self.perfect_from is not None and len(self.seen) > self.perfect_from
        return _Told(known, always, blind=self.perfect_from is not None)


@dataclass(frozen=True)
class _Told:
    known: set
    always: bool
    blind: bool

    def predict(self, rows: pa.Table, *, threads: int = 1) -> np.ndarray:
        told = np.full(len(rows), self.always) if self.blind else np.isin(rows["g"].to_pylist(), list(self.known))
        return np.where(told, rows["y"].to_numpy(), 0.5)


def revealing(groups=7, n=6_000, seed=0):
    """Rows whose column y is the label, with their group."""
    random = np.random.default_rng(seed)
    at, later = days_of(n, random)
    label = (random.random(n) < 0.4).astype(float)
    group = pa.array([f"g{v}" for v in random.integers(0, groups, n)])
    return views(pa.table({"g": group, "y": label.astype(np.float32)}), label, at, later=later)


@pytest.mark.parametrize("groups", [2, 3, 7, 1_500])
def test_rows_are_scored_by_the_probe_that_saw_their_group_and_by_the_one_that_did_not(groups):
    seen: list = []
    found = group_leakage(*revealing(groups), Knows(seen), seed=0).found[0]
    assert (found.seen.value, found.unseen.value, found.gap.value) == (1.0, 0.5, 0.5)
    first, second = [set(t.features["g"].to_pylist()) for t in seen]
    assert not first & second
    assert len(seen[0]) == len(seen[1])


def test_of_many_groups_some_are_drawn_with_all_their_rows_and_only_those_are_scored():
    seen: list = []
    train, validation = revealing(8_000, n=40_000)
    found = group_leakage(train, validation, Knows(seen), seed=0).found[0]
    assert (found.seen.value, found.unseen.value) == (1.0, 0.5)
    whole = Counter(train.take(~asked_days(train.at)).features["g"].to_pylist())
    later = set(validation.features["g"].to_pylist())
    for part in seen:
        drawn = Counter(part.features["g"].to_pylist())
        assert sum(drawn[g] < min(count, MEMBERS) for g, count in whole.items() if g in drawn) <= 1
        assert max(drawn.values()) <= MEMBERS
        assert set(drawn) <= later
    known = set(train.features["g"].to_pylist())
    assert found.straddling == pytest.approx(np.mean([g in known for g in validation.features["g"].to_pylist()]))


@dataclass(frozen=True)
class Notes:
    """Notes which rows it is fitted on and which it scores, by their column of numbers."""

    fitted: list
    scored: list

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> "Notes":
        self.fitted.extend(train.features["row"].to_pylist())
        return self

    def predict(self, rows: pa.Table, *, threads: int = 1) -> np.ndarray:
        self.scored.append(rows["row"].to_pylist())
        return np.full(len(rows), 0.4)


@pytest.mark.parametrize(("number", "n"), [(5, 12_000), (3_000, 12_000), (3_000, 90_000)])
def test_a_day_is_learned_of_or_scored_and_training_is_scored_beside_validation(number, n):
    random = np.random.default_rng(0)
    at, later = days_of(n, random)
    label = (random.random(n) < 0.4).astype(float)
    table = pa.table({"row": np.arange(n, dtype=np.float32), "g": random.integers(0, number, n).astype(str)})
    notes = Notes([], [])
    group_leakage(*views(table, label, at, later=later), notes, seed=0)
    rows = [np.asarray(part, dtype=int) for part in notes.scored]
    asked, past = rows[0], np.concatenate(rows[2:])
    assert rows[1].tolist() == asked.tolist()
    days = day_blocks(at)
    learned = set(days[np.asarray(notes.fitted, dtype=int)]) | set(days[past])
    assert not set(days[asked]) & learned
    assert set(days[asked]) | learned == set(range(60))
    assert set(days[later]) < set(days[asked])
    assert len(set(days[asked]) - set(days[later])) == 40 // EVERY


def test_that_one_probe_is_the_better_falls_out():
    found = group_leakage(*revealing(), Knows([], perfect_from=1), seed=0).found[0]
    assert (found.gap.value, found.seen.value) == (0.0, 0.75)  # 0.5 and 1, if one half alone were asked


def crews(shift, *, seed, n=24_000, number=4_500):
    """Rows of crews of three or four in training: good columns, and a number of the crew that no column tells."""
    random = np.random.default_rng(seed)
    at, later = days_of(n, random)
    crew, x = random.integers(0, number, n), random.normal(size=(n, 3))
    level = shift * random.normal(size=number)
    label = (random.random(n) < 1 / (1 + np.exp(1.2 - x.sum(axis=1) - level[crew]))).astype(float)
    table = pa.table({f"x{j}": x[:, j].astype(np.float32) for j in range(3)})
    ids = pa.array(crew).cast(pa.string())
    return (
        *views(table, label, at, later=later),
        {"crew": (ids.filter(pa.array(~later)), ids.filter(pa.array(later)))},
    )


@pytest.mark.parametrize("seed", range(3))
def test_many_crews_of_few_rows_are_known_by_their_past_though_no_probe_can_learn_them(seed):
    train, validation, groups = crews(2.0, seed=seed)
    for parts in ((train, validation), with_column(train, validation, "crew", groups["crew"])):
        found = group_leakage(*parts, PROBE, groups=groups, seed=seed)
        (one,) = found.found
        assert one.gap.low < NOTED_GAP
        assert one.known.value - one.unseen.value == pytest.approx(one.gain.value, abs=1e-12)
        assert one.worth is one.gain
        assert [(s.columns, s.severity) for s in found.suspicions] == [(("crew",), Severity.ERROR)]
        assert "with what it missed in the group's past" in found.finding.summary


@pytest.mark.parametrize("seed", range(20))
def test_as_many_crews_that_share_nothing_are_never_accused(seed):
    train, validation, groups = crews(0.0, seed=seed)
    found = group_leakage(train, validation, LogisticRegression(), groups=groups, seed=seed)
    assert found.suspicions == ()
    assert abs(found.found[0].gain.value) < 0.01


def test_what_rows_of_a_day_share_is_not_their_crews():
    """Each crew's rows in training lie on one stormy day or another: of later ones that tells nothing."""
    train, validation, _ = crews(0.0, seed=0)
    random = np.random.default_rng(0)
    storm = random.permuted(np.repeat([0.0, 1.0], 30))
    day = day_blocks(train.at)
    label = np.where(random.random(len(day)) < 0.5, storm[day], train.label)
    ids = pa.array(day * 100 + random.integers(0, 100, len(day))).cast(pa.string())
    groups = {"crew": (ids, ids.take(pa.array(random.integers(0, len(ids), len(validation)))))}
    train = Train(train.ids, train.at, train.features, label, train.window)
    found = group_leakage(train, validation, LogisticRegression(), groups=groups, seed=0)
    assert found.found[0].gain.value == 0.0


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param(lambda n, r: pa.nulls(n, pa.string()), id="all null"),
        pytest.param(lambda n, r: pa.nulls(n), id="no type"),
        pytest.param(lambda n, r: pa.array(["a"] * n), id="a single value"),
        pytest.param(lambda n, r: pa.array([f"{r.random()}" for _ in range(n)]), id="a value a row"),
        pytest.param(lambda n, r: pa.array(np.where(r.random(n) < 0.001, "b", "a")), id="nearly a single value"),
    ],
)
def test_groups_of_which_nothing_can_be_told(ids):
    train, validation, _ = hospitals(2.0)
    random = np.random.default_rng(0)
    groups = {"odd": (ids(len(train), random), ids(len(validation), random))}
    found = group_leakage(train, validation, PROBE, groups=groups, seed=0)
    assert not found.found[0].sufficient
    assert found.finding.passed
    assert found.finding.summary == "insufficient data: of 1 groupings none can be told"
    assert "insufficient data" in found.table[1][0][-1]
    assert "insufficient data" in found.thumbnail()
    assert "insufficient data" in found.plot()


def test_no_groups_no_rows_and_one_class():
    train, validation, groups = hospitals(2.0, n=3_000)
    assert group_leakage(train, validation, PROBE, seed=0).finding.summary == "no groups"
    for part in (train.take(np.arange(0)), train.take(np.arange(50)), train.take(train.label > 0)):
        own = {"hospital": (groups["hospital"][0][: len(part)], groups["hospital"][1])}
        assert not group_leakage(part, validation, PROBE, groups=own, seed=0).found[0].sufficient
    none = {"hospital": (groups["hospital"][0], groups["hospital"][1][:0])}
    assert not group_leakage(train, validation.take(np.arange(0)), PROBE, groups=none, seed=0).found[0].sufficient


def test_groups_of_other_rows_are_refused():
    train, validation, groups = hospitals(2.0, n=1_000)
    with pytest.raises(ValueError, match="grouping 'hospital' is of 3 and"):
        group_leakage(
            train, validation, PROBE, groups={"hospital": (groups["hospital"][0][:3], groups["hospital"][1])}, seed=0
        )
    with pytest.raises(TypeError, match="Train view only"):
        group_leakage(validation, validation, PROBE, seed=0)


def test_many_groups_cost_no_more_and_the_same_seed_says_the_same():
    random = np.random.default_rng(0)
    train, validation, _ = hospitals(0.0, n=30_000)
    groups = {"many": tuple(pa.array(random.integers(0, 100_000, len(v))) for v in (train, validation))}
    first, again = (group_leakage(train, validation, LogisticRegression(), groups=groups, seed=3) for _ in range(2))
    assert first == again
    assert first.suspicions == ()
    assert 0.1 < first.found[0].straddling < 0.3


def test_what_is_shown_names_every_group():
    train, validation, groups = hospitals(2.0, n=4_000)
    found = group_leakage(train, validation, PROBE, groups=groups, seed=0)
    header, rows = found.table
    assert len(header) == len(rows[0])
    assert "hospital" in found.plot()
    assert found.thumbnail().startswith("![AUC gained where a row's group is known]")
    asked = np.unique(day_blocks(train.at[asked_days(train.at)]))
    assert len(np.unique(day_blocks(validation.at))) + len(asked) == found.found[0].gap.blocks
