import json
import math
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Outside

from mlsys_assets import (
    Calibrated,
    Classification,
    GroupRate,
    LightGBM,
    LogisticRegression,
    Preprocessor,
    TimeSplit,
    TimeWindow,
    days,
    utc,
)
from mlsys_assets.features.preprocessing.preprocessor import Drop
from mlsys_assets.models.passport.declared import declared, made, modules, untold
from mlsys_assets.models.passport.error import PassportError
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.types import Severity

VALUES = [
    None, True, 3, -0.0, 0.1 + 0.2, math.inf, "text", (), (1, (2, "x")), [1, None], {"b": 1, "a": (2,)},
    frozenset({"a", "b"}),
    timedelta(microseconds=7), utc("2013-07-01"), Severity.WARN, TimeWindow.of("2013-01-01", "2013-02-01"), LightGBM,
    declared, TimeSplit(days(14), days(7), static_test=(TimeWindow.of("2013-01-01", "2013-02-01"),)),
    LightGBM(more={"max_bin": 31, "a": 1}, preprocessor=Preprocessor(columns={"z": Drop(), "a": Drop()})),
    Calibrated(LogisticRegression()), GroupRate(by=("origin",)), Classification(),
    *flights.candidates, flights.time_split,
]  # fmt: skip


def _written(value: object) -> Any:
    return json.loads(json.dumps(declared(value), sort_keys=True, allow_nan=False))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_is_declared_is_made_again_from_json(value):
    told = _written(value)
    again = made(told)
    assert again == value
    assert type(again) is type(value)
    assert _written(again) == told
    assert list(untold(told)) == []


@dataclass(frozen=True)
class Counted:
    """Has a field that it works out by itself."""

    text: str
    length: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", len(self.text))


def test_what_a_declaration_works_out_by_itself_is_not_told():
    assert made(declared(Counted("four"))) == Counted("four")
    assert list(declared(Counted("four"))["of"]) == ["text"]


def test_the_order_of_a_mapping_stays():
    assert list(made(_written({"b": 1, "a": 2}))) == ["b", "a"]


def test_an_estimator_is_told_by_its_parameters():
    again = made(_written((Outside(C=0.5, max_iter=7),)))[0]
    assert again.get_params() == Outside(C=0.5, max_iter=7).get_params()
    assert modules(_written((Outside(), LightGBM()))) >= {
        "sklearn.linear_model._logistic", "mlsys_assets.models.gradient_boosting",
    }  # fmt: skip


def test_a_number_of_numpy_is_told_as_a_number():
    assert _written((np.float64(0.5), np.int64(3))) == {"tuple": [0.5, 3]}


@dataclass(frozen=True)
class Held:
    text: object
    of: object = None


class Plain:
    pass


def test_what_cannot_be_made_again_is_named_by_its_place():
    @dataclass(frozen=True)
    class Local:
        x: int = 1

    class Colour(Enum):
        RED = 1

    told = _written(Held((lambda row: row, {"key": Plain()}, Colour.RED), of=Local()))
    assert list(untold(told)) == [
        "it.of is a test_what_cannot_be_made_again_is_named_by_its_place.<locals>.Local",
        "it.text is test_what_cannot_be_made_again_is_named_by_its_place.<locals>.<lambda>", "it.text.key is a Plain",
        "it.text is a test_what_cannot_be_made_again_is_named_by_its_place.<locals>.Colour",
    ]  # fmt: skip
    with pytest.raises(PassportError, match="told in words only"):
        made(told)
    assert list(untold(_written({1: 2}))) == ["it is a mapping whose keys are no text"]


def test_fields_by_the_names_of_the_form_itself_do_no_harm():
    value = Held({"text": 1, "made": "x"}, of={"tuple": 3})
    told = _written(value)
    assert list(untold(told)) == []
    assert modules(told) == {__name__}


@pytest.mark.parametrize("bad", [
    {"made": "no.such.module:X", "of": {}}, {"made": "mlsys_assets.types:Nothing", "of": {}},
    {"made": "mlsys_assets.types:TimeWindow", "of": {"begin": 1}}, {"microseconds": "x"}, {"moment": "x"},
    {"enum": "x"}, {"tuple": 3}, {"other": 1}, {}, {"mapping": [["a"]]},
])  # fmt: skip
def test_what_is_no_declaration_is_refused(bad):
    with pytest.raises(PassportError):
        made(bad)
