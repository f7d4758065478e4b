"""A tick's requests are counted in four quadrants, against what was ordinary of the rows held out."""

import numpy as np
import pyarrow as pa
import pytest
from diagnosing_worlds import MONTH, WEEK, moments, normal, scored

from mlsys_assets.production_monitoring.diagnosing.odd_requests import EDGE_CASES, OddRequests, Ordinary
from mlsys_assets.production_monitoring.edge_cases import Quadrant
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

HELD_OUT = scored(normal(0, 4_000), MONTH)


def requests(odd: int, failed: int, rows: int = 1_000) -> tuple[ScoredRows, pa.Array]:
    """Return rows of which some lie far away, and on half of those and some others the model is sure and wrong."""
    features = normal(1, rows).to_pandas().to_numpy(copy=True)
    features[:odd] += 12.0
    score, label = np.full(rows, 0.5), np.zeros(rows)
    wrong = np.r_[np.arange(odd // 2), np.arange(rows - failed, rows)]
    score[wrong], label[wrong] = 0.01, 1.0
    table = pa.table({f"x{j}": features[:, j] for j in range(features.shape[1])})
    return ScoredRows(moments(WEEK, rows), table, score, label), pa.array([f"r{i}" for i in range(rows)])


def test_the_quadrants_are_those_that_were_planted() -> None:
    found = OddRequests.of(Ordinary.of(HELD_OUT, seed=0), *requests(40, 30))
    counts = found.evidence[EDGE_CASES]
    assert list(counts) == ["ordinary", "hard", "outlier", "edge case"]
    assert sum(counts.values()) == 1_000
    assert counts["edge case"] >= 20  # and those of the ordinary ones that lie farthest out
    assert abs(counts["edge case"] - 20) <= 10
    assert abs(counts["hard"] - 30) <= 10
    named = {row[0]: row[2] for row in found.table}
    assert set(named["edge case"].split(", ")) <= {f"r{i}" for i in range(20)}


def test_the_limit_of_a_failure_is_nine_tenths_of_the_held_out_losses() -> None:
    losses = -np.log(np.where(HELD_OUT.label == 1, HELD_OUT.score, 1 - HELD_OUT.score))
    assert Ordinary.of(HELD_OUT, seed=0).failed == pytest.approx(np.quantile(losses, 0.9))


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_too_few_rows_held_out_tell_nothing(rows: int) -> None:
    few = HELD_OUT.take(np.arange(len(HELD_OUT)) < rows)
    found = OddRequests.of(Ordinary.of(few, seed=0), *requests(40, 30))
    assert found.evidence == {EDGE_CASES: {"untold": "the reference is too small"}}
    assert found.table == []
    assert dict.fromkeys(Quadrant, 0) == dict(found.found.counts)


def test_labels_that_never_come_are_said() -> None:
    rows, ids = requests(40, 30)
    blind = ScoredRows(rows.at, rows.features, rows.score, np.full(len(rows), np.nan))
    assert OddRequests.of(Ordinary.of(HELD_OUT, seed=0), blind, ids).evidence[EDGE_CASES] == {
        "untold": "no label is known"
    }
