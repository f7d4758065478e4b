"""What one MLflow run says, as a value, and the few calls that write it."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from mlsys_resources.canonical import sha256
from mlsys_resources.names import relative_path

MOST_METRICS = 1000
"""Metrics that MLflow takes in one call."""

MOST_PARAMS = 100
"""Parameters that MLflow takes in one call."""

PARENT_TAG = "mlflow.parentRunId"
"""The tag by which MLflow nests a tuning trial under its study."""

TOLD_APART = 8
"""Hexadecimal digits of that hash."""

NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9_\-. /:]")

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One lake table in one version, as a run used it; ``context`` is training, validation or test."""

    name: str
    version: str
    source: str
    context: str


@dataclass(frozen=True, slots=True)
class RunLog:
    """Everything one run has to say, written at once when it is known.

    ``metrics`` are final values, ``curves`` values by step (boosting rounds, say); ``artifacts`` are
    files by relative path. ``started_at`` defaults to the time of writing.
    """

    experiment: str
    name: str
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[DatasetVersion] = ()
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    parent_run_id: str | None = None
    started_at: datetime | None = None

    def __post_init__(self) -> None:
        keys(self.params)
        keys([*self.metrics, *self.curves])
        for path in self.artifacts:
            relative_path(path)

    @property
    def all_tags(self) -> dict[str, str]:
        """The run's tags with the one that names its parent."""
        parent = {} if self.parent_run_id is None else {PARENT_TAG: self.parent_run_id}
        return {name: str(value) for name, value in self.tags.items()} | parent


def keys(names: Iterable[str]) -> dict[str, str]:
    """Return the MLflow key of each name: what MLflow does not allow becomes ``_``.

    Names that would share a key, such as slices of values that differ in such signs only, are told apart by a hash.
    Raises ValueError for a name that stands twice.

    >>> keys(["auc[origin=EWR]"])
    {'auc[origin=EWR]': 'auc_origin_EWR_'}
    """
    names = list(names)
    if twice := sorted(name for name, n in Counter(names).items() if n > 1):
        raise ValueError(f"{', '.join(twice)} would be logged twice, as a value and as a curve, say; rename one")
    plain = {name: NOT_IN_A_KEY.sub("_", name) for name in names}
    shared = {key for key, n in Counter(plain.values()).items() if n > 1}
    return {n: f"{k} {sha256(n.encode())[:TOLD_APART]}" if k in shared and k != n else k for n, k in plain.items()}


def write(client: Any, run_id: str, run: RunLog, *, at: datetime) -> None:
    """Write parameters, metrics, curves and datasets of a run to MLflow, in as few calls as it allows."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    moment = milliseconds(at)
    named = keys([*run.metrics, *run.curves])
    curves = (
        Metric(named[name], float(value), moment, step)
        for name, values in run.curves.items()
        for step, value in enumerate(values)
    )
    params = [Param(key, str(run.params[name])) for name, key in keys(run.params).items()]
    for batch in _batches(params, MOST_PARAMS):
        client.log_batch(run_id, params=batch)
    log_metrics(client, run_id, run.metrics, at=at)
    for batch in _batches(curves, MOST_METRICS):
        client.log_batch(run_id, metrics=batch)
    if run.datasets:
        inputs = [
            DatasetInput(
                Dataset(table.name, table.version, "delta", table.source),
                [InputTag("mlflow.data.context", table.context)],
            )
            for table in run.datasets
        ]
        client.log_inputs(run_id, inputs)


def log_metrics(client: Any, run_id: str, metrics: Mapping[str, float], *, at: datetime) -> None:
    """Write final values to MLflow, in as few calls as it allows."""
    from mlflow.entities import Metric

    final = [Metric(key, float(metrics[name]), milliseconds(at), 0) for name, key in keys(metrics).items()]
    for batch in _batches(final, MOST_METRICS):
        client.log_batch(run_id, metrics=batch)


def milliseconds(at: datetime) -> int:
    """Return a moment as MLflow counts: milliseconds since 1970 UTC."""
    return int(at.timestamp() * 1000)


def _batches(items: Iterable[Item], size: int) -> Iterable[list[Item]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
