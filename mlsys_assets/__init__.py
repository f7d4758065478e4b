"""mlsys: the production life of a machine-learning model as a Dagster asset graph.

The public names are those of ``__init__.pyi``, which type checkers and editors read too. They are
loaded on first use, so that declaring a system costs no more than what it uses.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

_HOME = {
    name.name: statement.module
    for statement in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(statement, ast.ImportFrom) and statement.module
    for name in statement.names
}
__all__ = sorted(_HOME)  # noqa: PLE0605 - computed from the stub


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"mlsys_assets has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
