"""The log of what was served: it only grows, also where the features change."""

import pyarrow as pa

from mlsys_assets.tables import TICK


def widened(stored: pa.Schema, served: pa.Schema) -> pa.Schema:
    """Return the log's columns and, after them, those that are served now and were not before.

    Raises ValueError for a feature that is served as another type than it is logged.
    """
    kinds = {field.name: field.type for field in stored}
    for field in served:
        if kinds.get(field.name, field.type) != field.type:
            raise ValueError(
                f"feature {field.name!r} is served as {field.type}, and its log holds {kinds[field.name]}; give it "
                "another name"
            )
    return pa.schema([*stored, *(field for field in served if field.name not in kinds)])


def fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with the columns of a schema, null where they have none, and their tick if they name one."""
    columns = {field.name: rows[field.name] if field.name in rows.schema.names else pa.nulls(len(rows), field.type)
               for field in schema}  # fmt: skip
    if TICK in rows.schema.names:
        columns[TICK] = rows[TICK]
    return pa.table(columns)
