"""What a system learns from, in a life: by a window, and as it was evaluated where it refits nothing."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import (
    Every,
    Invariant,
    Learning,
    MLSystem,
    NonInferiority,
    Retraining,
    TimeWindow,
    build_definitions,
    days,
    hours,
    utc,
)
from mlsys_assets.commands.rebuild import rebuild
from mlsys_assets.commands.refit_recorded import Gone, refit
from mlsys_assets.data_sampling.training_window import SinceChange, SlidingWindow
from mlsys_assets.features.profile import PROFILE_SCHEMA, profile
from mlsys_assets.instance import open_instance
from mlsys_assets.known import known_rows
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.models.passport.declared import made
from mlsys_assets.models.passport.parts import Generation, files_of, part_of
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.runs import Runner
from mlsys_resources.model_store import LoadedArtifacts
from mlsys_resources.operations_rows import Decision

from .conftest import Life

FIRST, SECOND, THIRD = (utc(f"2013-03-{day}") for day in ("05", "12", "19"))
CHANGED, WINDOW = utc("2013-02-09"), SinceChange(at_least=days(25), most=days(60))
RAN = ("precip_1", "precip_2", "precip_3")


def learning(system: MLSystem, **how: object) -> MLSystem:
    """Return the system with another way to learn, whose challengers are let past the champion."""
    gates = replace(system.gates, champion=NonInferiority(recent=1.0, static=1.0))
    return replace(system, learning=Learning(**how), gates=gates)


def train(life: Life, *, ingested: bool = False) -> Life:
    """Bring the tick after the first champion in, and train as of its end by hand."""
    with open_instance(life.folder) as instance:
        runner = Runner(life.system, build_definitions(life.system, resources=life.stores), instance)
        if not ingested:
            runner.ticks("rain_ingest", TimeWindow(FIRST, SECOND))
        runner.as_of("rain_train", SECOND)
    return life


def diagnosis(as_of: datetime, learn_from: datetime) -> Decision:
    evidence = {"learn_from": [learn_from.isoformat(), as_of.isoformat()]}
    return Decision("rain", as_of, "monitoring", "diagnosis", Cause.CONCEPT.value, "labels turned", evidence)


def said(life: Life, kind: str, as_of: datetime = SECOND) -> Decision:
    (found,) = life.decisions(kind, since=as_of, until=as_of)
    return found


def second_version(life: Life) -> tuple[LoadedArtifacts, CompletePassport]:
    loaded = life.stores.models.load("rain", 2)
    return loaded, CompletePassport.of(loaded.record, content_hash=loaded.version.content_hash)


@pytest.fixture(scope="module")
def windowed(rain: MLSystem, born: Path, made_once: Callable[..., Path]) -> Life:
    """A second training, since a change that was diagnosed two ticks before; another is diagnosed later."""
    system = learning(rain, window=WINDOW)

    def fill(folder: Path) -> None:
        life = Life(system, shutil.copytree(born, folder, dirs_exist_ok=True))
        life.stores.operations.record(diagnosis(FIRST + days(2), CHANGED))
        life.stores.operations.record(diagnosis(SECOND + hours(1), utc("2013-03-01")))
        train(life)

    return Life(system, made_once("windowed", fill))


@pytest.fixture(scope="module")
def as_evaluated(rain: MLSystem, born: Path, made_once: Callable[..., Path]) -> Life:
    """A second training of a system that refits nothing."""
    system = learning(rain, refit=False)
    return Life(
        system,
        made_once("evaluated", lambda folder: train(Life(system, shutil.copytree(born, folder, dirs_exist_ok=True)))),
    )


def test_a_training_set_tells_its_window_its_extent_and_what_it_learned_from(windowed):
    found = said(windowed, "training_set").evidence
    assert (
        found["window"] == "what came since the last change that a diagnosis dates, at least 25 days, at most 60 days"
    )
    assert found["changes"] == [CHANGED.isoformat()]
    train_end = SECOND - windowed.system.split.validation - windowed.system.split.test
    rows = known_rows(windowed.stores.lake, windowed.system, SECOND, said(windowed, "training_set").context["versions"])
    refit_view = windowed.system.time_split.refit_view(rows, as_of=SECOND)
    whole = windowed.system.time_split.split(rows, as_of=SECOND)
    for name, view, start, end in (
        ("train window", whole.train, train_end - days(25), train_end),
        ("refit window", refit_view, CHANGED, SECOND),
    ):
        inside = view.take(view.at >= np.datetime64(start.replace(tzinfo=None)))
        first = inside.at.min().astype(datetime).replace(tzinfo=UTC)  # the static test may stand before it
        wanted = {"from": first.isoformat(), "to": end.isoformat(), "rows": len(inside), "hash": inside.content_hash}
        assert found[name] == wanted
        assert 100 < len(inside) < len(view)
        assert start <= first <= start + days(10)
    assert found["outside the window"] == len(whole.train) - found["train"]
    assert {found[f"{part} hash"] for part in ("recent_test", "static_test")} == {
        whole.recent_test.content_hash, whole.static_test.content_hash,
    }  # fmt: skip
    assert found["validation"] == len(whole.validation)
    (fit,) = [d for d in windowed.decisions("candidate", since=SECOND, until=SECOND) if d.name == "lightgbm"]
    assert fit.evidence["rows"] == found["train window"]["rows"]
    assert said(windowed, "refit").evidence["rows"] == found["refit window"]["rows"]


def test_a_training_done_again_learns_from_the_same_though_more_was_diagnosed_since(windowed, tmp_path):
    life = replace(windowed, folder=shutil.copytree(windowed.folder, tmp_path / "home"))
    life.stores.operations.record(diagnosis(SECOND - hours(1), utc("2013-03-11")))
    before = life.decisions("refit"), life.stores.operations.alias("rain", "champion"), said(life, "training_set")
    train(life, ingested=True)
    assert (
        life.decisions("refit"),
        life.stores.operations.alias("rain", "champion"),
        said(life, "training_set"),
    ) == before


def test_a_model_that_learned_by_a_window_is_made_again(windowed):
    loaded, passport = second_version(windowed)
    assert made(passport.generation.window) == WINDOW
    assert passport.generation.changes == (CHANGED.isoformat(),)
    assert passport.data.training_hash == said(windowed, "training_set").evidence["refit window"]["hash"]
    files, found = refit(loaded.record, windowed.stores.lake)
    assert files == loaded.content
    assert found["training_rows"] == passport.data.training_rows
    for other in ({"window": None}, {"changes": ()}):
        changed = replace(part_of(loaded.record, Generation), **other)
        with pytest.raises(Gone, match="rows to fit on hash to"):
            refit({**loaded.record, **files_of(changed)}, windowed.stores.lake)


@pytest.mark.prove
def test_the_command_rebuilds_a_model_that_learned_by_a_window(windowed):
    outcome = rebuild(windowed.stores, "rain", 2)
    assert outcome.equal, outcome.lines


def test_the_very_model_that_was_evaluated_is_promoted(as_evaluated):
    loaded, passport = second_version(as_evaluated)
    (fit,) = [d for d in as_evaluated.decisions("candidate", since=SECOND, until=SECOND) if d.name == "lightgbm"]
    (judged,) = [d for d in as_evaluated.decisions("evaluation", since=SECOND, until=SECOND) if d.name == "lightgbm"]
    champion = as_evaluated.stores.operations.alias("rain", "champion")
    assert (champion.version, champion.as_of) == (2, SECOND)
    assert {
        champion.content_hash, loaded.version.content_hash, fit.evidence["model"],
        judged.evidence["recent_test"]["model_hash"], said(as_evaluated, "gate").evidence["model"],
    } == {champion.content_hash}  # fmt: skip
    record = said(as_evaluated, "refit")
    assert (record.verdict, record.reason) == ("not refitted", "not refitted: the evaluated model is promoted")
    assert record.evidence["rows"] == fit.evidence["rows"] == passport.data.training_rows
    assert said(as_evaluated, "promotion").verdict == "promoted"
    assert not passport.generation.refit
    assert passport.generation.windows["fitted on"] == passport.generation.windows["train"]
    assert passport.experiment.loss_curve["validation"]


def test_the_profile_is_of_the_rows_that_the_promoted_model_learned_from(as_evaluated):
    system, lake = as_evaluated.system, as_evaluated.stores.lake
    rows = known_rows(lake, system, SECOND, said(as_evaluated, "training_set").context["versions"])
    found = lake.read("rain", "training_profile", ticks=[SECOND]).select(PROFILE_SCHEMA.names)
    assert found.equals(profile(system.time_split.split(rows, as_of=SECOND).train.features))


def test_a_model_that_was_not_refitted_is_made_again_by_the_fit_that_was_evaluated(as_evaluated):
    loaded, _ = second_version(as_evaluated)
    assert refit(loaded.record, as_evaluated.stores.lake)[0] == loaded.content
    outcome = rebuild(as_evaluated.stores, "rain", 2)
    assert outcome.equal, outcome.lines


def test_where_nothing_is_declared_nothing_of_it_is_on_record(born, rain):
    life = Life(rain, born)
    evidence = said(life, "training_set", FIRST).evidence
    assert not {"window", "changes", "train window", "refit window", "outside the window"} & evidence.keys()
    assert said(life, "refit", FIRST).verdict == "refitted"


def dried(raw: pa.Table) -> pa.Table:
    """No rain from the first champion on."""
    late = pc.greater_equal(raw["time_hour"], f"{FIRST:%Y-%m-%d}T00:00:00Z")
    for name in RAN:
        dry = pc.if_else(pc.and_(late, pc.is_valid(raw[name])), "0.0", raw[name])
        raw = raw.set_column(raw.schema.get_field_index(name), name, dry)
    return raw


@pytest.mark.parametrize(
    ("window", "dry", "why"),
    [
        (SlidingWindow(hours(1)), False, "train has 0 rows; refit has 0 rows (2262 rows stand outside the window)"),
        (SlidingWindow(days(6)), True, "as of 2013-03-12: refit has a single class"),
    ],
)
def test_a_window_that_nothing_can_be_learned_from_is_on_record_and_life_goes_on(rain, grown, change, window, dry, why):
    weekly = replace(learning(rain, window=window), triggers=(Every(days(7)),), retraining=Retraining())
    life = grown(change(weekly, dried, "outcomes", "unobserved") if dry else weekly)
    before = life.stores.operations.alias("rain", "champion")
    life.live(SECOND)
    record = said(life, "training_set")
    assert record.verdict == "insufficient data"
    assert why in record.reason
    assert said(life, "retraining").verdict == "train"  # and no second record says that it was given up
    assert {d.kind for d in life.decisions(since=SECOND, until=SECOND)}.isdisjoint({"candidate", "gate", "promotion"})
    assert life.stores.operations.alias("rain", "champion") == before


def test_a_failed_challenge_leaves_the_champion_as_it_was_byte_for_byte(rain, grown):
    life = grown(replace(rain, behavior=(Invariant("precip"),)))
    operations, models = life.stores.operations, life.stores.models
    before = operations.alias("rain", "champion"), models.load("rain", 1), operations.models("rain")
    train(life)
    assert said(life, "gate").verdict == "fail"
    assert said(life, "promotion").verdict == "held"
    assert life.decisions("refit", since=SECOND) == ()
    stores = life.stores
    after = stores.operations.alias("rain", "champion"), stores.models.load("rain", 1), stores.operations.models("rain")
    assert after == before
    assert after[0].content_hash == after[1].version.content_hash == after[1].manifest.content_hash
