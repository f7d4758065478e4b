"""The examiner's tests come in the order of the checks, and a system's own code stays in the thread that asked."""

import threading

import pytest

from mlsys_assets.features.leakage.detective import CHECKS
from mlsys_assets.features.leakage.examination import Examination
from mlsys_assets.features.leakage.examiner import Examiner

NAMES = list(CHECKS)


class Told(Examiner):
    """Says in which thread each test was made."""

    def _said(self, *places: int) -> tuple[Examination, ...]:
        return tuple(Examination(NAMES[place], (), threading.current_thread().name) for place in places)

    def _known_in_time(self):
        return self._said(0)[0]

    def _blind(self):
        yield from self._said(1, 2)

    def _lifts(self):
        yield from self._said(3, 4, 5)

    def _own_labels(self):
        yield from self._said(6, 7, 8, 9)

    def _groups(self):
        return self._said(10)[0]

    def _served(self):
        return self._said(11)[0]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_examinations_come_in_the_order_of_the_checks_on_any_number_of_threads(threads: int) -> None:
    found = list(Told(None, None, None, None, 0, threads).all())
    assert [one.name for one in found] == NAMES
    mine = threading.current_thread().name
    beside = {one.name for one in found if one.clean != mine}
    assert beside == (set(NAMES[:1] + NAMES[6:10]) if threads > 1 else set())


def test_what_fails_beside_fails_the_whole() -> None:
    class Failing(Told):
        def _own_labels(self):
            raise ValueError("no label")

    with pytest.raises(ValueError, match="no label"):
        list(Failing(None, None, None, None, 0, 2).all())
