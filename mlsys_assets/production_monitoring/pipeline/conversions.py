"""Units that are taken for each other, and what a number becomes when it is written in the other one."""

import math
from dataclasses import dataclass
from typing import Final

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.types import Scalar

FAHRENHEIT_PER_CELSIUS: Final = 1.8
FAHRENHEIT_AT_FREEZING: Final = 32.0
KILOMETRES_PER_MILE: Final = 1.609344
METRES_PER_FOOT: Final = 0.3048
KILOMETRES_PER_SEA_MILE: Final = 1.852
KILOMETRES_PER_HOUR: Final = 3.6
"""In a metre a second."""
HECTOPASCALS_PER_INCH: Final = 33.8638866667
"""Of mercury, at 0 °C."""
KILOGRAMS_PER_POUND: Final = 0.45359237
MILLIMETRES_PER_INCH: Final = 25.4
SIXTY: Final = 60.0
HUNDRED: Final = 100.0
THOUSAND: Final = 1000.0
HOUR: Final = 3600.0


@dataclass(frozen=True)
class Conversion:
    """A change of unit: ``slope`` times what was, and ``offset`` more.

    >>> Conversion("°C → °F", 1.8, 32.0)(100.0)
    212.0
    """

    name: str
    slope: float
    offset: float = 0.0

    def __call__(self, values: Floats) -> Floats:
        """Return values in the other unit."""
        return self.slope * values + self.offset

    @property
    def inverse(self) -> "Conversion":
        """The way back."""
        there, _, back = self.name.rpartition(" → ")
        return Conversion(f"{back} → {there}", 1 / self.slope, -self.offset / self.slope)

    @property
    def factor(self) -> float:
        """By how much it changes a difference, 1 or more."""
        return math.exp(abs(math.log(abs(self.slope))))

    @property
    def measures(self) -> dict[str, Scalar]:
        """What the record keeps of it."""
        return {"conversion": self.name, "slope": self.slope, "offset": self.offset}

    @property
    def formula(self) -> str:
        """What it does to x."""
        if self.offset == 0 or self.slope >= 1:
            offset = f" {'+' if self.offset > 0 else '−'} {abs(self.offset):g}" if self.offset else ""
            return f"{self.slope:.6g} x{offset}"
        back = self.inverse
        return f"(x {'−' if back.offset > 0 else '+'} {abs(back.offset):g}) / {back.slope:g}"


_THERE: Final = (
    Conversion("°C → °F", FAHRENHEIT_PER_CELSIUS, FAHRENHEIT_AT_FREEZING),
    Conversion("miles → km (mph → km/h)", KILOMETRES_PER_MILE),
    Conversion("m → ft", 1 / METRES_PER_FOOT),
    Conversion("knots → mph", KILOMETRES_PER_SEA_MILE / KILOMETRES_PER_MILE),
    Conversion("knots → km/h", KILOMETRES_PER_SEA_MILE),
    Conversion("m/s → knots", KILOMETRES_PER_HOUR / KILOMETRES_PER_SEA_MILE),
    Conversion("m/s → mph", KILOMETRES_PER_HOUR / KILOMETRES_PER_MILE),
    Conversion("m/s → km/h", KILOMETRES_PER_HOUR),
    Conversion("inHg → hPa", HECTOPASCALS_PER_INCH),
    Conversion("kg → lb", 1 / KILOGRAMS_PER_POUND),
    Conversion("inches → mm", MILLIMETRES_PER_INCH),
    Conversion("inches → cm", MILLIMETRES_PER_INCH / 10),
    Conversion("hours → minutes (minutes → seconds)", SIXTY),
    Conversion("shares → percent (m → cm, units → cents)", HUNDRED),
    Conversion("thousands → units (km → m, kg → g, s → ms)", THOUSAND),
    Conversion("hours → seconds", HOUR),
)
CONVERSIONS: Final = (*_THERE, *(one.inverse for one in _THERE))
"""Every pair, there and back."""
SIGN: Final = Conversion("the sign", -1.0)
"""What was given to is now taken from."""
