"""The import contracts hold on the tree, and one wrong import breaks each of them."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("mlsys_assets", "mlsys_resources")
LAZY = "def later():\n    {}\n"

# contract id, the file that errs, what is added to it
WRONG_IMPORTS = [
    pytest.param("stack", "types.py", "import mlsys_assets.measures", id="ground floor imports a stage"),
    pytest.param("stack", "data_ingestion/new.py", "from mlsys_assets.features import feature", id="stage looks up"),
    pytest.param("stack", "models/new.py", "from mlsys_assets.system import MLSystem", id="stage imports the system"),
    pytest.param("stack", "models/new.py", "import mlsys_assets.dagster_adapter", id="pure file imports the adapter"),
    pytest.param("stack", "models/new.py", "import mlsys_assets.definitions", id="pure file imports the definitions"),
    pytest.param("stack", "models/assets.py", "import mlsys_assets.definitions", id="assets import the definitions"),
    pytest.param("stack", "models/new.py", LAZY.format("import mlsys_assets.rollout"), id="a lazy import counts"),
    pytest.param("stack", "unplaced.py", "", id="a new top-level module has no place"),
    pytest.param("dagster-side", "models/new.py", "import dagster as dg", id="pure file imports dagster"),
    pytest.param(
        "stack", "production_monitoring/new.py", "import mlsys_assets.retraining.trigger", id="monitoring asks triggers"
    ),
    pytest.param(
        "stack", "retraining/new.py", "import mlsys_assets.value_analysis.monthly", id="a trigger asks for costs"
    ),
    pytest.param("stack", "retraining/sensors.py", "import mlsys_assets.replay", id="sensors import what drives them"),
    pytest.param("stack", "replay.py", "import mlsys_assets.commands.report", id="the replay imports the report"),
    pytest.param("stack", "data_sampling/assets.py", "import mlsys_assets.rollout.promotion", id="assets look up"),
    pytest.param("dagster-side", "retraining/by_time.py", "import dagster", id="a trigger imports dagster"),
    pytest.param("dagster-side", "ledger.py", "import dagster", id="the words of the ledger import dagster"),
    pytest.param("dagster-side", "system.py", "from dagster import AssetKey", id="the system imports dagster"),
    pytest.param("dagster-side", "../mlsys_resources/new.py", "import dagster", id="a store imports dagster"),
    pytest.param(
        "stage-assets", "rollout/new.py", "import mlsys_assets.data_ingestion.assets", id="pure file imports assets"
    ),
    pytest.param(
        "stage-assets", "rollout/assets.py", "import mlsys_assets.data_ingestion.assets", id="assets import assets"
    ),
    pytest.param(
        "stage-assets", "dagster_adapter.py", "import mlsys_assets.data_ingestion.assets", id="adapter imports assets"
    ),
    pytest.param(
        "stage-assets", "retraining/new.py", "import mlsys_assets.retraining.sensors", id="pure file imports sensors"
    ),
    pytest.param(
        "stage-assets", "commands/new.py", "import mlsys_assets.retraining.sensors", id="a command imports sensors"
    ),
    pytest.param(
        "handed-stores", "retraining/by_time.py", "import mlsys_resources.operations_rows", id="a trigger reads a store"
    ),
    pytest.param("handed-stores", "models/new.py", "import mlsys_resources.names", id="pure file imports a store"),
    pytest.param("pure-stores", "../mlsys_resources/new.py", "import mlsys_resources.resources", id="store up"),
    pytest.param("resources", "../mlsys_resources/new.py", "from mlsys_assets.types import utc", id="store to assets"),
    pytest.param("public-names", "systems/flights/new.py", "from mlsys_assets.types import utc", id="system digs"),
    pytest.param("public-names", "systems/flights/new.py", "import mlsys_resources.lake", id="system opens a store"),
    pytest.param("workspace", "features/new.py", "import mlsys_assets.systems.flights", id="stage knows flights"),
    pytest.param("light-service", "prediction/service.py", "import pandas", id="service imports pandas"),
    pytest.param(
        "light-service",
        "prediction/service.py",
        "import mlsys_assets.data_ingestion.assets",
        id="service reaches dagster",
    ),
]


def contracts() -> dict[str, str]:
    """Contract names by id."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {c["id"]: c["name"] for c in config["tool"]["importlinter"]["contracts"]}


def verdicts(folder: Path) -> tuple[int, dict[str, str]]:
    """The exit code of lint-imports in ``folder``, and KEPT or BROKEN by contract name."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = re.findall(r"^(.+?) (KEPT|BROKEN)\b", done.stdout, flags=re.MULTILINE)
    assert found, done.stdout + done.stderr
    return done.returncode, dict(found)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages and their contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_every_contract_is_kept() -> None:
    assert verdicts(ROOT) == (0, dict.fromkeys(contracts().values(), "KEPT"))


def test_every_contract_has_a_wrong_import_here() -> None:
    assert {str(case.values[0]) for case in WRONG_IMPORTS} == set(contracts())


def first_of_each() -> list[Any]:
    """The first wrong import of each contract, and among the long proofs the others."""
    seen: set[str] = set()
    found = []
    for case in WRONG_IMPORTS:
        contract = str(case.values[0])
        marks = [pytest.mark.prove] if contract in seen else []
        found.append(pytest.param(*case.values, id=case.id, marks=marks))
        seen.add(contract)
    return found


@pytest.mark.parametrize(("contract", "file", "code"), first_of_each())
def test_a_wrong_import_breaks_its_contract(tree: Path, contract: str, file: str, code: str) -> None:
    wrong = tree / "mlsys_assets" / file
    wrong.write_text((wrong.read_text() if wrong.exists() else "") + f"\n{code}\n")

    code_of_exit, found = verdicts(tree)

    assert code_of_exit == 1
    assert found[contracts()[contract]] == "BROKEN"
