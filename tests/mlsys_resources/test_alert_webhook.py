"""Alerts to a web hook, against servers that answer, fail, hang, trickle, redirect and are not there."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlsys_resources.alert_channels import ChannelDown, Undelivered, deadline
from mlsys_resources.alert_webhook import WebhookChannel
from mlsys_resources.operations_rows import AlertRow

CANARY = "s3cr3t-canary"
ALERT = AlertRow(
    "id1", "flights", datetime(2013, 7, 1, tzinfo=UTC), "label shift: labels", "opened", "so", "warn", "ops",
    "[WARN] flights: Zürich", "what was seen", ("webhook",), {"alert": {"loss": 7.0}},
)  # fmt: skip


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[dict]]]:
    """Serve web hooks on this machine; what is posted is kept."""
    posted: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append({"path": self.path, "body": json.loads(body), "headers": dict(self.headers)})
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/{CANARY}?x=1", posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(*codes: int) -> Callable[[BaseHTTPRequestHandler], None]:
    left = list(codes)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(left.pop(0))
        handler.send_header("Location", "/elsewhere")
        handler.end_headers()

    return answer


def channel(url: str, pauses: list[float] | None = None) -> WebhookChannel:
    return WebhookChannel(url, CANARY, deadline_s=0.2, pause=([] if pauses is None else pauses).append)


def test_an_alert_is_posted_with_its_id_and_the_token() -> None:
    with serving(status(204)) as (url, posted):
        assert channel(url).send(ALERT) == "127.0.0.1 answered 204"
    (one,) = posted
    assert one["path"] == f"/hooks/{CANARY}?x=1"
    assert (one["body"]["id"], one["body"]["estimated_loss"], one["body"]["severity"]) == ("id1", 7.0, "warn")
    assert one["body"]["text"] == "[WARN] flights: Zürich\nwhat was seen"
    assert (one["headers"]["Authorization"], one["headers"]["Idempotency-Key"]) == (f"Bearer {CANARY}", "id1")


def test_a_server_that_fails_once_is_asked_once_more() -> None:
    with serving(status(500, 200)) as (url, posted):
        pauses: list[float] = []
        assert channel(url, pauses).send(ALERT) == "127.0.0.1 answered 200"
    assert (len(posted), pauses) == (2, [0.5])


@pytest.mark.parametrize(
    ("codes", "kind", "asked"),
    [((500, 503), ChannelDown, 2), ((429, 429), ChannelDown, 2), ((400,), Undelivered, 1), ((302,), Undelivered, 1)],
)
def test_what_a_server_says_is_told_without_the_secret_and_no_redirection_is_followed(codes, kind, asked) -> None:
    with serving(status(*codes)) as (url, posted), pytest.raises(Undelivered) as caught:
        channel(url).send(ALERT)
    assert (type(caught.value), len(posted)) == (kind, asked)
    assert str(caught.value) == f"127.0.0.1 answered {codes[-1]}"


def test_an_answer_that_is_slow_or_huge_is_taken_by_its_first_line() -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.05)
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        with suppress(OSError):
            while True:  # as long as anybody reads
                handler.wfile.write(b"x" * 2**20)

    with serving(slow) as (url, posted):
        began = time.monotonic()
        assert channel(url).send(ALERT) == "127.0.0.1 answered 200"
        assert time.monotonic() - began < 1.0
    assert len(posted) == 1


def test_what_is_opened_after_the_time_is_over_is_ended_too() -> None:
    mine, other = socket.socketpair()
    mine.settimeout(2)
    left = iter([None, None])
    with deadline(0.01, lambda: next(left, mine)):
        assert mine.recv(1) == b""  # shut, though there was none at first
    mine.close()
    other.close()


def silent(_: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


def trickling(handler: BaseHTTPRequestHandler) -> None:
    """Each byte comes in time, and the answer never."""
    try:
        for byte in b"HTTP/1.0 200 OK\r\nX: " + b"x" * 40:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.03)
    except OSError:
        pass


@pytest.mark.parametrize("answer", [silent, trickling])
def test_a_server_that_hangs_is_left_in_bounded_time(answer, caplog) -> None:
    with caplog.at_level(logging.DEBUG), serving(answer) as (url, _):
        began = time.monotonic()
        with pytest.raises(ChannelDown, match="did not answer") as caught:
            channel(url).send(ALERT)
        assert time.monotonic() - began < 1.0
    assert CANARY not in str(caught.value) + caplog.text
    assert caught.value.__suppress_context__


def test_a_server_that_is_not_there_or_speaks_another_language_is_down() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ChannelDown, match="Connection refused"):
        channel(f"http://127.0.0.1:{port}/{CANARY}").send(ALERT)
    with serving(lambda handler: handler.wfile.write(b"220 mail ESMTP\r\n")) as (url, _):
        with pytest.raises(ChannelDown, match="BadStatusLine"):
            channel(url).send(ALERT)
        with pytest.raises(ChannelDown, match="did not answer"):  # TLS, and the server speaks none
            channel(url.replace("http:", "https:")).send(ALERT)
