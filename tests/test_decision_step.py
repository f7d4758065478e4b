"""What a step of a decision knows as of its time."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from mlsys_assets import FixedClock, MLSystem, TimeWindow, utc
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.monitored_tick import LabelCounts
from mlsys_assets.tables import KNOWN_AT, TIMESTAMP
from mlsys_resources.resources import build_resources

START, STEP = utc("2013-01-07"), timedelta(days=7)
SCHEMA = pa.schema([("label", pa.bool_()), (KNOWN_AT, TIMESTAMP)])


@pytest.fixture
def system() -> Any:
    return SimpleNamespace(name="it", calendar=SimpleNamespace(start=START))


def test_a_training_and_monitoring_count_the_same_labels(tmp_path, system: MLSystem) -> None:
    """Also those of what no prediction was asked for: else labels would seem to have grown by a share of them."""
    stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=FixedClock(START).now)
    ticks = [START, START + STEP, START + 2 * STEP]
    labels = pa.table(
        {
            "label": [True, None, False, True, False],
            KNOWN_AT: pa.array([ticks[0], ticks[0], ticks[1], ticks[1] + STEP / 2, ticks[2]], TIMESTAMP),
            "tick": pa.array([ticks[0], ticks[0], ticks[1], ticks[1], ticks[2]], TIMESTAMP),
        }
    )
    written = stores.lake.write_ticks("it", "labels", labels, schema=SCHEMA, ticks=ticks, run_id="r")
    window = TimeWindow(ticks[2], ticks[2] + STEP)
    context: Any = SimpleNamespace(partition_time_window=window, run=SimpleNamespace(run_id="r"))
    then = DecisionStep(context, system, stores).labels_known({"labels": written.version})
    now = LabelCounts(system, stores).evidence(TimeWindow(ticks[1], ticks[2]))["labelled"]
    assert then == now == 3
