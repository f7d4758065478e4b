"""What was done to the stores of one life, so that it can be done to those of another that came to the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Deed = Callable[[Any], None]
"""Does to stores what was done to others."""


class Journal:
    """Notes what is done to a life's stores while somebody listens."""

    def __init__(self) -> None:
        self._listening: list[list[Deed]] = []

    def note(self, deed: Deed) -> None:
        """Tell all who listen of what was done."""
        for heard in self._listening:
            heard.append(deed)

    @contextmanager
    def listen(self) -> Iterator[list[Deed]]:
        """Yield a list that what is done meanwhile is added to."""
        heard: list[Deed] = []
        self._listening.append(heard)
        try:
            yield heard
        finally:
            self._listening.remove(heard)
