"""The page and the command tell what the report tells."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mlsys_assets.commands.report import summary
from mlsys_assets.history_page import history_page

DAYS = ["2013-03-05", "2013-03-12", "2013-03-19"]
BASELINES = ["group_rate", "zero_rule"]


ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "code", "span",
    "table", "thead", "tbody", "tr", "th", "td", "svg", "text", "line", "circle", "polyline",
}  # fmt: skip


class Page(HTMLParser):
    """The tags and attributes of a page, the cells of its tables, and whether all that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes = set[str](), set[str]()
        self.rows, self._open = list[list[str]](), list[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def close(self) -> None:
        super().close()
        assert self._open == []


def test_the_page_fetches_nothing_and_runs_nothing(life: Any) -> None:
    page = history_page(life.told)
    found = Page(page)
    assert found.tags <= ALLOWED
    assert not [
        name for name in found.attributes if name.startswith("on") or name in {"src", "href", "style", "srcset"}
    ]
    without_names = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    for word in ("http:", "https:", "//", "url(", "@import", "<script", "javascript:", "data:"):
        assert word not in without_names.replace("<!doctype html>", ""), word
    assert page.count("<svg") == 3


def test_the_numbers_of_the_page_are_the_reports(life: Any) -> None:
    rows = Page(history_page(life.told)).rows
    head, *ticks = rows[: len(DAYS) + 1]
    assert [row[0] for row in ticks] == DAYS
    for row, tick in zip(ticks, life.told["ticks"], strict=True):
        cells = dict(zip(head, row, strict=True))
        mine = tick["models"].get("champion")
        for name, said in tick["verdicts"].items():
            assert cells[name] == said["verdict"]
        assert cells["decision"] == tick["retraining"]["verdict"]
        assert cells["gate"] == (tick["gate"] or {"verdict": ""})["verdict"]
        assert cells["model"] == (f"v{tick['version']}" if mine else "")
        for metric in ("log_loss", "roc_auc", "mean_cost"):
            assert cells[metric] == (f"{mine[metric]:,.4f}" if mine else "—")
        assert cells["labelled"] == (f"{mine['labelled']:,}" if mine else "—")
    head, *months = rows[len(DAYS) + 1 :]
    (month,) = life.told["months"]
    assert months == [
        [
            month["month"], f"{month['champion']['labelled']:,}", f"{month['champion']['log_loss']:,.4f}",
            f"{month['champion']['roc_auc']:,.4f}",
            *(f"{month['costs'][name]['total']:,.0f}" for name in ("champion", *BASELINES)),
        ]
    ]  # fmt: skip
    assert head[4:] == [f"cost of {name} [USD]" for name in ("champion", *BASELINES)]


def test_the_page_says_what_each_training_used_and_what_that_cost(life: Any) -> None:
    used = {tick["as_of"][:10]: tick["compute"] for tick in life.told["ticks"]}
    head, first = Page(history_page(life.told)).rows[:2]
    cells = dict(zip(head, first, strict=True))
    assert cells["CPU s"] == f"{used[DAYS[0]]['cpu_s']:.1f}"
    assert cells["compute [USD]"] == f"{used[DAYS[0]]['cost']:.6f}" > "0.000001"


def test_the_page_tells_which_trainings_which_champion_and_which_ledger(life: Any) -> None:
    page = history_page(life.told)
    trained = sum(tick["trained"] for tick in life.told["ticks"])
    assert f"{len(DAYS)} decisions, {trained} trainings, {len(life.told['models'])} models" in page
    assert life.told["champion"]["content_hash"][:16] in page
    assert life.told["ledger"][:16] in page
    assert page.count('<tr class="train">') == trained >= 1


def test_what_people_wrote_is_text_on_the_page(life: Any) -> None:
    nasty = "<script>alert('\"&')</script>"
    told = json.loads(json.dumps(life.told))
    told["cost_unit"], told["system"] = nasty, nasty
    for tick in told["ticks"]:
        tick["retraining"]["reason"] = nasty
        tick["verdicts"] = {f"a<b>{name}": {"verdict": nasty, "reason": nasty} for name in tick["verdicts"]}
    for month in told["months"]:
        month["baselines"] = {nasty: {}}
    assert Page(history_page(told)).tags <= ALLOWED


def test_the_command_tells_the_report(life: Any, said: Callable[..., str], tmp_path: Path) -> None:
    assert json.loads(said("report", "rain", "--json")) == life.told
    assert said("report").splitlines() == "\n".join(summary(life.system, life.told)).splitlines()
    assert said("report", "--html", str(tmp_path / "life.html"))
    assert (tmp_path / "life.html").read_text(encoding="utf-8") == history_page(life.told)


def test_the_command_tells_the_ledger(life: Any, said: Callable[..., str]) -> None:
    decisions = life.stores.operations.decisions("rain")
    assert said("ledger", "rain", "--hash") == life.told["ledger"] + "\n"
    rows = [json.loads(line) for line in said("ledger", "--json").splitlines()]
    assert [row["content_hash"] for row in rows] == [d.content_hash for d in decisions]
    assert [(row["kind"], row["name"], row["verdict"], row["reason"]) for row in rows] == [
        (d.kind, d.name, d.verdict, d.reason) for d in decisions
    ]
    assert [datetime.fromisoformat(row["as_of"]) for row in rows] == [d.as_of for d in decisions]
    assert rows[0]["evidence"] == dict(decisions[0].evidence)
    lines = said("ledger").splitlines()
    assert len(lines) == len(decisions)
    for line, decision in zip(lines, decisions, strict=True):
        assert re.match(rf"{decision.as_of:%Y-%m-%d} 00:00  {decision.kind} +{decision.name} +", line), line
        assert line.endswith(f"{decision.verdict}: {decision.reason}")
