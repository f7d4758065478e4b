"""How a service and a system's life do, counted, as Prometheus reads it: each has a registry of its own."""

from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from mlsys_assets.ledger import ALERT, DIAGNOSIS, GATE, MONITORING, Record

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus' text format."""
BUCKETS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds by which answers are counted: from what a compiled model takes to what nobody waits for."""
SUCCESS: Final = "2xx"
CLASSES: Final = ("none", "1xx", SUCCESS, "3xx", "4xx", "5xx")


class ServiceMetrics:
    """What a process that serves requests counts; safe from any thread.

    Parameters
    ----------
    disk
        A folder on the disk whose free space is told; none, if not given.
    """

    def __init__(self, disk: Path | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.registry = CollectorRegistry(auto_describe=True)
        own: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter("mlsys_requests", "Requests answered.", ("route", "status"), **own)
        self._seconds = Histogram(
            "mlsys_request_seconds", "Until the answer ended.", ("route",), buckets=BUCKETS, **own
        )
        self._predicted = Counter("mlsys_rows_predicted", "Rows that a prediction was given for.", **own)
        self._quarantined = Counter("mlsys_rows_quarantined", "Rows refused as no valid input.", **own)
        self._unlogged = Counter("mlsys_requests_unlogged", "Requests whose line could not be written.", **own)
        self._known: dict[tuple[str, str], tuple[Any, Any]] = {}
        self._by_class, self._lock = Counts[str](), Lock()
        self.registry.register(_Process(disk))

    def answered(self, route: str, status: int, *, seconds: float, predicted: int = 0, quarantined: int = 0) -> None:
        """Count one request."""
        of = CLASSES[status // 100] if 100 <= status < 600 else CLASSES[0]  # noqa: PLR2004 - the classes of HTTP
        found = self._known.get((route, of))
        if found is None:
            found = self._known[route, of] = (self._requests.labels(route, of), self._seconds.labels(route))
        requests, latency = found
        requests.inc()
        latency.observe(seconds)
        if predicted:
            self._predicted.inc(predicted)
        if quarantined:
            self._quarantined.inc(quarantined)
        with self._lock:
            self._by_class[of] += 1

    def unlogged(self) -> None:
        """Count one request whose line in the log is missing."""
        self._unlogged.inc()

    @property
    def success(self) -> float | None:
        """The share of requests answered with 2xx; None before the first."""
        with self._lock:
            counted = dict(self._by_class)
        total = sum(counted.values())
        return counted.get(SUCCESS, 0) / total if total else None

    def text(self) -> str:
        """Return everything in Prometheus' text format."""
        return _text(self.registry)


class _Process:
    """What this process uses, read when it is asked for."""

    def __init__(self, disk: Path | None) -> None:
        import psutil

        self._process, self._disk = psutil.Process(), disk

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        import psutil
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        used = self._process.cpu_times()
        yield CounterMetricFamily("mlsys_process_cpu_seconds", "Processor time used.", value=used.user + used.system)
        resident = self._process.memory_info().rss
        yield GaugeMetricFamily("mlsys_process_resident_bytes", "Memory in use.", value=resident)
        if self._disk is not None:
            free = psutil.disk_usage(str(self._disk)).free
            yield GaugeMetricFamily("mlsys_disk_free_bytes", "Free on the disk of the state folder.", value=free)


@dataclass(frozen=True)
class Life:
    """What is counted of a system's life as of a moment.

    Parameters
    ----------
    records
        The ledger.
    rows
        By table, how many rows it holds.
    alerts
        How many decisions on faults there are, by verdict, where they are kept beside the ledger; else those of the
        ledger count.
    latest
        The last moment at which something that is in the tables became known.
    trained
        As of when the champion was trained; None without one.
    """

    system: str
    as_of: datetime
    records: Iterable[Record]
    rows: Mapping[str, int] = field(default_factory=dict)
    alerts: Mapping[str, int] | None = None
    latest: datetime | None = None
    trained: datetime | None = None


def metrics_of(life: Life) -> str:
    """Return what is counted of a system's life, in Prometheus' text format: for a file that its collector reads."""
    from prometheus_client import CollectorRegistry, Gauge

    records = [record for record in life.records if record.as_of <= life.as_of]
    registry = CollectorRegistry(auto_describe=True)

    def told(name: str, meaning: str, values: Mapping[str, float], label: str) -> None:
        gauge = Gauge(f"mlsys_{name}", meaning, ("system", label), registry=registry)
        for key, value in sorted(values.items()):
            gauge.labels(life.system, key).set(value)

    def aged(name: str, meaning: str, since: datetime | None) -> None:
        if since is not None:
            gauge = Gauge(f"mlsys_{name}", meaning, ("system",), registry=registry)
            gauge.labels(life.system).set((life.as_of - since) / timedelta(seconds=1))

    told("decisions", "Decisions on the ledger.", Counts(r.kind for r in records), "kind")
    told(
        "trainings",
        "Trainings by their gate's verdict.",
        Counts(r.verdict for r in records if r.kind == GATE),
        "verdict",
    )
    causes = Counts(r.verdict for r in records if r.kind == MONITORING and r.name == DIAGNOSIS)
    told("diagnoses", "Ticks by the cause that their diagnosis names.", causes, "cause")
    alerts = Counts(r.verdict for r in records if r.kind == ALERT) if life.alerts is None else life.alerts
    told("alerts", "Decisions on faults, told or not.", alerts, "verdict")
    told("rows", "Rows of each table.", life.rows, "table")
    aged("model_age_seconds", "Since the champion's training.", life.trained)
    aged("data_lag_seconds", "Since the last thing that the tables hold became known.", life.latest)
    return _text(registry)


def _text(registry: "CollectorRegistry") -> str:
    from prometheus_client import generate_latest

    return generate_latest(registry).decode()
