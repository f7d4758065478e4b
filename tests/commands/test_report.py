"""What is told of a life agrees with the tables, computed by other means; the page and the command tell the same."""

import importlib.util
import json
import math
import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from mlsys_assets import FixedClock, MLSystem, Workspace, build_definitions, utc
from mlsys_assets.cli import main
from mlsys_assets.commands.report import summary
from mlsys_assets.history_page import history_page
from mlsys_assets.instance import open_instance
from mlsys_assets.replay import Replay
from mlsys_assets.report import report, trainings
from mlsys_assets.runs import Runner
from mlsys_resources.resources import Resources, build_resources

SYSTEMS = Path(__file__).parents[1] / "systems"
UNTIL = utc("2013-03-19")
DAYS = ["2013-03-05", "2013-03-12", "2013-03-19"]
BASELINES = ["group_rate", "zero_rule"]


@dataclass
class Life:
    """The weekly rain system, what became of it, and what is told of that."""

    system: MLSystem
    stores: Resources
    told: dict[str, Any]
    cpu_s: float

    def known(self) -> dict[str, float]:
        """Return the labels that are known, by request."""
        labels = self.stores.lake.read("rain", "labels", columns=["observation", "label"]).to_pylist()
        return {row["observation"]: row["label"] for row in labels if row["label"] is not None}

    def predicted(self, model: str) -> list[tuple[datetime, float, float]]:
        """Return when each labelled request of a model was predicted, its label and its score."""
        table = "predictions" if model == "champion" else "baseline_predictions"
        rows, known = self.stores.lake.read("rain", table).to_pylist(), self.known()
        mine = [row for row in rows if model in ("champion", row.get("model")) and row["observation"] in known]
        return [(row["predict_at"], known[row["observation"]], row["score"]) for row in mine]


@pytest.fixture(scope="module")
def life(tmp_path_factory) -> Life:
    """Two weeks after the first champion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SYSTEMS))
        spec = importlib.util.spec_from_file_location("rain_weekly", SYSTEMS / "rain_weekly.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    home = tmp_path_factory.mktemp("life")
    stores = build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(UNTIL).now)
    before = sum(os.times()[:4])
    with open_instance(home) as instance:
        runner = Runner(module.rain, build_definitions(module.rain, resources=stores), instance)
        assert len(list(Replay(runner, stores, nullcontext).run(UNTIL))) == len(DAYS)
    return Life(module.rain, stores, report(module.rain, stores), sum(os.times()[:4]) - before)


def agrees(numbers: dict[str, Any], rows: list[tuple[datetime, float, float]]) -> None:
    """Hold the numbers told of a model's labelled rows against scikit-learn's."""
    label, score = [row[1] for row in rows], [row[2] for row in rows]
    assert (numbers["labelled"], numbers["positives"]) == (len(label), sum(label))
    assert len(label) >= 30
    assert numbers["log_loss"] == pytest.approx(log_loss(label, score), rel=1e-9)
    assert numbers["roc_auc"] == pytest.approx(roc_auc_score(label, score), rel=1e-9)


def cost(system: MLSystem, rows: list[tuple[datetime, float, float]]) -> float:
    """Return what acting on the scores cost, from a confusion matrix of another library."""
    matrix = confusion_matrix(
        [row[1] for row in rows], [row[2] >= system.costs.threshold for row in rows], labels=[0, 1]
    )
    (true_negative, false_positive), (false_negative, true_positive) = matrix
    return float(
        false_positive * system.costs.false_positive
        + false_negative * system.costs.false_negative
        + true_positive * system.costs.true_positive
        + true_negative * system.costs.true_negative
    )


# -- the report -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["champion", *BASELINES])
def test_each_tick_agrees_with_scikit_learn_on_the_tables(life: Life, model: str) -> None:
    made = life.predicted(model)
    ticks = {tick["tick"]: tick["models"] for tick in life.told["ticks"]}
    assert list(ticks) == ["2013-02-26", "2013-03-05", "2013-03-12"]
    assert ticks["2013-02-26"] == {}  # nobody predicted it
    for key, models in list(ticks.items())[1:]:
        tick = life.system.calendar.parse(key)
        rows = [row for row in made if row[0] in tick]
        agrees(models[model], rows)
        assert models[model]["mean_cost"] == pytest.approx(cost(life.system, rows) / len(rows), rel=1e-9)


@pytest.mark.parametrize("model", ["champion", *BASELINES])
def test_each_month_agrees_with_scikit_learn_on_the_tables(life: Life, model: str) -> None:
    (month,) = life.told["months"]
    assert month["month"] == "2013-03"
    rows = life.predicted(model)
    agrees(month["champion"] if model == "champion" else month["baselines"][model], rows)
    assert month["costs"][model]["total"] == pytest.approx(cost(life.system, rows), rel=1e-12)
    assert month["costs"][model]["labelled"] == len(rows)
    assert sum(version["labelled"] for version in month["versions"].values()) == month["champion"]["labelled"]


def test_verdicts_and_decisions_are_those_of_the_ledger(life: Life) -> None:
    ticks, ledger = life.told["ticks"], life.stores.operations
    assert [tick["as_of"][:10] for tick in ticks] == DAYS
    for tick in ticks:
        at = datetime.fromisoformat(tick["as_of"])
        found = {(d.kind, d.name): (d.verdict, d.reason) for d in ledger.decisions("rain", since=at, until=at)}
        assert {n: (v["verdict"], v["reason"]) for n, v in tick["verdicts"].items()} == {
            name: said for (kind, name), said in found.items() if kind == "trigger"
        }
        assert tuple(tick["retraining"].values()) == found["retraining", "arbiter"]
        assert tick["trained"] == (("training_set", "training_set") in found)
        assert tick["rollbacks"] == []
    assert list(ticks[0]["verdicts"]) == sorted(trigger.name for trigger in life.system.triggers)
    assert next(t["as_of"][:10] for t in trainings(life.told)) == DAYS[0]
    assert life.told["ledger"] == ledger.ledger_hash("rain")


def test_models_and_champion_are_those_of_the_store(life: Life) -> None:
    champion = life.stores.operations.alias("rain", "champion")
    told = life.told["champion"]
    assert (told["version"], told["content_hash"]) == (champion.version, champion.content_hash)
    assert told["as_of"] == champion.as_of.isoformat()
    assert {m["content_hash"] for m in life.told["models"]} >= {champion.content_hash}
    assert life.told["ticks"][1]["version"] == 1
    assert life.told["cost_unit"] == "USD"


def test_each_training_says_what_it_used_of_the_processors_and_what_that_cost(life: Life) -> None:
    """As far as can be seen from outside: a good part of what this process used, and no more."""
    used = {tick["as_of"][:10]: tick["compute"] for tick in life.told["ticks"]}
    assert {day for day, said in used.items() if said is not None} == {t["as_of"][:10] for t in trainings(life.told)}
    whole = life.told["compute"]
    assert whole["cpu_s"] == pytest.approx(sum(said["cpu_s"] for said in used.values() if said), abs=0.2)
    assert 0.1 * life.cpu_s < whole["cpu_s"] < life.cpu_s
    assert whole["cost"] == pytest.approx(whole["cpu_s"] / 3600 * 0.04)
    took = f"  2 trainings took {whole['cpu_s']:,.0f} s of a processor, for {whole['cost']:.2g} USD"
    assert took in summary(life.system, life.told)
    head, first = Page(history_page(life.told)).rows[:2]
    cells = dict(zip(head, first, strict=True))
    assert cells["CPU s"] == f"{used[DAYS[0]]['cpu_s']:.1f}"
    assert cells["compute [USD]"] == f"{used[DAYS[0]]['cost']:.6f}" > "0.000001"


def test_the_report_is_plain_json_and_the_same_each_time(life: Life) -> None:
    def finite(value: object) -> bool:
        if isinstance(value, dict):
            return all(map(finite, value.values()))
        if isinstance(value, list):
            return all(map(finite, value))
        return not isinstance(value, float) or math.isfinite(value)

    assert finite(life.told)
    assert json.loads(json.dumps(life.told, allow_nan=False)) == life.told
    assert report(life.system, life.stores) == life.told


def test_a_system_that_has_not_lived_has_an_empty_report(life: Life, tmp_path: Path) -> None:
    told = report(life.system, build_resources({"MLSYS_HOME": str(tmp_path)}, clock=FixedClock(UNTIL).now))
    assert (told["ticks"], told["months"], told["models"], told["champion"]) == ([], [], [], None)
    assert "rain: 0 decisions" in summary(life.system, told)
    assert history_page(told).startswith("<!doctype html>")


def test_people_are_told_the_same_numbers(life: Life) -> None:
    lines = summary(life.system, life.told)
    for tick in life.told["ticks"]:
        (line,) = [line for line in lines if line.startswith(f"  {tick['as_of'][:10]}")]
        assert tick["retraining"]["verdict"] in line
        for name in [n for n, v in tick["verdicts"].items() if v["verdict"] == "yes"]:
            assert name in line
        mine = tick["models"].get("champion")
        numbers = [f"{mine['log_loss']:.4f}", f"{mine['roc_auc']:.4f}", f"{mine['mean_cost']:.2f}"] if mine else ["—"]
        assert all(number in line for number in numbers), line
    (month,) = [line for line in lines if line.startswith("  2013-03 ")]
    totals = [f"{life.told['months'][0]['costs'][n]['total']:,.0f}" for n in ("champion", *BASELINES)]
    assert month.split()[-3:] == totals


# -- the page -------------------------------------------------------------------------------------

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


def test_the_page_fetches_nothing_and_runs_nothing(life: Life) -> None:
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


def test_the_numbers_of_the_page_are_the_reports(life: Life) -> None:
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


def test_the_page_tells_which_trainings_which_champion_and_which_ledger(life: Life) -> None:
    page = history_page(life.told)
    trained = sum(tick["trained"] for tick in life.told["ticks"])
    assert f"{len(DAYS)} decisions, {trained} trainings, {len(life.told['models'])} models" in page
    assert life.told["champion"]["content_hash"][:16] in page
    assert life.told["ledger"][:16] in page
    assert page.count('<tr class="train">') == trained >= 1


def test_what_people_wrote_is_text_on_the_page(life: Life) -> None:
    nasty = "<script>alert('\"&')</script>"
    told = json.loads(json.dumps(life.told))
    told["cost_unit"], told["system"] = nasty, nasty
    for tick in told["ticks"]:
        tick["retraining"]["reason"] = nasty
        tick["verdicts"] = {f"a<b>{name}": {"verdict": nasty, "reason": nasty} for name in tick["verdicts"]}
    for month in told["months"]:
        month["baselines"] = {nasty: {}}
    assert Page(history_page(told)).tags <= ALLOWED


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def said(life: Life, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command on the life, as on a workspace whose only system it is."""
    from mlsys_assets.systems import workspace as module

    monkeypatch.setenv("MLSYS_HOME", str(life.stores.home))
    monkeypatch.setattr(module, "workspace", Workspace(life.system))

    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out

    return run


def test_the_command_tells_the_report(life: Life, said: Callable[..., str], tmp_path: Path) -> None:
    assert json.loads(said("report", "rain", "--json")) == life.told
    assert said("report").splitlines() == "\n".join(summary(life.system, life.told)).splitlines()
    assert said("report", "--html", str(tmp_path / "life.html"))
    assert (tmp_path / "life.html").read_text(encoding="utf-8") == history_page(life.told)


def test_the_command_tells_the_ledger(life: Life, said: Callable[..., str]) -> None:
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
