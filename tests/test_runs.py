"""Runs in this process: what they say, and that they can be stopped."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from mlsys_assets.instance import open_instance
from mlsys_assets.runs import RunFailed, Runner

STOPS = [signal.SIGINT, signal.SIGTERM]
Run = Callable[[Callable[[], object]], None]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run a job of one step, which does what it is given."""
    with open_instance(tmp_path) as instance:

        def one(work: Callable[[], object]) -> None:
            @dg.op(name="step")
            def step() -> None:
                work()

            @dg.job(name="it")
            def it() -> None:
                step()

            Runner(SimpleNamespace(name="it"), dg.Definitions(jobs=[it]), instance).request(
                dg.RunRequest(job_name="it")
            )  # type: ignore[arg-type]

        yield one


def ask(stop: signal.Signals) -> None:
    os.kill(os.getpid(), stop)
    for _ in range(1000):  # a handler is called between two steps of Python
        pass


def ask_in_vain(stop: signal.Signals) -> None:
    """As when the handler's exception appears in a callback from C, which drops it."""
    try:
        ask(stop)
    except BaseException:  # noqa: BLE001
        pass
    else:
        raise AssertionError("nobody was interrupted")


@pytest.mark.parametrize("asked", [ask, ask_in_vain])
@pytest.mark.parametrize("stop", STOPS)
def test_a_signal_to_stop_stops_whatever_became_of_it(run: Run, stop: signal.Signals, asked: Callable) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(lambda: asked(stop))
    run(lambda: None)  # and it is forgotten then


def test_a_failure_names_the_step_and_its_error(run: Run) -> None:
    with pytest.raises(RunFailed, match=r"job it, step step: .*no such thing"):
        run(lambda: {}["no such thing"])


@pytest.mark.parametrize("shell", ["foreground", "background"])
def test_the_handlers_are_what_they_were(run: Run, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process in the background of a script, which is deaf to SIGINT, Dagster would leave one deaf to SIGTERM."""
    before = [signal.getsignal(stop) for stop in STOPS]
    if shell == "background":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    expected, wakeup = [signal.getsignal(stop) for stop in STOPS], signal.set_wakeup_fd(-1)
    try:
        run(lambda: None)
        assert [signal.getsignal(stop) for stop in STOPS] == expected
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.set_wakeup_fd(wakeup)
        for stop, handler in zip(STOPS, before, strict=True):
            signal.signal(stop, handler)


def test_another_thread_may_run_too(run: Run) -> None:
    done: list[bool] = []
    thread = threading.Thread(target=lambda: run(lambda: done.append(True)))
    thread.start()
    thread.join()
    assert done == [True]


def test_a_run_stands_in_the_pages_of_dagster_with_its_job(tmp_path: Path) -> None:
    @dg.job(name="it")
    def it() -> None:
        pass

    with open_instance(tmp_path) as instance:
        runner = Runner(SimpleNamespace(name="it"), dg.Definitions(jobs=[it]), instance, location="a.workspace")  # type: ignore[arg-type]
        runner.request(dg.RunRequest(job_name="it"))
        (run,) = instance.get_runs()
        assert run.tags[".dagster/repository"] == "__repository__@a.workspace"
        assert (run.remote_job_origin.location_name, run.remote_job_origin.job_name) == ("a.workspace", "it")
        assert run.status is dg.DagsterRunStatus.SUCCESS
