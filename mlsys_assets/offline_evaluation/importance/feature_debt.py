"""Feature debt: what has to be declared, computed and brought in for each column, so that removals can end it."""

from collections.abc import Sequence
from typing import Final

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import columns_read
from mlsys_assets.features.feature import Feature, each_with_outputs
from mlsys_assets.tables import Column

TABLE: Final = "table "
"""How the name of a table begins among what is needed."""


def needs(features: Sequence[Feature], requests: Source) -> dict[str, frozenset[str]]:
    """Return for each feature column the declarations and the tables that must be there for it.

    A declaration is named by its kind and columns. What is computed from other features needs what those need: a
    column that no model reads may still be read by a feature that one does.

    Parameters
    ----------
    requests
        Whose rows are predicted for: they are always there, and not told.
    """
    found: dict[str, frozenset[str]] = {}
    before: list[Column] = []
    for feature, outputs in each_with_outputs(features, requests.columns):
        own = {
            declaration_name(feature, [one.name for one in outputs]),
            *(TABLE + name for name in feature.reads if name != requests.name),
        }
        for i, column in enumerate(outputs):
            inputs = _inputs(feature, i, before)
            found[column.name] = frozenset(own).union(*(found[name] for name in inputs))
        before += outputs
    return found


def by_tables(features: Sequence[Feature], requests: Source) -> dict[str, tuple[str, ...]]:
    """Return the feature columns by the tables that they are read from, those of the request alone together.

    They are groups to shuffle jointly: what one table tells, several columns tell.
    """
    found: dict[str, tuple[str, ...]] = {}
    for column, needed in needs(features, requests).items():
        tables = " and ".join(sorted(one.removeprefix(TABLE) for one in needed if one.startswith(TABLE)))
        name = f"all of {tables}" if tables else "all of the request"
        found[name] = (*found.get(name, ()), column)
    return found


def declaration_name(feature: Feature, columns: Sequence[str]) -> str:
    """Return what a declaration is called: its kind, its first column, and how many more it gives."""
    more = f" and {len(columns) - 1} more" if len(columns) > 1 else ""
    return f"{type(feature).__name__} {columns[0] if columns else 'of nothing'}{more}"


def _inputs(feature: Feature, output: int, before: Sequence[Column]) -> Sequence[str]:
    """Return the feature columns that an output is computed from."""
    if isinstance(feature, Derived):
        return columns_read(feature.computed[output][1], as_read(before))
    if isinstance(feature, Backoff):
        return [name for choice in feature.choices for name in choice]
    return ()
