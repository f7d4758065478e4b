"""What sources, requests, labels and features get wrong is told when it is declared."""

import runpy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd  # noqa: F401 - a declared function is tried where this is loaded, as it is in a notebook
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import (
    Column,
    Lookup,
    MLSystem,
    Reference,
    Request,
    Requests,
    Rule,
    Scheduled,
    Slice,
    Source,
    Trailing,
    count,
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


def label(**changes) -> MLSystem:
    return rain(label=replace(SYSTEM.label, **changes))


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


MISTAKES = {
    # columns and sources
    "a type that is none": (lambda: column(Column("x", "text")), "column 'x' has type 'text'; allowed: int64"),
    "limits crossed": (lambda: column(Column("x", "float64", minimum=5, maximum=1)), "minimum 5 above its maximum 1"),
    "a limit that is no number": (lambda: column(Column("x", "float64", maximum=float("nan"))), "maximum is nan"),
    "a limit on text": (lambda: column(Column("x", "string", minimum=1)), "of type string has a minimum"),
    "no regular expression": (lambda: column(Column("x", "string", pattern="(")), "which is no regular expression"),
    "an expression that only Python reads": (lambda: column(Column("x", "string", pattern="a(?=b)")), "(RE2)"),
    "sentinels of a text": (
        lambda: column(Column("x", "string", sentinels=(999,))), "of type string has sentinels, which are for float32",
    ),
    "a sentinel by itself": (lambda: column(Column("x", "int64", sentinels=999)), "sentinels are 999; give a tuple"),
    "half a sentinel": (lambda: column(Column("x", "int64", sentinels=(9.5,))), "is 9.5; it must be a whole number"),
    "a sentinel beyond its type": (lambda: column(Column("x", "int64", sentinels=(2**63,))), "a sentinel is 92233720"),
    "a sentinel that its type takes for infinite": (
        lambda: column(Column("x", "float32", sentinels=(1e39,))), "a sentinel is 1e+39; it must be a number, at least",
    ),
    "a sentinel that is no number": (
        lambda: column(Column("x", "float64", sentinels=(float("nan"),))), "a sentinel is nan; it must be a number",
    ),
    "sentinels that nothing looks for": (
        lambda: column(Column("x", "float64", sentinels=(-9999.0,))), "has sentinels, which are looked for where a raw",
    ),
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
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_declaration(told: Callable[..., None], name: str) -> None:
    told(*MISTAKES[name])
