"""The first champion of real flights and the tick after it, and as a proof those of a life that was killed."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import FixedClock, TimeWindow, build_definitions, utc
from mlsys_assets.instance import open_instance
from mlsys_assets.models.bundle import from_files
from mlsys_assets.runs import RunFailed, Runner
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.system import build_system, flights
from mlsys_resources.manifest import TamperedArtifact
from mlsys_resources.resources import Resources, build_resources

AS_OF, UNTIL = utc("2013-07-01"), utc("2013-07-08")
ROOT = Path(__file__).parents[1]
SEED = 20130708


@pytest.fixture(scope="module")
def homes(tmp_path_factory, flights_lived) -> list[Path]:
    """The state folder that ``mlsys run`` lived in, in a process of its own, and a copy that may be damaged."""
    first, copy = flights_lived(f"{UNTIL:%Y-%m-%d}"), tmp_path_factory.mktemp("copy") / "home"
    return [first, shutil.copytree(first, copy)]


@pytest.fixture(scope="module")
def killed(tmp_path_factory, homes, work) -> Path:
    """Another state folder, whose life was killed on the way and went on."""
    folder = tmp_path_factory.mktemp("killed")
    share = random.Random(SEED).uniform(0.1, 0.9)
    with _started(folder) as process:
        ended = work.stop_after(process, share * float((homes[0] / "work.txt").read_text()))
    assert ended[0] == -signal.SIGKILL
    _finished(_started(folder), folder)
    return folder


def _started(home: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mlsys_assets.cli", "run", "--until", f"{UNTIL:%Y-%m-%d}", "--home", str(home)]
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, text=True, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def _finished(process: "subprocess.Popen[str]", home: Path) -> None:
    said, wrong = process.communicate()
    assert process.returncode == 0, said + wrong
    (home / "said.txt").write_text(said)
    (home / "wrong.txt").write_text(wrong)


def _stores(home: Path) -> Resources:
    return build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(AS_OF).now)


@pytest.fixture(scope="module")
def stores(homes) -> list[Resources]:
    return [_stores(home) for home in homes]


@pytest.mark.prove
def test_two_fresh_runs_give_the_same_champion_and_the_same_predictions(stores, killed) -> None:
    """Though the second was killed on the way, and went on."""
    pair = [stores[0], _stores(killed)]
    first, second = (s.operations.alias("flights", "champion") for s in pair)
    assert first is not None
    assert first.content_hash == second.content_hash
    for table, rows in (("predictions", 5_000), ("baseline_predictions", 10_000), ("performance", 3), ("drift", 20)):
        found = [s.lake.read("flights", table) for s in pair]
        assert found[0].num_rows >= rows
        assert found[0].equals(found[1]), table
    assert pair[0].operations.ledger_hash("flights") == pair[1].operations.ledger_hash("flights")
    _on_record_once(killed, pair[1], died=1)


def test_each_step_of_the_life_is_on_record_once(homes, stores) -> None:
    _on_record_once(homes[0], stores[0])


def _on_record_once(home: Path, store: Resources, *, died: int = 0) -> None:
    """One decision a tick, one attempt at a promotion, and no run that was left unfinished but those that died."""
    decided = [(d.as_of, d.verdict) for d in store.operations.decisions("flights", "retraining")]
    assert decided == [(AS_OF, "train"), (UNTIL, "hold")]
    assert len(store.operations.attempts("flights")) == 1
    with open_instance(home) as instance:
        runs = instance.get_runs()
    succeeded = Counter(run.job_name for run in runs if run.status is dg.DagsterRunStatus.SUCCESS)
    assert succeeded == {"flights_tick": 2, "flights_train": 1}
    assert all(run.is_finished for run in runs)
    assert len(runs) - succeeded.total() <= died  # at most the one that was under way


def test_what_was_found_is_told(homes, stores) -> None:
    home = homes[0]
    said = (home / "said.txt").read_text()
    for part in (
        "2013-07-08", "hold: no trigger said yes", "flights: 2 decisions", "as of       said yes", "v1",
        "  2013-07 ", "[USD]", "Where to look", "mlsys ledger flights --hash", "flights.html", "mlsys up",
        stores[0].operations.ledger_hash("flights")[:16],
    ):  # fmt: skip
        assert part in said, said
    assert "INFO" not in (home / "wrong.txt").read_text()
    assert (home / "flights.html").read_text(encoding="utf-8").count("<svg") == 3
    assert re.search(
        r"^2013-07-01  tick \d+\.\d s, training \d+\.\d s +train: nothing was trained yet; gate pass", said
    )


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
    silent = [r for r in reads if "nothing is chosen by it" not in r.reason]
    assert sorted(r.split for r in silent) == ["recent_test", "static_test"]
    assert len(reads) == 2 * len(silent)  # the report looks too, and says why


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


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_a_damaged_model_file_is_refused(homes, stores, damage: str) -> None:
    """Every file of it, the passport's too: a byte in the middle, or all from each of 20 places on."""
    store, champion = stores[1], stores[1].operations.alias("flights", "champion")
    source = store.operations.model("flights", champion.version).source
    files = sorted(path for path in (homes[1] / "mlartifacts" / source).rglob("*") if path.is_file())
    assert len(files) > 12
    for file in files:
        whole, middle = file.read_bytes(), file.stat().st_size // 2
        flipped = [whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]]
        for broken in flipped if damage == "flip" else [whole[: len(whole) * i // 20] for i in range(20)]:
            file.write_bytes(broken)
            with pytest.raises(TamperedArtifact):
                store.models.load("flights", champion.version)
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
