"""A small year of a system that foretells rain, with every kind of fact on its weekly page."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers, which the browser's tests use as well

from rainy_year import World, rainy_year


@pytest.fixture(scope="session")
def world() -> World:
    return rainy_year()
