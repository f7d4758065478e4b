"""Delta tables that were opened before and are as they were: opening one anew reads its whole log again."""

import os
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltalake import DeltaTable

Stamp = tuple[int, int, int]
"""Which file a commit lies in, when it was written, and its size."""

MOST = 64
"""Tables kept open: those of some systems. Another one takes the place of what was not asked for the longest."""


class OpenedTables:
    """The latest version known of each local table, given out while its log still ends with that very commit.

    A commit is a file that is never changed, and each later one another file: two looks at the folder tell whether
    another process has written, or has deleted the table and perhaps made another. A table is shared once it is
    kept, so nobody may commit with it, or move it to another version.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[DeltaTable, Stamp]] = OrderedDict()

    def keep(self, place: str, delta: "DeltaTable") -> None:
        """Keep the table of a local folder, which has just been loaded."""
        stamp = _stamp(place, delta.version())
        if stamp is None:
            return
        self._kept[place] = delta, stamp
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def find(self, place: str, version: int | None = None) -> "DeltaTable | None":
        """Return a kept table, if it is at this version, or at the latest, if none is given."""
        kept = self._kept.pop(place, None)
        if kept is None:
            return None
        delta, stamp = kept
        number = delta.version()
        if _stamp(place, number) != stamp or _stamp(place, number + 1) is not None:
            return None
        self._kept[place] = kept
        return delta if version in (None, number) else None


def _stamp(place: str, version: int) -> Stamp | None:
    """Return what tells the file of a commit from any other; None where there is none."""
    try:
        found = os.stat(f"{place}/_delta_log/{version:020}.json")  # noqa: PTH116 - called a hundred times a tick
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
