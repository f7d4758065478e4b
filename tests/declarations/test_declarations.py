"""A declaration with mistakes fails when it is made, and lists all of them."""

import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd  # noqa: F401 - a declared function is tried where this is loaded, as it is in a notebook
import pytest

import mlsys_assets
from mlsys_assets import (
    AllOf,
    AnyOf,
    Column,
    CostMatrix,
    DeclarationError,
    Drift,
    Every,
    Gates,
    GroupRate,
    LabelVolume,
    LightGBM,
    LogisticRegression,
    Lookup,
    MLSystem,
    NaturalLabel,
    PerformanceDrop,
    Request,
    Requests,
    Retraining,
    Slice,
    Source,
    TimeSplit,
    TimeWindow,
    Trailing,
    build_definitions,
    days,
    hours,
    utc,
)
from mlsys_assets.data_ingestion.source_mistakes import OWN_TABLES, RESERVED
from mlsys_assets.data_labeling.natural_labels import natural_labels
from mlsys_assets.held_out import TEST_SCORES as SCORES
from mlsys_assets.mistakes import LONGEST_NAME, NAME
from mlsys_assets.production_monitoring.diagnosing.history import RECENT_DRIFT
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.tables import BASELINES, SERVED
from mlsys_resources.names import IDENTIFIER
from mlsys_resources.resources import build_resources
from mlsys_resources.tick_rows import BLOCK, TICK

ROOT = Path(__file__).parents[2]
RAIN = runpy.run_path(str(ROOT / "tests" / "systems" / "rain.py"))
W, O, SYSTEM = RAIN["weather"], RAIN["outcomes"], RAIN["rain"]  # noqa: E741 - the weather and its outcomes


def rain(**changes) -> MLSystem:
    return replace(SYSTEM, **changes)


def candidate(one) -> MLSystem:
    return rain(candidates=(*SYSTEM.candidates[:2], one))


def label(**changes) -> MLSystem:
    return rain(label=replace(SYSTEM.label, **changes))


MONTHLY, LABELS = Every(days(28)), LabelVolume(grows=0.1)
CLASH = (TimeWindow.of("2013-01-08", "2013-01-11"), TimeWindow.of("2013-01-10", "2013-01-12"))


def test_nineteen_mistakes_are_listed_at_once() -> None:
    with pytest.raises(DeclarationError, match=r"system 'rain' has \d+ mistake") as error:
        rain(
            sources=(*SYSTEM.sources, replace(W, name="labels", tolerance=5)),
            label=replace(SYSTEM.label, window=hours(1), compute=lambda rows: rows["origin"]),
            split=TimeSplit(days(14), days(14), static_test=CLASH),
            candidates=(LightGBM(rounds=0), LightGBM(name="champion")),
            gates=Gates(beats_baselines=(), most_ece=0.01),
            slices=(Slice("nowhere")),
            triggers=(Every(28), Drift(costs=-2)),
            retraining=Retraining(AnyOf(LABELS), at_most=3),
            costs=CostMatrix(false_positive=0, false_negative=5),
            simulated_from=utc("2013-01-01"),
            threads=0,
        )
    for words in (
        "a table every system has", "tolerance", "shorter than its delay", "values of type string", "overlap",
        "rounds is 0", "named as the serving model is", "none of its candidates is a baseline", "any model would pass",
        "most_ece", "slices is a Slice", "'nowhere', which is no feature column", "threads is 0",
        "period is 28", "costs is -2", "belong together", "'label_volume', which is none", "else acting always pays",
        "no data before it",
    ):  # fmt: skip
        assert [m for m in error.value.mistakes if words in m], f"{words} is not told by\n{error.value}"
    assert len(error.value.mistakes) == 19, error.value


def test_what_does_not_concern_a_mistake_stays_sound() -> None:
    """Each part can be replaced by an equal one, and each collection be said again, without a word."""
    for system in (flights, SYSTEM):
        assert replace(system) is not system
        assert [mistake for source in system.sources for mistake in source.mistakes(thorough=True)] == []
        assert system.label.mistakes(system.requests.key, thorough=True) == []
        assert [mistake for candidate in system.candidates for mistake in candidate.mistakes()] == []


def test_no_declaration_stops_before_it_is_whole() -> None:
    """A part says nothing by itself, so that its system can say everything."""
    wrong = Source("a b", None, raw="x", columns=(Column("a", "b"), Column(None, None)), derive=None, key=None)
    with pytest.raises(DeclarationError, match="10 mistake"):
        MLSystem(*([None] * 6), split=None, candidates=None, metrics=None, gates=None)
    with pytest.raises(DeclarationError) as error:
        rain(
            sources=(wrong, *SYSTEM.sources),
            requests=Requests(wrong, key=None),
            label=NaturalLabel(None, wrong, None, None, None, never=None),
            features=(
                Trailing("weather", None, None, n=None),
                Trailing(wrong, 3, 4),
                Request(3),
                Lookup(W, None, None),
            ),
            split=TimeSplit(validation=0, test=None, static_test=5),
            candidates=(GroupRate(by=None), LightGBM(more=None, rounds=None), LogisticRegression(c="1")),
            gates=Gates(None, None, None, "1", "1", None, None),
            slices=(Slice(None),),
            triggers=(
                Every(None),
                LabelVolume(None, None),
                PerformanceDrop(None, metric=None),
                Drift(None, None, "drift"),
            ),
            retraining=Retraining(AllOf(None, AnyOf(None)), cooldown=None, at_most="3", within=91),
            costs=CostMatrix(None, "5", unit=None),
            simulated_from=5,
            tags=None,
        )
    told = str(error.value)
    for part in (
        "source 'a b'",
        "label None",
        "the time split",
        "'group_rate'",
        "'lightgbm'",
        "'logistic",
        "gates:",
        "trigger 'drift'",
        "retraining: when[0] is None",
        "costs: unit is None",
        "simulated_from is 5",
        "tags",
    ):
        assert part in told, told


def test_the_name_rule_is_the_stores() -> None:
    assert IDENTIFIER.pattern == NAME.pattern
    for name in ("x" * LONGEST_NAME, "x" * (LONGEST_NAME + 1)):
        assert bool(IDENTIFIER.fullmatch(name)) == bool(NAME.fullmatch(name)) == (len(name) <= LONGEST_NAME)


def test_what_is_reserved_is_what_is_used(tmp_path, clock) -> None:
    defs = build_definitions(flights, resources=build_resources({"MLSYS_HOME": str(tmp_path)}, clock=clock))
    tables = {key.path[1] for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert tables - {s.name for s in flights.sources} | {SCORES, BASELINES, SERVED, RECENT_DRIFT} == OWN_TABLES
    assert {TICK, BLOCK} < RESERVED


def test_light_processes_still_see_an_unknown_column() -> None:
    """Where pandas is not loaded, and may not be, functions are told what columns there are, and no more."""
    code = """
import sys
from dataclasses import replace
import pyarrow as pa, pyarrow.compute as pc
from mlsys_assets import Column, DeclarationError, NaturalLabel, Rule, Source, hours
own = (Column("id", "string"), Column("delay", "float64"))
def source(**more):
    return Source("landed", lambda w: None, own, own, lambda raw: raw, ("id",), **more)
def label(compute):
    return NaturalLabel("late", source(), compute, hours(1), hours(2)).mistakes("id")
rule = Rule("r", "id", lambda rows: pc.less(rows["di"], 0))
print(source(where=lambda raw: pc.greater(raw["dely"], 0), rules=(rule,)).mistakes())
print(label(lambda rows: pc.greater(rows["dely"], 15)))
print(label(lambda rows: pc.greater(rows["delay"], 15)), label(lambda rows: rows.column("delay")))
print("pandas" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    source, label, sound, pandas = found.stdout.splitlines()
    assert "its where reads 'dely'" in source
    assert "its rule 'r' reads 'di', which is not a column; its columns: id, delay" in source
    assert "compute reads 'dely'" in label
    assert (sound, pandas) == ("[] []", "False")


def test_what_only_a_run_can_tell_is_told_by_its_first() -> None:
    wrong = replace(SYSTEM.label, compute=lambda rows: rows["origin"])
    with pytest.raises(DeclarationError, match="values of type string"):
        natural_labels(wrong, {}, key="observation")


def test_the_readmes_own_system_can_be_declared_as_printed(tmp_path, clock) -> None:
    section = (ROOT / "README.md").read_text().split("## Your own system")[1]
    (snippet,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    left_out = {"weather": W, "outcomes": O, "rained": SYSTEM.label.compute}
    around = {name: getattr(mlsys_assets, name) for name in mlsys_assets.__all__}
    around |= {"os": SimpleNamespace(environ={"MLSYS_HOME": str(tmp_path)}), "build_resources": build_resources}
    exec(compile(snippet, "README.md", "exec"), around | left_out, said := {})
    assert isinstance(said["rain"], MLSystem)
    assert said["defs"].resolve_asset_graph().get_all_asset_keys()
