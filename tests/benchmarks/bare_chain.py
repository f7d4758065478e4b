"""The training cycle without any tool: the product's own functions, called one after the other.

What `mlsys run` is measured against: the same rows, features, models, measures and plots, and the same told to
MLflow. No graph, no tables that keep versions, no ledger, nothing verified when it is read again, and no second run
that finds what the first one did. Prints the seconds of its steps and its quality as JSON.
"""

import json
import os
import tempfile
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `mlsys run` sets it

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.filing import reach
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.data_labeling.natural_labels import natural_labels
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.views import View
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.measures.intervals import bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import value
from mlsys_assets.models.bundle import to_files
from mlsys_assets.offline_evaluation.curves import curves_plot
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.tables import KNOWN_AT, PREDICT_AT
from mlsys_assets.types import TimeWindow, days, utc

AS_OF = utc("2013-07-01")
WINDOW = TimeWindow(flights.calendar.start, AS_OF + days(7))
KEY = flights.requests.key
MOMENT = pa.timestamp("us", tz="UTC")


def main() -> None:
    seconds, last = {}, time.monotonic()

    def done(step: str) -> None:
        nonlocal last
        seconds[step], last = time.monotonic() - last, time.monotonic()

    tables = load()
    done("load")
    asked = before(tables["schedule"], "predict_at", WINDOW.end)
    features = compute(flights.features, asked, tables, key=KEY)
    done("features")
    parts = split(features, natural_labels(flights.label, tables, key=KEY), AS_OF)
    week = features.filter(pc.greater_equal(features[PREDICT_AT], pa.scalar(AS_OF, MOMENT)))
    done("labels and split")
    fitted = {c.name: c.fit(parts["train"], parts["validation"], seed=0, threads=2) for c in flights.candidates}
    done("fit")
    measured, plots = evaluate(fitted, parts)
    done("evaluate")
    champion = flights.candidates[-1].refit(parts["all"], recipe=fitted["lightgbm"].recipe, seed=0, threads=2)
    done("refit")
    register(fitted, champion, measured, plots)
    done("MLflow")
    scores = champion.predict(week, threads=2)
    done("predict")
    print(json.dumps({"seconds": seconds, "recent AUC": measured["lightgbm"]["recent roc_auc"], "rows": len(scores)}))


def load() -> dict[str, pa.Table]:
    """Return every table's rows that had become known when the predicted week was over."""
    known: dict[str, pa.Table] = {}
    calendar = replace(flights.calendar, end=None)
    for source in flights.sources:
        raw = source.read(reach(source, WINDOW, calendar))
        known[source.name] = ingest(source, raw, window=WINDOW, calendar=calendar, known=known).accepted
    return known


def split(features: pa.Table, labels: pa.Table, as_of: datetime) -> dict[str, View]:
    """Return the parts of what was known as of then."""
    known, past = before(labels, KNOWN_AT, as_of), before(features, PREDICT_AT, as_of)
    rows = LabelledRows.join(past, known, key=KEY, at=PREDICT_AT, window=flights.label.window)
    parts = flights.time_split.split(rows, as_of=as_of)
    found = {name: getattr(parts, name) for name in ("train", "validation")}
    for test in (parts.recent_test, parts.static_test):
        found[test.name] = test.open(lambda read: None, models="", reason="")
    return found | {"all": flights.time_split.refit_view(rows, as_of=as_of)}


def evaluate(fitted: dict, parts: dict[str, View]) -> tuple[dict[str, dict[str, float]], dict[str, bytes]]:
    """Return every model's metrics on both tests, with the intervals and comparisons made on the way, and plots."""
    found: dict[str, dict[str, float]] = {name: {} for name in fitted}
    plots = {}
    for test, rows in (("recent", parts["recent_test"]), ("static", parts["static_test"])):
        scores = {name: model.predict(rows.features, threads=2) for name, model in fitted.items()}
        weights = bootstrap(day_blocks(rows.at), seed=0)
        for name, score in scores.items():
            for metric in flights.metrics:
                found[name][f"{test} {metric.name}"] = estimate(metric, rows.label, score, weights=weights).value
            for one in flights.slices:
                for group, inside in one.groups(rows.features):
                    part = rows.label[inside], score[inside]
                    worth = estimate(flights.metrics[0], *part, weights=weights.of(inside)).value
                    if np.isfinite(worth):
                        found[name][f"{test} {one.name} {group}"] = worth
        for name in sorted({"zero_rule", "group_rate", "champion"} & set(scores)):
            for metric in flights.gates.beats_baselines:
                difference(metric, rows.label, (scores["lightgbm"], scores[name]), weights=weights)
        plots[test] = curves_plot(scores, rows.label, title=test)
    for name, model in fitted.items():
        rows = parts["validation"]
        score = model.predict(rows.features, threads=2)
        found[name] |= {f"validation {m.name}": value(m, rows.label, score) for m in flights.metrics}
    return found, plots


def register(fitted: dict, champion: object, measured: dict, plots: dict[str, str]) -> None:
    """Log every model to MLflow and register the champion."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    home = tempfile.mkdtemp(dir=".")
    uri = f"sqlite:///{home}/mlflow.db"
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("flights", artifact_location=Path(home, "files").absolute().as_uri())
    client.create_registered_model("flights")
    for name, model in {**fitted, "champion": champion}.items():
        run = client.create_run(experiment, run_name=name).info.run_id
        params = [Param(k, str(v)) for k, v in model.params.items()]
        metrics = [Metric(k.replace("=", "_"), v, 0, 0) for k, v in measured.get(name, {}).items()]
        curves = {"train": model.loss_curve.train, "validation": model.loss_curve.validation}
        metrics += [Metric(k, v, 0, step) for k, values in curves.items() for step, v in enumerate(values)]
        client.log_batch(run, params=params, metrics=metrics)
        with tempfile.TemporaryDirectory() as folder:
            pictures = {f"{k}.svg": plot.encode() for k, plot in plots.items()} if name in fitted else {}
            for file, content in {**to_files(model.predictor), **pictures}.items():
                Path(folder, file).write_bytes(content)
            client.log_artifacts(run, folder)
        client.set_terminated(run)
    version = client.create_model_version("flights", f"runs:/{run}/", run)
    client.set_registered_model_alias("flights", "champion", version.version)


def before(table: pa.Table, column: str, moment: object) -> pa.Table:
    """Return the rows whose time is before a moment."""
    return table.filter(pc.less(table[column], pa.scalar(moment, MOMENT)))


if __name__ == "__main__":
    main()
