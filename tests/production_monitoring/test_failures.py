"""Each failure has its tag: a dropped dependency, a stale model, a storm of NaN."""

from datetime import UTC, datetime

import numpy as np
import pytest

from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.failures import (
    Arrivals,
    FailureClass,
    dropped_dependencies,
    failures_of,
    stale_model,
    stopped_sources,
)
from mlsys_assets.production_monitoring.pipeline.sides import Sides
from mlsys_assets.production_monitoring.pipeline.values import missing_storm
from mlsys_assets.types import DeclarationError, days, hours

NOW = datetime(2013, 7, 8, tzinfo=UTC)


def test_a_source_that_stopped_is_a_dropped_dependency() -> None:
    weather = Arrivals("weather", NOW - hours(9), hours(2))
    (failure,) = stopped_sources([weather, Arrivals("arrivals", NOW - hours(5), hours(2))], as_of=NOW)
    assert (failure.kind, failure.where) == (FailureClass.DEPENDENCY, "weather")
    assert failure.told.startswith("weather sent nothing for 9.0 h until 2013-07-08 00:00")
    assert failure.tags == {"failure": "dependency", "failure_of": "software", "silent": "false"}


def test_a_source_of_which_nothing_is_usual_has_not_stopped() -> None:
    unknown = [Arrivals("a", None, hours(1)), Arrivals("b", NOW - days(99), None), Arrivals("c", NOW, hours(0))]
    assert stopped_sources(unknown, as_of=NOW) == []


def test_a_package_that_does_not_import_and_one_of_another_version() -> None:
    needed = {"numpy": "2.0", "lightgbm": "4.7.0", "pyarrow": "17.0"}
    found = dropped_dependencies(needed, {"numpy": "2.0", "lightgbm": None, "pyarrow": "16.0"})
    assert [(f.where, f.kind) for f in found] == [
        ("lightgbm", FailureClass.DEPENDENCY),
        ("pyarrow", FailureClass.DEPLOYMENT),
    ]
    assert dropped_dependencies(needed, needed) == []


def test_a_model_older_than_declared_is_stale() -> None:
    (failure,) = stale_model("champion", learnt_until=NOW - days(57), as_of=NOW, oldest=days(56))
    assert (failure.kind, failure.tags["silent"]) == (FailureClass.STALE_MODEL, "true")
    assert failure.told == "champion learnt until 2013-05-12, 57 days ago; 56 days are allowed"
    assert stale_model("champion", learnt_until=NOW - days(56), as_of=NOW, oldest=days(56)) == []
    with pytest.raises(DeclarationError, match="longer than nothing"):
        stale_model("champion", learnt_until=NOW, as_of=NOW, oldest=days(0))


def test_a_storm_of_nan_is_a_failure_of_the_data_processing() -> None:
    before = np.random.default_rng(0).normal(size=2_000)
    symptom = missing_storm(Sides("temp", before, np.where(np.arange(600) % 2, np.nan, before[:600])))
    assert symptom is not None
    (failure,) = failures_of([symptom])
    assert (failure.kind, failure.where) == (FailureClass.DATA_PROCESSING, "temp")
    assert failure.tags["failure_of"] == "machine learning"


def test_every_cause_has_its_kind() -> None:
    kinds = [failures_of([Symptom(cause, "t", "x", "", 1, 0)]) for cause in Cause]
    assert [[f.kind.value for f in found] for found in kinds] == [
        ["data processing"], ["data processing"], ["train-serve skew"], ["data shift"], ["data shift"], ["data shift"],
        [], [],
    ]  # fmt: skip
