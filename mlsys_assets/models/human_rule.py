"""A person's rule of thumb as a candidate: what was decided by before there was a model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.named_columns import UNSEEN, read_codes, read_numbers, require
from mlsys_assets.mistakes import none_of, not_all, not_one, out_of_range, sound
from mlsys_assets.models.candidate import Fitted, Recipe, check_train, check_validation
from mlsys_assets.models.predictor import Rows, decode, encode
from mlsys_assets.types import Scalar

FILE: Final = "rules.json"
Comparison = Literal["<", "<=", ">", ">=", "==", "!="]
COMPARISONS: Final[tuple[str, ...]] = get_args(Comparison)
COMPARED: Final[Mapping[str, np.ufunc]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
"""The comparisons of numbers."""
LARGEST: Final = float(np.finfo(np.float32).max)
"""Numbers are compared as float32, in which none is larger."""
OF_TEXT: Final = ("==", "!=")
"""How texts are compared."""


@dataclass(frozen=True)
class When:
    """A condition on one feature, and the probability of rows that meet it; a missing value meets none.

    Parameters
    ----------
    column
        The feature column.
    compares
        How its value is held against ``to``; texts by == and != only.
    to
        A number or a text.
    rate
        The probability that the person gives; None lets it be learned from the training rows.
    """

    column: str
    compares: Comparison
    to: float | str
    rate: float | None = None

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the condition."""
        found = not_one(f"{what}: column", self.column, str) + none_of(f"{what}: compares", self.compares, COMPARISONS)
        if not isinstance(self.to, str):
            found += out_of_range(f"{what}: to", self.to, least=-LARGEST, most=LARGEST)
        elif self.compares not in OF_TEXT:
            found.append(f"{what}: compares is {self.compares!r}, but to is the text {self.to!r}; allowed: ==, !=")
        return found + ([] if self.rate is None else out_of_range(f"{what}: rate", self.rate, least=0, most=1))

    def met(self, rows: Rows) -> NDArray[np.bool_]:
        """Return (n,) which rows meet it. Raises ColumnError."""
        if isinstance(self.to, str):
            codes = read_codes(rows, self.column, {self.to: 0})
            return np.asarray(codes == 0 if self.compares == "==" else codes == UNSEEN)
        numbers, to = read_numbers(rows, [self.column])[0], np.float32(self.to)
        return np.asarray(COMPARED[self.compares](numbers, to) & ~np.isnan(numbers))

    def __str__(self) -> str:
        return f"{self.column} {self.compares} {self.to}"


@dataclass(frozen=True)
class RulePredictor:
    """Gives a row the rate of the first condition that it meets, else ``otherwise``."""

    rules: tuple[When, ...]
    otherwise: float
    kind: str = "human_rule"

    def __post_init__(self) -> None:
        wrong = [mistake for n, rule in enumerate(self.rules) for mistake in rule.mistakes(f"rules[{n}]")]
        rates = [rule.rate for rule in self.rules] + [self.otherwise]
        if wrong or any(rate is None or not 0.0 <= rate <= 1.0 for rate in rates):
            raise ValueError("; ".join(wrong) or f"every rule needs a rate in [0, 1], got {rates}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its conditions."""
        return tuple(dict.fromkeys(rule.column for rule in self.rules))

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) the rate of the first condition met."""
        rates = np.array([*[rule.rate for rule in self.rules], self.otherwise], dtype=np.float64)
        return rates[first_met(self.rules, rows)]

    def contents(self) -> dict[str, bytes]:
        """Return the conditions and their rates."""
        return {FILE: encode(self)}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "RulePredictor":
        """Read what ``contents`` wrote; raises BundleError."""
        return decode(files, FILE, cls)


@dataclass(frozen=True)
class HumanRule:
    """What a person would say: the first condition that a row meets gives its probability.

    The conditions are data, never code, so that a bundle of them can be read without running
    anything. Which conditions there are is the person's; a rate that the person leaves open is the
    share of positives among the training rows that the condition catches, drawn towards the share of
    all by ``strength`` rows. Simple rules are often as good as experts (Dawes 1979), and a model that
    does not beat them is not worth its keep.

    Parameters
    ----------
    rules
        The conditions; the first that is met counts.
    otherwise
        The probability of rows that meet none; None lets it be learned.
    strength
        How many rows' weight the rate of all has in a rate that is learned.

    >>> bad_weather = HumanRule((When("visib", "<", 2.0, rate=0.6), When("sched_hour", ">=", 17)))
    >>> bad_weather.needs
    ('visib', 'sched_hour')
    """

    rules: tuple[When, ...]
    otherwise: float | None = None
    strength: float = 20.0
    name: str = "human_rule"

    @property
    def baseline(self) -> bool:
        """A model must beat it."""
        return True

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns of its conditions."""
        return tuple(dict.fromkeys(rule.column for rule in sound(self.rules, When)))

    @property
    def kind(self) -> str:
        """Conditions with rates."""
        return RulePredictor.kind

    def mistakes(self) -> list[str]:
        """Return no conditions at all, those that cannot be met or compared, and rates that are none."""
        what = f"candidate {self.name!r}"
        found = not_all(f"{what}: rules", self.rules, When)
        if self.rules == ():
            found.append(f"{what}: rules is empty, which is what ZeroRule() does; write (When('column', '<', 2.0),)")
        for n, rule in enumerate(sound(self.rules, When)):
            found += rule.mistakes(f"{what}: rules[{n}]")
        if self.otherwise is not None:
            found += out_of_range(f"{what}: otherwise", self.otherwise, least=0, most=1)
        return found + out_of_range(f"{what}: strength", self.strength, least=0)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Learn the rates that were left open from train."""
        check_validation(validation, what=self.name)
        return self.refit(train, recipe={}, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Learn the rates that were left open from train."""
        check_train(train, what=self.name)
        require(train.features, self.needs)
        place, whole = first_met(self.rules, train.features), float(train.label.mean())
        rows = np.bincount(place, minlength=len(self.rules) + 1)
        positive = np.bincount(place, weights=train.label, minlength=len(self.rules) + 1)
        least = np.finfo(np.float64).tiny  # a condition that no row meets, and no strength: the rate of all
        learned = (positive + max(self.strength, least) * whole) / (rows + max(self.strength, least))
        rules = tuple(_known(rule, float(learned[n])) for n, rule in enumerate(self.rules))
        otherwise = float(learned[-1]) if self.otherwise is None else float(self.otherwise)
        params: dict[str, Scalar] = {"rules": "; ".join(map(str, self.rules)), "strength": self.strength}
        return Fitted(self.name, RulePredictor(rules, otherwise), params)


def first_met(rules: tuple[When, ...], rows: Rows) -> NDArray[np.intp]:
    """Return (n,) the position of the first rule that each row meets; ``len(rules)`` where it meets none."""
    require(rows, [rule.column for rule in rules])
    n = rows.num_rows if isinstance(rows, pa.Table) else 1
    place = np.full(n, len(rules), dtype=np.intp)
    for position in reversed(range(len(rules))):
        place[rules[position].met(rows)] = position
    return place


def _known(rule: When, learned: float) -> When:
    """Return the rule as a bundle holds it: with a rate, and every number a float."""
    to = rule.to if isinstance(rule.to, str) else float(rule.to)
    return replace(rule, to=to, rate=learned if rule.rate is None else float(rule.rate))
