"""Take the README's pictures anew: python screenshots.py HOME FOLDER, with HOME a state folder in which flights lived.

The services that are started on HOME write to it: hand over a copy.
"""

import io
import sys
from pathlib import Path

from chromium import PATIENCE_MS, chromium
from dagster_pages import DagsterPages
from mlflow_pages import MLflowPages
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from served import served

SYSTEM, WORKSPACE = "flights", "mlsys_assets.systems.workspace"
WIDTH = 1400
LARGEST = 150_000
"""Bytes of a picture, at most."""

STEP = 8
"""How far two shades of a colour are apart, of 255: fewer shades make smaller files, and no palette loses a line."""

SETTLED_MS = 3000
"""Milliseconds after which nothing on a page moves any more: how graphs and charts are drawn, no text tells."""


def dagster(browser: Browser, address: str, width: int, height: int) -> DagsterPages:
    """Return Dagster's pages in a new tab of a size, with the navigation folded away."""
    pages = DagsterPages(tab(browser, width, height), address, WORKSPACE)
    pages.open("/jobs", until=f"{SYSTEM}_train")
    pages.page.get_by_text("Hide navigation").click()
    return pages


def tab(browser: Browser, width: int, height: int) -> Page:
    """Return a new tab of a size."""
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    return page


def keep(page: Page, file: Path) -> None:
    """Write what a tab shows as a picture of few shades, as wide as a page of text shows it."""
    page.wait_for_timeout(SETTLED_MS)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    if picture.width > WIDTH:
        size = (WIDTH, round(picture.height * WIDTH / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    picture.point([min(255, round(value / STEP) * STEP) for value in range(256)] * 3).save(file, optimize=True)
    size = file.stat().st_size
    if size > LARGEST:
        raise RuntimeError(f"{file} has {size:,} bytes; at most {LARGEST:,} are wanted: show less on it")
    print(f"{file}: {size:,} bytes")


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Move what is under the mouse."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()


def graph(browser: Browser, address: str, file: Path) -> None:
    """Show the whole system: the stages, and the assets in each."""
    page = (pages := dagster(browser, address, 2100, 1180)).page
    pages.graph(until=f"{SYSTEM}_data_ingestion")
    page.locator("button:has([aria-label=panel_show_right])").last.click()  # the list of groups beside it
    page.keyboard.press("Alt+KeyE")
    page.wait_for_timeout(SETTLED_MS)
    drag(page, (1000, 200), (1000, 340))  # its upper end is not in sight
    keep(page, file)


def evaluation(browser: Browser, address: str, file: Path) -> None:
    """Show how the candidates of the last training did on the recent test."""
    page = (pages := dagster(browser, address, WIDTH, 760)).page
    pages.asset(f"{SYSTEM}/evaluation", until="View in graph")
    row = page.locator("tr", has=page.get_by_text("recent_test curves, large"))
    with pages.opened(row):
        keep(page, file)


def decision(browser: Browser, address: str, file: Path) -> None:
    """Show what the triggers said last, and what was decided."""
    pages = dagster(browser, address, WIDTH, 1120)
    pages.asset(f"{SYSTEM}/retraining_decision", until="View in graph")
    keep(pages.page, file)


def check(browser: Browser, address: str, file: Path) -> None:
    """Show a check over the weeks."""
    pages = dagster(browser, address, WIDTH, 900)
    pages.asset(f"{SYSTEM}/performance", "checks", until="Latest execution", more="&checkDetail=beats_baselines")
    keep(pages.page, file)


def challengers(browser: Browser, address: str, file: Path) -> None:
    """Show the challengers compared in charts."""
    pages = MLflowPages(tab(browser, WIDTH, 900), address)
    metric = "metrics.`recent_test log_loss`"
    experiment = pages.experiment(SYSTEM)
    pages.runs(experiment, until="Run Name", sort=metric, charts=True)
    pages.page.get_by_role("button", name="Close", exact=True).click()  # the assistant
    pages.search("tags.role = 'challenger'", matching=7)
    pages.page.get_by_placeholder("Search metric charts").fill("_test (log_loss|roc_auc|pr_auc)$")
    keep(pages.page, file)


def report(browser: Browser, home: Path, file: Path) -> None:
    """Show the page of the last challenger of the life."""
    last = max(home.glob("mlartifacts/*/*/artifacts/evaluation.html"), key=lambda page: page.stat().st_mtime)
    page = tab(browser, 1060, 800)
    page.goto(last.as_uri())
    keep(page, file)


def main() -> None:
    home, folder = Path(sys.argv[1]).absolute(), Path(sys.argv[2])
    with (
        served(home, workspace=WORKSPACE, said=home / "screenshots.txt") as at,
        sync_playwright() as driver,
        chromium(driver) as browser,
    ):
        graph(browser, at.dagster, folder / "graph.png")
        evaluation(browser, at.dagster, folder / "evaluation.png")
        decision(browser, at.dagster, folder / "retraining.png")
        check(browser, at.dagster, folder / "check.png")
        challengers(browser, at.mlflow, folder / "challengers.png")
        report(browser, home, folder / "challenger_report.png")


if __name__ == "__main__":
    main()
