"""Looks for what no change of the world is: bugs of schema, of the pipeline, of what the model is given."""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from mlsys_assets.production_monitoring.declared_rules import keep_rules
from mlsys_assets.production_monitoring.diagnosing.seen import Seen, TablePair
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.pipeline.bugs import pipeline_bugs
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.production_monitoring.pipeline.repeats import Again, repeated_predictions
from mlsys_assets.production_monitoring.pipeline.volume import volume


def bug_looks(seen: Seen, asked: Monitoring, *, seed: int) -> Iterator[Examined]:
    """Yield what each look saw: of every source, of the features, of rules, of predictions.

    Parameters
    ----------
    asked
        How the system is monitored.
    seed
        Of draws.
    """
    for name, pair in seen.raw.items():
        yield from _of_source(name, pair, seed)
    features = seen.features
    if features.untold:
        yield Examined.nothing("bugs of features", features.untold)
    else:
        yield pipeline_bugs(features.before, features.now, tests=features.tests, seed=seed)
    rows = seen.predicted
    if asked.rules and len(rows):
        yield keep_rules(asked.rules, rows.features, seen.ids)[1]
    if len(rows):
        before = None if seen.recent is None else seen.recent.score
        yield repeated_predictions(rows.score, rows.at, before=before, again=_again(seen))


def _again(seen: Seen) -> Again | None:
    """Return what scores the window's requests at some places anew; None without a champion."""
    says, rows = seen.says, seen.predicted
    return None if says is None else lambda places: says(rows.features.take(pa.array(places)))


def _of_source(name: str, pair: TablePair, seed: int) -> Iterator[Examined]:
    """Yield what is other in a source's columns, under its name, and in how many rows came."""
    if pair.untold:
        yield Examined.nothing(f"bugs of {name}", pair.untold)
        return
    found = pipeline_bugs(pair.before, pair.now, tests=pair.tests, seed=seed)
    named = tuple(replace(s, where=f"{name}.{s.where}") for s in found.symptoms)
    yield Examined(named, {f"{test} of {name}": why for test, why in found.untold.items()})
    if pair.flow is not None:
        came = volume(len(pair.now), usual=pair.flow, where=f"rows of {name}")
        yield Examined(came.symptoms, {f"{test} of {name}": why for test, why in came.untold.items()})
