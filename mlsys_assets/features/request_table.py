"""The table of what is predicted for: which of its columns a feature can read, and that each was known in time."""

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.tables import KNOWN_AT, Column

ARROW_TYPES = {
    "string": "string",
    "large_string": "string",
    "int64": "int64",
    "double": "float64",
    "float": "float32",
    "bool": "bool",
}
"""The declared type of a request's column by its Arrow type; other integers are int64, moments timestamp."""


class UnknownRequest(ValueError):
    """A request that nobody knew of at its prediction time."""


def request_columns(schema: pa.Schema) -> tuple[Column, ...]:
    """Return a request table's columns that a feature can read, as declared columns."""
    found = []
    for field in schema:
        name = "timestamp" if pa.types.is_timestamp(field.type) else ARROW_TYPES.get(str(field.type), "")
        name = "int64" if pa.types.is_integer(field.type) else name
        name = "string" if pa.types.is_dictionary(field.type) else name
        if name:
            found.append(Column(field.name, name))
    return tuple(found)


def require_known(requests: pa.Table, *, predict_at: str, what: str) -> None:
    """Raise UnknownRequest if any request became known only after its prediction time: it would tell of the future."""
    late = requests.filter(pc.greater(requests[KNOWN_AT], requests[predict_at]))
    if late.num_rows:
        known, asked = (late[name][0].as_py() for name in (KNOWN_AT, predict_at))
        raise UnknownRequest(
            f"{late.num_rows} of {requests.num_rows} {what} became known after their prediction time, such as one that "
            f"is known at {known} and asked for at {asked}; a prediction rests on what was known by then: declare a "
            f"later {predict_at}, or an earlier known_at if that is the truth"
        )
