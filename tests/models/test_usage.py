"""What a fit used is what the machine says."""

import time

import numpy as np
import pytest

from mlsys_assets.models import usage
from mlsys_assets.models.usage import CPU, MEGABYTE, MEMORY, measured


def test_memory_that_was_held_for_a_while_is_in_the_peak() -> None:
    with measured() as idle:
        pass
    with measured() as used:
        held = np.ones(200 * MEGABYTE, dtype=np.uint8)
        time.sleep(3 * usage.INTERVAL_S)
        del held
    assert 150 < used.peak_mb - idle.peak_mb < 400


def test_work_is_told_from_waiting() -> None:
    with measured() as waited:
        time.sleep(0.3)
    began = time.process_time()
    with measured() as worked:
        while time.process_time() - began < 0.3:
            pass
    assert waited.wall_s >= 0.3
    assert waited.cpu_s < 0.15
    assert worked.cpu_s >= 0.3


def test_what_failed_is_measured_too() -> None:
    with pytest.raises(ValueError, match="no"), measured() as used:
        raise ValueError("no")
    assert used.wall_s > 0
    assert len(used.memory) == len(used.cpu) >= 1


def test_a_long_fit_has_a_short_curve(monkeypatch) -> None:
    monkeypatch.setattr(usage, "INTERVAL_S", 0.001)
    monkeypatch.setattr(usage, "MOST_SAMPLES", 16)
    with measured() as used:
        time.sleep(0.2)
    assert 8 <= len(used.curves()[MEMORY]) == len(used.curves()[CPU]) <= 16


def test_speeds_are_rows_by_seconds() -> None:
    with measured() as used:
        time.sleep(0.05)
    told = used.metrics(fitted_rows=1_000, scored_rows=10, scored_s=2.0)
    assert told["fit rows_per_s"] == pytest.approx(1_000 / used.wall_s)
    assert told["predict rows_per_s"] == 5.0
