"""The Dagster side of a decision: who is compared, and on which rows."""

from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from mlsys_assets import LogLoss, RocAuc, utc
from mlsys_assets.offline_evaluation.assets import _challenger, _trained

FITTED, ROLLED_BACK = utc("2013-07-01"), utc("2013-09-01")


def step(metric: object, **found: dict[str, float]) -> Any:
    """A step that finds these candidates' records; zero_rule is a baseline."""
    records = [SimpleNamespace(name=name, evidence=evidence) for name, evidence in found.items()]
    system = SimpleNamespace(metrics=(metric,), name="it")
    return SimpleNamespace(system=system, fitted=lambda: records, baselines=["zero_rule"], as_of=FITTED)


def test_the_best_on_validation_is_chosen_whichever_way_is_up() -> None:
    for metric, best in ((LogLoss(), "b"), (RocAuc(), "a")):
        name = f"validation {metric.name}"
        assert _challenger(step(metric, zero_rule={name: 0.1}, a={name: 0.9}, b={name: 0.4})) == best


def test_a_metric_that_cannot_be_told_of_somebody_chooses_among_the_others() -> None:
    """As precision of who never says yes, which is 0 / 0 and stands in no record."""
    name = "validation roc_auc"
    assert _challenger(step(RocAuc(), zero_rule={}, a={}, b={name: 0.6})) == "b"
    with pytest.raises(dg.Failure, match="no model candidate could be fitted"):
        _challenger(step(RocAuc(), zero_rule={name: 0.5}, a={}))


def test_after_a_rollback_the_champion_has_seen_no_more_than_when_it_was_trained() -> None:
    models = {3: SimpleNamespace(as_of=FITTED)}
    operations = SimpleNamespace(model=lambda _system, version: models.get(version))
    at: Any = SimpleNamespace(system=SimpleNamespace(name="it"), stores=SimpleNamespace(operations=operations))
    champion: Any = SimpleNamespace(version=3, as_of=ROLLED_BACK)
    assert _trained(at, champion) == FITTED
    assert _trained(at, None) is None
    models.clear()
    with pytest.raises(RuntimeError, match="version 3, is not on record"):
        _trained(at, champion)
