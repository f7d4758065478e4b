"""The main job: from the raw files to a champion and its predictions, told as it goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import KNOWN_AT
from mlsys_assets.definitions import data_job, prediction_job, training_job
from mlsys_assets.measures.metrics import value
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.prediction.batch import SCORE
from mlsys_assets.rollout.promotion import CHAMPION
from mlsys_assets.runs import Runner
from mlsys_assets.system import MLSystem
from mlsys_assets.types import TimeWindow
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources


@dataclass
class Progress:
    """Says which job and which step is being worked at, and how long each took."""

    out: TextIO
    _last: float = field(default_factory=time.monotonic)
    _step: str = ""

    @contextmanager
    def job(self, what: str) -> Iterator[None]:
        """Tell that a job begins, and when it ended."""
        began = self._last = time.monotonic()
        print(f"· {what}", file=self.out, flush=True)
        yield
        self.step("")
        print(f"  done in {time.monotonic() - began:.1f} s", file=self.out, flush=True)

    def step(self, name: str) -> None:
        """Tell how long the step before took; ``name`` begins."""
        now = time.monotonic()
        if self._step:
            print(f"    {self._step:<20} {now - self._last:6.1f} s", file=self.out, flush=True)
        self._last, self._step = now, name


def first_run(runner: Runner, as_of: datetime, *, stores: Resources, say: Progress) -> None:
    """Bring in what is known by ``as_of``, train as of then, and predict the tick that follows.

    Raises ValueError unless ``as_of`` is the start of a tick after the first, RunFailed if a run fails.
    """
    system = runner.system
    tick = system.calendar.tick_of(as_of)
    if tick.start != as_of or as_of == system.calendar.start:
        raise ValueError(
            f"{as_of:%Y-%m-%d %H:%M} is not the start of a tick of {system.name} with data before it; "
            f"such as {system.calendar.key(tick.end)} is"
        )
    past = TimeWindow(system.calendar.start, as_of)
    with say.job(f"bring in the {len(system.calendar.ticks(past))} ticks before {system.calendar.key(as_of)}"):
        runner.ticks(data_job(system), past)
    with say.job(f"train, compare and decide as of {system.calendar.key(as_of)}"):
        runner.as_of(training_job(system), as_of)
    with say.job(f"bring in the tick {system.calendar.key(as_of)}"):
        runner.ticks(data_job(system), tick)
    if stores.operations.alias_at(system.name, CHAMPION, as_of) is None:
        return  # the gate let none pass: there is nothing to predict with, and the report says why
    with say.job(f"predict the tick {system.calendar.key(as_of)}"):
        runner.ticks(prediction_job(system), tick)


def report(system: MLSystem, as_of: datetime, stores: Resources) -> list[str]:
    """Return what a first run found, in lines for people."""
    ledger = [d for d in stores.operations.decisions(system.name) if d.as_of == as_of]
    champion = stores.operations.alias(system.name, CHAMPION)
    lines = ["", f"{system.name} as of {system.calendar.key(as_of)}", ""]
    lines += _data(system, stores) + _models(system, ledger)
    lines += [f"  {d.kind:<10} {d.verdict}: {d.reason}" for d in ledger if d.kind in {"gate", "promotion"}]
    if champion is not None:
        lines.append(f"  champion   version {champion.version}, content {champion.content_hash[:16]}")
    return lines + (_predicted(system, as_of, stores) if champion is not None else ["  champion   none yet"])


def _data(system: MLSystem, stores: Resources) -> list[str]:
    lines = [f"  {'table':<16}{'rows':>9}{'in quarantine':>15}"]
    for source in system.sources:
        kept = stores.lake.read(system.name, source.name, columns=[KNOWN_AT]).num_rows
        broken = stores.lake.read(system.name, f"{source.name}_quarantine", columns=["rule"]).num_rows
        lines.append(f"  {source.name:<16}{kept:>9,}{broken:>15,}")
    return [*lines, ""]


def _models(system: MLSystem, ledger: list[Decision]) -> list[str]:
    names = [m.name for m in system.metrics]
    lines = [f"  {'model':<22}{'test':<13}" + "".join(f"{name:>10}" for name in names)]
    for decision in ledger:
        if decision.kind == "evaluation":
            for split, told in decision.evidence.items():
                found = Evaluation.from_dict(decision.name, split, told).whole
                lines.append(f"  {decision.name:<22}{split:<13}" + "".join(f"{found[n].value:>10.4f}" for n in names))
    return [*lines, ""]


def _predicted(system: MLSystem, as_of: datetime, stores: Resources) -> list[str]:
    key, tick = system.requests.key, system.calendar.tick_of(as_of)
    made = stores.lake.read(system.name, "predictions", ticks=[as_of])
    labels = stores.lake.read(system.name, "labels", known_by=tick.end)
    label = labels["label"].take(pc.index_in(made[key], value_set=labels[key].combine_chunks()))
    known = np.asarray(pc.is_valid(label))
    told = f"  {made.num_rows:,} predictions for {tick}, of which {int(known.sum()):,} have their label by its end"
    if not known.any():
        return [told]
    truth, score = (np.asarray(column.filter(pa.array(known))) for column in (label, made[SCORE]))
    return [told + ": " + ", ".join(f"{m.name} {value(m, truth, score):.4f}" for m in system.metrics)]
