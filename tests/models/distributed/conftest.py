"""A cluster of two workers on this machine, one a session."""

from collections.abc import Iterator

import pytest

from mlsys_assets.models.distributed.dask_training import DaskTraining
from mlsys_resources.training_cluster import TrainingCluster


@pytest.fixture(scope="session")
def cluster() -> TrainingCluster:
    return TrainingCluster("dask", workers=2)


@pytest.fixture
def client(cluster: TrainingCluster) -> Iterator[object]:
    with cluster.open() as opened:
        yield opened


@pytest.fixture
def training(client: object) -> DaskTraining:
    return DaskTraining(client, workers=2)
