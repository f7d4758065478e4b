"""A browser, and a state folder that has lived, with its services on."""

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from mlsys_assets import FixedClock, MLSystem, build_definitions, utc
from mlsys_resources.resources import Resources, build_resources

sys.path.insert(0, str(Path(__file__).parent))  # the helpers, which screenshots.py finds beside itself

from chromium import PATIENCE_MS, NoBrowser, Seen, chromium
from dagster_pages import DagsterPages
from mlflow_pages import MLflowPages
from served import ROOT, Served, served

collect_ignore = ["screenshots.py"]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives a browser; ended with the file, since it leaves an event loop running in this thread."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium; where there is none, the tests are skipped and say what is missing."""
    try:
        with chromium(playwright) as found:
            yield found
    except NoBrowser as none:
        pytest.skip(str(none))


@dataclass(frozen=True)
class Lived:
    """A system, the state folder in which it lived, and where its pages are.

    Parameters
    ----------
    system
        What was declared.
    workspace
        The module that holds it, by which Dagster calls the code location.
    home
        The state folder.
    at
        Where the pages are.
    """

    system: MLSystem
    workspace: str
    home: Path
    at: Served

    @property
    def stores(self) -> Resources:
        return build_resources({"MLSYS_HOME": str(self.home)}, clock=FixedClock(utc("2014-01-01")).now)

    @cached_property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.system, resources=self.stores)

    @property
    def assets(self) -> dict[str, dg.AssetSpec]:
        """The assets, by their name in the system."""
        return {spec.key.path[-1]: spec for spec in self.definitions.resolve_all_asset_specs()}

    @property
    def checks(self) -> dict[str, dict[str, str]]:
        """The descriptions of the checks, by asset and name."""
        found: dict[str, dict[str, str]] = {}
        for assets in self.definitions.assets or ():
            for spec in getattr(assets, "check_specs", ()):
                found.setdefault(spec.asset_key.path[-1], {})[spec.name] = spec.description or ""
        return found


LIVES: dict[str, tuple[str, Callable[[pytest.FixtureRequest], Path]]] = {
    # Two trainings, of which the second has a champion to beat.
    "rain": ("rain_weekly", lambda request: request.getfixturevalue("rain_lived")),
    "flights": (
        "mlsys_assets.systems.workspace", lambda request: request.getfixturevalue("flights_lived")("2013-07-29")
    ),
}  # fmt: skip
"""The module of each system, and the state folder in which it lived."""


@pytest.fixture(scope="module", params=["rain", pytest.param("flights", marks=pytest.mark.prove)])
def lived(browser: Browser, request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Lived]:
    """A system that lived for some weeks, with its services on; the browser first, for without one there is no need."""
    workspace, lived = LIVES[request.param]
    home = shutil.copytree(lived(request), tmp_path_factory.mktemp("lived") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tests" / "systems"))
        (system,) = importlib.import_module(workspace).workspace.systems
    with served(home, workspace=workspace, said=tmp_path_factory.mktemp("said") / "up.txt") as at:
        yield Lived(system, workspace, home, at)


@pytest.fixture(scope="module")
def seen() -> Seen:
    """What the pages asked for elsewhere and complained of."""
    return Seen()


@pytest.fixture(scope="module")
def tab(browser: Browser, seen: Seen) -> Iterator[Page]:
    """One tab for all tests: what it has loaded once, it need not load again."""
    context = browser.new_context(viewport={"width": 1400, "height": 2000})
    context.set_default_timeout(PATIENCE_MS)
    seen.watch(context)
    yield context.new_page()
    context.close()


@pytest.fixture
def dagster(tab: Page, lived: Lived) -> DagsterPages:
    """Dagster's pages of the system."""
    return DagsterPages(tab, lived.at.dagster, lived.workspace)


@pytest.fixture
def mlflow(tab: Page, lived: Lived) -> MLflowPages:
    """MLflow's pages of the system."""
    return MLflowPages(tab, lived.at.mlflow)


@pytest.fixture
def thorough(lived: Lived) -> bool:
    """Whether every page of a kind is opened, and not only some: among the long proofs."""
    return lived.system.name == "flights"
