"""What is no tuple, of the wrong kind, or badly named is told when it is declared."""

import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd  # noqa: F401 - a declared function is tried where this is loaded, as it is in a notebook
import pytest

from mlsys_assets import (
    Column,
    GroupRate,
    Key,
    LightGBM,
    LogLoss,
    MLSystem,
    PrAuc,
    Reference,
    Request,
    Requests,
    Slice,
    Source,
    TimeWindow,
    Trailing,
    count,
    days,
    hours,
)

ROOT = Path(__file__).parents[2]
RAIN = runpy.run_path(str(ROOT / "tests" / "systems" / "rain.py"))
W, O, SYSTEM = RAIN["weather"], RAIN["outcomes"], RAIN["rain"]  # noqa: E741 - the weather and its outcomes


def rain(**changes) -> MLSystem:
    return replace(SYSTEM, **changes)


def more(source: Source = W, **changes) -> MLSystem:
    """The system with one more source, a changed copy of another."""
    return rain(sources=(*SYSTEM.sources, replace(source, **({"name": "extra"} | changes))))


def column(*columns: Column) -> MLSystem:
    return more(columns=(*W.columns, *columns))


def feature(one) -> MLSystem:
    return rain(features=(*SYSTEM.features, one))


def candidate(one) -> MLSystem:
    return rain(candidates=(*SYSTEM.candidates[:2], one))


def label(**changes) -> MLSystem:
    return rain(label=replace(SYSTEM.label, **changes))


def split(*windows: TimeWindow, **changes) -> MLSystem:
    return rain(split=replace(SYSTEM.split, **({"static_test": windows} if windows else {}), **changes))


EARLY = TimeWindow.of("2003-01-01", "2003-01-05")

MISTAKES = {
    # what is no tuple, or of the wrong kind
    "sources without a comma": (lambda: rain(sources=(W)), "sources is a Source; it must be a tuple of Source: was a"),
    "sources in a list": (lambda: rain(sources=list(SYSTEM.sources)), "sources is a list; it must be a tuple"),
    "no features": (lambda: rain(features=()), "it has no features"),
    "a feature without a comma": (lambda: rain(features=(Request("origin", "precip"))), "features is a Request"),
    "a metric's class": (lambda: rain(metrics=(LogLoss, PrAuc())), "metrics[0] is the class LogLoss; write"),
    "a column as slice": (lambda: rain(slices=("origin",)), "slices[0] is 'origin'; it must be Slicing"),
    "a name as candidate": (lambda: candidate("lightgbm"), "candidates[2] is 'lightgbm'; it must be Candidate, and"),
    "a split of days": (lambda: rain(split=days(14)), "split is datetime.timedelta(days=14); it must be TimeSplit"),
    "a calendar's name": (lambda: rain(calendar="daily"), "calendar is 'daily'; it must be Calendar"),
    "requests without a source": (lambda: rain(requests=Requests("weather", "observation")), "source is 'weather'"),
    "a key without a comma": (lambda: more(key=("observation")), "its key is 'observation'; it must be a tuple of str"),
    "nulls without a comma": (lambda: more(nulls=("NA")), "its nulls is 'NA'; it must be a tuple of str"),
    "columns by name": (lambda: more(columns=("observation",)), "its columns[0] is 'observation'; it must be Column"),
    "group by a text": (lambda: candidate(GroupRate(by="origin", name="other")), "by is 'origin'; it must be a tuple"),
    "allow without a comma": (
        lambda: more(references=(Reference("origin", W, "origin", allow="BQN"),)), "allow is 'BQN'; it must be a tuple",
    ),
    "windows in a list": (lambda: split(static_test=[EARLY]), "static_test is a list; it must be a tuple of"),
    # names
    "a system's accent": (lambda: rain(name="pluieé"), "it is called 'pluieé'; a name must be of letters a-z"),
    "a long system": (lambda: rain(name="r" * 41), "at most 40 in all"),
    "a source's accent": (lambda: more(name="météo"), "it is called 'météo'"),
    "a source of 60 letters": (lambda: more(name="w" * 60), "at most 52 in all"),
    "a source called features": (lambda: more(name="features"), "its name is that of a table every system has"),
    "a source called Labels": (lambda: more(name="Labels"), "its name is that of a table every system has"),
    "a source called as a quarantine": (lambda: more(name="weather_quarantine"), "what ends in _quarantine"),
    "a source twice": (lambda: more(name="weather"), "2 sources are named 'weather'; rename all but one"),
    "a source in capitals": (lambda: more(name="Weather"), "named 'weather' and 'Weather'; rename all but one (upper"),
    "a column with a space": (lambda: column(Column("wind speed", "float64")), "a column is called 'wind speed'"),
    "a source called as what baselines say": (lambda: more(name="baseline_predictions"), "of a table every system has"),
    "a source called Drift": (lambda: more(name="Drift"), "its name is that of a table every system has"),
    "a column called tick": (lambda: column(Column("tick", "string")), "column 'tick' has a reserved name"),
    "a column called Block": (lambda: column(Column("Block", "string")), "column 'Block' has a reserved name"),
    "a column called known_at": (lambda: column(Column("known_at", "timestamp")), "'known_at' has a reserved name"),
    "a column in capitals": (lambda: column(Column("Humid", "float64")), "columns are named 'humid' and 'Humid'"),
    "a raw column twice": (lambda: more(raw=(*W.raw, W.raw[0])), "raw column 'origin' is declared twice"),
    "a raw column of the reader's": (
        lambda: more(raw=(*W.raw, Column("source_file", "string"))), "raw column 'source_file' has a reserved name",
    ),
    "a raw column that no header has": (lambda: more(header=("origin",)), "'time_hour' is not in its header"),
    "a feature called tick": (lambda: feature(Request(tick=lambda row: row["precip"])), "a feature column is named"),
    "a feature twice": (lambda: feature(Request("origin")), "2 feature columns are named 'origin'"),
    "a feature with a space": (
        lambda: feature(Trailing(W, by=Key("the origin", "origin"), over=hours(1), n=count())), "called 'the",
    ),
    "a candidate called champion": (lambda: candidate(LightGBM(name="Champion")), "named as the serving model is"),
    "a candidate with a dash": (lambda: candidate(LightGBM(name="light-gbm")), "a candidate is called 'light-gbm'"),
    "a candidate twice": (lambda: candidate(LightGBM(name="Zero_Rule")), "candidates are named 'zero_rule' and 'Zero"),
    "a metric twice": (lambda: rain(metrics=(LogLoss(), PrAuc(), LogLoss())), "2 metrics are named 'log_loss'"),
    "a metric called as a count": (lambda: rain(metrics=(LogLoss("Requests"),)), "metric 'Requests' is named as"),
    "a metric called as the cost": (lambda: rain(metrics=(LogLoss("mean_cost"),)), "'mean_cost' is named as a"),
    "a metric called tick": (lambda: rain(metrics=(LogLoss("tick"),)), "'tick' is named as a column of the"),
    "a slice twice": (lambda: rain(slices=(Slice("origin"), Slice("origin"))), "2 slices are named 'origin'"),
    "a label with a space": (lambda: label(name="will it rain"), "the label is called 'will it rain'"),
    "a tag with spaces": (lambda: rain(tags={"team": "42 / a"}), "tag 'team' has value '42 / a'"),
    "a tag of every system's": (lambda: rain(tags={"stage": "mine"}), "tag 'stage' is set for every system"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_declaration(told: Callable[..., None], name: str) -> None:
    told(*MISTAKES[name])
