"""What is told of a life agrees with the tables, computed by other means."""

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from mlsys_assets import FixedClock, MLSystem, utc
from mlsys_assets.commands.report import summary
from mlsys_assets.history_page import history_page
from mlsys_assets.report import report, trainings
from mlsys_resources.resources import build_resources

UNTIL = utc("2013-03-19")
DAYS = ["2013-03-05", "2013-03-12", "2013-03-19"]
BASELINES = ["group_rate", "zero_rule"]


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
def test_each_tick_agrees_with_scikit_learn_on_the_tables(life: Any, model: str) -> None:
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
def test_each_month_agrees_with_scikit_learn_on_the_tables(life: Any, model: str) -> None:
    (month,) = life.told["months"]
    assert month["month"] == "2013-03"
    rows = life.predicted(model)
    agrees(month["champion"] if model == "champion" else month["baselines"][model], rows)
    assert month["costs"][model]["total"] == pytest.approx(cost(life.system, rows), rel=1e-12)
    assert month["costs"][model]["labelled"] == len(rows)
    assert sum(version["labelled"] for version in month["versions"].values()) == month["champion"]["labelled"]


def test_verdicts_and_decisions_are_those_of_the_ledger(life: Any) -> None:
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


def test_models_and_champion_are_those_of_the_store(life: Any) -> None:
    champion = life.stores.operations.alias("rain", "champion")
    told = life.told["champion"]
    assert (told["version"], told["content_hash"]) == (champion.version, champion.content_hash)
    assert told["as_of"] == champion.as_of.isoformat()
    assert {m["content_hash"] for m in life.told["models"]} >= {champion.content_hash}
    assert life.told["ticks"][1]["version"] == 1
    assert life.told["cost_unit"] == "USD"


def test_each_training_says_what_it_used_of_the_processors_and_what_that_cost(life: Any) -> None:
    """As far as can be seen from outside: a good part of what this process used, and no more."""
    used = {tick["as_of"][:10]: tick["compute"] for tick in life.told["ticks"]}
    assert {day for day, said in used.items() if said is not None} == {t["as_of"][:10] for t in trainings(life.told)}
    whole = life.told["compute"]
    assert whole["cpu_s"] == pytest.approx(sum(said["cpu_s"] for said in used.values() if said), abs=0.2)
    assert 0.1 * life.cpu_s < whole["cpu_s"] < life.cpu_s
    assert whole["cost"] == pytest.approx(whole["cpu_s"] / 3600 * 0.04)
    took = f"  2 trainings took {whole['cpu_s']:,.0f} s of a processor, for {whole['cost']:.2g} USD"
    assert took in summary(life.system, life.told)


def test_the_report_is_plain_json_and_the_same_each_time(life: Any) -> None:
    def finite(value: object) -> bool:
        if isinstance(value, dict):
            return all(map(finite, value.values()))
        if isinstance(value, list):
            return all(map(finite, value))
        return not isinstance(value, float) or math.isfinite(value)

    assert finite(life.told)
    assert json.loads(json.dumps(life.told, allow_nan=False)) == life.told
    assert report(life.system, life.stores) == life.told


def test_a_system_that_has_not_lived_has_an_empty_report(life: Any, tmp_path: Path) -> None:
    told = report(life.system, build_resources({"MLSYS_HOME": str(tmp_path)}, clock=FixedClock(UNTIL).now))
    assert (told["ticks"], told["months"], told["models"], told["champion"]) == ([], [], [], None)
    assert "rain: 0 decisions" in summary(life.system, told)
    assert history_page(told).startswith("<!doctype html>")


def test_people_are_told_the_same_numbers(life: Any) -> None:
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
