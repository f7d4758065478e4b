"""Rules of feature columns and predictions that are declared: what may stand there, and which is the larger."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import is_number
from mlsys_assets.mistakes import none_of, not_one, out_of_range
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.production_monitoring.pipeline.sides import is_text
from mlsys_assets.types import Scalar

TEST: Final = "rule"
EXAMPLES: Final = 3
"""Rows that an outcome names."""


@runtime_checkable
class DeclaredRule(Protocol):
    """What must hold in each row; a value that is missing breaks nothing."""

    @property
    def name(self) -> str:
        """The rule and its columns, as in a reason: ``origin_temp within [-40, 130]``."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        ...

    @property
    def share(self) -> float:
        """The share of rows that may break it."""
        ...

    def broken(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Return (n,) which rows break it; raises TypeError for a column of a type that it cannot read."""
        ...

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return what is wrong with the declaration, given the columns there are."""
        ...


@dataclass(frozen=True)
class Within:
    """A number lies from ``low`` to ``high``, both allowed; an infinite one lies in no range.

    NaN is a missing value here, as it is to the models.

    Parameters
    ----------
    low, high
        In the column's unit; at least one of them.
    share
        The share of rows that may break it.

    >>> Within("temp", low=-40, high=130).broken(pa.table({"temp": [20.0, 200.0, None]})).tolist()
    [False, True, False]
    """

    column: str
    low: float | None = None
    high: float | None = None
    share: float = 0.0

    @property
    def name(self) -> str:
        """The rule and its column."""
        low, high = ("…" if bound is None else f"{bound:g}" for bound in (self.low, self.high))
        return f"{self.column} within [{low}, {high}]"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.column,)

    def broken(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Return (n,) which rows break it."""
        found = _orderable(rows[self.column], self.column)
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        return np.asarray(np.isinf(found) | (found < low) | (found > high))

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return what is wrong with the declaration."""
        what = f"rule {self.name!r}"
        found = _common(what, self, columns)
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        found += [m for bound in bounds for m in out_of_range(f"{what}: a bound", bound)]
        if not found and bounds != sorted(bounds):
            found.append(f"{what}: low is above high; exchange them")
        return found if bounds else [*found, f"{what} has no bound; give low, high or both"]


@dataclass(frozen=True)
class Matches:
    """A text, all of it, matches a regular expression; each distinct text is matched once.

    Parameters
    ----------
    pattern
        As of Python's ``re``.
    share
        The share of rows that may break it.

    >>> Matches("tailnum", "N[0-9A-Z]+").broken(pa.table({"tailnum": ["N10156", "n/a", None]})).tolist()
    [False, True, False]
    """

    column: str
    pattern: str
    share: float = 0.0

    @property
    def name(self) -> str:
        """The rule and its column."""
        return f"{self.column} matches {self.pattern}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.column,)

    def broken(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Return (n,) which rows break it."""
        column = rows[self.column]
        if pa.types.is_null(column.type):
            return np.zeros(len(column), dtype=np.bool_)
        if not is_text(column.type):
            raise TypeError(f"column {self.column!r} is of type {column.type}; a pattern is of text")
        coded = pc.cast(column, pa.string()).combine_chunks().dictionary_encode()
        compiled = re.compile(self.pattern)
        unlike = np.array([compiled.fullmatch(text) is None for text in coded.dictionary.to_pylist()] + [False])
        return np.asarray(unlike[pc.fill_null(coded.indices, len(unlike) - 1).to_numpy(zero_copy_only=False)])

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return what is wrong with the declaration."""
        found = _common(f"rule {self.name!r}", self, columns)
        try:
            re.compile(self.pattern)
        except (re.error, TypeError) as error:
            found.append(f"rule {self.name!r}: the pattern is no regular expression: {error}")
        return found


@dataclass(frozen=True)
class Ordered:
    """One column's number or time is at most another's, in each row that has both: departure and arrival.

    Parameters
    ----------
    first, second
        Two columns of numbers in one unit, or of times.
    share
        The share of rows that may break it.

    >>> Ordered("left", "came").broken(pa.table({"left": [9.0, 9.0], "came": [11.0, 8.0]})).tolist()
    [False, True]
    """

    first: str
    second: str
    share: float = 0.0

    @property
    def name(self) -> str:
        """The rule and its columns."""
        return f"{self.first} at most {self.second}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.first, self.second)

    def broken(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Return (n,) which rows break it."""
        first, second = (rows[name] for name in self.columns)
        if pa.types.is_timestamp(first.type) and pa.types.is_timestamp(second.type):
            return np.asarray(pc.fill_null(pc.greater(first, second), False))
        return np.asarray(_orderable(first, self.first) > _orderable(second, self.second))

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return what is wrong with the declaration."""
        found = _common(f"rule {self.name!r}", self, columns)
        same = [f"rule {self.name!r} holds a column against itself; name another"] if self.first == self.second else []
        return found + same


@dataclass(frozen=True)
class RuleOutcome:
    """How a rule was kept.

    Parameters
    ----------
    rule
        Its name, which says its columns: the reason for each broken row.
    rows, broken
        How many rows were looked at, and how many break it.
    allowed
        The share that may.
    examples
        The first rows that break it: their identifiers, each with the values of the rule's columns.
    ids
        All identifiers of rows that break it.
    """

    rule: str
    columns: tuple[str, ...]
    rows: int
    broken: int
    allowed: float
    examples: tuple[tuple[str, Mapping[str, object]], ...]
    ids: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether no more rows break it than may."""
        return self.broken <= self.allowed * self.rows

    def __str__(self) -> str:
        shown = "; ".join(f"{row}: {', '.join(map(str, values.values()))}" for row, values in self.examples)
        return f"{self.broken:,} of {self.rows:,} rows break: {self.rule}" + (f" ({shown})" if shown else "")


def keep_rules(rules: Sequence[DeclaredRule], rows: pa.Table, ids: pa.Array) -> tuple[list[RuleOutcome], Examined]:
    """Return each rule's outcome, and those broken by too many rows as symptoms of a pipeline bug.

    A rule whose column is not there, or is of another type, is untold: the schema says why.

    Parameters
    ----------
    rows
        (n, d) feature columns, and predictions beside them where a rule is of these.
    ids
        (n,) the rows' identifiers.

    Raises ValueError for another number of identifiers than rows.
    """
    if len(ids) != rows.num_rows:
        raise ValueError(f"{len(ids)} identifiers for {rows.num_rows} rows; give one a row")
    outcomes: list[RuleOutcome] = []
    untold: dict[str, str] = {}
    for rule in rules:
        if lacking := [name for name in rule.columns if name not in rows.column_names]:
            untold[f"{TEST} {rule.name}"] = f"there is no column {', '.join(lacking)}"
            continue
        try:
            outcomes.append(_outcome(rule, rows, ids))
        except TypeError as error:
            untold[f"{TEST} {rule.name}"] = str(error)
    symptoms = tuple(_symptom(outcome) for outcome in outcomes if not outcome.kept)
    return outcomes, Examined(symptoms, untold)


def _outcome(rule: DeclaredRule, rows: pa.Table, ids: pa.Array) -> RuleOutcome:
    index = np.flatnonzero(rule.broken(rows))
    names = tuple(str(one) for one in ids.take(pa.array(index)).to_pylist())
    shown = rows.select(list(rule.columns)).take(pa.array(index[:EXAMPLES])).to_pylist()
    examples = tuple(zip(names[:EXAMPLES], shown, strict=True))
    return RuleOutcome(rule.name, rule.columns, rows.num_rows, len(index), rule.share, examples, names)


def _symptom(outcome: RuleOutcome) -> Symptom:
    share = outcome.broken / outcome.rows
    where = ", ".join(outcome.columns)
    measures: dict[str, Scalar] = {"rule": outcome.rule, "broken": outcome.broken, "rows": outcome.rows}
    return Symptom(Cause.PIPELINE, TEST, where, str(outcome), share, outcome.allowed, measures)


def _orderable(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """Return (n,) numbers with NaN, which is in no order, for what is missing."""
    if not (is_number(column.type) or pa.types.is_null(column.type)):
        raise TypeError(f"column {name!r} is of type {column.type}; the rule is of numbers")
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _common(what: str, rule: DeclaredRule, columns: Collection[str]) -> list[str]:
    found = [m for name in rule.columns for m in not_one(f"{what}: a column", name, str)]
    found = found or [m for name in rule.columns for m in none_of(f"{what}: a column", name, columns)]
    return found + out_of_range(f"{what}: share", rule.share, least=0, most=1)
