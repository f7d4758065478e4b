"""A query's column in a row-level expression: every operator means what it means over NumPy arrays."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from mlsys_assets.features.relational.arithmetic import double, real, single, whole

if TYPE_CHECKING:
    import ibis.expr.types as ir

MICROSECONDS = "m8[us]"

Operator = Callable[[Any, Any], Any]
COMPARISONS: dict[Operator, bool] = {
    operator.eq: False, operator.ne: True, operator.lt: False, operator.le: False, operator.gt: False,
    operator.ge: False,
}  # fmt: skip
"""What each comparison says of a value that is not a number."""


@dataclass(frozen=True, eq=False)
class Term:
    """An Ibis column and the NumPy type it stands for.

    Moments and durations are whole microseconds. ``may_be_nan`` tells whether the value can be NaN where all
    columns that it was read from are known: databases disagree about NaN, so that it is looked for where it can be.
    Whole numbers beyond 2**53 in size are not divided exactly, and the sign of a zero is not told.
    """

    value: "ir.Value"
    dtype: "np.dtype[Any]"
    may_be_nan: bool = False

    __array_ufunc__ = None  # NumPy's own scalars leave operators to the class
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("a column is neither true nor false; write & | ~ in place of and, or, not, and no if")

    def __add__(self, other: Any) -> "Term":
        return _operate(operator.add, self, other)

    def __radd__(self, other: Any) -> "Term":
        return _operate(operator.add, other, self)

    def __sub__(self, other: Any) -> "Term":
        return _operate(operator.sub, self, other)

    def __rsub__(self, other: Any) -> "Term":
        return _operate(operator.sub, other, self)

    def __mul__(self, other: Any) -> "Term":
        return _operate(operator.mul, self, other)

    def __rmul__(self, other: Any) -> "Term":
        return _operate(operator.mul, other, self)

    def __truediv__(self, other: Any) -> "Term":
        return _operate(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> "Term":
        return _operate(operator.truediv, other, self)

    def __floordiv__(self, other: Any) -> "Term":
        return _operate(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> "Term":
        return _operate(operator.floordiv, other, self)

    def __mod__(self, other: Any) -> "Term":
        return _operate(operator.mod, self, other)

    def __rmod__(self, other: Any) -> "Term":
        return _operate(operator.mod, other, self)

    def __pow__(self, other: Any) -> "Term":
        return _operate(operator.pow, self, other)

    def __rpow__(self, other: Any) -> "Term":
        return _operate(operator.pow, other, self)

    def __and__(self, other: Any) -> "Term":
        return _operate(operator.and_, self, other)

    __rand__ = __and__

    def __or__(self, other: Any) -> "Term":
        return _operate(operator.or_, self, other)

    __ror__ = __or__

    def __xor__(self, other: Any) -> "Term":
        return _operate(operator.xor, self, other)

    __rxor__ = __xor__

    def __eq__(self, other: object) -> "Term":  # type: ignore[override]
        return _operate(operator.eq, self, other)

    def __ne__(self, other: object) -> "Term":  # type: ignore[override]
        return _operate(operator.ne, self, other)

    def __lt__(self, other: Any) -> "Term":
        return _operate(operator.lt, self, other)

    def __le__(self, other: Any) -> "Term":
        return _operate(operator.le, self, other)

    def __gt__(self, other: Any) -> "Term":
        return _operate(operator.gt, self, other)

    def __ge__(self, other: Any) -> "Term":
        return _operate(operator.ge, self, other)

    def __invert__(self) -> "Term":
        if self.dtype.kind == "b":
            return Term(~self.value, self.dtype)
        return Term(-1 - self.value, _dtype_of(operator.invert, self))

    def __neg__(self) -> "Term":
        return Term(-self.value, _dtype_of(operator.neg, self), self.may_be_nan)

    def __pos__(self) -> "Term":
        return Term(self.value, _dtype_of(operator.pos, self), self.may_be_nan)

    def __abs__(self) -> "Term":
        return self if self.dtype.kind == "b" else Term(self.value.abs(), _dtype_of(abs, self), self.may_be_nan)


def _example(operand: Any) -> Any:
    """Return what NumPy would be given, without rows: a scalar stays one, since it yields to a column's type."""
    return np.empty(0, operand.dtype) if isinstance(operand, Term) else operand


def _dtype_of(operate: Callable[..., Any], *operands: Any) -> "np.dtype[Any]":
    """Return the type of NumPy's result; raises what NumPy raises."""
    with np.errstate(all="ignore"):
        found: np.dtype[Any] = np.asarray(operate(*map(_example, operands))).dtype
    return found


def _operate(operate: Operator, left: Any, right: Any) -> Term:
    left, right = _of_numpy(left), _of_numpy(right)
    dtype = _dtype_of(operate, left, right)
    if operate in COMPARISONS:
        return _compare(operate, left, right)
    if dtype.kind == "b":
        either = {operator.add: operator.or_, operator.mul: operator.and_}.get(operate, operate)
        return Term(either(_sql(left, dtype), _sql(right, dtype)), dtype)
    if dtype.kind in "mM" or _kind(left) in "mM":
        return _of_times(operate, left, right, dtype)
    if dtype.kind not in "iuf":
        raise TypeError(f"{operate.__name__} of {dtype} is not computed in a database; compare texts only")
    a, b, divisor = _sql(left, dtype), _sql(right, dtype), _fixed(right)
    if dtype.kind in "iu":
        return Term(whole(operate, a, b, divisor), np.dtype(np.int64))
    value = real(operate, a, b, divisor)
    return Term(single(value).cast("float64") if dtype.itemsize < 8 else value, dtype, may_be_nan=True)  # noqa: PLR2004 - bytes


def _compare(operate: Operator, left: Any, right: Any) -> Term:
    kinds = _kind(left) + _kind(right)
    common = np.dtype(object) if set(kinds) <= set("OU") else np.result_type(_example(left), _example(right))
    if common.kind == "b":
        common = np.dtype(np.int64)
    found = operate(_sql(left, common), _sql(right, common))
    for operand in (left, right):
        if common.kind == "f" and _may_be_nan(operand):
            missing = _sql(operand, common).isnan()
            found = (found | missing) if COMPARISONS[operate] else (found & ~missing)
    return Term(found, np.dtype(np.bool_))


def _of_times(operate: Operator, left: Any, right: Any, dtype: "np.dtype[Any]") -> Term:
    micros = np.dtype(MICROSECONDS)
    if not {_kind(left), _kind(right)} <= set("mM"):
        raise TypeError(f"{operate.__name__} of a duration and a number is not computed in a database; first divide "
                        "the duration by another")  # fmt: skip
    a, b, divisor = _sql(left, micros), _sql(right, micros), _fixed(right)
    if dtype.kind == "f":
        return Term(real(operate, a.cast("float64"), b.cast("float64"), divisor), dtype, may_be_nan=True)
    unit = np.dtype(f"{dtype.kind}8[us]") if dtype.kind in "mM" else np.dtype(np.int64)
    return Term(whole(operate, a, b, divisor), unit)


def _kind(operand: Any) -> str:
    return operand.dtype.kind if isinstance(operand, Term) else np.asarray(operand).dtype.kind


def _may_be_nan(operand: Any) -> bool:
    return operand.may_be_nan if isinstance(operand, Term) else bool(np.isnan(operand))


def _fixed(operand: Any) -> Any:
    """Return a scalar of Python or NumPy; None for a column."""
    return None if isinstance(operand, Term) else operand


def _sql(operand: Any, dtype: "np.dtype[Any]") -> "ir.Value":
    """Return an operand as a value of the query, in the type in which NumPy would compute."""
    import ibis

    if not isinstance(operand, Term):
        if dtype.kind in "mM":
            return ibis.literal(_micros_of(operand), "int64")
        if dtype.kind == "f":
            return double(dtype.type(operand))
        return ibis.literal(np.asarray(operand).item(), {"b": "boolean", "O": "string", "U": "string"}.get(
            dtype.kind, "int64"))  # fmt: skip
    if dtype.kind == "f" and operand.value.type() != ibis.dtype("float64"):
        return (
            operand.value.cast("int64").cast("float64") if operand.dtype.kind == "b" else operand.value.cast("float64")
        )
    if dtype.kind in "iu" and operand.dtype.kind == "b":
        return operand.value.cast("int64")
    return operand.value


def _of_numpy(operand: Any) -> Any:
    """Return Python's moments and durations as NumPy's; everything else as it is."""
    if isinstance(operand, datetime):
        return np.datetime64(operand if operand.tzinfo is None else operand.astimezone(UTC).replace(tzinfo=None), "us")
    return np.timedelta64(operand, "us") if isinstance(operand, timedelta) else operand


def _micros_of(moment: Any) -> int:
    """Return a moment or duration as whole microseconds."""
    value = np.asarray(moment)
    return int(value.astype(f"{value.dtype.kind}8[us]").astype(np.int64))
