"""The Dagster side of a decision: on which rows the champion is compared."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlsys_assets import utc
from mlsys_assets.evaluated_models import _trained

FITTED, ROLLED_BACK = utc("2013-07-01"), utc("2013-09-01")


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
