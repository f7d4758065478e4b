"""Services run together: one that dies is started again, and all stop when asked, or when one dies too often."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from mlsys_assets.commands import kept_service, process_trees, services
from mlsys_assets.commands.services import Service, ServiceFailed, pick_ports, reply, serve

SLEEP = "import time; time.sleep(600)"
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not stop is killed soon."""
    monkeypatch.setattr(process_trees, "ROOT_GRACE_S", 1.0)
    monkeypatch.setattr(process_trees, "REST_GRACE_S", 1.0)
    monkeypatch.setattr(kept_service, "RESTARTS", 2)


def service(name: str, code: str = SLEEP, ready: Callable[[], bool] = lambda: True) -> Service:
    return Service(name, [sys.executable, "-c", code], os.environ, ready)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


# -- serving --------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_all_are_stopped_by_a_signal(tmp_path: Path, asked: signal.Signals) -> None:
    before, told, alive = signal.getsignal(asked), [], []

    def running() -> None:
        alive.extend(children())
        os.kill(os.getpid(), asked)

    serve([service("one"), service("other")], logs=tmp_path / "logs", told=told.append, running=running)
    assert len(alive) == 2
    assert not any(process_trees._lives(process) for process in alive)
    assert [line.split(" works")[0].strip() for line in told] == ["one", "other", "stopping ..."]
    assert sorted(file.name for file in (tmp_path / "logs").iterdir()) == ["one.log", "other.log"]
    assert signal.getsignal(asked) is before


def test_a_signal_while_they_begin_stops_them_too(tmp_path: Path) -> None:
    def never() -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return False

    serve([service("one", ready=never)], logs=tmp_path, told=lambda _: None, running=lambda: pytest.fail("it runs"))
    assert children() == []


def test_a_second_signal_kills_what_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_trees, "ROOT_GRACE_S", 600.0)
    deaf = f"import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nprint('deaf', flush=True)\n{SLEEP}"
    log = tmp_path / "one.log"

    def told(line: str) -> None:
        if line.startswith("stopping"):
            os.kill(os.getpid(), signal.SIGINT)

    serve(
        [service("one", deaf, lambda: log.read_text() == "deaf\n")], logs=tmp_path, told=told,
        running=lambda: os.kill(os.getpid(), signal.SIGINT),
    )  # fmt: skip
    assert children() == []


@pytest.mark.parametrize("how", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_when_one_dies_too_often_the_others_are_stopped_and_its_last_words_are_told(tmp_path: Path, how: str) -> None:
    dying = f"import time\nfor n in range(99): print('line', n, flush=True)\ntime.sleep(0.5)\n{how}"
    expected = "exit code 3" if "3" in how else "killed by signal 9"
    lines: list[str] = []

    def told(line: str) -> None:
        lines.append(line)
        assert "was started again: 3" not in line

    with pytest.raises(ServiceFailed) as caught:
        serve([service("one"), service("other", dying)], logs=tmp_path, told=told, running=lambda: None)
    again = f"other died ({expected}), and was started again: {{}} of at most 2 times in 10 minutes"
    assert [line for line in lines if "died" in line] == [again.format(1), again.format(2)]
    message = str(caught.value)
    assert message.startswith(f"other died ({expected}), so all were stopped; the end of {tmp_path}/other.log:\n")
    assert message.endswith("  line 97\n  line 98")
    assert "line 80" not in message
    assert children() == []


def test_one_that_dies_now_and_then_is_started_again_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_service, "WITHIN_S", 0.1)
    lines: list[str] = []

    def told(line: str) -> None:
        lines.append(line)
        if sum("was started again: 1 of at most 2" in each for each in lines) > 2:
            os.kill(os.getpid(), signal.SIGINT)

    serve([service("one", "import time; time.sleep(0.3)")], logs=tmp_path, told=told, running=lambda: None)
    assert lines[-1] == "stopping ..."
    assert children() == []


@pytest.mark.parametrize("outlived", [False, True])
def test_what_a_dead_service_left_is_ended_before_it_is_started_again_or_works_on_and_is_stopped_with_all(
    tmp_path: Path, outlived: bool
) -> None:
    """A worker may hold the port; a run that a daemon started is not to be lost with it."""
    code = (
        "import os, subprocess, sys, time\n"
        f"heir = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        "print(os.getpid(), heir.pid, flush=True)\ntime.sleep(600)"
    )
    log, lives = tmp_path / "one.log", []

    def said() -> list[list[int]]:
        lines = (line.split() for line in log.read_text().splitlines())
        return [[int(part) for part in line] for line in lines if all(part.isdecimal() for part in line)]

    def running() -> None:
        lives.extend(psutil.Process(pid) for pid in said()[0])
        os.kill(lives[0].pid, signal.SIGKILL)

    def told(line: str) -> None:
        if "started again: 1" in line:
            lives.append(process_trees._lives(lives[1]))
            threading.Thread(target=stop_later).start()

    def stop_later() -> None:
        until = time.monotonic() + PATIENCE_S
        while len(said()) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    one = Service("one", [sys.executable, "-c", code], os.environ, lambda: log.read_text() != "", outlived)
    serve([one], logs=tmp_path, told=told, running=running)
    assert lives[2] is outlived
    assert len(said()) == 2
    pids = [pid for line in said() for pid in line]
    assert not any(psutil.pid_exists(pid) and process_trees._lives(psutil.Process(pid)) for pid in pids)


def test_one_that_dies_before_it_works_is_not_started_again(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailed, match=r"one died \(exit code 3\), so all were stopped"):
        serve(
            [service("one", "raise SystemExit(3)", lambda: False)], logs=tmp_path, told=lambda _: None,
            running=lambda: pytest.fail("it runs"),
        )  # fmt: skip


def test_one_that_never_answers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PATIENCE_S", 0.5)
    with pytest.raises(ServiceFailed, match=r"no answer after 0 s from other; see the logs"):
        serve(
            [service("one"), service("other", ready=lambda: False)], logs=tmp_path, told=lambda _: None,
            running=lambda: pytest.fail("it runs"),
        )  # fmt: skip
    assert children() == []


def test_one_that_cannot_be_started_stops_the_others(tmp_path: Path) -> None:
    nowhere = Service("nowhere", ["/no/such/program"], os.environ, lambda: True)
    with pytest.raises((ServiceFailed, OSError), match=r"/no/such/program|nowhere died"):
        serve([service("one"), nowhere], logs=tmp_path, told=lambda _: None, running=lambda: None)
    assert children() == []


def test_a_terminal_that_is_gone_keeps_none_alive(tmp_path: Path) -> None:
    def told(line: str) -> None:
        if line.startswith("stopping"):
            raise BrokenPipeError

    serve([service("one")], logs=tmp_path, told=told, running=lambda: os.kill(os.getpid(), signal.SIGHUP))
    assert children() == []


def test_what_was_said_the_time_before_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    for n in range(3):
        one = service("one", f"print({n}, flush=True)\n{SLEEP}", lambda n=n: log.read_text() == f"{n}\n")
        serve([one], logs=tmp_path, told=lambda _: None, running=lambda: os.kill(os.getpid(), signal.SIGINT))
    assert (tmp_path / "one.before.log").read_text().startswith("1\n")
    assert (tmp_path / "one.log").read_text().startswith("2\n")


@pytest.mark.parametrize("nohup", [False, True])
def test_a_hangup_is_not_heard_under_nohup(tmp_path: Path, nohup: bool) -> None:
    code = (
        "import os, pathlib, signal, sys\n"
        "from mlsys_assets.commands.services import Service, serve\n"
        f"one = Service('one', [sys.executable, '-c', {SLEEP!r}], os.environ, lambda: True)\n"
        "serve([one], logs=pathlib.Path(sys.argv[1]), told=print, running=lambda: print('running', flush=True))\n"
    )
    if nohup:
        code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{code}"
    process = subprocess.Popen([sys.executable, "-u", "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    while process.stdout.readline() != "running\n":  # type: ignore[union-attr]
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    if nohup:
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


# -- ports ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.org", "", "127.0.0.2"])
def test_only_this_machine_may_listen(host: str) -> None:
    with pytest.raises(ValueError, match=r"is not allowed: .*127\.0\.0\.1, localhost, ::1.*ssh"):
        pick_ports(host, {"--port": 0})


def test_a_taken_port_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"--mlflow-port {port} cannot be listened on at 127.0.0.1: Address"):
            pick_ports("127.0.0.1", {"--port": 0, "--mlflow-port": port})


def test_two_options_never_get_the_same_port() -> None:
    found = pick_ports("127.0.0.1", {"--port": 0, "--mlflow-port": 0})
    assert len(set(found.values())) == 2
    assert all(found.values())
    same = found["--port"]
    with pytest.raises(ValueError, match=f"--mlflow-port {same} cannot"):
        pick_ports("127.0.0.1", {"--port": same, "--mlflow-port": same})
    assert pick_ports("localhost", {"--port": same}) == {"--port": same}  # free again


@pytest.mark.parametrize("port", [-1, 65_536, 10**9])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"--port {port} is no port"):
        pick_ports("127.0.0.1", {"--port": port})


# -- asking ---------------------------------------------------------------------------------------


def test_a_reply_is_what_a_service_answers_and_never_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ok" else 503)
            self.end_headers()
            self.wfile.write(b"got")

        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.rfile.read(int(self.headers["content-length"])))

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # nobody listens there
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert reply("127.0.0.1", port, "/ok") == b"got"
        assert reply("127.0.0.1", port, "/busy") is None
        assert reply("127.0.0.1", port, "/ok", question=b"{}") == b"{}"
        server.shutdown()
    assert reply("127.0.0.1", port, "/ok") is None
