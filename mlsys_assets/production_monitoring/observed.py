"""A web application that is watched: each request has an id, a line in the log, and counts."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from secrets import token_hex
from time import perf_counter
from typing import Any, Final

from mlsys_assets.production_monitoring.operations import CONTENT_TYPE, ServiceMetrics
from mlsys_assets.types import Clock

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID: Final = b"x-request-id"
WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
"""What an id that a caller sends may be: others are replaced, lest a caller write into the log what it likes."""
ID_BYTES: Final = 16
UNMATCHED: Final = "unmatched"
"""In the place of a route: a path that nothing serves, as callers choose them, is no label."""
OBSERVED: Final = "mlsys"
"""Where a request's scope holds what its handler says of it."""
FAILED: Final = 500


@dataclass(slots=True)
class Answer:
    """What a handler says of the request it answers: ``request.scope["mlsys"].predictions = (...)``."""

    id: str
    model: str = ""
    predictions: tuple[str, ...] = ()
    quarantined: int = 0
    status: int = 0


class ObservedApp:
    """An ASGI application around another.

    Parameters
    ----------
    app
        What answers.
    metrics
        What counts.
    clock
        Tells when a request came.
    write
        Given each request's line of JSON, without its end; one call a line. If it fails, the request does not.
    """

    def __init__(self, app: App, *, metrics: ServiceMetrics, clock: Clock, write: Callable[[str], object]) -> None:
        self._app, self._metrics, self._clock, self._write = app, metrics, clock, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and then count and log, also where the application raised."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        at, began = self._clock.now(), perf_counter()
        answer = scope[OBSERVED] = Answer(_id(scope))
        header = (REQUEST_ID, answer.id.encode())

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        error = ""
        try:
            await self._app(scope, receive, sending)
        except BaseException as raised:
            error = type(raised).__name__
            answer.status = answer.status or FAILED
            raise
        finally:
            seconds = perf_counter() - began
            route = getattr(scope.get("route"), "path", UNMATCHED)
            self._metrics.answered(
                route, answer.status, seconds=seconds, predicted=len(answer.predictions),
                quarantined=answer.quarantined,
            )  # fmt: skip
            line = {
                "at": at.isoformat(), "id": answer.id, "method": scope["method"], "route": route,
                "status": answer.status, "ms": round(seconds * 1000, 3), "model": answer.model,
                "predictions": answer.predictions,
            }  # fmt: skip
            self._log(line | {"error": error} if error else line)

    def _log(self, line: dict[str, Any]) -> None:
        try:
            self._write(ENCODER.encode(line))
        except Exception:  # noqa: BLE001 - a full disk is no reason to answer nobody; it is counted
            self._metrics.unlogged()


ENCODER: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def _id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID and WELL_FORMED.fullmatch(value):
            return str(value.decode())
    return token_hex(ID_BYTES)


@dataclass(frozen=True)
class MetricsApp:
    """Answers with all that is counted, as an ASGI application: ``Route("/metrics", MetricsApp(metrics))``."""

    metrics: ServiceMetrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in Prometheus' text format."""
        headers = [(b"content-type", CONTENT_TYPE.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.metrics.text().encode()})
