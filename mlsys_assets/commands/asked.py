"""What the options of a command stand for: its workspace, its system, its folders."""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlsys_resources.resources import BUILT_IN_WORKSPACE, WORKSPACE, workspace_module

if TYPE_CHECKING:
    from mlsys_assets.system import MLSystem
    from mlsys_assets.workspace import Workspace


def asked_workspace(*, anew: bool = False) -> "Workspace":
    """Return the workspace, which loads Dagster: only now, when the environment is settled, and not for --help.

    ``anew``: as the environment is by now, where the module was loaded before.
    """
    name = workspace_module(os.environ)
    if name != BUILT_IN_WORKSPACE and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does, with which the services are started
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # of something that the workspace imports
        raise LookupError(
            f"there is no module {error.name!r}, which {WORKSPACE} names; call mlsys in the folder that holds it, or "
            "put that folder on PYTHONPATH"
        ) from None
    return _held_by(importlib.reload(module) if anew else module)


def _held_by(module: Any) -> "Workspace":
    from mlsys_assets.workspace import Workspace

    found = getattr(module, "workspace", None)
    if not isinstance(found, Workspace):
        raise LookupError(
            f"{module.__name__} has no workspace; say there which systems it holds: workspace = Workspace(mine), and "
            "for Dagster defs = workspace.definitions"
        )
    return found


def asked_system(options: argparse.Namespace) -> "tuple[MLSystem, Workspace]":
    """Return the system asked for, and its workspace."""
    workspace = asked_workspace()
    return workspace.system(options.system), workspace


def program() -> str:
    """Return how this program was called, to be called so again."""
    called = Path(sys.argv[0]).absolute()
    return str(shown(called)) if called.name == "mlsys" else "mlsys"


def shown(path: Path) -> Path:
    """Return a path as people here would write it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
