"""A training set that leaks is not trained on: the ledger says why, and life goes on without it."""

import copy
from dataclasses import replace

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import Accepted, Column, MLSystem, Request, Workspace, build_definitions, utc
from mlsys_assets.instance import open_instance
from mlsys_assets.replay import tick_told
from mlsys_assets.report import report
from mlsys_assets.training_report import CHECKS

FIRST, NEXT = "2013-03-05", "2013-03-12"
LATER = "precip_1"
"""What falls in the hour after the request: the label is whether any does within three."""


@pytest.fixture(scope="module")
def leaking(rain: MLSystem) -> MLSystem:
    """The weekly rain system, whose requests say already what the next hour will bring."""
    told, seen = next(s for s in rain.sources if s.name == "outcomes"), rain.requests.source
    column = Column(LATER, "float64", minimum=0)
    early = replace(seen, read=told.read, raw=(*seen.raw, column), columns=(*seen.columns, column))
    features = [copy.copy(feature) for feature in rain.features]
    for feature in features:
        if getattr(feature, "source", None) is seen:
            object.__setattr__(feature, "source", early)
    return replace(
        rain,
        sources=tuple(early if s is seen else s for s in rain.sources),
        requests=replace(rain.requests, source=early),
        features=(*features, Request(LATER)),
    )


def found(life) -> dict[str, dg.AssetCheckResult]:
    """Return what each check of the training set said last."""
    key = dg.AssetKey(["rain", "training_set"])
    keys = [dg.AssetCheckKey(key, name) for name in CHECKS]
    with open_instance(life.folder) as instance:
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    return {k.name: r.event.dagster_event.asset_check_evaluation_data for k, r in records.items()}


def test_a_training_set_that_leaks_is_trained_on_by_nobody(leaking, life_of) -> None:
    life = life_of(leaking).live(NEXT)
    sets = life.decisions("training_set")
    assert {d.verdict for d in sets} == {"leaks"}
    assert all(LATER in d.reason for d in sets)
    assert "error" in sets[0].evidence["checks"].values()
    assert not life.decisions("candidate")
    assert not life.decisions("promotion")
    assert life.stores.operations.alias("rain", "champion") is None
    assert not [d for d in life.decisions("retraining") if d.name == "given_up"]
    told = found(life)
    assert set(told) == set(CHECKS)
    errors = [e for e in told.values() if not e.passed and e.severity is dg.AssetCheckSeverity.ERROR]
    assert errors
    assert all(LATER in e.metadata["columns"].value for e in errors)
    ticks = {t["as_of"][:10]: t for t in report(leaking, life.stores)["ticks"]}
    assert ticks[FIRST]["gate"]["verdict"] == "leaks"
    assert f"the training set leaks: {LATER}" in tick_told(leaking, life.stores, utc(FIRST))


def test_a_column_that_is_accepted_is_told_and_stops_nothing(leaking, life_of) -> None:
    accepting = replace(
        leaking, detective=replace(leaking.detective, accepts=(Accepted(LATER, because="it is read off a radar"),))
    )
    life = life_of(accepting).live(FIRST)
    assert [d.verdict for d in life.decisions("training_set")] == ["adequate"]
    assert life.decisions("candidate")
    accused = [e for e in found(life).values() if not e.passed and "read off a radar" in e.description]
    assert accused
    assert all(e.severity is dg.AssetCheckSeverity.WARN for e in accused)


def test_the_report_is_on_record_and_seen(six_weeks) -> None:
    """Each check speaks at each training; pictures stand in the metadata; what it was held against is named."""
    assert set(found(six_weeks)) == set(CHECKS)
    specs = build_definitions(six_weeks.system, resources=six_weeks.stores).resolve_asset_graph().asset_check_keys
    assert {k.name for k in specs if k.asset_key.path[-1] == "training_set"} == set(CHECKS)
    sets = six_weeks.decisions("training_set")
    assert [d.verdict for d in sets] == ["adequate"] * len(sets)
    for record in sets:
        assert set(record.evidence["checks"]) == set(CHECKS)
        assert "error" not in record.evidence["checks"].values()
        assert {"weather", "outcomes", "unobserved"} <= set(record.context["held_against"])
    assert "served_features" in sets[-1].context["held_against"]
    with open_instance(six_weeks.folder) as instance:
        events = instance.fetch_materializations(dg.AssetKey(["rain", "training_set"]), limit=1).records
    shown = events[0].asset_materialization.metadata
    assert "<svg" in shown["no column tells the label alone"].value.replace("%3C", "<")
    assert "missing values" in shown


def test_a_column_is_tried_before_it_is_declared(six_weeks) -> None:
    """The hour after, looked up by hand, beside the features that there are."""
    workspace = Workspace(six_weeks.system, environment={"MLSYS_HOME": str(six_weeks.folder)})
    weather = workspace.stores.lake.read("rain", "weather").sort_by(
        [("origin", "ascending"), ("known_at", "ascending")]
    )
    later = np.append(weather["precip"].to_numpy()[1:], np.nan)
    more = pa.table({"observation": weather["observation"], "later": pa.array(later, pa.float32())})
    as_of = utc("2013-04-09")
    clean, leaking = (workspace.training_report("rain", as_of, more=tried) for tried in (None, more))
    assert (clean.verdict, leaking.verdict) == ("adequate", "leaks")
    assert "later" in leaking.reason
