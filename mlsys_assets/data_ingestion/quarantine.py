"""Quarantine: where broken rows wait, with the rule they broke, the column, and where they came from."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.source import DELIVERED_AT
from mlsys_assets.tables import SOURCE_FILE, SOURCE_LINE, TIMESTAMP

FILED_AT = "filed_at"
"""When the row became known or, if that cannot be told or cannot stand, was delivered; the calendar's
first or last moment if it was delivered before or after all ticks."""
QUARANTINE = pa.schema(
    [
        pa.field("rule", pa.string(), nullable=False),
        pa.field("column", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("record", pa.string(), nullable=False),
        pa.field(FILED_AT, TIMESTAMP),
        pa.field(SOURCE_FILE, pa.string()),
        pa.field(SOURCE_LINE, pa.int32()),
    ]
)
"""A quarantined row: its first broken rule, the column and value, and the raw record as JSON."""


class Rejections:
    """The first rule that each broken row of a batch broke."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.mask: NDArray[np.bool_] = np.zeros(rows, dtype=bool)
        self.reasons: dict[int, tuple[str, str, str | None]] = {}

    def add(
        self,
        broken: NDArray[np.bool_],
        *,
        rule: str,
        column: str,
        values: pa.ChunkedArray,
    ) -> None:
        """Note that these rows break ``rule`` at ``column``; a row keeps the first rule it broke."""
        fresh = np.flatnonzero(broken & ~self.mask)
        shown = values.take(pa.array(fresh)).cast(pa.string()).to_pylist()
        self.reasons.update({int(row): (rule, column, value) for row, value in zip(fresh, shown, strict=True)})
        self.mask = self.mask | broken

    def take(self, kept: NDArray[np.bool_]) -> "Rejections":
        """Return the rejections of the kept rows only, renumbered."""
        position = np.cumsum(kept) - 1
        chosen = Rejections(int(kept.sum()))
        chosen.mask = self.mask[kept]
        chosen.reasons = {int(position[row]): why for row, why in self.reasons.items() if kept[row]}
        return chosen

    def absorb(self, part: "Rejections", rows: NDArray[np.int64]) -> None:
        """Take over the rejections of a part of the batch, given which of its rows the part holds."""
        broken = np.flatnonzero(part.mask)
        self.reasons.update({int(rows[row]): part.reasons[int(row)] for row in broken if not self.mask[rows[row]]})
        self.mask[rows[broken]] = True

    def of_rule(self, rule: str) -> NDArray[np.bool_]:
        """Return which rows broke ``rule`` first."""
        mask = np.zeros(self.rows, dtype=bool)
        mask[[row for row, (broken, _, _) in self.reasons.items() if broken == rule]] = True
        return mask

    def summary(self, most: int) -> str:
        """Return the commonest rules with their counts and one value each."""
        counts: dict[tuple[str, str], list[str | None]] = {}
        for rule, column, value in self.reasons.values():
            counts.setdefault((rule, column), []).append(value)
        ranked = sorted(counts.items(), key=lambda item: (-len(item[1]), item[0]))[:most]
        return "; ".join(
            f"{len(values)} × {rule}" + (f" in {column}" if column else "") + f", e.g. {values[0]!r}"
            for (rule, column), values in ranked
        )

    def table(self, raw: pa.Table) -> pa.Table:
        """Return the broken rows in the quarantine's schema; ``raw`` holds a record for each, in their order."""
        own = {SOURCE_FILE, SOURCE_LINE, DELIVERED_AT, FILED_AT}
        records = raw.select([n for n in raw.schema.names if n not in own]).to_pylist()
        why = [self.reasons[int(row)] for row in np.flatnonzero(self.mask)]
        columns = [
            pa.array([rule for rule, _, _ in why], pa.string()),
            pa.array([column for _, column, _ in why], pa.string()),
            pa.array([value for _, _, value in why], pa.string()),
            pa.array(
                [json.dumps({k: v for k, v in r.items() if v is not None}) for r in records],
                pa.string(),
            ),
            raw.column(FILED_AT),
            pc.cast(raw.column(SOURCE_FILE), pa.string()),
            raw.column(SOURCE_LINE),
        ]
        return pa.table(columns, schema=QUARANTINE)
