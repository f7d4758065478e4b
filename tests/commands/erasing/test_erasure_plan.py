"""What learned from rows that are to go: by the tables that were read, and by what was gone on from."""

from types import SimpleNamespace

import pytest

from mlsys_assets import utc
from mlsys_assets.commands.erasure_plan import affected
from mlsys_resources.operations_rows import Decision
from mlsys_resources.table_erasure import Held

from .conftest import Home

TIMES = [utc(f"2013-03-{day:02}") for day in (5, 12, 19, 26)]


def stores(came_from: dict[int, int]) -> SimpleNamespace:
    """Four trainings, each of the next version of the labels, some of which went on from an earlier one."""
    told = []
    for n, at in enumerate(TIMES):
        told.append(
            Decision("rain", at, "training_set", "training_set", "adequate", "", {}, {"versions": {"labels": n}})
        )
        start = {"from": "a hash", "as of": TIMES[came_from[n]].isoformat()} if n in came_from else {"from": "scratch"}
        told.append(Decision("rain", at, "candidate", "lightgbm", "fitted", "", {"start": start}, {}))
        told.append(Decision("rain", at, "candidate", "zero_rule", "fitted", "", {}, {}))
    models = [SimpleNamespace(version=n + 1, as_of=at) for n, at in enumerate(TIMES)]
    operations = SimpleNamespace(
        decisions=lambda _, kind: tuple(reversed([d for d in told if d.kind == kind])), models=lambda _: models
    )
    return SimpleNamespace(operations=operations)


@pytest.mark.parametrize(
    ("came_from", "learned"),
    [
        ({}, [1]),
        ({1: 0, 2: 0}, [1]),
        ({2: 1}, [1, 2]),
        ({2: 1, 3: 2}, [1, 2, 3]),
        ({2: 0, 3: 1}, [1, 3]),  # gone on from after another champion was rolled back
    ],
)
def test_what_was_gone_on_from_a_model_has_learned_what_that_had(home: Home, came_from, learned) -> None:
    """The row stood in the second version of the labels alone: a source had told it, and told it no more."""
    held = {("rain", "labels"): Held(0, {"a file": 1}, {1: 1})}
    found = affected(systems_of=[home.system], stores=stores(came_from), held=held)
    assert found.trainings == {"rain": tuple(TIMES[n] for n in learned)}
    assert [model.version for model in found.models] == [n + 1 for n in learned]
