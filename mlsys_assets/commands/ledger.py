"""The command ``mlsys ledger``: every decision on record."""

import argparse
import json

from mlsys_assets.commands.asked import asked_system

COLUMNS = ("system", "as_of", "kind", "name", "verdict", "reason", "evidence", "context", "content_hash")


def command(options: argparse.Namespace) -> int:
    """List the decisions, or their hash."""
    system, workspace = asked_system(options)
    store = workspace.stores.operations
    if options.hash:
        print(store.ledger_hash(system.name))
        return 0
    for d in store.decisions(system.name):
        if options.json:
            print(json.dumps({name: getattr(d, name) for name in COLUMNS} | {"as_of": d.as_of.isoformat()}))
        else:
            print(f"{d.as_of:%Y-%m-%d %H:%M}  {d.kind:<13}{d.name:<22} {d.verdict}: {d.reason}")
    return 0
