"""A declaration with mistakes fails when it is made, and lists all of them."""

import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd  # noqa: F401 - a declared function is tried where this is loaded, as it is in a notebook
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import mlsys_assets
from mlsys_assets import (
    AllOf,
    AnyOf,
    Calendar,
    Column,
    CostMatrix,
    Daily,
    DeclarationError,
    Drift,
    Ece,
    Every,
    Gates,
    GroupRate,
    Key,
    LabelVolume,
    LightGBM,
    LogisticRegression,
    LogLoss,
    Lookup,
    MLSystem,
    NaturalLabel,
    PerformanceDrop,
    PrAuc,
    Reference,
    Request,
    Requests,
    Retraining,
    Rule,
    Scheduled,
    Slice,
    Source,
    TimeSplit,
    TimeWindow,
    Trailing,
    ZeroRule,
    build_definitions,
    count,
    days,
    hours,
    utc,
)
from mlsys_assets.data_ingestion.source_mistakes import OWN_TABLES, RESERVED
from mlsys_assets.data_labeling.natural_labels import natural_labels
from mlsys_assets.mistakes import LONGEST_NAME, NAME
from mlsys_assets.offline_evaluation.assets import SCORES
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.tables import BASELINES
from mlsys_resources.names import IDENTIFIER
from mlsys_resources.resources import build_resources
from mlsys_resources.tick_rows import BLOCK, TICK

ROOT = Path(__file__).parents[1]


def _load(path: Path) -> SimpleNamespace:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RAIN = _load(ROOT / "tests" / "systems" / "rain.py")
W, O, SYSTEM = RAIN.weather, RAIN.outcomes, RAIN.rain  # noqa: E741 - the weather and its outcomes


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


def trigger(*ones) -> MLSystem:
    return rain(triggers=ones)


def policy(*parts, **changes) -> MLSystem:
    """The system with two triggers and a policy over these parts, if any."""
    when = {"when": AnyOf(*parts)} if parts else {}
    return rain(triggers=(MONTHLY, LABELS), retraining=Retraining(**(when | changes)))


def costs(false_positive=1, false_negative=5, **changes) -> MLSystem:
    return rain(costs=CostMatrix(false_positive, false_negative, **changes))


def positive(rows: pa.Table) -> pa.ChunkedArray:
    return pc.greater(rows["precip"], 0)


def truth(found):
    return lambda rows: found


@dataclass(frozen=True)
class Constant:
    """A kind of feature that the engine does not know."""

    @property
    def reads(self):
        return {}

    def mistakes(self, requests):
        return []

    def outputs(self, requests):
        return (Column("one", "float32"),)


@dataclass(frozen=True)
class Stranger(ZeroRule):
    """A model stored in a way that no bundle knows."""

    name: str = "stranger"

    @property
    def baseline(self) -> bool:
        return False

    @property
    def kind(self) -> str:
        return "lightgdm"


@dataclass(frozen=True)
class Deaf:
    """What asks for no history is no trigger."""

    name: str = "deaf"
    by_clock: bool = True

    def mistakes(self) -> list[str]:
        return []


MONTHLY, LABELS = Every(days(28)), LabelVolume(grows=0.1)
EARLY = TimeWindow.of("2003-01-01", "2003-01-05")
CLASH = (TimeWindow.of("2013-01-08", "2013-01-11"), TimeWindow.of("2013-01-10", "2013-01-12"))

MISTAKES = {
    # what is no tuple, or of the wrong kind
    "sources without a comma": (lambda: rain(sources=(W)), "sources is a Source; it must be a tuple of Source: was a"),
    "sources in a list": (lambda: rain(sources=list(SYSTEM.sources)), "sources is a list; it must be a tuple"),
    "no features": (lambda: rain(features=()), "it has no features"),
    "a feature without a comma": (lambda: rain(features=(Request("origin", "precip"))), "features is a Request"),
    "a metric's class": (lambda: rain(metrics=(LogLoss, PrAuc())), "metrics[0] is the class LogLoss; write"),
    "a column as slice": (lambda: rain(slices=("origin",)), "slices[0] is 'origin'; it must be Slice"),
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
    # columns and sources
    "a type that is none": (lambda: column(Column("x", "text")), "column 'x' has type 'text'; allowed: int64"),
    "limits crossed": (lambda: column(Column("x", "float64", minimum=5, maximum=1)), "minimum 5 above its maximum 1"),
    "a limit that is no number": (lambda: column(Column("x", "float64", maximum=float("nan"))), "maximum is nan"),
    "a limit on text": (lambda: column(Column("x", "string", minimum=1)), "of type string has a minimum"),
    "no regular expression": (lambda: column(Column("x", "string", pattern="(")), "which is no regular expression"),
    "an expression that only Python reads": (lambda: column(Column("x", "string", pattern="a(?=b)")), "(RE2)"),
    "a tolerance of 500%": (lambda: more(tolerance=5), "its tolerance, a share, is 5; it must be a number, at least 0"),
    "a kind that is none": (lambda: more(kind="partner"), "its kind is 'partner'; allowed: user_input"),
    "no key": (lambda: more(key=()), "it has no key; name the columns"),
    "a key that is no column": (lambda: more(key=("id",)), "its key names 'id', which is not a column"),
    "a reference through a number": (
        lambda: more(references=(Reference("precip", W, "origin"),)), "through 'precip' of type float64; it must be",
    ),
    "a reference to nothing": (
        lambda: more(references=(Reference("origin", W, "port"),)), "weather.port, which does not exist; columns: obs",
    ),
    "a reference to what is not there yet": (
        lambda: rain(sources=(replace(W, references=(Reference("origin", O, "origin"),), name="extra"), W, O)),
        "source 'extra' refers to 'outcomes', which must be declared before it",
    ),
    "a rule about no column": (lambda: more(rules=(Rule("r", "nope", positive),)), "about 'nope', which is not a"),
    "a rule that reads no column": (
        lambda: more(rules=(Rule("r", "precip", lambda rows: pc.greater(rows["rain"], 0)),)), "its rule 'r' fails",
    ),
    "a rule that gives numbers": (
        lambda: more(rules=(Rule("r", "precip", lambda rows: rows["precip"]),)), "type double; they must be true or",
    ),
    "a where that reads no column": (lambda: more(where=lambda raw: pc.is_valid(raw["port"])), "its where fails"),
    "a where that gives one answer": (lambda: more(where=truth(True)), "its where gives True; it must give an Arrow"),
    "a derive that is a name": (lambda: more(derive="observed"), "its derive is 'observed'; it must be a function"),
    # requests and label
    "a request's unknown key": (lambda: rain(requests=Requests(W, key="id")), "key 'id' is no column of weather"),
    "part of a key": (lambda: rain(requests=Requests(W, key="origin")), "is not the whole key of weather"),
    "a key that is a number": (lambda: rain(requests=Requests(W, key="precip")), "of type float64; it must be string"),
    "a key called as a label's column": (
        lambda: rain(
            requests=Requests(replace(W, key=("state",), columns=(Column("state", "string"), *W.columns)), key="state")
        ),
        "key 'state' is called as a column of the tables",
    ),
    "requests from a snapshot": (
        lambda: rain(requests=Requests(replace(W, snapshot=True), "observation")), "'weather' is a snapshot",
    ),
    "requests from elsewhere": (
        lambda: rain(requests=Requests(replace(W, name="asked"), "observation")), "'asked', which is none of the",
    ),
    "requests that tell the label": (
        lambda: rain(requests=Requests(O, "observation", "event_time")), "is read off the requests' own rows",
    ),
    "a label of no column": (
        lambda: label(compute=lambda rows: pc.greater(rows["rian"], 0)),
        'compute fails on a table without rows (KeyError: Field "rian"',
    ),
    "a label of text": (lambda: label(compute=lambda rows: rows["origin"]), "values of type string; they must be"),
    "a label of another length": (lambda: label(compute=truth(pa.nulls(3, pa.bool_()))), "gives 3 values for a table"),
    "a label of all rows": (lambda: label(compute=lambda rows: pc.max(rows["rain"])), "compute gives a DoubleScalar"),
    "a window shorter than the delay": (lambda: label(window=hours(1)), "is shorter than its delay"),
    "a delay in hours": (lambda: label(delay=3), "delay is 3; it must be a duration, such as hours(3)"),
    "no delay": (lambda: label(delay=hours(0)), "delay must be longer than nothing"),
    "a state of the system's own": (lambda: label(never={"not known yet": W}), "'not known yet' cannot be the state"),
    "a state without a source": (lambda: label(never={"closed": "closures"}), "never['closed'] is 'closures'"),
    # features
    "a feature of an unknown kind": (lambda: feature(Constant()), "is a Constant; it must be Request or Lookup or"),
    "a feature of an unknown column": (lambda: feature(Request("wind")), "unknown column 'wind'"),
    "a feature's source by name": (lambda: feature(Trailing("sky", "origin", hours(1), n=count())), "source is 'sky'"),
    "a feature's window in hours": (lambda: feature(Trailing(W, "origin", 3, n=count())), "over is 3; it must be a"),
    "a feature's age in hours": (lambda: feature(Lookup(W, "origin", "humid", max_age=3)), "max_age is 3; it must be"),
    "an aggregate by name": (lambda: feature(Trailing(W, "origin", hours(1), n="mean")), "'n' is 'mean'; it must be"),
    "a key of a number": (lambda: feature(Trailing(W, 5, hours(1), n=count())), "an element of by is 5; it must be"),
    "a feature of another source": (
        lambda: feature(Trailing(replace(W, name="sky"), "origin", hours(1), n=count())),
        "features[3] reads source 'sky', which is none of the system's",
    ),
    "a feature of a source's double": (
        lambda: feature(Trailing(replace(W), "origin", hours(1), n=count())), "another object than the system's of",
    ),
    "a plan without a reach": (lambda: feature(Scheduled(W, "origin", hours(1), n=count())), "no max_age"),
    "a slice by no feature": (lambda: rain(slices=(Slice("carrier"),)), "slice 'carrier' is by 'carrier', which is no"),
    # split and gates
    "windows that overlap": (lambda: split(*CLASH), "overlap"),
    "a window outside the calendar": (lambda: split(EARLY), "is not within the calendar, which begins 2013-01-01"),
    "a window past the calendar": (lambda: split(TimeWindow.of("2013-03-30", "2013-04-02")), "ends 2013-04-01"),
    "a calendar that begins too late": (lambda: rain(calendar=Daily("2014-01-01")), "is not within the calendar"),
    "an embargo that is too short": (lambda: split(embargo=hours(1)), "is shorter than the label delay of 3:00:00"),
    "an embargo that leaves nothing": (lambda: split(embargo=days(20)), "leaves nothing of the validation part"),
    "a test too short to be believed": (lambda: split(test=days(3)), "support asks for 5 days with rows"),
    "a part in days": (lambda: split(validation=14), "validation is 14; it must be a duration"),
    "steps of 12 hours": (lambda: rain(calendar=Calendar(EARLY.start, hours(12))), "its calendar steps by 12:00:00"),
    "a calendar without a zone": (
        lambda: rain(calendar=Calendar(datetime(2013, 1, 1), days(1))), "is in no time zone",  # noqa: DTZ001
    ),
    "a calendar between minutes": (lambda: rain(calendar=Daily("2013-01-01T00:00:30")), "not at a whole minute"),
    "nothing to beat": (lambda: rain(candidates=(LightGBM(),)), "none of its candidates is a baseline"),
    "baselines alone": (lambda: rain(candidates=(ZeroRule(),)), "all its candidates are baselines"),
    "nothing to beat them in": (lambda: rain(gates=Gates(beats_baselines=())), "so that any model would pass"),
    "a calibration that is not measured": (lambda: rain(gates=Gates(most_ece=0.01)), "most_ece asks for 'ece'"),
    "a calibration that all have": (
        lambda: rain(metrics=(*SYSTEM.metrics, Ece()), gates=Gates(most_ece=5)), "most_ece is 5; it must be a number",
    ),
    "a margin without slices": (lambda: rain(slices=(), gates=Gates(slice_margin=0.01)), "the system has none"),
    "a margin in what slices do not measure": (
        lambda: rain(gates=Gates(slice_margin=0.01, champion_metric=PrAuc())), "measured by the first of the metrics,",
    ),
    "a champion's metric by name": (lambda: rain(gates=Gates(champion_metric="log_loss")), "champion_metric is"),
    "a static test that is not there": (
        lambda: rain(split=TimeSplit(days(14), days(14)), gates=Gates(without_recent="static")), "has no static_test",
    ),
    # candidates
    "no rounds": (lambda: candidate(LightGBM(rounds=0)), "rounds is 0; it must be a whole number, at least 1"),
    "half a round": (lambda: candidate(LightGBM(rounds=1.5)), "rounds is 1.5; it must be a whole number"),
    "no patience": (lambda: candidate(LightGBM(patience=0)), "patience is 0"),
    "one leaf": (lambda: candidate(LightGBM(leaves=1)), "leaves is 1; it must be a whole number, at least 2"),
    "learning backwards": (lambda: candidate(LightGBM(learning_rate=-1)), "learning_rate is -1; it must be a number,"),
    "no columns": (lambda: candidate(LightGBM(column_share=0)), "column_share is 0; it must be a number, above 0, at"),
    "more than all rows": (lambda: candidate(LightGBM(row_share=1.5)), "row_share is 1.5"),
    "a negative penalty": (lambda: candidate(LightGBM(l2=-1)), "l2 is -1"),
    "another objective": (lambda: candidate(LightGBM(more={"objective": "regression"})), "'objective', which is fixed"),
    "leaves twice": (lambda: candidate(LightGBM(more={"num_leaves": 7})), "'num_leaves', which is declared as leaves"),
    "a rule for the infinite": (lambda: candidate(LightGBM(beyond="rejct")), "Did you mean 'reject'?"),
    "no regularization": (lambda: candidate(LogisticRegression(c=0)), "c is 0; it must be a number, above 0"),
    "groups by nothing": (lambda: candidate(GroupRate(by=(), name="other")), "by is empty, which is what ZeroRule()"),
    "a negative strength": (lambda: candidate(GroupRate(by=("origin",), strength=-1, name="other")), "strength is -1"),
    "groups by no feature": (lambda: candidate(GroupRate(by=("carrier",), name="other")), "needs 'carrier', which is"),
    "a model no bundle can hold": (lambda: candidate(Stranger()), "is 'lightgdm'; allowed: zero_rule, group_rate,"),
    # triggers
    "a trigger without a comma": (lambda: rain(triggers=(MONTHLY)), "triggers is a Every; it must be a tuple"),
    "a trigger's class": (lambda: trigger(Every), "triggers[0] is the class Every; write Every(...)"),
    "a trigger by name": (lambda: trigger(MONTHLY, "drift"), "triggers[1] is 'drift'; it must be Trigger, and lacks"),
    "a trigger that cannot be asked": (lambda: trigger(Deaf()), "triggers[0] is a Deaf; it must be Trigger, and lacks"),
    "a trigger twice": (lambda: trigger(MONTHLY, Every(days(7))), "2 triggers are named 'every'; rename all but one"),
    "a trigger in capitals": (lambda: trigger(MONTHLY, Every(days(7), name="Every")), "named 'every' and 'Every'"),
    "a trigger by time with a space": (lambda: trigger(Every(days(7), name="each week")), "is called 'each week'"),
    "a trigger by volume with a dash": (lambda: trigger(LabelVolume(0.1, name="label-volume")), "called"),
    "a trigger by performance with a dot": (lambda: trigger(PerformanceDrop(0.1, name="auc.05")), "is called 'auc.05'"),
    "a trigger by drift without a name": (lambda: trigger(Drift(0.5, name="")), "a trigger is called ''; a name must"),
    "a period in days": (lambda: trigger(Every(28)), "trigger 'every': period is 28; it must be a duration"),
    "no period": (lambda: trigger(Every(days(0))), "trigger 'every': period must be longer than nothing"),
    "a period backwards": (lambda: trigger(Every(days(-7))), "trigger 'every': period must be longer than nothing"),
    "no growth": (lambda: trigger(LabelVolume(grows=0)), "trigger 'label_volume': grows is 0; it must be a number,"),
    "growth in words": (lambda: trigger(LabelVolume(grows="10%")), "trigger 'label_volume': grows is '10%'; it must"),
    "no drop": (lambda: trigger(PerformanceDrop(by=0)), "trigger 'performance_drop': by is 0; it must be a number,"),
    "a drop over no ticks": (lambda: trigger(PerformanceDrop(0.1, over=0)), "'performance_drop': over is 0; it must"),
    "a drop over half a tick": (lambda: trigger(PerformanceDrop(0.1, over=1.5)), "over is 1.5; it must be a whole"),
    "a drop in a metric by name": (
        lambda: trigger(PerformanceDrop(0.1, metric="roc_auc")), "trigger 'performance_drop': metric is 'roc_auc'",
    ),
    "a drop in what is not measured": (
        lambda: trigger(PerformanceDrop(0.1, metric=Ece())), "metric 'ece' is none of the system's: log_loss, roc_auc,",
    ),
    "no share": (lambda: trigger(Drift(share=0)), "trigger 'drift': share is 0; it must be a number, above 0, at"),
    "more than all columns": (lambda: trigger(Drift(share=1.1)), "trigger 'drift': share is 1.1; it must be a number"),
    "no shift": (lambda: trigger(Drift(0.5, psi=0)), "trigger 'drift': psi is 0; it must be a number, above 0"),
    "drift over no ticks": (lambda: trigger(Drift(0.5, over=0)), "trigger 'drift': over is 0; it must be a whole"),
    # retraining
    "a policy's class": (lambda: rain(retraining=Retraining), "retraining is the class Retraining; write Retraining("),
    "a policy that is a trigger": (lambda: rain(retraining=MONTHLY), "retraining is a Every; it must be Retraining"),
    "a cooldown in days": (lambda: policy(cooldown=14), "retraining: cooldown is 14; it must be a duration"),
    "a cooldown backwards": (lambda: policy(cooldown=days(-1)), "retraining: cooldown must not be negative"),
    "a limit without a time": (lambda: policy(at_most=3), "at_most and within belong together; give both, or neither"),
    "a time without a limit": (lambda: policy(within=days(91)), "at_most and within belong together; give both, or"),
    "no training ever": (lambda: policy(at_most=0, within=days(7)), "at_most is 0; it must be a whole number, at"),
    "trainings in halves": (lambda: policy(at_most=1.5, within=days(7)), "retraining: at_most is 1.5; it must be a"),
    "a limit in days": (lambda: policy(at_most=3, within=91), "retraining: within is 91; it must be a duration"),
    "a limit in no time": (lambda: policy(at_most=3, within=days(0)), "retraining: within must be longer than nothing"),
    "a trigger as condition": (lambda: policy(when=MONTHLY), "retraining: when is a Every; it must be AnyOf or AllOf"),
    "a condition of nothing": (lambda: policy(when=AllOf()), "when has no parts; name at least one trigger"),
    "a condition by name": (lambda: policy(MONTHLY, "drift"), "retraining: when[1] is 'drift'; it must be Trigger or"),
    "a trigger of another system": (
        lambda: policy(MONTHLY, AllOf(LABELS, Drift(0.5))), "names the trigger 'drift', which is none of the",
    ),
    "a trigger's double with other numbers": (
        lambda: policy(AllOf(Every(days(7)), LABELS)), "names the trigger 'every', which is none of the system's",
    ),
    "a condition over no triggers": (
        lambda: rain(retraining=Retraining(AnyOf(MONTHLY))), "trigger 'every', which is none of the system's: none",
    ),
    "a condition of nothing within another": (lambda: policy(LABELS, AllOf()), "when has no parts; name at least one"),
    # costs
    "costs in a mapping": (lambda: rain(costs={"false_positive": 1}), "costs is a dict; it must be CostMatrix"),
    "costs of a class": (lambda: rain(costs=CostMatrix), "costs is the class CostMatrix; write CostMatrix(...)"),
    "a cost in words": (lambda: costs(false_positive="20 USD"), "costs: false_positive is '20 USD'; it must be a"),
    "a cost that is none": (lambda: costs(false_negative=None), "costs: false_negative is None; it must be a number"),
    "an endless cost": (lambda: costs(true_positive=float("inf")), "costs: true_positive is inf; it must be a number"),
    "a cost beyond all sums": (lambda: costs(true_negative=-1e13), "costs: true_negative is -10000000000000.0; it"),
    "acting that never pays": (lambda: costs(true_positive=5), "acting must cost less, else it never pays"),
    "acting that always pays": (lambda: costs(true_negative=1), "not acting must cost less, else acting always pays"),
    "no unit": (lambda: costs(unit=" "), "costs: unit is ' '; it must be text of 1 to 20 characters, as 'USD'"),
    "a unit that is a number": (lambda: costs(unit=5), "costs: unit is 5; it must be text of 1 to 20 characters"),
    "a unit in a sentence": (lambda: costs(unit="thousands of US dollars"), "it must be text of 1 to 20 characters"),
    # the simulated clock
    "a clock that begins on a date in text": (lambda: rain(simulated_from="2013-03-05"), "is '2013-03-05'; it must"),
    "a clock without a zone": (
        lambda: rain(simulated_from=datetime(2013, 3, 5)), "it must be a moment with a time zone",  # noqa: DTZ001
    ),
    "a clock that begins within a tick": (
        lambda: rain(simulated_from=utc("2013-03-05T12:00")), "2013-03-05 12:00 is not the start of a tick; the",
    ),
    "a clock that begins a second late": (
        lambda: rain(simulated_from=utc("2013-03-05") + timedelta(seconds=1)), "is not the start of a tick",
    ),
    "a clock before the calendar": (lambda: rain(simulated_from=utc("2012-12-31")), "is not the start of a tick; the"),
    "a clock past the calendar": (lambda: rain(simulated_from=utc("2013-04-02")), "is not the start of a tick; the"),
    "a clock before any data": (lambda: rain(simulated_from=utc("2013-01-01")), "with no data before it to train on"),
    # what is part of the record
    "a negative seed": (lambda: rain(seed=-1), "seed is -1; it must be a whole number, at least 0"),
    "no threads": (lambda: rain(threads=0), "threads is 0; it must be a whole number, at least 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_declaration(name: str) -> None:
    declare, words = MISTAKES[name]
    with pytest.raises(DeclarationError) as error:
        declare()
    assert any(words in mistake for mistake in error.value.mistakes), error.value


def test_nineteen_mistakes_are_listed_at_once() -> None:
    with pytest.raises(DeclarationError, match=r"system 'rain' has \d+ mistake") as error:
        rain(
            sources=(*SYSTEM.sources, replace(W, name="labels", tolerance=5)),
            label=replace(SYSTEM.label, window=hours(1), compute=lambda rows: rows["origin"]),
            split=TimeSplit(days(14), days(14), static_test=CLASH),
            candidates=(LightGBM(rounds=0), LightGBM(name="champion")),
            gates=Gates(beats_baselines=(), most_ece=0.01),
            slices=(Slice("nowhere")),
            triggers=(Every(28), Drift(share=2)),
            retraining=Retraining(AnyOf(LABELS), at_most=3),
            costs=CostMatrix(false_positive=0, false_negative=5),
            simulated_from=utc("2013-01-01"),
            threads=0,
        )
    for words in (
        "a table every system has", "tolerance", "shorter than its delay", "values of type string", "overlap",
        "rounds is 0", "named as the serving model is", "none of its candidates is a baseline", "any model would pass",
        "most_ece", "slices is a Slice", "'nowhere', which is no feature column", "threads is 0",
        "period is 28", "share is 2", "belong together", "'label_volume', which is none", "else acting always pays",
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
        MLSystem(*([None] * 10))
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
            gates=Gates(None, None, None, None, "1", "1", None, None),
            slices=(Slice(None),),
            triggers=(
                Every(None),
                LabelVolume(None, None),
                PerformanceDrop(None, metric=None),
                Drift(None, None, None),
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
    assert tables - {s.name for s in flights.sources} | {SCORES, BASELINES} == OWN_TABLES
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
