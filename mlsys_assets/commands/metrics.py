"""The command ``mlsys metrics``: what is counted of a system's life, as Prometheus reads it."""

import argparse
import os
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc

from mlsys_assets.clocks import clock_of
from mlsys_assets.commands.asked import asked_system
from mlsys_assets.production_monitoring.operations import Life, metrics_of
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import BASELINES, KNOWN_AT, PREDICTIONS
from mlsys_assets.types import CHAMPION
from mlsys_resources.resources import Resources

MADE_HERE = frozenset({PREDICTIONS, BASELINES})
"""Tables whose rows are known as soon as they are made: they say nothing of how late data is."""


def life_of(system: MLSystem, stores: Resources) -> Life:
    """Return what is on record of a system, as of its clock."""
    lake, name, as_of = stores.lake, system.name, clock_of(system, stores).now()
    rows, latest = dict[str, int](), list[datetime]()
    for table in lake.tables(name):
        names = lake.schema(name, table).names
        timed = KNOWN_AT in names and table not in MADE_HERE
        found = lake.read(name, table, columns=[KNOWN_AT if timed else names[0]])
        rows[table] = found.num_rows
        known = found[KNOWN_AT].filter(pc.less_equal(found[KNOWN_AT], as_of)) if timed else ()
        latest += [pc.max(known).as_py()] if len(known) else []
    operations = stores.operations
    champion = operations.alias_at(name, CHAMPION, as_of)
    trained = next((m.as_of for m in operations.models(name) if champion and m.version == champion.version), None)
    told = operations.alert_counts(name, until=as_of)
    return Life(name, as_of, operations.decisions(name), rows, told, max(latest, default=None), trained)


def command(options: argparse.Namespace) -> int:
    """Print the metrics, or put them in the place of a file, whole."""
    system, workspace = asked_system(options)
    text = metrics_of(life_of(system, workspace.stores))
    if options.out is None:
        print(text, end="")
        return 0
    beside: Path = options.out.with_name(f".{options.out.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(options.out)  # a collector never reads half of it
    return 0
