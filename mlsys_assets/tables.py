"""The words of the tables: the columns that every stage knows, their types, and the tables' names."""

from dataclasses import dataclass

import pyarrow as pa

EVENT_TIME = "event_time"
"""When it happened: a column of every table."""
KNOWN_AT = "known_at"
"""When it became known: a column of every table; what is used at t has known_at <= t."""
PREDICT_AT = "predict_at"
"""As of when a request's features are taken, and it is predicted."""
TICK = "tick"
"""The start of the tick that a row belongs to: the lake's storage column."""
SOURCE_FILE = "source_file"
"""First 16 hex digits of the raw file's SHA-256: a column of every ingested table."""
SOURCE_LINE = "source_line"
"""Line of the raw file, 1 = the header: a column of every ingested table."""
LABEL = "label"
"""The label's value: float64, null where there will be none."""
STATE = "state"
"""``labelled``, or why there is no label."""
SCORE = "score"
"""The predicted probability."""
MODEL = "model"
"""The name of the model that said so: a baseline's, or that of the champion's place."""
MODEL_HASH = "model_hash"
"""The content hash of the model that made the prediction."""

FEATURES, LABELS = "features", "labels"
"""The tables of what is known of each request, and of what became of it."""
SERVED = "served_features"
"""The table of what was served online of each request when it was predicted."""
PREDICTIONS, BASELINES = "predictions", "baseline_predictions"
"""The tables of what champions said, and of what baselines would have."""

TIMESTAMP = pa.timestamp("us", tz="UTC")
"""The one type of a moment in the lake."""
TYPES = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "float32": pa.float32(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "timestamp": TIMESTAMP,
}


@dataclass(frozen=True)
class Column:
    """One column of a table: its name, type, and what its values may be.

    ``type`` is one of int64, float64, float32, string, bool, timestamp. A value outside
    [minimum, maximum], a text that does not match the regular expression ``pattern``, or a null
    where ``nullable`` is false, sends its row to quarantine. ``sentinels`` are numbers of a raw column that stand for a
    missing value, such as 999 or -9999: they become null before anything else is asked of it.
    """

    name: str
    type: str
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    unit: str = ""
    description: str = ""
    sentinels: tuple[float, ...] = ()

    @property
    def arrow(self) -> pa.Field:
        """The column as an Arrow field."""
        return pa.field(self.name, TYPES[self.type], nullable=self.nullable)
