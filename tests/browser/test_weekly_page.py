"""The weekly page in a browser: without the network, without an error, on a screen, a telephone and on paper."""

import sys
from pathlib import Path
from typing import Any

import pytest
from chromium import NoBrowser, Seen, find
from playwright.sync_api import Browser, Page

from mlsys_assets.production_monitoring.weekly.page import weekly_page

sys.path.insert(0, str(Path(__file__).parents[1] / "production_monitoring" / "weekly"))

from rainy_year import rainy_year

try:
    find()
except NoBrowser as none:
    pytest.skip(str(none), allow_module_level=True)

CONTRAST = 4.5
"""What WCAG 2.1 asks of text, at level AA."""
LEAST_CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
      if (!/rgba\\(0, 0, 0, 0\\)/.test(c)) return c } return 'rgb(255, 255, 255)' };
  const found = [...document.querySelectorAll('body *:not(svg *):not(svg)')]
      .filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim().length && n.data != '\\u00a0'))
      .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
          return (a + .05) / (b + .05) });
  return Math.min(...found) }"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: Any) -> str:
    place = tmp_path_factory.mktemp("weekly") / "week.html"
    place.write_text(weekly_page(rainy_year().facts()), encoding="utf-8")
    return place.as_uri()


@pytest.fixture
def offline(browser: Browser, seen: Seen) -> Any:
    context = browser.new_context(offline=True, java_script_enabled=True, viewport={"width": 1000, "height": 900})
    seen.watch(context)
    yield context.new_page()
    context.close()
    outside = [one for one in seen.outside if not one.startswith("file:")]
    errors = list(seen.errors)
    seen.outside.clear()
    seen.errors.clear()
    assert (outside, errors) == ([], [])


def test_it_opens_offline_and_is_read(offline: Page, file: str) -> None:
    offline.goto(file)
    assert offline.get_by_text("What used to foretell that a day is wet does so no longer.").is_visible()
    pictures = [one.bounding_box() for one in offline.locator("svg").all()]
    assert len(pictures) == 8
    assert all(box and box["width"] > 40 and box["height"] > 40 for box in pictures)
    assert offline.evaluate(LEAST_CONTRAST) >= CONTRAST


@pytest.mark.parametrize("width", [390, 1000])
def test_nothing_reaches_beyond_the_page_but_tables(offline: Page, file: str, width: int) -> None:
    offline.set_viewport_size({"width": width, "height": 800})
    offline.goto(file)
    assert offline.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_on_few_sheets(offline: Page, file: str) -> None:
    offline.goto(file)
    printed = offline.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert 2 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 8
