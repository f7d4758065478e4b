"""The whole first half of the life cycle on real flights, in two fresh homes side by side."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import FixedClock, TimeWindow, build_definitions, utc
from mlsys_assets.models.bundle import from_files
from mlsys_assets.runs import RunFailed, Runner
from mlsys_assets.state_folder import open_instance
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.system import build_system, flights
from mlsys_resources.manifest import TamperedArtifact
from mlsys_resources.resources import Resources, build_resources

AS_OF = utc("2013-07-01")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def homes(tmp_path_factory) -> list[Path]:
    """Two state folders, each made by ``mlsys run`` in a process of its own."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    command = [sys.executable, "-m", "mlsys_assets.cli", "run", "--as-of", f"{AS_OF:%Y-%m-%d}", "--home"]
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    for folder in folders:
        done = subprocess.run(
            [*command, str(folder)], capture_output=True, text=True, env=environment, cwd=folder, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "said.txt").write_text(done.stdout)
    return folders


@pytest.fixture(scope="module")
def stores(homes) -> list[Resources]:
    return [build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(AS_OF).now) for home in homes]


def test_two_fresh_runs_give_the_same_champion_and_the_same_predictions(stores) -> None:
    first, second = (s.operations.alias("flights", "champion") for s in stores)
    assert first is not None
    assert first.content_hash == second.content_hash
    scores = [s.lake.read("flights", "predictions") for s in stores]
    assert scores[0].num_rows > 5_000
    assert scores[0].equals(scores[1])
    assert stores[0].operations.ledger_hash("flights") == stores[1].operations.ledger_hash("flights")


def test_what_was_found_is_told(homes) -> None:
    said = (homes[0] / "said.txt").read_text()
    for part in ("schedule", "lightgbm", "recent_test", "pass: beats every baseline", "predictions for", "make up"):
        assert part in said, said


def test_the_champion_predicts_what_was_logged(stores) -> None:
    store = stores[0]
    champion = store.operations.alias("flights", "champion")
    predictor = from_files(store.models.load("flights", champion.version).content)
    rows = store.lake.read("flights", "features", window=("predict_at", AS_OF, AS_OF + timedelta(days=7)))
    made = store.lake.read("flights", "predictions")
    assert made["flight_id"].equals(rows["flight_id"])
    assert pa.array(predictor.predict(rows, threads=2)).equals(made["score"].combine_chunks())
    assert set(made["model_hash"].to_pylist()) == {champion.content_hash}


def test_no_training_row_is_of_the_static_test_or_the_future(stores) -> None:
    (record,) = stores[0].operations.decisions("flights", "training_set")
    assert record.verdict == "adequate"
    static = record.evidence["static_test"]
    assert static > 5_000
    refit = stores[0].operations.decisions("flights", "refit")[0].evidence["rows"]
    labels = stores[0].lake.read("flights", "labels", window=("known_at", flights.calendar.start, AS_OF))
    labelled = pc.sum(pc.is_valid(labels["label"])).as_py()
    assert refit == labelled - static  # the last static day is weeks old: none of its rows is embargoed


def test_one_read_of_each_sealed_test_is_on_record(stores) -> None:
    reads = stores[0].operations.test_reads("flights")
    assert sorted(r.split for r in reads) == ["recent_test", "static_test"]


def test_the_models_can_be_compared_in_mlflow(homes) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{homes[0] / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("flights")
    runs = client.search_runs(
        [experiment.experiment_id], "tags.stage = 'candidate'", order_by=["metrics.`recent_test log_loss`"]
    )
    best = runs[0]
    assert best.data.tags["candidate"] == "lightgbm"
    assert best.data.tags["as_of"] == AS_OF.isoformat()
    assert "static_test roc_auc" in best.data.metrics
    assert "recent_test origin_EWR log_loss" in best.data.metrics
    assert len(client.get_metric_history(best.info.run_id, "validation log_loss by round")) > 20
    assert {d.dataset.name for d in best.inputs.dataset_inputs} == {"features", "labels"}
    champion = client.get_model_version_by_alias("flights", "champion")
    assert champion.tags["candidate"] == "lightgbm"


GRAPH = """{assetNodes {assetKey {path} groupName
  assetChecksOrError {... on AssetChecks {checks {name executionForLatestMaterialization {status}}}}
  assetMaterializations(limit: 1) {metadataEntries {
    label ... on MarkdownMetadataEntry {mdStr} ... on UrlMetadataEntry {url} ... on IntMetadataEntry {intValue}}}
  metadataEntries {... on TableSchemaMetadataEntry {schema {columns {name}}}}}}"""
PATIENCE = 90.0


@pytest.fixture
def web(homes) -> Iterator[str]:
    """The address of a real Dagster web server on the workspace and the first home."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-w", str(ROOT / "workspace.yaml"), "-p", str(port)]
    homed = os.environ | {"MLSYS_HOME": str(homes[0]), "DAGSTER_HOME": str(homes[0])}
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


def test_the_browser_shows_the_graph_by_stage_with_what_was_found(web) -> None:
    body = json.dumps({"query": GRAPH}).encode()
    asked = urllib.request.Request(f"{web}/graphql", data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
        nodes = {"/".join(n["assetKey"]["path"]): n for n in json.load(answer)["data"]["assetNodes"]}
    assert len(nodes) == 18
    groups = {name: node["groupName"].removeprefix("flights_") for name, node in nodes.items()}
    assert {groups[f"flights/{n}"] for n in ("schedule", "labels", "training_set", "features")} == {
        "data_ingestion", "data_labeling", "data_sampling", "features",
    }  # fmt: skip
    told = {
        name: {e["label"]: e.get("mdStr") or e.get("url") or e.get("intValue") for e in last["metadataEntries"]}
        for name, node in nodes.items()
        for last in node["assetMaterializations"]
    }
    assert told.keys() == nodes.keys()
    assert told["flights/schedule"]["dagster/partition_row_count"] > 5_000
    assert told["flights/evaluation"]["recent_test curves"].startswith("![recent_test](data:image/png;base64,")
    assert "| lightgbm | 0." in told["flights/evaluation"]["recent_test metrics"]
    assert "/#/experiments/" in told["flights/refitted_model"]["MLflow run"]
    schemas = [e["schema"]["columns"] for e in nodes["flights/features"]["metadataEntries"] if "schema" in e]
    assert len(schemas[0]) == len(flights.feature_columns)
    checks = {c["name"]: c for c in nodes["flights/evaluation"]["assetChecksOrError"]["checks"]}
    assert checks["test_read_once"]["executionForLatestMaterialization"]["status"] == "SUCCEEDED"


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_a_damaged_model_file_is_refused(homes, stores, damage: str) -> None:
    store, champion = stores[1], stores[1].operations.alias("flights", "champion")
    source = store.operations.model("flights", champion.version).source
    (folder,) = {p.parent for p in (homes[1] / "mlartifacts").rglob("model.txt") if p.parent.name in source}
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        broken = whole[:-1] if damage == "truncate" else bytes([whole[0] ^ 1]) + whole[1:]
        file.write_bytes(broken)
        try:
            with pytest.raises(TamperedArtifact):
                store.models.load("flights", champion.version)
        finally:
            file.write_bytes(whole)
    store.models.load("flights", champion.version)


def test_a_tick_done_again_changes_no_other_tick_and_at_most_one_file_a_table(homes, stores, raw) -> None:
    store, tick = stores[1], TimeWindow.of("2013-02-11", "2013-02-18")
    tables = ("schedule", "arrivals", "weather", "labels", "features")
    before = {t: (store.lake.tick_hashes("flights", t), _files(homes[1], t)) for t in tables}
    fewer = [line for line in _flight_lines() if not line.startswith("2013,2,13,5")]
    system = build_system(raw(fewer))
    defs = build_definitions(system, resources=store)
    with open_instance(homes[1]) as instance:
        Runner(system, defs, instance).ticks("flights_ingest", tick)
    for table in tables:
        hashes, files = before[table]
        after = store.lake.tick_hashes("flights", table)
        changed = {at for at in hashes.keys() | after.keys() if hashes.get(at) != after.get(at)}
        assert changed == (set() if table == "weather" else {tick.start}), table
        assert len(_files(homes[1], table) - files) == len(changed)


def test_a_missing_column_fails_the_tick_by_name_and_leaves_what_was_there(homes, stores, raw) -> None:
    store = stores[1]
    before = store.lake.tick_hashes("flights", "schedule")
    broken = build_system(raw(["year,month,day", "2013,7,2"]))
    with open_instance(homes[1]) as instance:
        runner = Runner(broken, build_definitions(broken, resources=store), instance)
        with pytest.raises(RunFailed, match="sched_dep_time"):
            runner.ticks("flights_ingest", TimeWindow.of("2013-07-01", "2013-07-08"))
    assert store.lake.tick_hashes("flights", "schedule") == before


@pytest.fixture
def raw(tmp_path) -> Callable[[list[str]], FlightsFiles]:
    """Make a folder of raw files with other flights."""

    def make(lines: list[str]) -> FlightsFiles:
        for name in ("airports.csv", "airlines.csv", "planes.csv", "weather.csv"):
            (tmp_path / name).write_bytes((FlightsFiles.installed().folder / name).read_bytes())
        (tmp_path / "flights.csv").write_text("\n".join(lines) + "\n")
        return FlightsFiles(tmp_path)

    return make


def _flight_lines() -> list[str]:
    with zipfile.ZipFile(FlightsFiles.installed().folder / "flights.csv.zip") as archive:
        return archive.read("flights.csv").decode().splitlines()


def _files(home: Path, table: str) -> set[str]:
    return {p.name for p in (home / "lake" / "flights" / table).rglob("*.parquet")}
