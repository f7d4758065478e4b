"""What a look of a sensor costs does not grow with what has happened: counted in the steps of the database's machine.

Processor time is measured by `make bench`; these steps are the same on every machine, whatever else runs on it.
"""

import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from sensor_ticks import STANDINGS, lived

FEW, MANY = 30, 120
GRAIN = 20
"""Steps of SQLite's machine between two counts."""
MOST = 1.5
"""Of what the few cost, who remember as many ticks as a trigger can look back on. A look at all would cost fourfold."""


@pytest.fixture(scope="module")
def steps():
    """How many grains of steps SQLite has made, on all connections that are opened meanwhile."""
    made = [0]

    def count():
        made[0] += 1

    def counted(connection, _record):
        connection.set_progress_handler(count, GRAIN)

    sa.event.listen(sa.Engine, "connect", counted)
    yield made
    sa.event.remove(sa.Engine, "connect", counted)


@pytest.fixture(scope="module")
def costs(steps):
    """The grains of each look in its costliest standing, by name, after few ticks and after many."""

    def cost(past, look, standing):
        past.stand(standing)
        look()  # what is looked up once in the life of a process
        past.stand(standing)
        before = steps[0]
        look()
        return steps[0] - before

    found = []
    for ticks in (FEW, MANY):
        with lived(ticks) as past:
            looks = past.looks().items()
            found.append({name: max(cost(past, look, standing) for standing in STANDINGS) for name, look in looks})
    return found


def test_each_look_asks_the_database(costs):
    few, _ = costs
    assert len(few) >= 5
    assert min(few.values()) > 0


def test_a_look_after_many_ticks_costs_what_it_costs_after_few(costs):
    few, many = costs
    grown = {name: many[name] / few[name] for name in few}
    assert max(grown.values()) <= MOST, grown
