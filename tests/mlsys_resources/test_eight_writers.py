"""Eight processes write runs, models and decisions at once on SQLite: none hears that a database is locked."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_store import OperationsStore

WRITERS, EACH = 8, 2
WRITE = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_rows import Decision
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.run_log import RunLog

folder, writers, each = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
clock = lambda: datetime(2013, 7, 1, tzinfo=UTC)

def stores(at):
    operations = OperationsStore(f"sqlite:///{at}/operations.db", clock=clock)
    return ModelStore(f"sqlite:///{at}/mlflow.db", operations=operations, artifact_root=at / "artifacts", clock=clock)

(folder / "warm").mkdir()
stores(folder / "warm").log_run(RunLog("flights", "warm"))  # what writing imports, once for all
children = []
for writer in range(writers):
    if not (child := os.fork()):
        try:
            models = stores(folder)
            for i in range(each):
                name = f"w{writer}_{i}"
                run = models.log_run(RunLog("flights", name, metrics={"auc": i}, curves={"loss": range(50)}))
                models.register(
                    "flights", f"w{writer}", run_id=run, content={"model.txt": name.encode()}, record={}, as_of=clock()
                )
                models._operations.record(Decision("flights", clock(), "gate", name, "pass", "as told"))
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def test_none_of_eight_writers_finds_a_database_locked(tmp_path: Path) -> None:
    """Fault 47."""
    arguments = [sys.executable, "-c", WRITE, str(tmp_path), str(WRITERS), str(EACH)]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    operations = OperationsStore(f"sqlite:///{tmp_path}/operations.db", clock=lambda: datetime(2013, 7, 1, tzinfo=UTC))
    models = ModelStore(
        f"sqlite:///{tmp_path}/mlflow.db",
        operations=operations,
        artifact_root=tmp_path / "artifacts",
        clock=lambda: None,
    )
    names = {f"w{writer}_{i}" for writer in range(WRITERS) for i in range(EACH)}
    assert {d.name for d in operations.decisions("flights", "gate")} == names
    trusted = operations.models("flights")
    assert {models.load("flights", m.version).content["model.txt"].decode() for m in trusted} == names
    assert len({m.version for m in trusted}) == len(names)
    operations.close()
