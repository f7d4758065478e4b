"""What monitoring said is told as it stands on the ledger, with what came of it."""

import json

import pytest

from mlsys_assets.cli import main


def test_each_tick_is_told_with_its_estimated_and_its_realised_cost(life, said) -> None:
    told = json.loads(said("monitor", "rain", "--json"))
    on_record = [d for d in life.stores.operations.decisions("rain", "monitoring") if d.name == "diagnosis"]
    assert [(t["as_of"], t["cause"]) for t in told["ticks"]] == [(d.as_of.isoformat(), d.verdict) for d in on_record]
    truth = {tick["as_of"]: tick["models"].get("champion") for tick in life.told["ticks"]}
    judged = 0
    for tick, decision in zip(told["ticks"], on_record, strict=True):
        realised = truth.get(tick["as_of"])
        assert (tick["realised"] is None) == (realised is None)
        if realised is not None:
            reference = decision.evidence["reference"]
            change = {name: realised[name] - reference[name] for name in ("log_loss", "mean_cost")}
            assert tick["realised"]["log_loss"] == pytest.approx(change["log_loss"], abs=1e-9)
            assert tick["realised"]["money"] == pytest.approx(change["mean_cost"] * realised["requests"], abs=1e-6)
            judged += 1
    assert told["judged_weeks"] == judged == 2
    outbox = [row for row in life.stores.operations.alerts("rain") if row.channels]
    assert [(a["as_of"], a["name"], a["verdict"]) for a in told["alerts"]] == [
        (row.as_of.isoformat(), row.name, row.verdict) for row in outbox
    ]


def test_it_is_told_in_a_line_each_and_from_a_day_on(life, said, capsys) -> None:
    lines = said("monitor", "rain").splitlines()
    assert lines[1].startswith("rain: 11 diagnoses, ")
    assert sum(line.startswith("  2013-03-12 00:00  ") for line in lines) >= 1
    (tick,) = [line for line in lines if line.startswith("  2013-03-12 00:00  ") and " log loss, " in line]
    assert tick.endswith(" money")
    assert lines[-2].endswith("in 2.0 weeks whose cost is known")
    since = said("monitor", "rain", "--since", "2013-03-12").splitlines()
    assert since[1].startswith("rain: 2 diagnoses, ")
    assert tick in since
    assert main(["monitor", "rain", "--since", "soon"]) == 1
    assert "'soon' is no date" in capsys.readouterr().err
