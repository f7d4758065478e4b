"""A worker lives until it ends, whoever is given its number later."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mlsys_resources import worker
from mlsys_resources.worker import Worker


@pytest.fixture(params=["Linux", "another system"])
def system(request, monkeypatch) -> None:
    if request.param != "Linux":
        monkeypatch.setattr(worker, "Path", lambda _: Path("/nowhere"))


def test_a_process_lives_until_it_has_ended_be_it_waited_for_or_not(system) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        it = replace(Worker.this(), pid=process.pid, born=worker._born(process.pid))
        assert it.lives is True
        assert Worker.this().lives is True
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert it.lives is False
    assert it.lives is False


def test_a_later_process_of_its_number_is_another(system) -> None:
    assert replace(Worker.this(), born="0").lives is False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process's start is a time, and no two starts share it")
def test_a_process_of_its_number_and_age_in_another_start_of_the_machine_is_another(monkeypatch, tmp_path) -> None:
    before = Worker.this()
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(worker, "BOOT", tmp_path / "boot_id")
    assert (before.lives, Worker.this().lives) == (False, True)


def test_of_another_machine_nobody_can_tell() -> None:
    assert replace(Worker.this(), host="elsewhere").lives is None
    assert str(Worker("elsewhere", 7, "x")) == "process 7 on elsewhere"
