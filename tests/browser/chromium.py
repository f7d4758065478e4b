"""A Chromium that is on this machine, and what it came across while pages were open in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Playwright, Request, Response

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPTIONS = (
    "--no-sandbox",  # which root has none of
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Whatever a page or the browser itself asks for elsewhere is not even looked up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
PATIENCE_MS = 20_000
"""Milliseconds that something may take to appear; a busy machine may need many."""

KNOWN = {
    "/ajax-api/2.0/mlflow/users/current": "MLflow's pages ask who is logged in, and its server has no accounts",
    "ResizeObserver loop": "a chart was drawn in two rounds, which Chromium mentions",
}
"""What the pages themselves complain of, by what the complaint holds, and why it is no fault."""


class NoBrowser(RuntimeError):
    """There is no Chromium, or it does not start; the message says how to get one."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"{seen}: the pages of Dagster and MLflow were not looked at in a browser; install Chromium with the "
            "system's own package manager (on Debian: apt-get install chromium)"
        )


def find() -> str:
    """Return the path of a Chromium; raises NoBrowser where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise NoBrowser(f"none of {', '.join(NAMES)} is on the PATH")
    return path


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Start the Chromium that is on the PATH, and end it; raises NoBrowser."""
    path = find()
    try:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
    except Error as error:
        raise NoBrowser(f"{path} does not start ({error.message.splitlines()[0]})") from error
    try:
        yield browser
    finally:
        browser.close()


@dataclass
class Seen:
    """What pages asked for elsewhere, and what they complained of.

    Parameters
    ----------
    outside
        The addresses that are not on this machine.
    errors
        Errors of the console and of scripts, requests that failed or were refused: but not those known.
    """

    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Take down all that pages of a context do from now on."""
        context.on("request", lambda request: self._ask(request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._ask(socket.url)))
        context.on("console", self._console)
        context.on("weberror", lambda error: self._complain(str(error.error)))
        context.on("requestfailed", self._failed)
        context.on("response", self._answer)

    def _ask(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOOPBACK:
            self.outside.append(url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complain(f"{message.text} ({message.location.get('url')})")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left before the answer came
            self._complain(f"{request.failure}: {request.url}")

    def _answer(self, response: Response) -> None:
        if response.status >= 400:
            self._complain(f"{response.status}: {response.url}")

    def _complain(self, text: str) -> None:
        if not any(known in text for known in KNOWN):
            self.errors.append(text)
