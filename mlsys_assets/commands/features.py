"""The command ``mlsys features``: the feature catalogue of a system, as one page."""

import argparse
from pathlib import Path

from mlsys_assets.commands.asked import asked_system
from mlsys_assets.feature_page import feature_page
from mlsys_assets.feature_report import feature_catalogue


def command(options: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    system, workspace = asked_system(options)
    told = feature_catalogue(system, workspace.systems, workspace.stores)
    page: Path = options.out or Path(f"{system.name}_features.html")
    page.write_text(feature_page(told), encoding="utf-8")
    print(f"{page}: {len(told.entries)} features of {system.name}")
    return 0
