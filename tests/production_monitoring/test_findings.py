"""What monitoring's checks say."""

import pytest

from mlsys_assets.production_monitoring.findings import features_trained_on, labels_arrive
from mlsys_assets.types import days, utc

STEP, PREDICTED = days(7), utc("2013-07-01")


def row(labelled: int) -> dict[str, object]:
    return {"model": "champion", "predicted": PREDICTED, "labelled": labelled, "never": 0, "requests": 700}


@pytest.mark.parametrize(("days_later", "told"), [(0, "no tick"), (6, "no tick"), (7, "something is known of 14.3%")])
def test_labels_are_missed_only_once_every_one_of_a_tick_has_had_its_time(days_later: int, told: str) -> None:
    found = labels_arrive([row(100)], step=STEP, as_of=PREDICTED + days(days_later))
    assert told in found.summary
    assert found.passed is (days_later < STEP.days)


def test_labels_that_came_are_not_missed() -> None:
    assert labels_arrive([row(690)], step=STEP, as_of=PREDICTED + STEP).passed


def test_features_of_another_training_are_named() -> None:
    assert features_trained_on([], []).passed
    found = features_trained_on(["wind"], ["rain", "snow"])
    assert (found.passed, found.summary) == (
        False, "new: wind; gone: rain, snow; train, so that the champion knows them",
    )  # fmt: skip
