"""Dagster's pages, as somebody reads them: the words on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Locator, Page

Size = tuple[int, int]
"""Width and height of a picture, in pixels."""

KINDS = {
    "deltalake": "Delta Lake", "lightgbm": "lightgbm", "mlflow": "ML Flow", "numpy": "NumPy", "python": "Python",
    "scikitlearn": "Scikit Learn",
}  # fmt: skip
"""What the pages call an asset's kinds."""

A_WHILE, PATIENCE = 100, 100
"""Milliseconds between two looks at a page on which something is still to come, and how many looks."""
HIDDEN = "[Show Markdown]"
"""What stands for a text of 1,000 characters and more, as every picture is, until somebody clicks on it."""


def words(text: str | None) -> str:
    """Return a text without line breaks, and without the marks of Markdown that a page does not show."""
    return " ".join((text or "").replace("`", "").split())


def sizes(place: Locator) -> list[Size]:
    """Return the sizes of the pictures in a place, once they are drawn; raises for one that is broken."""
    images = place.locator("img[src^='data:']").all()
    for image in images:
        image.evaluate("one => one.decode()")
    return [image.evaluate("one => [one.naturalWidth, one.naturalHeight]") for image in images]


@dataclass
class DagsterPages:
    """The pages of one code location.

    Parameters
    ----------
    page
        A tab of the browser.
    address
        Where Dagster's web server listens.
    location
        The code location's name.
    """

    page: Page
    address: str
    location: str

    def open(self, path: str, *, until: str) -> str:
        """Open a page, wait until it shows a text, and return its words."""
        self.page.goto(self.address + path)
        self.text(until).wait_for()
        return self.words()

    def words(self) -> str:
        """Return the words on the page."""
        return words(self.page.inner_text("body"))

    def says(self, text: str) -> bool:
        """Return whether a text comes to stand on the page: what it is asked for comes piece by piece."""
        for _ in range(PATIENCE):
            if words(text) in self.words():
                return True
            self.page.wait_for_timeout(A_WHILE)
        return False

    def text(self, text: str) -> Locator:
        """Return the first visible element that shows a text, and nothing else."""
        return self.page.get_by_text(text, exact=True).locator("visible=true").first

    def graph(self, *, until: str) -> list[str]:
        """Open the graph of all assets; return the groups in the order in which they are listed beside it."""
        self.open("/asset-groups", until=until)
        listed = self.page.locator("button:has([aria-label=asset_group])")
        listed.first.wait_for()
        return [words(text).split(" ")[0] for text in listed.all_inner_texts()]

    def group(self, name: str, *, until: str) -> str:
        """Open the graph of one group."""
        return self.open(f"/locations/{self.location}/asset-groups/{name}", until=until)

    def asset(self, key: str, view: str = "overview", *, until: str = "Overview", more: str = "") -> str:
        """Open a view of an asset."""
        return self.open(f"/assets/{key}?view={view}{more}", until=until)

    def columns(self) -> dict[str, str]:
        """Return the columns of the asset that is open, each with its description."""
        table = self.page.locator("table", has=self.page.get_by_text("Column name", exact=True))
        rows = table.locator("tbody tr").evaluate_all(
            "all => all.map(row => [...row.querySelectorAll('td')].map(cell => cell.innerText))"
        )
        return {words(cells[0]): words(cells[-1]) for cells in rows if cells}

    def thumbnails(self) -> list[Size]:
        """Return the sizes of the pictures in the asset's metadata that are seen without a click."""
        return sizes(self.page.locator("tr"))

    def pictures(self) -> dict[str, list[Size]]:
        """Open each long text of the asset's metadata; return the sizes of the pictures in it, by name."""
        found = {}
        for row in self.page.locator("tr", has=self.page.get_by_text(HIDDEN)).all():
            name = words(row.locator("td").first.inner_text())
            with self.opened(row) as box:
                found[name] = sizes(box)
        return found

    @contextmanager
    def opened(self, row: Locator) -> Iterator[Locator]:
        """Open the long text of a row of metadata in the box that comes in front of the page, and close it."""
        row.get_by_text(HIDDEN).click()
        box = self.page.locator(".dagster-dialog")
        box.locator(".dagster-markdown").wait_for()
        yield box
        self.page.keyboard.press("Escape")
        box.wait_for(state="detached")

    def links(self, name: str) -> list[str]:
        """Return where the links in a row of the asset's metadata lead."""
        row = self.page.locator("tr", has=self.page.get_by_text(name, exact=True))
        hrefs = row.locator("a[href]").evaluate_all("all => all.map(one => one.href)")
        return sorted(set(hrefs))

    def automations(self, *, until: str) -> dict[str, bool]:
        """Open the schedules and sensors; return which of them are on."""
        self.open("/automation", until=until)
        items = self.page.locator("[class*=ListItem_listItem__]")
        read = "all => all.map(one => [one.querySelector('a').href, [...one.querySelectorAll('input')].pop().checked])"
        before, told = None, []
        for _ in range(PATIENCE):  # each row asks for its own state, and is off until it has it
            self.page.wait_for_load_state("networkidle")
            before, told = told, items.evaluate_all(read)
            if told == before and any(on for _, on in told):
                break
            self.page.wait_for_timeout(10 * A_WHILE)
        return {href.rsplit("/", 1)[-1]: bool(on) for href, on in told}
