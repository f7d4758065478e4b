from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.features.leakage.label_blindness import label_blindness
from mlsys_assets.tables import Column
from mlsys_assets.types import Severity, hours

SOURCE = Source("done", read=lambda window: pa.table({}), raw=(), derive=lambda t: t, key=("trip",),
                columns=(Column("trip", "string"), Column("delay", "float64")))  # fmt: skip
LATE = NaturalLabel(
    "late", source=SOURCE, compute=lambda rows: pc.greater(rows["delay"], 15), delay=hours(1), window=hours(2)
)


def _events(n: int) -> pa.Table:
    random = np.random.default_rng(0)
    known = pa.array(np.datetime64("2013-03-01", "us") + random.integers(0, 10**6, n) * np.timedelta64(1, "s"))
    return pa.table({"trip": [f"t{i}" for i in range(n)], "delay": random.normal(5, 20, n),
                     "known_at": known.cast(pa.timestamp("us", tz="UTC"))})  # fmt: skip


def test_a_label_of_its_own_row_is_clean():
    finding = label_blindness(LATE, _events(500)).finding
    assert finding.passed
    assert finding.evidence["sufficient"] is True


@pytest.mark.parametrize(
    "compute",
    [
        lambda rows: pc.greater(rows["delay"], pc.mean(rows["delay"])),
        lambda rows: pc.divide(rows["delay"], pc.max(rows["delay"])),
        lambda rows: pa.array(np.append(rows["delay"].to_numpy()[1:], 0.0)),
    ],
)
def test_a_label_that_rests_on_later_events_is_found(compute):
    finding = label_blindness(replace(LATE, compute=compute), _events(500)).finding
    assert not finding.passed
    assert finding.severity is Severity.ERROR
    assert finding.evidence["columns"] == "label late"


@pytest.mark.parametrize("n", [0, 1])
def test_one_event_says_nothing(n):
    finding = label_blindness(LATE, _events(n)).finding
    assert finding.passed
    assert "insufficient data" in finding.summary
