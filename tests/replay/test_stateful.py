"""A life in which models are gone on with: each row is learned from once, and what cannot be gone on from is told."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import (
    Every,
    LightGBM,
    MLSystem,
    NonInferiority,
    Request,
    Retraining,
    Sgd,
    Stage,
    build_definitions,
    days,
    utc,
)
from mlsys_assets.commands import refit_recorded
from mlsys_assets.commands.rebuild import rebuild
from mlsys_assets.commands.refit_recorded import Gone, StoredParents
from mlsys_assets.commands.rollback import roll_back
from mlsys_assets.data_sampling.identity import data_hash
from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.instance import open_instance
from mlsys_assets.known import known_rows
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.passport.declared import declared
from mlsys_assets.models.passport.parts import Data, Parameters, files_of, part_of
from mlsys_assets.models.stateful.lineage import Lineage
from mlsys_assets.models.stateful.start import go_on, learned_by
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.stateful.tree_updates import MoreTrees
from mlsys_assets.retraining.learning import Learning
from mlsys_assets.runs import Runner
from mlsys_assets.tables import TIMESTAMP
from mlsys_resources.lake import Lake
from mlsys_resources.mlflow_connection import ModelStoreError

from .conftest import Life

LEARNING = Learning(stateful=Stateful(MoreTrees(5), least_rows=50))
FIRST, SECOND, THIRD = utc("2013-03-05"), utc("2013-03-19"), utc("2013-04-02")
UNTIL = utc("2013-03-26")


@pytest.fixture(scope="module")
def going_on(rain) -> MLSystem:
    """The weekly rain system, whose trees are gone on with."""
    return replace(rain, learning=LEARNING)


@pytest.fixture(scope="session")
def gone_on(rain, born, made_once) -> Path:
    """A state folder with two champions: one from scratch, as it was without the declaration, and one that went on."""

    def lived(folder: Path) -> None:
        shutil.copytree(born, folder, dirs_exist_ok=True)
        Life(replace(rain, learning=LEARNING), folder).live(UNTIL)

    return made_once("gone_on", lived)


@pytest.fixture
def life(going_on, gone_on, tmp_path) -> Life:
    return Life(going_on, shutil.copytree(gone_on, tmp_path / "home"))


def fit(life: Any, as_of: datetime) -> Any:
    """The record of the trees' fit as of then."""
    return next(d for d in life.decisions("candidate", since=as_of, until=as_of) if d.name == "lightgbm")


def lineage(life: Any, refit: Any) -> Iterator[Any]:
    """Yield what a registered model came of, the last training first, as the ledger tells it."""
    found = refit
    while found is not None:
        yield found
        began = found.evidence.get("start", {"from": "scratch"})
        parent = None if began["from"] == "scratch" else fit(life, utc(began["as of"]))
        assert parent is None or parent.evidence["model"] == began["from"]
        found = parent


def rows_of(life: Any, as_of: datetime) -> Any:
    (told,) = life.decisions("training_set", since=as_of, until=as_of)
    return known_rows(life.stores.lake, life.system, as_of, told.context["versions"])


def learned(life: Any, one: Any) -> set[str]:
    """Return the ids that a training learned from, by hand: from what the lake knew, and the split."""
    split, rows = life.system.time_split, rows_of(life, one.as_of)
    refitted, began = one.kind == "refit", one.evidence.get("start", {"from": "scratch"})
    part = split.refit_view(rows, as_of=one.as_of) if refitted else split.split(rows, as_of=one.as_of).train
    before = set()
    if began["from"] != "scratch":
        before = set(split.split(rows, as_of=utc(began["as of"])).train.ids.to_pylist())
    return set(part.ids.to_pylist()) - before


def ordered(life: Any, one: Any, ids: set[str]) -> list[str]:
    """Return ids as a training went on over them: by when their labels were known."""
    rows = rows_of(life, one.as_of)
    return [n for _, n in sorted((rows.known_at[i], n) for i, n in enumerate(rows.ids.to_pylist()) if n in ids)]


def test_no_row_is_learned_from_twice_and_none_that_was_known_is_left_out(life) -> None:
    first, refit = life.decisions("refit")
    assert "start" not in first.evidence
    chain = list(lineage(life, refit))
    used = [learned(life, one) for one in chain]
    assert [(d.kind, d.as_of) for d in chain] == [("refit", SECOND), ("candidate", SECOND), ("candidate", FIRST)]
    for one, ids in zip(chain[:2], used, strict=False):
        told = one.evidence["start"]
        assert told["rows"] == len(ids) == one.evidence["rows"]
        assert told["ids"] == data_hash(pa.table({"id": pa.array(ordered(life, one, ids), pa.string())}))
    assert sum(map(len, used)) == len(set().union(*used))
    everything = life.system.time_split.refit_view(rows_of(life, SECOND), as_of=SECOND)
    assert set().union(*used) == set(everything.ids.to_pylist())
    grown = fit(life, SECOND).evidence
    assert grown["start"]["rows"] < fit(life, FIRST).evidence["rows"]  # the price is of new rows alone
    assert grown["recipe"]["rounds"] == 35


def test_the_passport_tells_of_the_parent_and_a_rebuild_goes_on_from_its_bytes(life) -> None:
    evaluated, model = fit(life, SECOND), life.stores.models.load("rain", 2)
    parent = part_of(model.record, Parameters).params["gone on from"]
    assert parent == evaluated.evidence["model"]
    assert (evaluated.evidence["start"]["version"], evaluated.evidence["start"]["as of"]) == (1, FIRST.isoformat())
    parents = StoredParents(life.stores, "rain")
    assert refit_recorded.refit(model.record, life.stores.lake, parents)[0] == model.content
    assert life.stores.models.discard(evaluated.context["source"])
    with pytest.raises(Gone, match=rf"gone on from the lightgbm that was evaluated as of 2013-03-19 00:00, {parent}"):
        refit_recorded.refit(model.record, life.stores.lake, parents)


@pytest.mark.prove
def test_the_command_rebuilds_it(life) -> None:
    outcome = rebuild(life.stores, "rain", 2)
    assert outcome.equal, outcome.lines


def test_a_checkpoint_that_is_gone_forces_a_new_beginning_and_the_champion_stands(life, going_on) -> None:
    """A whole training, of which nothing fails."""
    champion = life.stores.operations.alias("rain", "champion")
    assert life.stores.models.discard(fit(life, SECOND).context["source"])
    with open_instance(life.folder) as instance:
        Runner(going_on, build_definitions(going_on, resources=life.stores), instance).as_of("rain_train", UNTIL)
    start = fit(life, UNTIL).evidence["start"]
    assert start["from"] == "scratch"
    assert start["reason"].startswith("the checkpoint as of 2013-03-19 cannot be read: ")
    loaded = life.stores.models.load("rain", champion.version)
    assert loaded.version.content_hash == champion.content_hash


def step_of(life: Any, system: MLSystem, as_of: datetime = THIRD) -> DecisionStep:
    """A step as of two weeks after the second champion, without the run that it would stand in."""
    step = object.__new__(DecisionStep)
    step.system, step.stores, step.as_of = system, life.stores, as_of
    return step


def started(life: Any, system: MLSystem, rows: Any = None, as_of: datetime = THIRD) -> Any:
    """Where the trees start from two weeks later, by what was known at the second champion's training."""
    rows = rows_of(life, SECOND) if rows is None else rows
    split = system.time_split.split(rows, as_of=as_of)
    candidate = next(c for c in system.candidates if c.name == "lightgbm")
    return Lineage(step_of(life, system, as_of), rows).start(candidate, split)


def test_another_training_goes_on_from_the_second_champion(life, going_on) -> None:
    evidence = started(life, going_on).evidence
    assert (evidence["version"], evidence["as of"]) == (2, SECOND.isoformat())
    assert evidence["from"] == fit(life, SECOND).evidence["model"]


def test_where_nothing_is_declared_nothing_is_asked(rain, life) -> None:
    assert started(life, rain) is None


def test_a_checkpoint_with_another_byte_forces_a_new_beginning(life, going_on) -> None:
    folder = fit(life, SECOND).context["source"].rsplit("/", 1)[-1]
    (text,) = (life.folder / "mlartifacts").rglob(f"{folder}/model.txt")
    text.write_bytes(text.read_bytes().replace(b"leaf_value=", b"leaf_value=9", 1))
    start = started(life, going_on)
    assert start.checkpoint is None
    assert "2013-03-19 cannot be read" in start.reason


def test_a_store_that_does_not_answer_is_no_reason_to_begin_anew(life, going_on, monkeypatch) -> None:
    """What a model starts from must not depend on that: the step fails, and is done again."""

    def away(*_: object) -> None:
        raise ModelStoreError("no answer")

    monkeypatch.setattr(type(life.stores.models), "read", away)
    with pytest.raises(ModelStoreError):
        started(life, going_on)


def more_features(system: MLSystem) -> dict[str, Any]:
    return {"features": (*system.features, Request(doubled=lambda r: r["precip"] * 2))}


def other_parameters(system: MLSystem) -> dict[str, Any]:
    return {"candidates": (*system.candidates[:2], LightGBM(rounds=30, leaves=8))}


def another_split(system: MLSystem) -> dict[str, Any]:
    return {"split": replace(system.split, validation=days(15))}


def another_label(system: MLSystem) -> dict[str, Any]:
    return {"label": replace(system.label, window=days(1))}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (more_features, "the features changed: doubled"),  # which the champion does not read
        (other_parameters, "lightgbm is declared otherwise than as of 2013-03-19"),
        (another_label, "the label is declared otherwise than as of 2013-03-19"),
        (another_split, "the time split is declared otherwise than as of 2013-03-19"),
    ],
)
def test_what_is_declared_otherwise_forces_a_new_beginning(life, going_on, change, reason) -> None:
    start = started(life, replace(going_on, **change(going_on)))
    assert (start.checkpoint, start.reason) == (None, reason)


def test_one_more_candidate_changes_nothing_for_the_champions_own(life, going_on) -> None:
    second = LightGBM(rounds=30, leaves=7, name="second")
    system, rows = replace(going_on, candidates=(*going_on.candidates, second)), rows_of(life, SECOND)
    assert started(life, system).checkpoint is not None
    split = system.time_split.split(rows, as_of=THIRD)
    assert Lineage(step_of(life, system), rows).start(second, split).reason == "the champion is lightgbm"


def test_what_failed_at_the_gate_is_not_gone_on_from_and_its_rows_are_learned_by_the_next(life, going_on) -> None:
    """The training in between is on record, with a bundle of its own; the champion is the one before."""
    rows, operations, second = rows_of(life, SECOND), life.stores.operations, fit(life, SECOND)
    before = started(life, going_on, rows)
    (held,) = life.decisions("training_set", since=SECOND, until=SECOND)
    for one in (held, second):
        operations.record(replace(one, as_of=UNTIL, evidence={**one.evidence, "model": "of another bundle"}))
    assert fit(life, UNTIL).evidence["model"] == "of another bundle"
    after = started(life, going_on, rows)
    assert after.evidence == before.evidence
    assert after.evidence["from"] == second.evidence["model"]


def test_after_a_rollback_the_earlier_champion_is_gone_on_from_and_learns_what_it_had_not(life, going_on) -> None:
    stores = life.stores
    roll_back("rain", stores.operations, stores.models, reason="it is wrong at night", now=lambda: UNTIL)
    rows = rows_of(life, SECOND)
    start = started(life, going_on, rows)
    assert (start.evidence["version"], start.evidence["as of"]) == (1, FIRST.isoformat())
    assert start.evidence["from"] == fit(life, FIRST).evidence["model"]
    split = going_on.time_split
    own = set(split.split(rows_of(life, FIRST), as_of=FIRST).train.ids.to_pylist())
    known = set(split.split(rows, as_of=THIRD).train.ids.to_pylist())
    assert set(start.train.ids.to_pylist()) == known - own
    earlier = started(life, going_on, rows, as_of=UNTIL - days(1))  # as of which the second one stood
    assert earlier.evidence["version"] == 2


def test_a_retired_champion_is_not_gone_on_from(life, going_on, monkeypatch) -> None:
    monkeypatch.setattr(type(life.stores.operations), "retired", lambda *_: {2})
    assert started(life, going_on).reason == "version 2 is retired, or not on record"


def told_otherwise(rows: Any, which: np.ndarray, when: str) -> Any:
    """Return what is known of rows once labels were told again at a time, and otherwise."""
    known, label = rows.known_at.copy(), rows.label.copy()
    known[which], label[which] = np.datetime64(when, "us"), 1 - label[which]
    return replace(rows, known_at=known, label=label)


def reading_labels(monkeypatch: pytest.MonkeyPatch, told: Callable[[int], pa.Table]) -> None:
    """Let each version of the table of labels tell what it is said to."""
    read = Lake.read

    def other(self: Lake, system: str, table: str, **how: Any) -> pa.Table:
        if table != "labels":
            return read(self, system, table, **how)
        _, start, end = how["window"]
        rows = told(how["version"])
        at = rows["known_at"].to_numpy()
        return rows.filter(pa.array((at >= moment(start)) & (at < moment(end))))

    monkeypatch.setattr(Lake, "read", other)


def version_of(life: Any, as_of: datetime) -> int:
    (told,) = life.decisions("training_set", since=as_of, until=as_of)
    return int(told.context["versions"]["labels"])


def test_a_corrected_label_of_a_row_that_was_learned_from_is_counted_and_not_learned_again(
    life, going_on, monkeypatch
) -> None:
    """Corrected after the first training, and so late that the second one's training part does not hold it."""
    rows = rows_of(life, SECOND)
    which = np.flatnonzero(learned_by(going_on.time_split, rows, FIRST))[:5]
    now = told_otherwise(rows, which, "2013-03-05T12:00")
    both = pa.concat_tables([_labels(rows, np.arange(len(rows))), _labels(now, which)])
    at = utc("2013-04-09")
    plain = started(life, going_on, as_of=at)
    reading_labels(monkeypatch, lambda _: both)
    monkeypatch.setattr(type(going_on.label), "corrections", property(lambda _: True))
    start = started(life, going_on, now, at)
    assert not {*start.train.ids.to_pylist()} & {*rows.ids.take(pa.array(which)).to_pylist()}
    assert start.corrected == start.evidence["corrected"] == 5
    assert start.train.content_hash == plain.train.content_hash


def test_a_model_whose_ancestor_knew_another_label_is_made_again(life, going_on, monkeypatch) -> None:
    """Its record names the last checkpoint alone; which rows that one's own had learned from stands in the ledger."""
    rows, fitted = rows_of(life, SECOND), fit(life, SECOND)
    which = np.flatnonzero(learned_by(going_on.time_split, rows, FIRST))[:5]
    both = pa.concat_tables(
        [_labels(rows, np.arange(len(rows))), _labels(told_otherwise(rows, which, "2013-03-05T12:00"), which)]
    )
    monkeypatch.setattr(type(going_on.label), "corrections", property(lambda _: True))
    reading_labels(monkeypatch, lambda _: both)
    step, record = step_of(life, going_on, SECOND), life.stores.models.load("rain", 2).record
    now, set_up = rows_of(life, SECOND), part_of(record, Parameters)
    candidate = next(c for c in going_on.candidates if c.name == "lightgbm")
    start = Lineage(step, now).rest(candidate, fitted, going_on.time_split.refit_view(now, as_of=SECOND))
    assert not {*start.train.ids.to_pylist()} & {*rows.ids.take(pa.array(which)).to_pylist()}
    expected = go_on(candidate, start, by=LEARNING.stateful, seed=set_up.seed, threads=set_up.threads)
    data = replace(
        part_of(record, Data), reading=declared(step.reading), tables=now.table_hashes, rows_hash=now.content_hash,
        training_rows=len(start.train), training_hash=start.train.content_hash,
    )  # fmt: skip
    parents = StoredParents(life.stores, "rain")
    files, _ = refit_recorded.refit({**record, **files_of(data)}, life.stores.lake, parents)
    assert files == to_files(expected.predictor)


def test_a_label_that_was_told_after_the_training_of_its_time_is_learned_from_later(
    life, going_on, monkeypatch
) -> None:
    """It became known before that training, as its source says weeks later: by its time alone it would be left out."""
    rows = rows_of(life, SECOND)
    plain = started(life, going_on, rows)
    which = np.flatnonzero(learned_by(going_on.time_split, rows, SECOND))[:40:4]
    before = _labels(rows, np.setdiff1d(np.arange(len(rows)), which))
    at_second, all_of_them = version_of(life, SECOND), _labels(rows, np.arange(len(rows)))
    reading_labels(monkeypatch, lambda version: before if version == at_second else all_of_them)
    late = {*rows.ids.take(pa.array(which)).to_pylist()}
    found = set(started(life, going_on, rows).train.ids.to_pylist())
    assert found - set(plain.train.ids.to_pylist()) == late
    assert set(plain.train.ids.to_pylist()) <= found


def _labels(rows: Any, which: np.ndarray) -> pa.Table:
    at = pa.array(which)
    known = pa.array(rows.known_at[which], pa.timestamp("us")).cast(TIMESTAMP)
    own = {"observation": rows.ids.take(at), "label": rows.label[which], "state": rows.state.take(at)}
    table = pa.table(own | {"known_at": known})
    return table.filter(pa.array(~np.isnat(rows.known_at[which])))


@pytest.mark.prove
@pytest.mark.parametrize("candidate", [Sgd(batch=64), LightGBM(rounds=30, leaves=7)], ids=lambda c: c.name)
def test_in_the_stage_of_the_name_models_go_on_and_the_command_rebuilds_them(
    rain, life_of, candidate, monkeypatch
) -> None:
    """A whole life of a system that declares the stage alone; of its few rows, fewer are enough."""
    monkeypatch.setattr("mlsys_assets.system.Stateful", lambda: LEARNING.stateful)
    system = replace(
        rain, candidates=(*rain.candidates[:2], candidate), triggers=(Every(days(14)),),
        retraining=Retraining(stage=Stage.STATEFUL), learning=Learning(),
        gates=replace(rain.gates, champion=NonInferiority(recent=1.0, static=1.0)),
    )  # fmt: skip
    life = life_of(system).live(UNTIL)
    fits = {d.as_of: d for d in life.decisions("candidate") if d.name == candidate.name}
    refits = {d.as_of: d for d in life.decisions("refit")}
    assert list(fits) == list(refits) == [FIRST, SECOND]
    starts = [one[at].evidence["start"] for at in (FIRST, SECOND) for one in (fits, refits)]
    assert [s["from"] for s in starts] == [
        "scratch", fits[FIRST].evidence["model"], fits[FIRST].evidence["model"], fits[SECOND].evidence["model"],
    ]  # fmt: skip
    chain = [refits[SECOND], fits[SECOND], fits[FIRST]]
    used = [learned(life, one) for one in chain]
    assert sum(map(len, used)) == len(set().union(*used))
    everything = system.time_split.refit_view(rows_of(life, SECOND), as_of=SECOND)
    assert set().union(*used) == set(everything.ids.to_pylist())
    for version in (1, 2):
        outcome = rebuild(life.stores, "rain", version)
        assert outcome.equal, outcome.lines


def test_without_the_declaration_no_record_tells_of_a_start(six_weeks) -> None:
    assert all("start" not in d.evidence for kind in ("candidate", "refit") for d in six_weeks.decisions(kind))
