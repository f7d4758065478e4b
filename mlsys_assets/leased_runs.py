"""How Dagster executes a run of ours: under a lease, which tells who works at it, and writing for it alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg
import sqlalchemy as sa
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.events import DagsterEvent
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig

from mlsys_resources.database import DatabaseUnavailable
from mlsys_resources.fence import Fenced
from mlsys_resources.resources import Resources
from mlsys_resources.worker import Worker

FORKED: dict[str, object] = {"start_method": {"forkserver": {}}}
"""A step's process is forked from one that has loaded the code and used no store: it is there soon, and clean."""

SECONDS_BETWEEN_BEATS = 10.0
"""How often a run's worker gives a sign of life, for whoever is on another machine and cannot look."""


def stores_of_runs(stores: Resources) -> dg.ResourceDefinition:
    """Return the stores as a run's step is given them: whoever asks for them in a run writes for it alone."""

    def of_run(context: dg.InitResourceContext) -> Iterator[Resources]:
        if context.run is None:  # a schedule or a sensor
            yield stores
            return
        with stores.operations.at_work(context.run.run_id):
            yield stores

    return dg.ResourceDefinition(of_run, description="The stores; in a run, refused to it once it is fenced.")


def executor_of_runs(stores: Resources) -> dg.ExecutorDefinition:
    """Return what executes the runs that Dagster launches: each under a lease, its steps where the stores say."""
    steps = stores.steps_at_once
    inner = dg.in_process_executor if steps is None else dg.multiprocess_executor

    def make(context: dg.InitExecutorContext) -> dg.Executor:
        made = inner.executor_creation_fn
        assert made is not None  # noqa: S101 - of both of Dagster's own
        return _Leased(made(context), stores)

    leasing = dg.ExecutorDefinition(
        inner.name,
        config_schema=inner.config_schema,
        requirements=[] if steps is None else multiple_process_executor_requirements(),
        executor_creation_fn=make,
        description=f"{inner.description} Under a lease: a run whose process is gone is ended by the reaper.",
    )
    return leasing if steps is None else leasing.configured({"max_concurrent": steps, **FORKED})


class _Leased(dg.Executor):
    """Another executor, at work under a lease."""

    def __init__(self, inner: dg.Executor, stores: Resources) -> None:
        self._inner, self._stores = inner, stores

    @property
    def retries(self) -> RetryMode:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._inner.step_dependency_config

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        with leased(self._stores, plan_context.run_id):
            yield from self._inner.execute(plan_context, execution_plan)


@contextmanager
def leased(stores: Resources, run_id: str) -> Iterator[None]:
    """Hold the lease of a run in this process, with signs of life, until leaving; raises Fenced if it is fenced."""
    operations, done = stores.operations, threading.Event()
    operations.begin_run(run_id, Worker.this(), token=stores.token or 0)

    def beat() -> None:
        while not done.wait(SECONDS_BETWEEN_BEATS):
            try:
                operations.beat_run(run_id)
            except Fenced:
                return
            except (DatabaseUnavailable, sa.exc.SQLAlchemyError):
                continue  # a server that is started again, say: the run itself tells if it cannot go on

    beating = threading.Thread(target=beat, name=f"lease of {run_id}", daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()
        with suppress(Fenced):  # what made it so has told why
            operations.end_run(run_id)
