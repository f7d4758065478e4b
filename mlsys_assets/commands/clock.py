"""The command ``mlsys clock``: where a system's clock stands, and how it is moved."""

import argparse

from mlsys_assets.clocks import StoredClock, clock_of, moved
from mlsys_assets.commands.asked import asked_system


def command(options: argparse.Namespace) -> int:
    """Tell the clock, moved before if asked to."""
    system, workspace = asked_system(options)
    clock, end = clock_of(system, workspace.stores), system.calendar.end
    now = moved(clock, by=options.advance, to=options.to, end=end)
    if not isinstance(clock, StoredClock):
        told = ", the wall clock, which cannot be moved"
    elif end is None:
        told = ""
    else:
        told = ": end of data" if now >= end else f"; its data ends at {end:%Y-%m-%d %H:%M} UTC"
    print(f"{system.name}: {now:%Y-%m-%d %H:%M} UTC{told}")
    return 0
