"""MLflow's description of a model shows its columns, and holds nothing that could be loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsys_resources.canonical import sha256
from mlsys_resources.manifest import MANIFEST_NAME, Manifest, TamperedArtifact, verify
from mlsys_resources.mlmodel import LARGEST_MLMODEL, MLMODEL, MlmodelError, check_mlmodel, mlmodel

INPUTS = {"sched_hour": "double", "carrier": "string"}
GOOD = mlmodel("lightgbm", INPUTS, outputs={"probability": "double"})


def edited(**changes: Any) -> bytes:
    return json.dumps(json.loads(GOOD) | changes).encode()


def flavored(**flavors: Any) -> bytes:
    return edited(flavors=json.loads(GOOD)["flavors"] | flavors)


HOSTILE = {
    "loader module": flavored(python_function={"loader_module": "evil", "python_version": "3.11"}),
    "code folder": flavored(python_function={"loader_module": "mlflow.sklearn", "code": "code"}),
    "cloudpickle": flavored(sklearn={"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}),
    "foreign skops type": flavored(sklearn={"serialization_format": "skops", "skops_trusted_types": ["evil.Type"]}),
    "path out of the tree": edited(artifact_path="../../evil"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_edit_is_refused_wherever_it_is_met(world: Any, tmp_path: Path, how: str) -> None:
    """By itself, when registered, when only it was changed, and when the manifest was changed with it."""
    marker = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')")
    with pytest.raises(MlmodelError, match="says what no model"):
        check_mlmodel(HOSTILE[how])
    with pytest.raises(MlmodelError, match="says what no model"):
        world.register(record={**world.record, MLMODEL: HOSTILE[how]})
    version = world.register(record={**world.record, MLMODEL: GOOD})
    assert world.models.load(world.system, version.version).files[MLMODEL] == GOOD
    folder = world.folder(version)
    (folder / MLMODEL).write_bytes(HOSTILE[how])
    with pytest.raises(TamperedArtifact, match="MLmodel"):
        world.models.load(world.system, version.version)
    told = json.loads((folder / MANIFEST_NAME).read_text())
    told["record"][MLMODEL] = {"sha256": sha256(HOSTILE[how]), "size": len(HOSTILE[how])}
    (folder / MANIFEST_NAME).write_text(json.dumps(told))
    with pytest.raises(TamperedArtifact, match=r"manifest\.json"):
        world.models.load(world.system, version.version)
    assert not marker.exists()


@pytest.mark.parametrize("how", HOSTILE)
def test_one_that_is_vouched_for_is_refused_too(how: str) -> None:
    """As if it had been registered by another program than this one."""
    files = {"model.txt": b"tree", MLMODEL: GOOD}
    good = Manifest.of({"model.txt": b"tree"}, {MLMODEL: GOOD})
    verify(good, files)
    record = {MLMODEL: type(good.record[MLMODEL])(sha256(HOSTILE[how]), len(HOSTILE[how]))}
    with pytest.raises(TamperedArtifact, match="MLmodel: MLmodel says"):
        verify(Manifest(good.content, record), {**files, MLMODEL: HOSTILE[how]})


def signed(columns: str) -> bytes:
    return edited(
        signature={"inputs": columns, "outputs": '[{"name":"p","required":true,"type":"double"}]', "params": None}
    )


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"null", b"flavors: {mlsys: {format: 1, kind: linear}}", b"!!python/object:os.system []",
        GOOD[:-1], GOOD + b"x", GOOD * 2, b"[" * 100_000, edited(signature=None), edited(flavors={}),
        edited(run_id="x"),
        flavored(mlsys={"format": 2, "kind": "linear"}), flavored(mlsys={"format": 1, "kind": "../x"}),
        edited(signature={"inputs": "[]", "outputs": "[]", "params": None}), signed("{}"), signed("x"),
        signed('[{"name": "a", "type": "object", "required": true}]'), b" " * (LARGEST_MLMODEL + 1),
    ],
)  # fmt: skip
def test_what_is_no_description_is_refused(data: bytes) -> None:
    with pytest.raises(MlmodelError):
        check_mlmodel(data)


@pytest.mark.parametrize("name", ["x/MLmodel", "MLmodel/x.txt", "mlmodel"])
def test_it_has_one_place(name: str) -> None:
    with pytest.raises(ValueError, match=r"no allowed file|suffix"):
        Manifest.of({"model.txt": b"tree"}, {name: GOOD} if name != "MLmodel/x.txt" else {"MLmodel/x.py": GOOD})
    with pytest.raises(ValueError, match="no allowed file"):
        Manifest.of({MLMODEL: GOOD}, {})


def test_a_model_may_read_no_column() -> None:
    check_mlmodel(mlmodel("zero_rule", {}, outputs={"probability": "double"}))


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")
def test_mlflow_reads_the_columns_and_can_load_nothing(tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model
    from mlflow.pyfunc import load_model

    (tmp_path / MLMODEL).write_bytes(GOOD)
    assert yaml.safe_load(GOOD) == json.loads(GOOD)
    read = Model.load(str(tmp_path))
    assert [(c.name, c.type.name) for c in read.signature.inputs.inputs] == [
        ("sched_hour", "double"),
        ("carrier", "string"),
    ]
    assert read.signature.outputs.input_names() == ["probability"]
    with pytest.raises(MlflowException, match="python_function"):
        load_model(str(tmp_path))


def test_one_that_is_too_long_is_refused_before_it_is_read() -> None:
    columns = dict.fromkeys((f"column_{number}" for number in range(8_000)), "double")
    with pytest.raises(MlmodelError, match=r"has \d{6} bytes; at most 262144 are allowed"):
        mlmodel("linear", columns, outputs={"probability": "double"})
    with pytest.raises(MlmodelError, match="has 262145 bytes"):
        check_mlmodel(b"[" * (LARGEST_MLMODEL + 1))
