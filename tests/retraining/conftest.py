"""A system that lived for hours."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mlsys_assets import (
    Calendar,
    hours,
)
from mlsys_assets.dagster_adapter import tick_job
from mlsys_assets.instance import open_instance
from mlsys_assets.retraining.controller import Controller
from mlsys_resources.operations_store import OperationsStore

from .lived_hours import NOW, REFUSED_EVERY, TRAINED_EVERY, Lived, Stores, monitor, pass_tick, run


@pytest.fixture
def live(tmp_path) -> Iterator[Callable[[int], Controller]]:
    """Let a system live so many hours up to now, with a training after some of them."""
    opened = ExitStack()

    def make(ticks: int) -> Controller:
        store = OperationsStore(f"sqlite:///{tmp_path / f'{ticks}.db'}", clock=lambda: NOW)
        instance = opened.enter_context(open_instance(tmp_path / f"{ticks}"))
        opened.callback(store.close)
        controller = Controller(Lived(Calendar(NOW - hours(ticks), hours(1))), Stores(store), instance)
        store.advance_clock("lived", to=NOW)
        for n in range(ticks, 0, -1):
            pass_tick(controller, NOW - hours(n), trains=n % TRAINED_EVERY == 0, enough=n % REFUSED_EVERY != 0)
        monitor(store, NOW)
        run(controller, tick_job(controller.system), NOW)
        return controller

    with opened:
        yield make
