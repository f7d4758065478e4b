"""What stands in a process before its libraries are loaded: ours, where nobody has said otherwise."""

import gc
from collections.abc import Iterator

import pytest

from mlsys_assets.process_environment import COLLECTED_AFTER, SETTINGS, prepare


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_what_somebody_has_set_stays() -> None:
    environment = {"OMP_WAIT_POLICY": "ACTIVE"}
    prepare(environment)
    assert environment == {**SETTINGS, "OMP_WAIT_POLICY": "ACTIVE"}


@pytest.mark.parametrize(("set_before", "then"), [(700, COLLECTED_AFTER), (0, 0), (10**6, 10**6)])
def test_cycles_are_looked_for_as_seldom_as_somebody_asks_and_no_oftener_than_we_do(set_before, then) -> None:
    gc.set_threshold(set_before)
    prepare({})
    assert gc.get_threshold()[0] == then
