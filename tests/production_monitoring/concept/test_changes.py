"""A change is dated once two detectors saw errors get worse; of few labels nothing is told."""

import numpy as np

from mlsys_assets.production_monitoring.concept.changes import watch
from mlsys_assets.production_monitoring.concept.detectors import Adwin
from mlsys_assets.production_monitoring.concept.streams import ErrorStream

from .error_streams import START, stream


def test_a_change_is_dated_by_the_first_detector_once_a_second_agrees() -> None:
    flipped = watch(stream(seed=1, flipped_from=6))
    assert len(flipped.changes) == 3
    assert flipped.since == flipped.changes[0].at
    assert watch(stream(seed=1, flipped_from=6), [Adwin()]).since is None
    assert watch(stream(seed=1)).since is None
    assert "adwin from 2013-03-07" in str(flipped.changes[0])


def test_errors_that_shrink_are_a_change_for_the_better() -> None:
    random, n = np.random.default_rng(0), 8_000
    score = np.full(n, 0.3) + random.normal(scale=0.01, size=n)
    label = (random.random(n) < np.where(np.arange(n) < 4_000, 0.3, 0.05)).astype(np.float64)
    found = watch(ErrorStream.of(label, score, known_at=np.full(n, START)), [Adwin()])
    assert not found.changes[0].worse
    assert found.since is None


def test_few_or_no_labels_say_so() -> None:
    for n in (0, 1, 199):
        found = watch(ErrorStream.of(np.zeros(n), np.full(n, 0.2), known_at=np.full(n, START)))
        assert found.changes == ()
        assert f"insufficient data: {n} labels" in found.reason
    one_class = ErrorStream.of(np.zeros(300), np.zeros(300), known_at=np.full(300, START))
    assert watch(one_class).changes == ()
