"""What it costs to trust a model: logged and kept, loaded and verified, against MLflow and LightGBM alone."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from comparison import WALL, Comparison, call

ROWS, COLUMNS, ROUNDS, LEAVES = 20_000, 80, 120, 31
"""A model of the flights' size."""
LOGGED_S, LOADED_S = 1.0, 0.3
"""Seconds that logging a run with its model, and loading and verifying a champion, may take."""
TIMES_MLFLOW, TIMES_LIGHTGBM = 3.0, 12.0
"""Ours writes a manifest and reads back what the disk kept; ours is parsed by a process of its own first."""
METRICS = {f"metric {i}": 0.5 for i in range(60)}
CURVES = {name: [0.5] * ROUNDS for name in ("train", "validation")}
PARAMS = {f"param {i}": i for i in range(30)}


def model_store() -> Iterator[Comparison]:
    """A run with its model logged, and a champion loaded."""
    import lightgbm

    from mlsys_assets.data_sampling.views import Train, Validation
    from mlsys_assets.models.bundle import from_files, to_files
    from mlsys_assets.models.gradient_boosting import LightGBM
    from mlsys_assets.types import TimeWindow
    from mlsys_resources.model_store import ModelStore
    from mlsys_resources.operations_store import OperationsStore
    from mlsys_resources.run_log import RunLog, write

    rng = np.random.default_rng(0)
    features = pa.table({f"x{i}": rng.random(ROWS, dtype=np.float32) for i in range(COLUMNS)})
    label = (rng.random(ROWS) < features["x0"].to_numpy()).astype(np.float64)
    at = np.datetime64("2013-01-05", "us") + np.arange(ROWS)
    window = TimeWindow.of("2013-01-01", "2013-02-01")
    parts = (pa.array([f"r{i}" for i in range(ROWS)]), at, features, label, window)
    fitted = LightGBM(rounds=ROUNDS, leaves=LEAVES).fit(Train(*parts), Validation(*parts), seed=0, threads=2)
    content, text = to_files(fitted.predictor), fitted.predictor.contents()["model.txt"].decode()

    def clock() -> datetime:
        return datetime(2013, 7, 1, tzinfo=UTC)

    with tempfile.TemporaryDirectory(prefix="mlsys-bench-") as folder:
        root = Path(folder)
        operations = OperationsStore(f"sqlite:///{root}/operations.db", clock=clock)
        uri, files = f"sqlite:///{root}/mlflow.db", root / "artifacts"
        models = ModelStore(uri, operations=operations, artifact_root=files, clock=clock)
        run = RunLog("bench", "run", params=PARAMS, metrics=METRICS, curves=CURVES)
        version = models.register("bench", "x", run_id=models.log_run(run), content=content, record={}, as_of=clock())
        client, experiment = models._client, models._client.get_experiment_by_name("bench").experiment_id

        def ours() -> None:
            models.save(models.log_run(run), content=content, record={})

        def theirs() -> None:
            made = client.create_run(experiment)
            write(client, made.info.run_id, run, at=clock())
            client.set_terminated(made.info.run_id)

        yield Comparison(
            "a run logged, its model kept", "the run's MLflow calls", lambda: call(ours), lambda: call(theirs),
            goal=TIMES_MLFLOW, judged=(WALL,), most=LOGGED_S,
        )  # fmt: skip
        yield Comparison(
            "a champion loaded, verified", "its text read by LightGBM",
            lambda: call(lambda: from_files(models.load("bench", version.version).content).predict(features[:1])),
            lambda: call(lambda: lightgbm.Booster(model_str=text).predict(np.zeros((1, COLUMNS)))),
            goal=TIMES_LIGHTGBM, judged=(WALL,), most=LOADED_S,
        )  # fmt: skip
        operations.close()
