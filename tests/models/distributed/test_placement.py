"""Rows lie on several workers, or nothing is trained."""

from dataclasses import dataclass

import numpy as np
import pytest

from mlsys_assets.models.distributed.placement import Placement, contiguous, dealt, placed, require_spread
from mlsys_assets.models.distributed.watched import TrainingLost


@dataclass(frozen=True)
class Sent:
    key: str


def _place() -> Placement:
    parts = tuple((Sent(f"matrix {i}"), Sent(f"label {i}")) for i in range(2))
    return Placement(parts, ((30, 4), (20, 4)), ("a", "b"))


@pytest.mark.parametrize("rows", [0, 1, 7, 100])
@pytest.mark.parametrize("workers", [2, 3])
def test_every_row_is_given_to_one_worker(rows: int, workers: int) -> None:
    for parted in (dealt, contiguous):
        parts = [np.arange(rows)[part] for part in parted(rows, workers)]
        assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert np.concatenate([np.arange(rows)[part] for part in contiguous(rows, workers)]).tolist() == list(range(rows))


def test_blocks_lie_where_they_were_sent(client) -> None:
    blocks = [(np.ones((n, 2), dtype=np.float32), np.zeros(n)) for n in (3, 4)]
    found = placed(blocks, client=client, what="trees")
    assert found.workers == tuple(sorted(client.ncores()))
    assert found.record["training rows per worker"] == "3, 4"
    assert [len(part[1].result()) for part in found.parts] == [3, 4]


def test_rows_on_one_worker_are_refused() -> None:
    place = _place()
    fine = {"matrix 0": ("a",), "label 0": ("a",), "matrix 1": ("b",), "label 1": ("b",)}
    require_spread(place, fine, what="trees")
    for wrong in (
        {**fine, "matrix 1": ("a",), "label 1": ("a",)},  # both on one
        {**fine, "label 1": ("a",)},  # torn
        {**fine, "matrix 1": ()},  # lost
        {},
    ):
        with pytest.raises(TrainingLost, match=r"trees: 2 blocks of rows are to lie on a worker each, at least on 2"):
            require_spread(place, wrong, what="trees")
    alone = Placement(place.parts[:1], place.shapes[:1], ("a",))
    with pytest.raises(TrainingLost, match=r"at least on 2; of the rows each holds: \{'a': 30\}"):
        require_spread(alone, fine, what="trees")


def test_more_workers_than_there_are_is_told(client) -> None:
    blocks = [(np.ones((3, 2), dtype=np.float32), np.zeros(3))] * 3
    with pytest.raises(TrainingLost, match="to be trained by 3 workers, and the cluster has 2; start more"):
        placed(blocks, client=client, what="trees")
