"""The feature catalogue's page tells of every feature, of who uses it and what it costs, and fetches nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlsys_assets import FixedClock, Workspace, utc
from mlsys_assets.cli import main
from mlsys_assets.data_ingestion.freshness import Lag
from mlsys_assets.feature_page import feature_page
from mlsys_assets.feature_report import Catalogue, SourceTold, feature_catalogue
from mlsys_assets.features.catalogue import Entry
from mlsys_assets.features.lineage import lineage
from mlsys_assets.systems.flights.system import flights
from mlsys_resources.resources import build_resources

UNTIL = "2013-07-08"
PLAIN = tuple(c for c in flights.candidates if c.name != "person")  # who asks for more than three features give
SECOND = replace(
    flights, name="second", owner="others", reuses=flights, features=flights.features[:3], candidates=PLAIN, behavior=()
)


class Page(HTMLParser):
    """The cells of each row that has a name, the anchors that are linked to, and all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, list[str]] = {}
        self.links, self.ids, self.tags = list[str](), set[str](), list[tuple[str, dict]]()
        self._row: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        told = dict(attrs)
        self.tags.append((tag, told))
        self.ids |= {told["id"]} if "id" in told else set()
        self.links += [told["href"]] if "href" in told else []
        if tag == "tr":
            self._row = self.rows.setdefault(told["id"], []) if "id" in told else None
        elif tag == "td" and self._row is not None:
            self._row.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self._row = None

    def handle_data(self, data: str) -> None:
        if self._row:
            self._row[-1] += f"{data}\n"


@pytest.fixture(scope="module")
def home(flights_lived) -> Path:
    return flights_lived(UNTIL)


@pytest.fixture(scope="module")
def told(home) -> Catalogue:
    stores = build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(utc(UNTIL)).now)
    return feature_catalogue(flights, (flights, SECOND), stores)


@pytest.fixture(scope="module")
def page(told) -> Page:
    return Page(feature_page(told))


def test_every_feature_stands_there_with_unit_owner_origins_and_consumers(page) -> None:
    assert page.rows.keys() == {c.name for c in flights.feature_columns}
    origins, reused = lineage(flights.features, flights.requests.source), {c.name for c in SECOND.feature_columns}
    for column in flights.feature_columns:
        name, kind, unit, owner, what, read, _, used, cost = (cell.strip() for cell in page.rows[column.name])
        assert (name, kind, unit, owner) == (column.name, column.type, column.unit, "flights-data")
        assert len(what) > 10, name
        assert read.split("\n") == [f"{table}.{of}" for table, of in origins[name]]
        second = ["second"] if name in reused else []
        assert used.split("\n") == ["flights, champion version 1", *second], name
        assert 0 < float(cost) < 1000, name
    assert page.rows["carrier"][6].strip() == "with the request"
    assert page.rows["origin_temp"][6].strip() == (
        "weather, of the last 4h, known 1 h after it happened (p95 1 h, max 1 h)"
    )
    assert page.rows["carrier_late_28d"][4].strip() == (
        "Trailing: rate of landed_late(arr_delay) over arrivals, key carrier, known in the last 28d"
    )


def test_features_are_sorted_within_their_source_and_every_link_leads_somewhere(page, told) -> None:
    groups = [told["id"] for tag, told in page.tags if tag == "h2" and "id" in told]
    assert groups == sorted(groups)
    assert len(groups) == 6
    first = {e.name: e.sources[0] if e.sources else "schedule" for e in told.entries}
    assert list(page.rows) == sorted(page.rows, key=lambda name: (first[name], name))
    assert {link.removeprefix("#") for link in page.links} == page.ids


def test_the_page_fetches_nothing_and_runs_nothing(page, told) -> None:
    assert all(link.startswith("#") for link in page.links)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "form"})
    attributes = {name for _, attrs in page.tags for name in attrs}
    assert attributes <= {"lang", "charset", "class", "id", "href"}
    assert not re.search(r"url\(|@import|https?:", feature_page(told))


def test_what_people_wrote_is_escaped_and_late_sources_are_told() -> None:
    bad = "<script>alert('&')</script>"
    entry = Entry("precip", "float32", bad, bad, bad, 0, bad, (("weather", bad),), ("weather",), bad, (bad,))
    source = replace(flights.sources[0], licence=bad)
    lag = Lag(20, 1000, 1.25, 7.5, 1234.0)
    text = feature_page(Catalogue(flights, (entry,), (SourceTold(source, bad, lag),), None, 0))
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;") == 9
    assert "No tick was brought in yet" in text
    for number in ("20 of 1,000", "1.25", "7.5", "1.23e+03", '<td class="number">—</td>'):
        assert number in text


def test_a_champion_that_was_trained_before_a_feature_was_declared_says_so(home) -> None:
    stores = build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(utc(UNTIL)).now)
    (entry, *_) = feature_catalogue(SECOND, (flights, SECOND), stores).entries
    assert (entry.name, entry.consumers) == ("carrier", ("flights, champion version 1", "second"))
    grown = replace(flights, features=(*flights.features, type(flights.features[0])(far=lambda r: r["distance"] * 2)))
    assert feature_catalogue(grown, (grown,), stores).entries[-1].consumers == (
        "flights, champion version 1 without it",
    )


def test_the_command_writes_it_also_before_anything_was_lived_through(tmp_path, monkeypatch, capsys) -> None:
    from mlsys_assets.systems import workspace as module

    monkeypatch.setenv("MLSYS_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(module, "workspace", Workspace(*module.workspace.systems))
    monkeypatch.chdir(tmp_path)
    for options, file in ((["--out", "told.html"], "told.html"), ([], "flights_features.html")):
        assert main(["features", "flights", *options]) == 0
        assert capsys.readouterr().out == f"{file}: {len(flights.feature_columns)} features of flights\n"
        found = Page((tmp_path / file).read_text(encoding="utf-8"))
        assert found.rows["origin_temp"][7].strip() == "flights"
        assert found.rows["origin_temp"][8].strip() == "—"
