"""MLflow's pages, as somebody reads them: the words on them."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from dagster_pages import words
from playwright.sync_api import Page, expect


@dataclass
class MLflowPages:
    """The pages of one tracking server.

    Parameters
    ----------
    page
        A tab of the browser.
    address
        Where MLflow's web server listens.
    """

    page: Page
    address: str

    def open(self, path: str, *, until: str) -> str:
        """Open a page of the side for models that are trained, wait until it shows a text, and return its words."""
        joined = "&" if "?" in path else "?"
        self.page.goto(f"{self.address}/#{path}{joined}workflowType=machine_learning")
        self.page.get_by_text(until, exact=True).locator("visible=true").first.wait_for()
        return words(self.page.inner_text("body"))

    def experiment(self, name: str) -> str:
        """Open an experiment by its name among the experiments; return its id."""
        self.open("/experiments", until=name)
        link = self.page.locator("a[href*='#/experiments/']", has_text=name).first
        return re.findall(r"experiments/(\d+)", str(link.get_attribute("href")))[0]

    def runs(self, experiment: str, *, until: str, sort: str = "attributes.start_time", charts: bool = False) -> None:
        """Open the runs of an experiment.

        Sorted by a metric they stand each by itself; sorted by time, those of a training lie folded in its run.
        """
        mode = "&compareRunsMode=CHART" if charts else ""
        self.open(f"/experiments/{experiment}/runs?orderByKey={quote(sort)}&orderByAsc=true{mode}", until=until)

    def search(self, text: str, *, matching: int) -> set[str]:
        """Type a filter into the search box; return the names of the runs, once as many as said match."""
        box = self.page.get_by_placeholder("metrics.rmse")
        box.fill(text)
        box.press("Enter")
        self.page.mouse.move(0, 0)
        expect(self.page.locator("body")).to_contain_text(f"{matching} matching run")
        links = self.page.locator("a[href*='/runs/']:visible")
        return {words(text) for text in links.all_inner_texts()} - {""}
