"""The training cycle as a script without any tool: what `mlsys run` is measured against.

Files, arrays, the product's own models and measures, MLflow. No validation, no versions, no ledger, no graph, no
second run that finds what the first one did. Prints the seconds of its steps and its quality as JSON.
"""

import io
import json
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `mlsys run` sets it

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

sys.path.insert(0, str(Path(__file__).parent))

from features_floor import floor

from mlsys_assets.data_sampling.rows import moment, moments
from mlsys_assets.data_sampling.views import Train, Validation, View
from mlsys_assets.measures.intervals import bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import value
from mlsys_assets.models.bundle import to_files
from mlsys_assets.offline_evaluation.calibration import curves_plot
from mlsys_assets.offline_evaluation.evaluation import SLICE_DRAWS
from mlsys_assets.systems.flights.plan import planned
from mlsys_assets.systems.flights.sources import (
    CANCELLATION_KNOWN,
    OBSERVATION_LAG,
    PLAN_NOTICE,
    REQUEST_LEAD,
    FlightsFiles,
)
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.types import TimeWindow, days, utc

AS_OF = utc("2013-07-01")
UNTIL = AS_OF + days(7)
MOMENT = pa.timestamp("us", tz="UTC")
TEXTS = ("carrier", "origin", "dest")
WHOLE = ("sched_dep_time", "sched_arr_time", "dep_time", "arr_time", "flight")


def main() -> None:
    seconds, last = {}, time.monotonic()

    def done(step: str) -> None:
        nonlocal last
        seconds[step], last = time.monotonic() - last, time.monotonic()

    tables = load(FlightsFiles.installed())
    done("load")
    asked, features = build(tables)
    done("features")
    label, known = labels(asked, tables["arrivals"])
    parts = split(asked, features, label, known)
    done("labels and split")
    fitted = {c.name: c.fit(parts["train"], parts["validation"], seed=flights.seed, threads=2) for c in CANDIDATES}
    done("fit")
    measured, plots = evaluate(fitted, parts)
    done("evaluate")
    champion = CANDIDATES[-1].refit(parts["all"], recipe=fitted["lightgbm"].recipe, seed=flights.seed, threads=2)
    done("refit")
    register(fitted, champion, measured, plots)
    done("MLflow")
    scores = champion.predict(parts["week"].features, threads=2)
    done("predict")
    print(json.dumps({"seconds": seconds, "recent AUC": measured["lightgbm"]["recent roc_auc"], "rows": len(scores)}))


CANDIDATES = flights.candidates


def load(files: FlightsFiles) -> dict[str, pa.Table]:
    """Return what had become known when the predicted week was over."""
    with zipfile.ZipFile(files.folder / "flights.csv.zip") as archive:
        raw = _csv(archive.read("flights.csv"))
    raw = raw.filter(pc.less(pc.add(pc.multiply(raw["month"], 100), raw["day"]), 710))
    for name in WHOLE:
        raw = raw.set_column(raw.schema.get_field_index(name), name, raw[name].cast(pa.int64()))
    rows = planned(raw, files.zones, REQUEST_LEAD)
    left, landed = rows.filter(pc.is_valid(rows["departed"])), rows.filter(pc.is_valid(rows["landed"]))
    cancelled = rows.filter(pc.is_null(rows["dep_time"]))
    weather = _csv((files.folder / "weather.csv").read_bytes())
    hour = weather["time_hour"].cast(MOMENT)
    planes = _csv((files.folder / "planes.csv").read_bytes())
    since = pa.chunked_array([pa.repeat(pa.scalar(utc("2012-12-01"), MOMENT), len(planes))])
    return {
        "schedule": _known(rows, rows["sched_dep"], _later(rows["sched_dep"], -PLAN_NOTICE)),
        "departures": _known(left, left["departed"], left["departed"]),
        "arrivals": _known(landed, landed["landed"], landed["landed"]),
        "cancellations": _known(cancelled, cancelled["sched_dep"], _later(cancelled["sched_dep"], CANCELLATION_KNOWN)),
        "weather": _known(weather, hour, _later(hour, OBSERVATION_LAG)),
        "planes": _known(planes, since, since),
    }


def build(tables: dict[str, pa.Table]) -> tuple[pa.Table, pa.Table]:
    """Return the flights asked for, and their features."""
    plan = tables["schedule"]
    asked = plan.filter(pc.less(plan["predict_at"], pa.scalar(UNTIL, MOMENT))).sort_by("predict_at")
    columns = floor(flights.features, asked, tables)
    return asked, pa.table({n: asked[n] if n in TEXTS else pa.array(v, from_pandas=True) for n, v in columns.items()})


def labels(asked: pa.Table, arrivals: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return each flight's label, NaN where there is none, and when it became known."""
    place = pc.index_in(asked["flight_id"], value_set=arrivals["flight_id"].combine_chunks())
    late = pc.cast(pc.greater(arrivals["arr_delay"], 15), pa.float64())
    return late.take(place).to_numpy(), moments(arrivals["known_at"].take(place))


def split(asked: pa.Table, features: pa.Table, label: np.ndarray, known: np.ndarray) -> dict[str, View]:
    """Return the parts: by time, purged and embargoed, the static test left out of all others."""
    at, plan = moments(asked["predict_at"]), flights.time_split
    ids = asked["flight_id"].combine_chunks()
    labelled = ~np.isnan(label) & (known < moment(AS_OF))
    static = np.logical_or.reduce([_within(at, w) for w in plan.static_test])

    def part(kind: type[View], window: TimeWindow, rows: np.ndarray) -> View:
        return kind(ids, at, features, label, window).take(rows)

    found = {}
    for name, window in plan.windows(AS_OF).items():
        settled = _within(at, TimeWindow(window.start, window.end - plan.embargo)) & (known <= moment(window.end))
        kind = {"train": Train, "validation": Validation}.get(name, View)
        found[name] = part(kind, window, labelled & settled & ~static)
    ever = TimeWindow(found["train"].window.start, AS_OF)
    found["static_test"] = part(View, ever, labelled & static & (at < moment(AS_OF - plan.embargo)))
    found["all"] = part(Train, ever, labelled & (at < moment(AS_OF)) & ~static)
    found["week"] = part(View, TimeWindow(AS_OF, UNTIL), at >= moment(AS_OF))
    return found


def evaluate(fitted: dict, parts: dict[str, View]) -> tuple[dict[str, dict[str, float]], dict[str, bytes]]:
    """Return every model's metrics on both tests, with the intervals and comparisons made on the way, and plots."""
    found: dict[str, dict[str, float]] = {name: {} for name in fitted}
    plots = {}
    for test, rows in (("recent", parts["recent_test"]), ("static", parts["static_test"])):
        scores = {name: model.predict(rows.features, threads=2) for name, model in fitted.items()}
        weights = bootstrap(day_blocks(rows.at), seed=0)
        few = bootstrap(day_blocks(rows.at), seed=0, draws=SLICE_DRAWS)
        for name, score in scores.items():
            for metric in flights.metrics:
                found[name][f"{test} {metric.name}"] = estimate(metric, rows.label, score, weights=weights).value
            for one in flights.slices:
                for group, inside in one.groups(rows.features):
                    part = rows.label[inside], score[inside]
                    worth = estimate(flights.metrics[0], *part, weights=few.of(inside)).value
                    if np.isfinite(worth):
                        found[name][f"{test} {one.name} {group}"] = worth
        for name in ("zero_rule", "group_rate"):
            for metric in flights.gates.beats_baselines:
                difference(metric, rows.label, (scores["lightgbm"], scores[name]), weights=weights)
        plots[test] = curves_plot(scores, rows.label, title=test)
    for name, model in fitted.items():
        rows = parts["validation"]
        score = model.predict(rows.features, threads=2)
        found[name] |= {f"validation {m.name}": value(m, rows.label, score) for m in flights.metrics}
    return found, plots


def register(fitted: dict, champion: object, measured: dict, plots: dict[str, bytes]) -> None:
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
            pictures = {f"{k}.png": png for k, png in plots.items()} if name in fitted else {}
            for file, content in {**to_files(model.predictor), **pictures}.items():
                Path(folder, file).write_bytes(content)
            client.log_artifacts(run, folder)
        client.set_terminated(run)
    version = client.create_model_version("flights", f"runs:/{run}/", run)
    client.set_registered_model_alias("flights", "champion", version.version)


def _csv(content: bytes) -> pa.Table:
    options = pa_csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    table = pa_csv.read_csv(io.BytesIO(content), convert_options=options)
    floats = [
        f.with_type(pa.float64()) if pa.types.is_integer(f.type) and "delay" in f.name else f for f in table.schema
    ]
    return table.cast(pa.schema(floats))


def _known(rows: pa.Table, event: pa.ChunkedArray, known: pa.ChunkedArray) -> pa.Table:
    timed = rows.append_column("event_time", event).append_column("known_at", known)
    return timed.filter(pc.less(known, pa.scalar(UNTIL, MOMENT)))


def _later(times: pa.ChunkedArray, by: object) -> pa.ChunkedArray:
    return pc.add(times, pa.scalar(by, pa.duration("us")))


def _within(at: np.ndarray, window: TimeWindow) -> np.ndarray:
    return (at >= moment(window.start)) & (at < moment(window.end))


if __name__ == "__main__":
    main()
