"""The graph as a real web server tells of it, after the first champion and a week: what its pages are made from."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlsys_assets.systems.flights.system import flights
from mlsys_assets.value_analysis.studies.assets import STUDIES

ROOT = Path(__file__).parents[1]
GRAPH = """{
  repositoriesOrError {... on RepositoryConnection {nodes {
    schedules {name scheduleState {status}} sensors {name sensorState {status}} pipelines {name}
  }}}
  assetNodes {assetKey {path} groupName
  assetChecksOrError {... on AssetChecks {checks {name executionForLatestMaterialization {status}}}}
  assetMaterializations(limit: 1) {metadataEntries {
    label ... on MarkdownMetadataEntry {mdStr} ... on UrlMetadataEntry {url} ... on IntMetadataEntry {intValue}
    ... on TableColumnLineageMetadataEntry {lineage {columnName columnDeps {assetKey {path} columnName}}}}}
  metadataEntries {... on TableSchemaMetadataEntry {schema {columns {name}}}}}}"""
PATIENCE = 90.0


@pytest.fixture(scope="module")
def web(flights_lived) -> Iterator[str]:
    """The address of a real Dagster web server on the workspace and the first week of its life."""
    home = str(flights_lived("2013-07-08"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-w", str(ROOT / "workspace.yaml"), "-p", str(port)]
    homed = os.environ | {"MLSYS_HOME": home, "DAGSTER_HOME": home}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "-h", "127.0.0.1"], env=homed, cwd=ROOT, **quiet) as process:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        try:
            while time.monotonic() < until and process.poll() is None:
                try:
                    urllib.request.urlopen(f"{address}/server_info", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def _asked(web: str) -> dict[str, Any]:
    body = json.dumps({"query": GRAPH}).encode()
    asked = urllib.request.Request(f"{web}/graphql", data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
        return json.load(answer)["data"]


@pytest.fixture(scope="module")
def shown(web) -> dict[str, Any]:
    return _asked(web)


def test_the_browser_shows_schedules_sensors_and_jobs_by_name(shown) -> None:
    (repository,) = shown["repositoriesOrError"]["nodes"]
    assert {s["name"]: s["scheduleState"]["status"] for s in repository["schedules"]} == {
        "flights_tick": "RUNNING", "flights_clock": "STOPPED",
    }  # fmt: skip
    assert {s["name"]: s["sensorState"]["status"] for s in repository["sensors"]} == {
        f"flights_{name}": "RUNNING"
        for name in (
            "retrain_by_label_volume", "retrain_by_performance_drop", "retrain_by_drift", "arbiter", "catch_up",
            "alerts",
        )
    } | {"flights_data_report": "STOPPED", "reaper": "RUNNING"}  # fmt: skip
    assert {f"flights_{name}" for name in ("ingest", "tick", "train", "predict", "data_report", "policy_replay")} <= {
        job["name"] for job in repository["pipelines"]
    }


def test_the_browser_shows_the_graph_by_stage_with_what_was_found(shown) -> None:
    nodes = {"/".join(n["assetKey"]["path"]): n for n in shown["assetNodes"]}
    assert len(nodes) == 37
    groups: dict[str, set[str]] = {}
    for name, node in nodes.items():
        groups.setdefault(node["groupName"].removeprefix("flights_"), set()).add(name.removeprefix("flights/"))
    assert groups == {
        "data_ingestion": {s.name for s in flights.sources},
        "data_labeling": {"labels"},
        "data_sampling": {"training_set"},
        "features": {"features"},
        "models": {"candidates", "refitted_model", "training_profile"},
        "offline_evaluation": {"evaluation", "champion_decision", "challenger_report"},
        "prediction": {"predictions"},
        "production_monitoring": {"performance", "drift", "diagnosis", "weekly_page", "data_report"},
        "retraining": {"retraining_decision", "policy_frontier"},
        "rollout": {"promotion", "swept_models"},
        "value_analysis": {"monthly_cost", "report", *STUDIES},
    }
    told = {
        name: {
            e["label"]: e.get("mdStr") or e.get("url") or e.get("intValue") or e.get("lineage")
            for e in last["metadataEntries"]
        }
        for name, node in nodes.items()
        for last in node["assetMaterializations"]
    }
    assert told.keys() == nodes.keys() - {
        f"flights/{name}" for name in (*STUDIES, "data_report", "policy_frontier")
    }  # nobody asked for them
    assert told["flights/schedule"]["dagster/partition_row_count"] > 5_000
    for asset, picture in (
        ("evaluation", "recent_test curves"), ("evaluation", "static_test curves"), ("evaluation", "slices"),
        ("performance", "performance"), ("drift", "largest shifts"), ("retraining_decision", "policy"),
        ("monthly_cost", "cost"), ("diagnosis", "shown list"),
    ):  # fmt: skip
        entries = told[f"flights/{asset}"]
        assert entries[picture].startswith(f"![{picture if 'curves' in picture else ''}"), entries[picture]
        assert "](<data:image/svg+xml," in entries[picture]
        assert len(entries[picture]) < 1000  # from there on a click is needed to see it
        assert ";base64," in entries[f"{picture}, large"]
    assert told["flights/evaluation"]["recent_test curves, large"].startswith(
        "![recent_test curves](data:image/svg+xml;"
    )
    report = told["flights/challenger_report"]
    assert report["report"].split("?")[0].endswith("/artifacts/evaluation.html")
    for picture in ("from simple to complex", "importance", "learning curve"):
        assert "](<data:image/svg+xml," in report[picture]
        assert len(report[picture]) < 1000
    assert "| lightgbm | 0." in told["flights/evaluation"]["recent_test metrics"]
    assert "/#/experiments/" in told["flights/refitted_model"]["MLflow run"]
    schemas = [e["schema"]["columns"] for e in nodes["flights/features"]["metadataEntries"] if "schema" in e]
    assert [column["name"] for column in schemas[0]] == flights.feature_schema.names
    lineage = {each["columnName"]: each["columnDeps"] for each in told["flights/features"]["dagster/column_lineage"]}
    assert lineage.keys() == set(flights.feature_schema.names)
    assert {("arrivals", "arr_delay"), ("arrivals", "carrier"), ("schedule", "carrier")} == {
        (dep["assetKey"]["path"][-1], dep["columnName"]) for dep in lineage["carrier_late_3h"]
    }
    catalogue = told["flights/features"]["catalogue"]
    assert "| carrier_late_3h | share | flights-data | Trailing: rate of landed_late(arr_delay) over" in catalogue
    assert catalogue.count("\n") == len(flights.feature_columns) + 1
    assert "| 2013-07 | champion | 5" in told["flights/monthly_cost"]["months"]
    assert "| 2013-07-01 | version 1 |" in told["flights/predictions"]["champion"]
    checks = {
        (name.removeprefix("flights/"), check["name"]): (check["executionForLatestMaterialization"] or {}).get("status")
        for name, node in nodes.items()
        for check in node["assetChecksOrError"].get("checks", ())
    }
    assert {checks[s.name, "every_row_accounted_for"] for s in flights.sources} == {"SUCCEEDED"}
    for check in (
        ("evaluation", "test_read_once"), ("predictions", "a_champion_predicts"), ("performance", "labels_arrive"),
        ("performance", "beats_baselines"), ("diagnosis", "dependencies_are_alive"),
        ("diagnosis", "shown_items_stay_diverse"),
    ):  # fmt: skip
        assert checks[check] == "SUCCEEDED", check
    assert {("performance", "label_rate_is_familiar"), ("drift", "features_are_familiar")} <= checks.keys()
    unasked = {("data_report", "evidently_could_report"), ("policy_frontier", "the_replay_decides_as_the_ledger_says")}
    assert {check for check, status in checks.items() if status is None} == unasked
