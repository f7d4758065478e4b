"""How much of a replay is Dagster: four weeks and a training of the flights system, each moment put to who spends it.

Asset bodies are ours, and what the schedules' and the sensors' own functions do; but not what they ask of Dagster's
storage, nor anything else: planning, resources, events, their storage, checks, run status. The steps' threads count to
whoever started them. Asset bodies ask the context for ticks and hand it metadata, which takes thousandths and stays
with them. What comes once in the life of a process, before the first champion, is not counted: imports, the first plan
of each job, first parses.

Prints the seconds of the whole and of Dagster's part as JSON. The product is not touched: two functions of Dagster
through which it calls ours are wrapped, in this process.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path

from mlsys_assets.process_environment import prepare

prepare(os.environ)

import dagster as dg  # noqa: E402 - after its environment
from dagster._core.execution.plan import compute_generator  # noqa: E402

from mlsys_assets.replay import Replay  # noqa: E402
from mlsys_assets.retraining.controller import Controller  # noqa: E402
from mlsys_assets.runs import Runner  # noqa: E402
from mlsys_assets.state_folder import own  # noqa: E402
from mlsys_assets.types import days  # noqa: E402

OURS, DAGSTER = "ours", "dagster"
WEEKS = 4
"""Of which the second ends with a training."""


@dataclass
class Spent:
    """Seconds on the clock and of this process, by who is at work."""

    wall: dict[str, float] = field(default_factory=lambda: {OURS: 0.0, DAGSTER: 0.0})
    cpu: dict[str, float] = field(default_factory=lambda: {OURS: 0.0, DAGSTER: 0.0})
    _at_work: list[str] = field(default_factory=lambda: [DAGSTER])
    _since: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()))

    def by(self, who: str, function: Callable) -> Callable:
        """Return the function, whose time is spent by ``who``."""

        @wraps(function)
        def timed(*args, **kwargs):
            self._settle()
            self._at_work.append(who)
            try:
                return function(*args, **kwargs)
            finally:
                self._settle()
                self._at_work.pop()

        return timed

    def clear(self) -> None:
        """Begin anew."""
        self._settle()
        for spent in (self.wall, self.cpu):
            spent.update(dict.fromkeys(spent, 0.0))

    def told(self) -> dict[str, dict[str, float]]:
        """Return what was spent in all, and by Dagster."""
        self._settle()
        found = {"wall": self.wall, "cpu": self.cpu}
        return {
            "whole": {what: sum(spent.values()) for what, spent in found.items()},
            DAGSTER: {what: spent[DAGSTER] for what, spent in found.items()},
        }

    def _settle(self) -> None:
        now, who = (time.monotonic(), time.process_time()), self._at_work[-1]
        self.wall[who] += now[0] - self._since[0]
        self.cpu[who] += now[1] - self._since[1]
        self._since = now


def wrap(spent: Spent) -> None:
    """Time asset bodies, what schedules and sensors do, and what they ask of Dagster."""
    compute_generator.invoke_compute_fn = spent.by(OURS, compute_generator.invoke_compute_fn)
    for name in ("due", "is_monitored", "ask", "decide", "training_wanted", "request", "verdicts"):
        setattr(Controller, name, spent.by(OURS, getattr(Controller, name)))
    dg.DagsterInstance.get_runs = spent.by(DAGSTER, dg.DagsterInstance.get_runs)


def main() -> None:
    spent = Spent()
    wrap(spent)
    with own(Path("state"), command="benchmark", environment=os.environ) as owned:
        from mlsys_assets.systems.workspace import (
            workspace,  # now that the environment says that this process may write
        )

        system = workspace.system()
        replay = Replay(
            Runner(system, workspace.definitions, owned.instance), workspace.stores, lambda _doing: nullcontext()
        )
        first = system.simulated_from
        list(replay.run(first + days(7)))
        spent.clear()
        list(replay.run(first + days(7 * (WEEKS + 1))))
        told = spent.told()
        decided = workspace.stores.operations.decisions(system.name, "training_set", since=first + days(1))
    print(json.dumps({**told, "trainings": len(decided)}))


if __name__ == "__main__":
    main()
