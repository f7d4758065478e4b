"""The only translator between the pure side and Dagster: ticks, findings, schemas, names."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from dagster import TimeWindowPartitionMapping

from mlsys_assets.data_ingestion.ticks import with_tick
from mlsys_assets.models.passport.code import code_hash, source_files
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import (
    EVENT_TIME,
    KNOWN_AT,
    LABEL,
    MODEL,
    MODEL_HASH,
    PREDICT_AT,
    SCORE,
    SOURCE_FILE,
    SOURCE_LINE,
    STATE,
    TICK,
    TIMESTAMP,
    TYPES,
    Column,
)
from mlsys_assets.types import Finding, Scalar, Severity, TimeWindow, days, hours

if TYPE_CHECKING:
    from mlsys_resources.lake import Lake, Written

PACKAGES = ("mlsys_assets", "mlsys_resources")
"""Whose source files are the code version, with those of a system's own functions."""
CODE_DIGITS = 16
DIGITS, LARGE = 4, 1000
"""Significant digits that are shown of a number, and from where on its whole part is."""
MEANINGS = {
    EVENT_TIME: "when it happened [UTC]",
    KNOWN_AT: "when it became known [UTC]: nothing that is computed as of an earlier time sees the row",
    PREDICT_AT: "when the prediction is asked for [UTC]: what is known by then counts",
    SOURCE_FILE: "the raw file, by the first digits of its SHA-256",
    SOURCE_LINE: "the line of the raw file, 1 is the header",
    LABEL: "what became of it; null where there will be no label",
    STATE: "labelled, or why there is no label",
    SCORE: "the predicted probability",
    MODEL: "who said so: the champion, or a baseline by name",
    MODEL_HASH: "the model that said so, by the SHA-256 of its content",
}
"""What the columns mean that every system has."""
TYPE_NAMES = {arrow: name for name, arrow in TYPES.items()}
SINGLE_RUN = dg.BackfillPolicy.single_run()
MOST_TICKS = 520
"""How far back the graph shows a decision's dependencies, for a calendar without an end: ten years of weeks. Dagster
counts them one by one at every step. What a decision reads is its own affair, and stands in its record."""
CRON = {hours(1): "{minute} * * * *", days(1): "{minute} {hour} * * *", days(7): "{minute} {hour} * * {weekday}"}
STAGES = (
    "data_ingestion", "data_labeling", "data_sampling", "features", "models", "offline_evaluation", "prediction",
    "production_monitoring", "retraining", "rollout", "value_analysis",
)  # fmt: skip
"""The life cycle in order, which happens to be the order of the alphabet."""


def partitions(system: MLSystem) -> dg.TimeWindowPartitionsDefinition:
    """Return the system's ticks as Dagster partitions."""
    calendar = system.calendar
    return dg.TimeWindowPartitionsDefinition(
        start=calendar.start, end=calendar.end, fmt=calendar.key_format, cron_schedule=cron(system)
    )


def as_ofs(system: MLSystem) -> dg.TimeWindowPartitionsDefinition:
    """Return the starts of ticks as of which can be decided: also of the tick under way, and the calendar's end."""
    calendar = system.calendar
    end = None if calendar.end is None else calendar.end + calendar.step
    return dg.TimeWindowPartitionsDefinition(
        start=calendar.start, end=end, fmt=calendar.key_format, cron_schedule=cron(system), end_offset=1
    )


def cron(system: MLSystem) -> str:
    """Return the schedule of the system's ticks."""
    start = system.calendar.start
    return CRON[system.calendar.step].format(minute=start.minute, hour=start.hour, weekday=start.isoweekday() % 7)


def data_job(system: MLSystem) -> str:
    """Return the name of the job that brings a tick's data in, up to its features."""
    return f"{system.name}_ingest"


def tick_job(system: MLSystem) -> str:
    """Return the name of the job that brings a tick in, predicts it and monitors it."""
    return f"{system.name}_tick"


def training_job(system: MLSystem) -> str:
    """Return the name of the job that trains, compares and perhaps promotes as of a tick's start."""
    return f"{system.name}_train"


def prediction_job(system: MLSystem) -> str:
    """Return the name of the job that predicts for a tick's requests."""
    return f"{system.name}_predict"


def study_job(system: MLSystem) -> str:
    """Return the name of the job of the studies, which run when they are asked for."""
    return f"{system.name}_study"


def data_report_job(system: MLSystem) -> str:
    """Return the name of the job of Evidently's report on a tick, which runs when it is asked for."""
    return f"{system.name}_data_report"


def policy_replay_job(system: MLSystem) -> str:
    """Return the name of the job that lives the past under other policies, which runs when it is asked for."""
    return f"{system.name}_policy_replay"


def group(system: MLSystem, stage: str) -> str:
    """Return the Dagster group of one of the system's stages."""
    if stage not in STAGES:
        raise ValueError(f"{stage!r} is no stage; the stages are {', '.join(STAGES)}")
    return f"{system.name}_{stage}"


def key(system: MLSystem, table: str) -> dg.AssetKey:
    """Return the asset key of one of the system's tables, which may be the home's of what it reuses."""
    return dg.AssetKey([system.home(table), table])


def common(system: MLSystem, stage: str, *, kinds: Iterable[str] = (), owner: str = "") -> dict[str, Any]:
    """Return what every asset of a stage has: group, owner (the system's, if not given), kinds, tags."""
    return {
        "group_name": group(system, stage),
        "owners": [_owner(owner or system.owner)] if owner or system.owner else None,
        "kinds": set(kinds),
        "code_version": code_version(system),
        "tags": {"system": system.name, "stage": stage, **system.tags},
    }


def _owner(owner: str) -> str:
    return owner if "@" in owner else f"team:{owner}"


@lru_cache
def code_version(system: MLSystem) -> str:
    """Return the first digits of a hash of the code that a system runs."""
    return code_hash(PACKAGES, files=source_files(system))[:CODE_DIGITS]


def earlier_ticks(system: MLSystem) -> TimeWindowPartitionMapping:
    """Return the mapping of an as-of partition to the ticks before it."""
    calendar = system.calendar
    most = MOST_TICKS if calendar.end is None else len(calendar.ticks(TimeWindow(calendar.start, calendar.end)))
    return TimeWindowPartitionMapping(start_offset=-most, end_offset=-1, allow_nonexistent_upstream_partitions=True)


def reached_ticks(system: MLSystem, reach: timedelta) -> TimeWindowPartitionMapping:
    """Return the mapping of a tick to itself and the ticks before it that rows as old as ``reach`` may stand in."""
    back = -(-reach // system.calendar.step)
    return TimeWindowPartitionMapping(start_offset=-back, end_offset=0, allow_nonexistent_upstream_partitions=True)


def tick_window(context: dg.AssetExecutionContext) -> TimeWindow:
    """Return the time that the run's ticks cover."""
    window = context.partition_time_window
    return TimeWindow.of(window.start, window.end)


def check_specs(asset: dg.AssetKey, checks: Mapping[str, tuple[str, bool]]) -> list[dg.AssetCheckSpec]:
    """Return check specs from name → (description, whether a failure stops what is downstream)."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=text, blocking=blocking)
        for name, (text, blocking) in checks.items()
    ]


def check_result(finding: Finding, asset: dg.AssetKey) -> dg.AssetCheckResult:
    """Return a finding as a Dagster check result."""
    severity = dg.AssetCheckSeverity.ERROR if finding.severity is Severity.ERROR else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=finding.passed,
        asset_key=asset,
        check_name=finding.name,
        severity=severity,
        description=finding.summary,
        metadata=evidence(finding.evidence),
    )


def evidence(values: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return scalars as metadata, numbers to four digits; JSON has no NaN, so an unknown number is said in words."""
    return {name: _shown(value) for name, value in values.items()}


def numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the values that are known: MLflow and the ledger hold no NaN."""
    return {k: float(v) for k, v in values.items() if v is not None and math.isfinite(v)}


def in_tick(rows: pa.Table, tick: datetime) -> pa.Table:
    """Return the rows as all belonging to one tick."""
    return rows.append_column(TICK, pa.repeat(pa.scalar(tick, TIMESTAMP), rows.num_rows))


def table_schema(
    schema: pa.Schema, columns: Iterable[Column], described: Mapping[str, str] | None = None
) -> dg.TableSchema:
    """Return a table as it stands in the lake, with what its declared columns mean, as Dagster's table schema."""
    texts = {
        c.name: " ".join(filter(None, [c.description or MEANINGS.get(c.name, ""), f"[{c.unit}]" if c.unit else ""]))
        for c in columns
    }
    return arrow_schema(schema, {name: text for name, text in texts.items() if text} | dict(described or {}))


def arrow_schema(schema: pa.Schema, described: Mapping[str, str] | None = None) -> dg.TableSchema:
    """Return an Arrow schema as Dagster's table schema, with what its columns mean: the words of all tables, and more.

    Parameters
    ----------
    described
        By column, what it means in this table.
    """
    meant = MEANINGS | dict(described or {})
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                f.name,
                TYPE_NAMES.get(f.type, str(f.type)),
                description=meant.get(f.name),
                constraints=dg.TableColumnConstraints(nullable=f.nullable),
            )
            for f in schema
        ]
    )


def entity(system: MLSystem) -> dict[str, str]:
    """Return what the column means that names a request, in the tables made from requests."""
    return {system.requests.key: f"what is predicted for, as `{system.requests.source.name}` names it"}


def column_lineage(system: MLSystem, found: Mapping[str, Iterable[tuple[str, str]]]) -> dg.TableColumnLineage:
    """Return which columns of which of the system's tables each column is read from."""
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(key(system, table), column) for table, column in origins]
            for name, origins in found.items()
        }
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """Return rows as a Markdown table; numbers to four significant digits."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def image(picture: bytes | str, title: str) -> dg.MarkdownMetadataValue:
    """Return a picture, PNG bytes or SVG text, as metadata that the Dagster UI shows inline."""
    import base64

    kind, data = ("svg+xml", picture.encode()) if isinstance(picture, str) else ("png", picture)
    return dg.MetadataValue.md(f"![{title}](data:image/{kind};base64,{base64.b64encode(data).decode()})")


def pictures(name: str, small: str, large: bytes | str) -> dict[str, dg.MarkdownMetadataValue]:
    """Return a picture twice: a thumbnail that is seen at once, and all of it for who wants to know."""
    return {name: dg.MetadataValue.md(small), f"{name}, large": image(large, name)}


def _shown(value: Scalar) -> Scalar:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "unknown"
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _cell(value: object) -> str:
    if isinstance(value, float) and abs(value) >= LARGE:
        return f"{value:,.0f}"
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


class TickWriter:
    """Writes the run's ticks of a table to the lake and tells Dagster, tick by tick, what was written."""

    def __init__(self, context: dg.AssetExecutionContext, system: MLSystem, lake: "Lake") -> None:
        self.context, self.system, self.lake = context, system, lake
        self.ticks = [tick.start for tick in system.calendar.ticks(tick_window(context))]

    def write(self, table: str, rows: pa.Table, *, schema: pa.Schema, by: str, record: bool = True) -> "Written":
        """Replace the run's ticks of ``table`` by ``rows``, each in the tick of its ``by`` time.

        With ``record``, Dagster is told each tick's row count and content hash, and the version.
        """
        placed = with_tick(rows, self.system.calendar, by)
        written = self.lake.write_ticks(
            self.system.name, table, placed, schema=schema, ticks=self.ticks, run_id=self.context.run.run_id
        )
        if record:
            counts = {row["values"]: row["counts"] for row in pc.value_counts(placed[TICK]).to_pylist()}
            for tick in self.ticks:
                self._tell(tick, counts.get(tick, 0), written)
        return written

    def tell_last(self, metadata: Mapping[str, Any]) -> None:
        """Tell Dagster of the run's last tick alone what holds of all: it would be kept once for each."""
        self.context.add_asset_metadata(metadata, partition_key=self.system.calendar.key(self.ticks[-1]))

    def _tell(self, tick: datetime, rows: int, written: "Written") -> None:
        self.context.add_asset_metadata(
            {
                "dagster/partition_row_count": rows,
                "content_hash": written.content_hashes[tick],
                "lake_version": written.version,
            },
            partition_key=self.system.calendar.key(tick),
        )
