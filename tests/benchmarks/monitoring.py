"""What the monitoring of a week of flights takes: performance, drift, diagnosis and page, with Dagster's events.

Weeks after the first champion's first one are lived through in a process of their own. A step's time is all from its
start to its end: what it reads, asks and records, its checks, and the events that Dagster stores of it. Evidently's
report is not among them. As a program, prints the seconds of each step in a week as JSON.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from comparison import CPU, Comparison, Cost, process

STEPS = ("performance", "drift", "diagnosis", "weekly_page")
WEEKS = 4
MOST_S = 1.5


def monitoring() -> Iterator[Comparison]:
    """A week's steps, in the mean of some weeks."""
    found: dict[str, list[float]] = {}

    def week() -> Cost:
        process(__file__, read=lambda _folder, said: found.update(json.loads(said)))
        print("  a week's steps:", ", ".join(f"{name} {cpu:.2f} CPU s" for name, (_, cpu) in found.items()))
        return Cost(*(sum(spent) for spent in zip(*found.values(), strict=True)))

    yield Comparison(
        "monitoring a week of flights",
        f"{MOST_S} s",
        week,
        lambda: Cost(MOST_S, MOST_S),
        goal=1.0,
        judged=(CPU,),
        once=True,
    )


def timed(steps: Callable[..., Iterator[Any]], wall: Counter[str], cpu: Counter[str]) -> Callable[..., Iterator[Any]]:
    """Return what gives a step's events, the seconds between them counted by the step's name."""

    def each(context: Any, *args: Any) -> Iterator[Any]:
        events, name = steps(context, *args), context.step.key.rpartition("__")[2]
        while True:
            since = time.monotonic(), time.process_time()
            try:
                event = next(events)
            except StopIteration:
                return
            finally:
                wall[name] += time.monotonic() - since[0]
                cpu[name] += time.process_time() - since[1]
            yield event

    return each


def main() -> None:
    """Live through the weeks in the folder of this process."""
    from mlsys_assets.process_environment import prepare

    prepare(os.environ)
    from dagster._core.execution.plan import execute_plan

    from mlsys_assets.replay import Replay
    from mlsys_assets.runs import Runner
    from mlsys_assets.state_folder import own
    from mlsys_assets.types import days

    wall, cpu = Counter[str](), Counter[str]()
    execute_plan.core_dagster_event_sequence_for_step = timed(
        execute_plan.core_dagster_event_sequence_for_step, wall, cpu
    )
    with own(Path("state"), command="benchmark", environment=os.environ) as owned:
        from mlsys_assets.systems.workspace import (
            workspace,  # now that the environment says that this process may write
        )

        system = workspace.system()
        runner = Runner(system, workspace.definitions, owned.instance)
        replay, first = Replay(runner, workspace.stores, lambda _doing: nullcontext()), system.simulated_from
        list(replay.run(first + days(7)))
        wall.clear(), cpu.clear()
        list(replay.run(first + days(7 * (WEEKS + 1))))
    print(json.dumps({name: (wall[name] / WEEKS, cpu[name] / WEEKS) for name in STEPS}))


if __name__ == "__main__":
    main()
