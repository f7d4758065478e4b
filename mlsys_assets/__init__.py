"""mlsys: the production life of a machine-learning model as a Dagster asset graph.

The public names, loaded on first use so that declaring a system costs no more than what it uses.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "types": (
        "Calendar", "Clock", "Daily", "DeclarationError", "Finding", "FixedClock", "Hourly", "Severity",
        "SystemClock", "TimeWindow", "Weekly", "days", "hours", "minutes", "utc",
    ),
    "measures.intervals": ("Support",),
    "measures.metrics": ("Accuracy", "Brier", "Ece", "LogLoss", "PrAuc", "RocAuc"),
    "data_ingestion.casting": ("read_moments",),
    "data_ingestion.files": ("CsvFile",),
    "data_ingestion.source": (
        "DELIVERED_AT", "EVENT_TIME", "KNOWN_AT", "MALFORMED", "SOURCE_FILE", "SOURCE_LINE",
        "Column", "Reader", "Reference", "Rule", "Source", "SourceKind",
    ),
    "data_labeling.natural_labels": ("NaturalLabel",),
    "data_sampling.splits": ("TimeSplit",),
    "features.aggregate": ("age", "count", "last", "mean", "rate", "sum"),
    "features.key": ("Key",),
    "features.lookup": ("Lookup",),
    "features.request": ("Request",),
    "features.scheduled": ("Scheduled",),
    "features.trailing": ("Trailing",),
    "models.baselines": ("GroupRate", "ZeroRule"),
    "models.gradient_boosting": ("LightGBM",),
    "models.linear": ("LogisticRegression",),
    "offline_evaluation.gates": ("Gates",),
    "offline_evaluation.slices": ("Slice",),
    "system": ("MLSystem", "Requests"),
    "definitions": ("build_definitions",),
}  # fmt: skip
_HOME = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_HOME)  # noqa: PLE0605 - computed from the table above


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"mlsys_assets has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"mlsys_assets.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
