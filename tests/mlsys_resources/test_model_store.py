"""Runs, models and aliases in MLflow: what was told and registered is what is read and loaded."""

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlsys_resources.manifest import TamperedArtifact
from mlsys_resources.mlflow_connection import ModelStoreError
from mlsys_resources.operations_rows import ModelVersion
from mlsys_resources.operations_store import Conflict, OperationsStore, UnknownModel
from mlsys_resources.run_log import DatasetVersion

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)


def test_a_run_says_what_it_was_told(either: Any) -> None:
    parent = either.run(name="study")
    run_id = either.run(
        params={"rounds": 120, "rate": 0.1},
        metrics={"test/auc[origin=EWR]": 0.75, "nan": float("nan")},
        curves={"loss": [0.7, 0.6, 0.55]},
        tags={"owner": "ops", "dagster_run": "d1"},
        datasets=[DatasetVersion("flights", "12", "lake/flights", "training")],
        artifacts={"plots/calibration.svg": b"<svg/>", "report.md": b"# one"},
        parent_run_id=parent,
    )
    run = either.client.get_run(run_id)
    assert (run.info.status, run.info.run_name, run.info.start_time) == ("FINISHED", "lightgbm", 1372636800000)
    assert run.data.params == {"rounds": "120", "rate": "0.1"}
    assert run.data.metrics["test/auc_origin_EWR_"] == 0.75
    assert run.data.tags.items() >= {"owner": "ops", "dagster_run": "d1", "mlflow.parentRunId": parent}.items()
    history = either.client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 0.7), (1, 0.6), (2, 0.55)]
    (table,) = run.inputs.dataset_inputs
    assert (table.dataset.name, table.dataset.digest, table.tags[0].value) == ("flights", "12", "training")
    assert either.client.download_artifacts(run_id, "plots/calibration.svg", str(either.root)).endswith(".svg")
    assert {item.path for item in either.client.list_artifacts(run_id)} == {"plots", "report.md"}


def test_a_run_leads_to_its_page(world: Any) -> None:
    run_id = world.run()
    experiment = world.client.get_run(run_id).info.experiment_id
    place, kind = f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{run_id}", "?workflowType=machine_learning"
    assert world.models.run_url(run_id) == f"{place}{kind}"
    assert world.models.run_url(run_id, artifact="plots/a.png") == f"{place}/artifacts/plots/a.png{kind}"


def test_two_stores_may_make_one_experiment(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = world.client.get_experiment_by_name, []

    def late(name: str) -> Any:
        asked.append(name)
        if len(asked) > 1:
            return real(name)
        world.client.create_experiment(name)  # somebody else, between the question and the answer
        return None

    monkeypatch.setattr(world.client, "get_experiment_by_name", late)
    assert world.client.get_run(world.run()).info.status == "FINISHED"


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x'; drop table experiments; --", "file:///etc", "a" * 64, "é"])
def test_a_hostile_experiment_or_system_is_refused(world: Any, name: str) -> None:
    """Faults 43 and 44."""
    with pytest.raises(ValueError, match="not an allowed name"):
        world.run(experiment=name)
    with pytest.raises(ValueError, match="not an allowed name"):
        world.models.register(name, "lightgbm", run_id="r", content=world.content, record={}, as_of=JULY)
    with pytest.raises(ValueError, match="not an allowed name"):
        world.models.load(name, 1)


def test_what_was_registered_is_what_is_loaded(either: Any) -> None:
    run_id = either.run()
    version = either.register(run_id, tags={"owner": "ops"})
    loaded = either.models.load(either.system, version.version)
    assert loaded.version == version == either.operations.model(either.system, 1)
    assert loaded.files == {**either.content, **either.record}
    assert (loaded.manifest.sha256, loaded.manifest.content_hash) == (version.manifest_sha256, version.content_hash)
    shown = either.client.get_model_version(either.system, "1")
    assert shown.run_id == run_id
    assert shown.tags == {
        "owner": "ops", "candidate": "lightgbm", "content_hash": version.content_hash, "as_of": JULY.isoformat()
    }  # fmt: skip


def test_a_step_run_again_finds_the_version_that_is_there(world: Any) -> None:
    first = world.register()
    assert world.register(record={"passport.json": b"{}"}) == first
    assert world.register(as_of=AUGUST).version == 2
    assert world.register(content={**world.content, "model.txt": b"other"}).version == 3
    assert world.versions_in_mlflow() == [1, 2, 3]


def test_local_models_are_loaded_without_mlflow(world: Any) -> None:
    """So a prediction tick does not wait seconds for an import; and the state folder can move as one."""
    version = world.register()
    moved = world.root / f"moved_{world.system}"
    shutil.copytree(world.root / "artifacts", moved)
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from mlsys_resources.model_store import ModelStore\n"
        "from mlsys_resources.operations_store import OperationsStore\n"
        "clock = lambda: datetime(2013, 7, 1, tzinfo=UTC)\n"
        "operations = OperationsStore(sys.argv[1], clock=clock)\n"
        "models = ModelStore('sqlite:////nowhere/mlflow.db', operations=operations,\n"
        "                    artifact_root=sys.argv[2], clock=clock)\n"
        "print(len(models.load(sys.argv[3], 1).files), sorted({'mlflow', 'pandas', 'requests'} & set(sys.modules)))\n"
    )
    arguments = [f"sqlite:///{world.root}/operations.db", str(moved), world.system]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(world.content) + len(world.record)} []\n"
    assert version.source.startswith(world.system)


def test_a_candidate_is_saved_and_read_without_being_registered(either: Any) -> None:
    saved = either.models.save(either.run(), content=either.content, record=either.record)
    assert either.models.read(saved) == either.content
    assert either.versions_in_mlflow() == []
    assert either.operations.models(either.system) == ()
    for wrong in (replace(saved, content_hash="0" * 64), replace(saved, manifest_sha256="0" * 64)):
        with pytest.raises(TamperedArtifact, match=r"manifest\.json"):
            either.models.read(wrong)


@pytest.mark.parametrize("source", ["../x", "/etc", "a/../../b", "nowhere/at/all", ""])
def test_a_source_that_leads_elsewhere_is_refused(world: Any, source: str) -> None:
    saved = world.models.save(world.run(), content=world.content, record=world.record)
    with pytest.raises(TamperedArtifact):
        world.models.read(replace(saved, source=source))


def test_a_run_can_be_added_to(either: Any) -> None:
    run_id = either.run(metrics={"loss": 0.5}, artifacts={"a.md": b"a"})
    either.models.add_to_run(run_id, metrics={"auc[origin=EWR]": 0.7}, artifacts={"plots/b.svg": b"b"})
    run = either.client.get_run(run_id)
    assert run.data.metrics == {"loss": 0.5, "auc_origin_EWR_": 0.7}
    assert run.info.status == "FINISHED"
    assert {item.path for item in either.client.list_artifacts(run_id)} == {"a.md", "plots"}
    with pytest.raises(ModelStoreError, match="nothing could be added to run unknown"):
        either.models.add_to_run("unknown", metrics={"loss": 0.5})


@pytest.mark.parametrize("version", [2, 99])
def test_what_has_no_trusted_record_does_not_exist(world: Any, version: int) -> None:
    known = world.register()
    world.client.create_model_version(world.system, f"runs:/{known.run_id}/x", known.run_id)  # by somebody else
    assert world.versions_in_mlflow() == [1, 2]
    with pytest.raises(UnknownModel, match=r"known are \[1\]"):
        world.models.load(world.system, version)


def test_two_processes_registering_one_model_end_with_one_version(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = world.run(), world.run()
    other_process = OperationsStore(f"sqlite:///{world.root}/operations.db", clock=lambda: JULY)
    with monkeypatch.context() as patch:
        patch.setattr(world.operations, "find_model", lambda *_, **__: None)  # neither has seen the other yet
        patch.setattr(world.operations, "record_model", other_process.record_model)
        first, second = world.register(ours), world.register(theirs)
    assert first == second
    assert world.versions_in_mlflow() == [first.version]
    assert world.operations.models(world.system) == (first,)
    other_process.close()


def test_a_registry_that_starts_anew_is_noticed(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.register()
    monkeypatch.setattr(world.models, "_new_version", lambda *_, **__: first.version)
    monkeypatch.setattr(world.models, "_forget", lambda *_: None)
    with pytest.raises(Conflict, match="do not belong together"):
        world.register(content={"model.txt": b"other"})
    assert world.models.load(world.system, first.version).files["model.txt"] == world.content["model.txt"]


@pytest.mark.parametrize("content", [{}, {"model.pkl": b""}, {"../model.txt": b""}, {"code/x.py": b""}])
def test_files_that_are_not_allowed_reach_no_disk(world: Any, content: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"allowed|at least one"):
        world.register("r", content=content)
    assert world.operations.models(world.system) == ()


def test_no_experiment_leads_out_of_the_root(world: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault 44: the root of artifacts is fixed, whatever an experiment in MLflow says; so it can also be moved."""
    world.client.create_experiment(world.system, artifact_location=tmp_path.as_uri())
    version = world.register(world.run(artifacts={"report.md": b"x"}))
    assert world.models.load(world.system, version.version).files == {**world.content, **world.record}
    assert list(tmp_path.iterdir()) == []
    assert f"looks for the files of experiment {world.system} at {tmp_path.as_uri()}" in caplog.text


def test_a_run_of_an_experiment_with_a_hostile_name_is_refused(world: Any) -> None:
    run = world.client.create_run(world.client.create_experiment(f"../{world.system}"))
    world.client.set_terminated(run.info.run_id)
    with pytest.raises(ValueError, match="not an allowed name"):
        world.register(run.info.run_id)


def test_mlflow_shows_the_alias_that_was_decided(world: Any) -> None:
    assert world.models.mirrored_alias(world.system, "champion") is None  # nor a model that could have one
    first, second = world.register(), world.register(content={"model.txt": b"other"})
    world.models.mirror_alias(world.system, "champion")  # nothing decided yet: nothing shown
    assert world.models.mirrored_alias(world.system, "champion") is None
    for revision, version in enumerate((first, second)):
        world.operations.set_alias(
            world.system, "champion", version=version.version, content_hash=version.content_hash, as_of=JULY,
            expected_revision=revision, reason="gate passed",
        )  # fmt: skip
        world.models.mirror_alias(world.system, "champion")
        shown = world.client.get_model_version_by_alias(world.system, "champion")
        assert int(shown.version) == version.version == world.models.mirrored_alias(world.system, "champion")


def test_an_alias_that_moves_while_it_is_copied_is_copied_again(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = world.register(), world.register(content={"model.txt": b"other"})

    def move(version: ModelVersion, expected: int) -> None:
        world.operations.set_alias(
            world.system, "champion", version=version.version, content_hash=version.content_hash, as_of=JULY,
            expected_revision=expected, reason="gate passed",
        )  # fmt: skip

    move(first, 0)
    real, calls = world.client.set_registered_model_alias, []

    def slow(*arguments: str) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            move(second, 1)  # and its own mirror has already run
        real(*arguments)

    monkeypatch.setattr(world.client, "set_registered_model_alias", slow)
    world.models.mirror_alias(world.system, "champion")
    assert int(world.client.get_model_version_by_alias(world.system, "champion").version) == second.version
