"""Detectors: flipped labels are seen within three days, and shuffles are no news."""

import numpy as np
import pytest

from mlsys_assets.production_monitoring.concept.changes import watch
from mlsys_assets.production_monitoring.concept.detectors import DETECTORS, Adwin, Ddm, Detector, PageHinkley

from .error_streams import A_DAY, START, stream


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_labels_flipped_after_a_day_are_seen_within_three_days(detector: Detector) -> None:
    for share in (1.0, 0.2):
        found = [watch(stream(seed=seed, flipped_from=6, share=share), [detector]).changes for seed in range(20)]
        row = np.array([changes[0].row if changes else -1 for changes in found])
        assert ((row >= 6 * A_DAY) & (row < 9 * A_DAY)).sum() >= 19  # one may alarm before, by chance
        assert ((row >= 0) & (row < 9 * A_DAY)).all()
        assert all(changes[0].worse for changes in found)
        assert found[0][0].at == START + np.timedelta64(found[0][0].row * (86_400_000_000 // A_DAY), "us")


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_shuffles_of_what_did_not_change_alarm_at_most_once_in_twenty(detector: Detector) -> None:
    alarms = sum(bool(watch(stream(seed=seed), [detector]).changes) for seed in range(200))
    assert alarms <= 10


@pytest.mark.parametrize("detector", [Adwin(), PageHinkley()], ids=lambda d: d.name)
def test_rows_that_are_harder_are_no_change(detector: Detector) -> None:
    assert not any(watch(stream(seed=seed, harder_from=5), [detector]).changes for seed in range(20))


def test_declarations_say_what_is_wrong_with_them() -> None:
    assert [d.mistakes() for d in DETECTORS] == [[], [], []]
    assert all(isinstance(d, Detector) for d in DETECTORS)
    assert len(Adwin(confidence=0.0).mistakes()) == 1
    assert len(PageHinkley(tolerated=-1.0, threshold=0.0).mistakes()) == 2
    assert len(Ddm(threshold=0.0, warm_start=0).mistakes()) == 2
