"""A database to ask."""

import pytest

from mlsys_resources.engines import Engine


@pytest.fixture(scope="package")
def duckdb():
    """A database in memory, on one thread."""
    with Engine("duckdb", threads=1).open() as backend:
        yield backend
