"""Python's map on workers: the same results in the same order, and the same errors."""

import os
import time

import pytest

from mlsys_assets.models.distributed.dask_map import dask_map


def _late_first(i: int) -> tuple[int, int]:
    time.sleep(0.05 * (5 - i))
    return i, os.getpid()


def _reciprocal(x: float) -> float:
    return 1 / x


class Learner:
    """Holds many rows, as a search does."""

    def __init__(self, rows: bytes) -> None:
        self.rows = rows

    def __call__(self, i: int) -> int:
        return len(self.rows) + i


def test_results_come_in_order_and_from_several_processes(client) -> None:
    found = list(dask_map(_late_first, range(6), client=client))
    assert [i for i, _ in found] == list(range(6))
    assert len({pid for _, pid in found} - {os.getpid()}) == 2


def test_an_error_is_raised_at_its_item_and_the_rest_is_stopped(client) -> None:
    found = dask_map(_reciprocal, [2, 0, 4], client=client)
    assert next(found) == 0.5
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert list(found) == []


def test_many_rows_are_sent_once_and_not_with_each_item(client) -> None:
    assert list(dask_map(Learner(bytes(30_000_000)), range(4), client=client)) == [30_000_000 + i for i in range(4)]


def test_nothing_is_asked_for_nothing(client) -> None:
    assert list(dask_map(_reciprocal, [], client=client)) == []
