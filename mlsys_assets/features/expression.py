"""Row-level expressions: one callable over named columns, whichever engine holds the columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from mlsys_assets.features.numpy_table import NumpyTable, Values
from mlsys_assets.tables import TYPES, Column

Expression = Callable[[Mapping[str, Any]], Any]
"""Maps a row's columns to a value with operators alone, such as ``lambda row: row["arr_delay"] > 15``.

Written with operators it means the same over NumPy arrays, over one record and over a query's columns, and a row's
value depends on no other row: a column's mean would be one of rows that are not known yet.
"""

OPERATORS: Final = frozenset({
    np.add, np.subtract, np.multiply, np.true_divide, np.floor_divide, np.remainder, np.power, np.negative, np.positive,
    np.absolute, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.equal, np.not_equal, np.less,
    np.less_equal, np.greater, np.greater_equal,
})  # fmt: skip
"""What an expression may do to columns: + - * / // % ** abs & | ^ ~ and comparisons."""


class NotRowByRow(AttributeError, TypeError):
    """An expression that does more to a column than operators do: it may look at other rows."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"{seen} is no operator on a row's values; write + - * / // % ** abs, comparisons, & | ~ (for and, or, "
            "not), which look at no other row"
        )


class _Operand(NDArrayOperatorsMixin):
    """Stands for a column of no rows where an expression is tried: it has its type, operators, and nothing else."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.stands_for = values

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> "_Operand":
        if method != "__call__" or ufunc not in OPERATORS or options:
            raise NotRowByRow(f"np.{ufunc.__name__}")
        return _Operand(ufunc(*(x.stands_for if isinstance(x, _Operand) else x for x in operands)))

    def __array__(self, *_: object, **__: object) -> NDArray[Any]:
        raise NotRowByRow("a function of whole columns")

    def __getattr__(self, name: str) -> Any:
        raise NotRowByRow(f".{name}")

    def __getitem__(self, place: object) -> Any:
        raise NotRowByRow(f"[{place!r}]")

    def __iter__(self) -> Iterator[Any]:
        raise NotRowByRow("going through a column")

    def __len__(self) -> int:
        raise NotRowByRow("len")

    def __bool__(self) -> bool:
        raise NotRowByRow("if, in, and, or, not, min or max")


class _Reading(Mapping[str, Any]):
    """A table that remembers which of its columns an expression reads."""

    def __init__(self, columns: NumpyTable) -> None:
        self.columns = columns
        self.seen: list[str] = []

    def __getitem__(self, name: str) -> Any:
        values = self.columns[name]
        self.seen.append(name)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


class _Trying(_Reading):
    """The same, with stand-ins for columns."""

    def __getitem__(self, name: str) -> _Operand:
        return _Operand(super().__getitem__(name))


def evaluate(of: str | Expression, columns: NumpyTable) -> Values:
    """Return a column by name or by expression; unknown wherever a column that it read is, or it is NaN."""
    return columns.read(of) if isinstance(of, str) else _evaluated(of, _Reading(columns))


def probe(of: str | Expression, columns: Sequence[Column]) -> Values:
    """Return what ``of`` gives on no rows of such a table: its type, or the error it would raise.

    Raises NotRowByRow for an expression that does more than operate on a row's values.
    """
    rows = _no_rows(tuple((c.name, c.type) for c in columns))
    return rows.read(of) if isinstance(of, str) else _evaluated(of, _Trying(rows))


def columns_read(of: str | Expression, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the columns of such a table that ``of`` is read from, each once, in the order in which it reads them."""
    if isinstance(of, str):
        return (of,)
    reading = _Trying(_no_rows(tuple((c.name, c.type) for c in columns)))
    of(reading)
    return tuple(dict.fromkeys(reading.seen))


def _evaluated(of: Expression, reading: _Reading) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = of(reading)
    values = np.asarray(found.stands_for if isinstance(found, _Operand) else found)
    rows = reading.columns.num_rows
    values = np.broadcast_to(values, (rows,)) if values.ndim == 0 else values
    if values.shape != (rows,):
        raise ValueError(f"an expression must give one value a row; got {values.shape} for {rows} rows")
    masks = [mask for name in reading.seen if (mask := reading.columns.read(name).valid) is not None]
    if values.dtype.kind == "f" and np.isnan(values).any():
        masks.append(~np.isnan(values))
    return Values(values, np.logical_and.reduce(masks) if masks else None)


@lru_cache
def _no_rows(columns: tuple[tuple[str, str], ...]) -> NumpyTable:
    # Not schema.empty_table(), which imports pandas: a second that every declaration would cost.
    return NumpyTable(pa.table({name: pa.nulls(0, TYPES[kind]) for name, kind in columns}))
