"""Invariance tests: what must not change a score, as another value of a column, or another order of rows."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from mlsys_assets.mistakes import misnamed, not_all, not_one, out_of_range, sound
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import (
    LEAST_PROBED,
    BehaviorResult,
    Probe,
    insufficient,
    judged,
    unknown_columns,
)
from mlsys_assets.types import Scalar

PERMUTATIONS: Final = 5
"""How often a column's values are handed to other rows."""
ALONE: Final = 25
"""Rows that are also scored one by one."""


@dataclass(frozen=True)
class Invariant:
    """The decision must not change when a column's values are handed to other rows.

    Values are permuted among the rows, so that each stays one that occurs. A column that the rows do not have, such
    as an identifier of the request, is put beside them. What was computed of the column before, as a rate by its
    value, keeps its value unless ``together`` names it.

    Parameters
    ----------
    column
        A column of the features or of the request.
    at_most
        The share of decisions that may flip: 0 for what the model must not know, some for an attribute that may
        matter little.
    together
        Feature columns that are handed on with it: those that stand for the same.
    """

    column: str
    at_most: float = 0.0
    together: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the check is called."""
        return f"invariant_to_{self.column}"

    def mistakes(self, columns: Collection[str], *, request: Collection[str] = ()) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns and those of requests."""
        what = f"the invariance to {self.column!r}"
        known = list(dict.fromkeys((*columns, *request)))
        own = [] if self.column in known else [f"{what}: it is no column; there are {', '.join(known)}"]
        return [
            *(not_one("an invariance: column", self.column, str) or own),
            *not_all(f"{what}: together", self.together, str),
            *unknown_columns(what, sound(self.together, str), columns),
            *out_of_range(f"{what}: at_most", self.at_most, least=0, most=1),
            *misnamed(what, self.name),
        ]

    def permuted(self, probe: Probe) -> Iterator[pa.Table]:
        """Yield the rows with the column's values handed to other rows, by one permutation after the other."""
        rows, random = probe.rows.features, probe.random("permutation", self.column)
        if self.column not in rows.schema.names:
            rows = rows.append_column(self.column, pa.array([f"value {i}" for i in range(len(rows))]))
        for _ in range(PERMUTATIONS):
            order = pa.array(random.permutation(len(rows)))
            moved = rows
            for name in (self.column, *self.together):
                moved = moved.set_column(rows.schema.get_field_index(name), name, rows[name].take(order))
            yield moved

    def run(self, probe: Probe) -> BehaviorResult:
        """Return how many decisions flip, and by how much a score moves at most."""
        n = len(probe.rows)
        if n < LEAST_PROBED:
            return insufficient(self.name, n)
        read = [name for name in (self.column, *self.together) if name in probe.model.columns]
        scores = [probe.score(rows) for rows in self.permuted(probe)]
        flips = sum(int(probe.flipped(s).sum()) for s in scores)
        largest = max(float(np.abs(s - probe.base).max()) for s in scores)
        share = flips / (n * PERMUTATIONS)
        as_said = bool(read) or largest == 0.0  # else it is read by another way than by name
        passed = share <= self.at_most and as_said
        told = (
            f"{flips} of {n * PERMUTATIONS:,} decisions flip ({share:.2%}; {self.at_most:.2%} allowed) when "
            f"{self.column} is another, and a score moves by {largest:.4f} at most"
        )
        if not read:
            told += "; the model does not read it" + ("" if as_said else ", and yet its scores change: see its code")
        elif not passed:
            told += "; leave the column out, or allow more"
        evidence: dict[str, Scalar] = {
            "rows": n, "permutations": PERMUTATIONS, "flips": flips, "share": share, "allowed": self.at_most,
            "largest change": largest, "read": bool(read),
        }  # fmt: skip
        return BehaviorResult(self.name, judged(passed), told, evidence)


@dataclass(frozen=True)
class RowsAlone:
    """A row's score must be the same to the last bit whatever stands beside it.

    In another order of rows, alone as a table and as a mapping, with columns in another order or further ones; and
    a table that lacks a column by its name is refused, not read by position.
    """

    name: str = "a_row_is_scored_alone"

    def mistakes(self, columns: Collection[str], *, request: Collection[str] = ()) -> list[str]:
        """There is nothing to declare."""
        return []

    def run(self, probe: Probe) -> BehaviorResult:
        """Return what changes a score that must not."""
        n = len(probe.rows)
        if n == 0:
            return insufficient(self.name, n)
        broken = [name for name, held in self._held(probe) if not held]
        refused = _refused(probe, probe.model.columns[0]) if probe.model.columns else "nothing"
        broken += [] if refused else ["a column's other name"]
        told = (
            f"scores change with {', '.join(broken)}; read columns by name, and add up each row on its own"
            if broken
            else f"{n:,} rows score alike to the last bit in any order, with any columns beside them, and alone"
        )
        evidence: dict[str, Scalar] = {"rows": n, "broken": ", ".join(broken), "refused by": refused}
        return BehaviorResult(self.name, judged(not broken), told, evidence)

    def _held(self, probe: Probe) -> Iterator[tuple[str, bool]]:
        rows, base, random = probe.rows.features, probe.base, probe.random("order")
        order = random.permutation(len(rows))
        yield "the order of rows", np.array_equal(probe.score(rows.take(pa.array(order))), base[order])
        few = np.sort(random.choice(len(rows), min(ALONE, len(rows)), replace=False))
        tables = [probe.score(rows.slice(i, 1))[0] for i in few]
        yield "the rows beside", np.array_equal(tables, base[few])
        mappings = [probe.model.predict(rows.slice(i, 1).to_pylist()[0])[0] for i in few]
        yield "a mapping for a table", np.array_equal(mappings, base[few])
        turned = rows.select(rows.schema.names[::-1])
        yield "the order of columns", np.array_equal(probe.score(turned), base)
        more = rows.append_column("a further column", pa.array(base))
        yield "a further column", np.array_equal(probe.score(more), base)


def _refused(probe: Probe, column: str) -> str:
    """Return by which error rows that hold a column by another name are refused, "" if they are not."""
    names = [f"{name} renamed" if name == column else name for name in probe.rows.features.schema.names]
    try:
        probe.model.predict(probe.rows.features.rename_columns(names))
    except Exception as error:  # noqa: BLE001 - a model may be anybody's: any error is a refusal, and named
        return type(error).__name__
    return ""
