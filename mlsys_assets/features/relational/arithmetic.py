"""NumPy's arithmetic in a database's: what is left of a division has the divisor's sign, and none fails."""

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

WRITTEN_OUT = 8
"""Whole powers up to this one are multiplied out."""
SINGLE = 2.0**128 - 2.0**103
"""From here on a double is infinite in single precision."""

Operator = Callable[[Any, Any], Any]


def whole(operate: Operator, a: Any, b: Any, right: Any) -> "ir.Value":
    """Return the result for whole numbers, 0 where they are divided by 0.

    ``right``: the second operand where it is the same for all rows, otherwise None.
    """
    import ibis

    if operate is operator.pow:
        if isinstance(right, int) and 1 <= right <= WRITTEN_OUT:
            return _product(a, right)
        return a.cast("float64").pow(b.cast("float64")).cast("int64")
    if operate not in (operator.floordiv, operator.mod):
        return operate(a, b)

    def divided() -> Any:
        remainder = _floored(a, b)
        return remainder if operate is operator.mod else ((a - remainder) / b).cast("int64")

    return _unless_zero(divided, b, right, ibis.literal(0, "int64"))


def real(operate: Operator, a: Any, b: Any, right: Any) -> "ir.Value":
    """Return the result for doubles, infinite or NaN where they are divided by 0 (IEEE 754); ``right`` as above."""
    import ibis

    if operate is operator.pow:
        return _power(a, b, right)
    if operate is operator.truediv:
        return _unless_zero(lambda: a / b, b, right, a * double(math.inf))
    if operate is operator.mod:
        return _unless_zero(lambda: _floored(a, b), b, right, double(math.nan))
    if operate is operator.floordiv:
        # From the remainder, as NumPy, so that it and the quotient fit each other.
        def quotient() -> Any:
            return _nearest((a - a % b) / b - ibis.ifelse(_signs_differ(a % b, b), 1.0, 0.0))

        return _unless_zero(quotient, b, right, a * double(math.inf))
    return operate(a, b)


def single(value: Any) -> "ir.Value":
    """Return doubles rounded to single precision; infinite beyond its range, where a database would refuse."""
    import ibis

    held = ibis.ifelse(value >= SINGLE, double(math.inf), ibis.ifelse(value <= -SINGLE, double(-math.inf), value))
    return ibis.ifelse(value.isnan(), value, held).cast("float32")


def double(value: float) -> "ir.Value":
    """Return a number in double precision: a database would read it as a decimal, which loses the last digits."""
    import ibis

    return ibis.literal(repr(float(value)), "string").cast("float64")


def _unless_zero(divided: Callable[[], Any], b: Any, right: Any, by_zero: Any) -> "ir.Value":
    import ibis

    if right is not None:
        return divided() if right else by_zero
    return ibis.ifelse(b == 0, by_zero, divided())


def _floored(a: Any, b: Any) -> "ir.Value":
    """Return the remainder of the sign of ``b``: databases give that of ``a``."""
    import ibis

    remainder = a % b
    return ibis.ifelse(_signs_differ(remainder, b), remainder + b, remainder)


def _signs_differ(remainder: Any, b: Any) -> "ir.Value":
    return (remainder != 0) & ((remainder < 0) != (b < 0))


def _nearest(x: Any) -> "ir.Value":
    """Return the nearest whole number of doubles that are one up to rounding; of infinite ones, themselves."""
    import ibis

    part = x % double(1.0)
    up, down = part > 0.5, part < -0.5  # noqa: PLR2004 - a half
    found = x - part + ibis.ifelse(up, 1.0, ibis.ifelse(down, -1.0, 0.0))
    return ibis.ifelse(x.isinf(), x, found)


def _power(a: Any, b: Any, right: Any) -> "ir.Value":
    if isinstance(right, int | float) and right == 2:  # noqa: PLR2004 - squares are multiplied, as NumPy does
        return a * a
    return a.sqrt() if isinstance(right, float) and right == 0.5 else a.pow(b)  # noqa: PLR2004


def _product(a: Any, times: int) -> "ir.Value":
    found = a
    for _ in range(times - 1):
        found = found * a
    return found
