"""Mistakes that are told at declaration."""

from collections.abc import Callable

import pytest

from mlsys_assets import DeclarationError


def _told(declare: Callable[[], object], words: str) -> None:
    with pytest.raises(DeclarationError) as error:
        declare()
    assert any(words in mistake for mistake in error.value.mistakes), error.value


@pytest.fixture(scope="session")
def told() -> Callable[..., None]:
    """Declare something, and look for the words in what is told of it."""
    return _told
