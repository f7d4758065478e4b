"""The passport in a life: who is not as it was made does not serve, and only what was evaluated is promoted."""

import ast
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import mlsys_assets
from mlsys_assets import Request, TimeWindow, build_definitions, days, utc
from mlsys_assets.instance import open_instance
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.models.passport.environment import Dependencies
from mlsys_assets.prediction import assets as prediction
from mlsys_assets.rollout.promotion import WrongModel
from mlsys_assets.runs import RunFailed, Runner

FIRST = utc("2013-03-05")
TICK = TimeWindow(FIRST, FIRST + days(7))


def _tick(life: Any) -> None:
    with open_instance(life.folder) as instance:
        runner = Runner(life.system, build_definitions(life.system, resources=life.stores), instance)
        runner.ticks("rain_tick", TICK)


def test_a_champion_made_with_another_version_does_not_serve_and_both_are_told(rain, grown, monkeypatch) -> None:
    life, now = grown(rain), Dependencies.observed()
    was = now.distributions["lightgbm"]
    other = replace(now, distributions={**now.distributions, "lightgbm": "0.1"})
    monkeypatch.setattr(prediction.Dependencies, "observed", lambda: other)
    with pytest.raises(RunFailed, match=rf"version 1 is not served: lightgbm: was {was}, is 0\.1; bring back"):
        _tick(life)
    assert life.stores.lake.read("rain", "predictions").num_rows == 0


def _serves(life: Any) -> None:
    stores = life.stores
    prediction._loaded.__wrapped__(life.system, stores.models, stores.operations, 1)


def test_another_feature_does_not_serve_unless_the_champion_does_not_read_it(rain, grown, monkeypatch) -> None:
    life = grown(rain)
    _serves(life)
    request, *trailing = rain.features
    more = Request("origin", "precip", "humid", "pressure", doubled=lambda r: r["precip"] * 2)
    with pytest.raises(prediction.DriftedModel, match=r"feature precip: was \w+ \(Request: precip\), is \w+"):
        _serves(replace(life, system=replace(rain, features=(more, *trailing))))
    with pytest.raises(prediction.DriftedModel, match=r"all_rain_3h: was .*, is not declared"):
        _serves(replace(life, system=replace(rain, features=(request, *trailing[:-1]))))
    _serves(replace(life, system=replace(rain, features=(*rain.features, Request(doubled=lambda r: r["precip"] * 2)))))
    installed = Dependencies.observed()
    unrelated = replace(installed, distributions={**installed.distributions, "mlflow": "0.1"})
    monkeypatch.setattr(prediction.Dependencies, "observed", lambda: unrelated)
    _serves(life)


def test_where_a_feature_of_the_champion_is_gone_a_training_finds_the_next_one(rain, grown) -> None:
    """It is what the drifted champion's message says to do."""
    request, *trailing = rain.features
    life = grown(replace(rain, features=(request, *trailing[:-1])))
    with open_instance(life.folder) as instance:
        runner = Runner(life.system, build_definitions(life.system, resources=life.stores), instance)
        runner.ticks("rain_ingest", TimeWindow.of("2013-01-01", "2013-03-12"))
        runner.as_of("rain_train", FIRST + days(7))
    (gate,) = life.stores.operations.decisions("rain", "gate", since=FIRST + days(7))
    assert gate.verdict == "pass", gate.reason
    words = "the champion is none to compare with: version 1 was made with other features: feature all_rain_3h: was "
    assert words in gate.reason
    assert life.stores.operations.alias("rain", "champion").version == 2


def test_the_passport_tells_of_the_decision_and_the_candidates(rain, grown) -> None:
    stores = grown(rain).stores
    model = stores.models.load("rain", 1)
    passport = CompletePassport.of(model.record, content_hash=model.version.content_hash)
    (gate,) = stores.operations.decisions("rain", "gate")
    (rows,) = stores.operations.decisions("rain", "training_set")
    assert passport.decision.gate.content_hash == gate.content_hash
    assert [(v.name, v.verdict) for v in passport.decision.retraining] == [("arbiter", "train")]
    assert {v.name for v in passport.decision.triggers} == {t.name for t in rain.triggers}
    assert set(passport.generation.candidates) == {c.name for c in rain.candidates}
    assert passport.data.rows_hash == rows.evidence["rows"]
    assert passport.context.lake_versions == rows.context["versions"]
    assert passport.experiment.evaluations["lightgbm"]["recent_test"]["whole"]["log_loss"]["low"] > 0
    assert set(passport.experiment.artifacts) == {"recent_test.svg", "static_test.svg"}
    assert passport.featurize_and_predict.libraries.keys() == {"lightgbm", "numpy", "python"}
    assert "rain.py" in passport.source.files
    (refit,) = stores.operations.decisions("rain", "refit")
    assert refit.context["passport"] == passport.content_hash
    assert "passport" not in refit.evidence  # code and machine are not of what was decided


@pytest.fixture
def before_promotion(rain, grown) -> Any:
    """A life whose gate has passed, before anything was promoted."""
    life = grown(rain)
    with sqlite3.connect(life.folder / "operations.db") as database:
        for table in ("mlsys_aliases", "mlsys_alias_attempts"):
            database.execute(f"DELETE FROM {table}")
        database.execute("DELETE FROM mlsys_decisions WHERE kind = 'promotion'")
    return life


def _promote(life: Any) -> None:
    job = build_definitions(life.system, resources=life.stores).resolve_job_def("rain_train")
    with open_instance(life.folder) as instance:
        job.execute_in_process(
            instance=instance, partition_key=f"{FIRST:%Y-%m-%d}", asset_selection=[dg.AssetKey(["rain", "promotion"])],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )  # fmt: skip


def _rewritten(life: Any, kind: str, name: str, change: Callable[[dict], None]) -> None:
    """Write other evidence into the ledger, as somebody would who can reach its database."""
    with sqlite3.connect(life.folder / "operations.db") as database:
        where = (kind, name)
        query = "SELECT evidence FROM mlsys_decisions WHERE kind = ? AND name = ?"
        evidence = json.loads(database.execute(query, where).fetchone()[0])
        change(evidence)
        database.execute(
            "UPDATE mlsys_decisions SET evidence = ? WHERE kind = ? AND name = ?",
            (json.dumps(evidence, sort_keys=True, separators=(",", ":")), *where),
        )


def test_what_was_evaluated_and_passed_is_promoted(before_promotion) -> None:
    _promote(before_promotion)
    assert before_promotion.stores.operations.alias("rain", "champion").version == 1


def _other_model(evidence: dict) -> None:
    evidence["recent_test"]["model_hash"] = "0" * 64


def _other_rows(evidence: dict) -> None:
    evidence["recent_test rows"], evidence["static_test rows"] = (
        evidence["static_test rows"],
        evidence["recent_test rows"],
    )


def _other_gate(evidence: dict) -> None:
    evidence["gate"] = "0" * 64


@pytest.mark.parametrize(
    ("kind", "name", "change", "words"),
    [
        ("evaluation", "lightgbm", _other_model, "the model evaluated on recent_test: 0000"),
        ("gate", "champion", _other_rows, "the rows of recent_test that the gate passed"),
        ("refit", "lightgbm", _other_gate, "the gate that was refitted for: 0000"),
    ],
)
def test_a_record_of_other_data_or_another_model_promotes_nothing(before_promotion, kind, name, change, words) -> None:
    _rewritten(before_promotion, kind, name, change)
    with pytest.raises(WrongModel, match=words):
        _promote(before_promotion)
    assert before_promotion.stores.operations.alias("rain", "champion") is None
    assert before_promotion.decisions("promotion") == ()


def test_no_other_place_registers_a_model() -> None:
    root = Path(mlsys_assets.__file__).parent
    calls = {
        (path.relative_to(root).as_posix(), ast.unparse(node.func))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "register"
        and not path.is_relative_to(root / "models" / "compression")  # of functions by the kind of a model
    }
    assert calls == {
        ("features/relational/database.py", "self.backend.con.register"),  # of DuckDB
        ("models/assets.py", "logbook.register"),
        ("models/logbook.py", "self.models.register"),
        ("production_monitoring/operations.py", "self.registry.register"),  # of Prometheus
    }
