"""Whether the system whose data another reuses has brought them in: asked before anything is made of them."""

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES
from mlsys_assets.types import TimeWindow


class HomeBehind(RuntimeError):
    """A tick that a system reuses was not brought in yet by the system that it is reused from."""


def home_lacks(instance: dg.DagsterInstance, system: MLSystem, window: TimeWindow) -> str | None:
    """Return which tick of a window the reused system lacks, and what to run first; None if it is all there.

    A tick is there once Dagster has seen it materialized, as it has a tick without rows.
    """
    home = system.reuses
    if home is None:
        return None
    ticks = [home.calendar.key(tick.start) for tick in home.calendar.ticks(window)]
    for table in (*(source.name for source in system.label.sources), FEATURES):
        if missing := _missing(instance, adapter.key(system, table), ticks):
            return (
                f"{system.name} reuses {home.name}, whose table {table} lacks the tick {missing[0]}; first "
                f"{_remedy(home, window)}"
            )
    return None


def require_home(instance: dg.DagsterInstance, system: MLSystem, window: TimeWindow) -> None:
    """Raise HomeBehind if the reused system lacks a tick of the window."""
    if (lacks := home_lacks(instance, system, window)) is not None:
        raise HomeBehind(lacks)


def _missing(instance: dg.DagsterInstance, asset: dg.AssetKey, ticks: list[str]) -> list[str]:
    if len(ticks) == 1:  # as asked by sensors, every few seconds: not all that ever was
        found = instance.fetch_materializations(dg.AssetRecordsFilter(asset, asset_partitions=ticks), limit=1)
        return [] if found.records else ticks
    there = instance.get_materialized_partitions(asset)
    return [tick for tick in ticks if tick not in there]


def _remedy(home: MLSystem, window: TimeWindow) -> str:
    if home.simulated_from is not None and home.triggers:
        return f"run `mlsys run {home.name} --until {window.end:%Y-%m-%dT%H:%M}`"
    return f"run the job {adapter.data_job(home)} for the ticks in {window}"
