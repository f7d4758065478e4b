"""The command ``mlsys online``: up to when a system's online features are, and how they are built anew."""

import argparse

from mlsys_assets.clocks import clock_of
from mlsys_assets.commands.asked import asked_system
from mlsys_assets.dagster_adapter import code_version
from mlsys_assets.live_features import LiveFeatures


def command(options: argparse.Namespace) -> int:
    """Tell what is stored, rebuilt before if asked to."""
    system, workspace = asked_system(options)
    stores = workspace.stores
    live = LiveFeatures(system, stores.lake, stores.operations, code_version(system))
    if options.rebuild:
        calendar, now = system.calendar, clock_of(system, stores).now()
        at = calendar.tick_of(now if calendar.end is None else min(now, calendar.end)).start
        print(f"{system.name}: building the online features as of {at:%Y-%m-%d %H:%M} UTC from the lake ...")
        live.rebuild(at)
    position = stores.operations.online_position(system.name)
    if position is None:
        print(f"{system.name}: no online features are stored; they are when first predicted, or with --rebuild")
        return 0
    entities, size = stores.operations.online_size(system.name)
    old = "" if position.signature == live.signature else "; of other code or features, so that they are built anew"
    print(
        f"{system.name}: online features as of {position.at:%Y-%m-%d %H:%M} UTC, {entities:,} entities in "
        f"{size / 1e6:.1f} MB{old}"
    )
    return 0
