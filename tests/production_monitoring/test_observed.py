"""Every request has an id, a line and a count, whatever became of it."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mlsys_assets import FixedClock, utc
from mlsys_assets.production_monitoring.observed import MetricsApp, ObservedApp
from mlsys_assets.production_monitoring.operations import ServiceMetrics

AT = utc("2013-07-01")


async def predict(request: Request) -> Response:
    await asyncio.sleep(0)
    answer = request.scope["mlsys"]
    number = int(request.path_params["number"])
    if number % 5 == 0:
        raise ZeroDivisionError
    if number % 5 == 1:
        answer.quarantined = 1
        return Response("no such thing", 422)
    answer.model, answer.predictions = "v3", (f"flight-{number}", f"flight-{number}-b")
    return Response("0.3")


class Service:
    """A service that is watched, and what it wrote."""

    def __init__(self) -> None:
        self.metrics, self.lines = ServiceMetrics(), list[str]()
        routes = [Route("/predict/{number}", predict), Route("/metrics", MetricsApp(self.metrics))]
        app = Starlette(routes=routes)
        self.app = ObservedApp(app, metrics=self.metrics, clock=FixedClock(AT), write=self.lines.append)

    async def ask(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": raw, "query_string": b"", "root_path": ""}
        with suppress(ZeroDivisionError):
            await self.app(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(m.get("body", b"") for m in sent[1:])

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        return {
            tuple(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.metrics.text())
            for sample in family.samples
            if sample.name == name
        }


@pytest.fixture
def service() -> Service:
    return Service()


def test_counts_equal_the_log_under_500_concurrent_requests_of_all_sorts(service: Service) -> None:
    paths = [f"/predict/{n}" if n % 7 else f"/nowhere/{n}" for n in range(500)]

    async def everybody() -> list[int]:
        asked = (service.ask(p, method="POST" if n % 11 == 3 else "GET") for n, p in enumerate(paths))
        return [status for status, _, _ in await asyncio.gather(*asked)]

    statuses = asyncio.run(everybody())
    log = service.log
    assert {500, 404, 405, 422, 200} == set(statuses)
    assert Counter(line["status"] for line in log) == Counter(statuses)
    assert len({line["id"] for line in log}) == 500
    by_route = Counter((line["route"], f"{line['status'] // 100}xx") for line in log)
    assert service.counted("mlsys_requests_total") == by_route
    assert service.counted("mlsys_request_seconds_count") == Counter((line["route"],) for line in log)
    assert service.counted("mlsys_rows_predicted_total") == {(): sum(len(line["predictions"]) for line in log)}
    assert service.counted("mlsys_rows_quarantined_total") == {(): Counter(statuses)[422]}
    assert service.metrics.success == Counter(statuses)[200] / 500
    assert {line["route"] for line in log} == {"/predict/{number}", "unmatched"}


def test_a_line_tells_what_was_asked_and_by_what_it_was_answered(service: Service) -> None:
    status, headers, body = asyncio.run(service.ask("/predict/3", x_request_id="caller-0001"))
    assert (status, headers["x-request-id"], body) == (200, "caller-0001", b"0.3")
    (line,) = service.log
    assert line.pop("ms") >= 0
    assert line == {
        "at": "2013-07-01T00:00:00+00:00", "id": "caller-0001", "method": "GET", "route": "/predict/{number}",
        "status": 200, "model": "v3", "predictions": ["flight-3", "flight-3-b"],
    }  # fmt: skip
    assert datetime.fromisoformat(line["at"]) == AT


@pytest.mark.parametrize("sent", ["short", "x" * 65, 'a"b\\c{}-long', "new\nline-long", "Zürich-long-id"])
def test_an_id_that_is_not_well_formed_is_replaced(service: Service, sent: str) -> None:
    _, headers, _ = asyncio.run(service.ask("/predict/3", x_request_id=sent))
    (line,) = service.log
    assert line["id"] == headers["x-request-id"] != sent
    assert len(line["id"]) == 32


def test_an_error_is_logged_by_its_name_and_raised(service: Service) -> None:
    status, _, _ = asyncio.run(service.ask("/predict/5"))
    assert (status, service.log[0]["status"], service.log[0]["error"]) == (500, 500, "ZeroDivisionError")


def test_metrics_are_asked_for_by_the_service_s_own_route(service: Service) -> None:
    asyncio.run(service.ask("/predict/3"))
    status, headers, body = asyncio.run(service.ask("/metrics"))
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'mlsys_requests_total{route="/predict/{number}",status="2xx"} 1.0' in body.decode()


def test_a_log_that_cannot_be_written_fails_no_request_and_is_counted(service: Service) -> None:
    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    service.app._write = full
    status, _, _ = asyncio.run(service.ask("/predict/3"))
    assert status == 200
    assert service.counted("mlsys_requests_unlogged_total") == {(): 1.0}


def test_what_is_no_request_passes_through(service: Service) -> None:
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    watched = ObservedApp(app, metrics=service.metrics, clock=FixedClock(AT), write=service.lines.append)
    asyncio.run(watched({"type": "lifespan"}, None, None))
    assert (seen, service.lines) == ([{"type": "lifespan"}], [])


def test_what_raises_before_it_answers_counts_as_a_failure_of_the_server(service: Service) -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise KeyError("secret")

    watched = ObservedApp(broken, metrics=service.metrics, clock=FixedClock(AT), write=service.lines.append)
    with pytest.raises(KeyError):
        asyncio.run(watched({"type": "http", "method": "GET\r\n", "path": "/", "headers": []}, None, None))
    (line,) = service.log
    assert (line["status"], line["error"], line["method"], line["route"]) == (500, "KeyError", "GET\r\n", "unmatched")
    assert len(service.lines[0].splitlines()) == 1
    assert service.counted("mlsys_requests_total") == {("unmatched", "5xx"): 1}
    assert service.metrics.success == 0.0
