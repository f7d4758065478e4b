"""Gains are the ledger's, turned so that more is better, and divided by the seconds of the fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import LogLoss, Metric, RocAuc
from mlsys_assets.types import days, utc
from mlsys_assets.value_analysis.iteration_value import iteration_value

JULY = utc("2013-07-01")


@dataclass(frozen=True)
class Told:
    """A record of a ledger."""

    as_of: datetime
    kind: str
    name: str
    verdict: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


def whole(value: float) -> dict[str, Any]:
    return {"recent_test": {"whole": {"log_loss": Estimate(value, value - 0.1, value + 0.1, 900, 300, 14).as_dict()}}}


def difference(value: float, *, metric: str = "log_loss") -> dict[str, Any]:
    found = Estimate(value, value - 0.004, value + 0.002, 900, 300, 14, error=0.001)
    return {"recent_test": {"differences": {metric: found.as_dict()}}}


def training(
    as_of: datetime, challenger: str, fits: Mapping[str, tuple[float, float]], *, champion: float | None, promoted: bool
) -> list[Told]:
    """Records of a training: fits are (log loss on the recent test, seconds of the fit)."""
    found = [Told(as_of, "challenger", "challenger", challenger)]
    for name, (loss, cpu_s) in fits.items():
        found.append(Told(as_of, "candidate", name, "fitted", context={"cpu_s": cpu_s}))
        found.append(Told(as_of, "evaluation", name, "evaluated", whole(loss), {"cpu_s": 50.0}))
    if champion is not None:
        found.append(Told(as_of, "comparison", "champion", "compared", difference(champion)))
    if promoted:
        found.append(Told(as_of, "refit", challenger, "refitted", context={"cpu_s": 99.0}))
    return [*found, Told(as_of, "promotion", "champion", "promoted" if promoted else "kept")]


LIFE = (
    *training(JULY, "linear", {"linear": (0.52, 2.0), "zero": (0.60, 1.0)}, champion=None, promoted=True),
    *training(JULY + days(28), "linear", {"linear": (0.50, 4.0), "zero": (0.60, 1.0)}, champion=-0.008, promoted=True),
    *training(JULY + days(56), "trees", {"linear": (0.50, 4.0), "trees": (0.47, 15.0)}, champion=-0.03, promoted=False),
    *training(
        JULY + days(84), "linear", {"linear": (0.51, 6.0), "trees": (0.53, 15.0)}, champion=0.003, promoted=False
    ),
)


def test_each_iteration_is_named_by_what_was_changed_and_priced_by_its_fit() -> None:
    found = iteration_value(LIFE, LogLoss())
    assert [(i.kind, i.recipe, i.over, round(i.gain.value, 6), i.cpu_s) for i in found.iterations] == [
        ("model", "linear", "zero", 0.08, 2.0),
        ("data", "linear", "champion (linear)", 0.008, 4.0),
        ("model", "linear", "zero", 0.10, 4.0),
        ("both", "trees", "champion (linear)", 0.03, 15.0),
        ("model", "trees", "linear", 0.03, 15.0),
        ("data", "linear", "champion (linear)", -0.003, 6.0),  # trees were not promoted
        ("model", "linear", "trees", 0.02, 6.0),
    ]
    assert found.per_cpu_s("data") == pytest.approx((0.008 - 0.003) / 10)
    assert found.per_cpu_s("model") == pytest.approx((0.08 + 0.10 + 0.03 + 0.02) / 27)
    assert str(found).startswith("a second of computing on the model gained +0.008519 log_loss, on the data +0.000500")


def test_an_interval_is_turned_with_its_gain_and_there_is_none_without_a_paired_one() -> None:
    found = iteration_value(LIFE, LogLoss()).iterations
    data, model = found[1].gain, found[2].gain
    assert (data.low, data.high) == pytest.approx((0.006, 0.012))
    assert model.low != model.low
    paired = [*LIFE[:7], Told(JULY, "comparison", "zero", "compared", difference(-0.07))]
    assert iteration_value(paired, LogLoss()).iterations[0].gain.high == pytest.approx(0.074)


def test_the_table_holds_the_numbers() -> None:
    lines = iteration_value(LIFE, LogLoss()).table().splitlines()
    assert "| data | 2 | +0.0050 | 10.0 | +0.000500 |" in lines
    assert "| model | 4 | +0.2300 | 27.0 | +0.008519 |" in lines
    assert "| 2013-07-29 | data | linear | champion (linear) | +0.0080 [+0.0060, +0.0120] | 4.00 | +0.002000 |" in lines
    widths = {line.count("|") for line in lines[lines.index("") + 1 :]}
    assert len(widths) == 1


@pytest.mark.parametrize(
    ("records", "there"),
    [
        ((), "none"),
        (LIFE[:7], "model"),
        ([r for r in LIFE if r.kind != "evaluation"], "data, both"),
        ([r for r in LIFE if r.kind != "candidate"], "none"),
        ([r for r in LIFE if r.kind != "challenger"], "none"),
    ],
)
def test_what_is_not_on_record_cannot_be_told(records, there: str) -> None:
    assert str(iteration_value(records, LogLoss())) == (
        f"cannot be told: iterations on both data and model are needed; on record: {there}"
    )


def test_a_fit_that_failed_or_took_no_time_has_no_rate() -> None:
    timeless = [Told(r.as_of, r.kind, r.name, r.verdict, r.evidence) for r in LIFE]
    found = iteration_value(timeless, LogLoss())
    assert found.of("data") == ()
    assert len(found.iterations) == 7


@pytest.mark.parametrize(("metric", "sign"), [(LogLoss(), -1), (RocAuc(), 1)])
def test_gains_point_up(metric: Metric, sign: int) -> None:
    records = training(JULY, "linear", {"linear": (0.5, 2.0)}, champion=None, promoted=True)
    later = training(JULY + days(7), "linear", {"linear": (0.5, 2.0)}, champion=None, promoted=False)
    later.append(Told(JULY + days(7), "comparison", "champion", "compared", difference(0.01, metric=metric.name)))
    (one,) = iteration_value([*records, *later], metric).iterations
    assert one.gain.value == sign * 0.01
