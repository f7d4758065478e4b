"""The declaration of how rows become numbers: fitted on Train only, and nowhere else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from typing import Final, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.features.named_columns import ColumnError, is_category, is_number, read_numbers, require_once
from mlsys_assets.features.preprocessing.category import Category, CategoryAmount
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Categorical, Codes, Encoding, FitOfColumn, OneHot
from mlsys_assets.features.preprocessing.hashed_category import HashedCategory
from mlsys_assets.features.preprocessing.number import LARGEST, Number
from mlsys_assets.features.preprocessing.numeric import AS_THEY_ARE, Numeric
from mlsys_assets.features.preprocessing.transform import BEYOND, LIMIT, Beyond, Preprocessing, meet_limit
from mlsys_assets.mistakes import none_of, not_all, not_one, out_of_range, sound

T = TypeVar("T", Category, CategoryAmount, HashedCategory)


@dataclass(frozen=True)
class Drop:
    """A column that the model does not see."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []


OfColumn: TypeAlias = Numeric | Encoding | Drop
"""What can be declared for a column by its name."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What fitting on the training rows gave.

    Parameters
    ----------
    preprocessing
        The fitted transform, for every row that comes.
    matrix
        (n, d) the training rows, to fit a model on. Where a category became the rate of the target it holds
        what was learned on other days, which ``preprocessing.transform`` of the same rows does not.
    notes
        What had to be made do with: columns that tell nothing, categories too many.
    """

    preprocessing: Preprocessing
    matrix: NDArray[np.float32]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Preprocessor:
    """How rows become numbers, column by column.

    Parameters
    ----------
    numbers
        What becomes of a column of numbers.
    categories
        What becomes of a column of text.
    columns
        By name, what becomes of a column instead.
    crosses
        Which columns of text are taken together as a further category.
    limit
        The largest magnitude of a number.
    beyond
        What happens to a number beyond it: rejected with its column's name, clipped, or taken for missing.

    >>> Preprocessor(columns={"wind_gust": Drop()}, beyond="clip").described
    "Preprocessor(columns={'wind_gust': Drop()}, beyond='clip')"
    """

    numbers: Numeric | Drop = Numeric()
    categories: Encoding | Drop = OneHot()
    columns: Mapping[str, OfColumn] = field(default_factory=dict, hash=False)
    crosses: tuple[Cross, ...] = ()
    limit: float = LIMIT
    beyond: Beyond = "reject"

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it names."""
        own = [str(name) for name in self.columns] if isinstance(self.columns, Mapping) else []
        crossed = (name for cross in sound(self.crosses, Cross) for name in sound(cross.columns, str))
        return tuple(dict.fromkeys([*own, *crossed]))

    @property
    def described(self) -> str:
        """The declaration as text, without what is as it would be anyway."""
        return _described(self)

    def mistakes(self, what: str = "preprocessor") -> list[str]:
        """Return what is wrong with the declaration."""
        found = _mistakes_of(f"{what}: numbers", self.numbers, (Numeric, Drop))
        found += _mistakes_of(f"{what}: categories", self.categories, (Encoding, Drop))
        found += not_one(f"{what}: columns", self.columns, Mapping)
        for name, one in self.columns.items() if isinstance(self.columns, Mapping) else ():
            found += not_one(f"{what}: a column's name", name, str)
            found += _mistakes_of(f"{what}: columns[{name!r}]", one, (Numeric, Encoding, Drop))
        found += not_all(f"{what}: crosses", self.crosses, Cross)
        crosses = sound(self.crosses, Cross)
        for i, cross in enumerate(crosses):
            found += cross.mistakes(f"{what}: crosses[{i}]")
        twice = {c.name for c in crosses if sum(set(other.columns) == set(c.columns) for other in crosses) > 1}
        found += [f"{what}: {name!r} is crossed twice" for name in sorted(twice)]
        found += out_of_range(f"{what}: limit", self.limit, above=0, most=LARGEST)
        return found + none_of(f"{what}: beyond", self.beyond, BEYOND)

    def fit(self, train: Train) -> Prepared:
        """Learn from the training rows what each column needs.

        Raises TypeError for anything but a Train view, ColumnError for columns that are not there or are
        not what was declared.
        """
        require_train(train, what="preprocessing")
        declared = self._declared(train.features)
        names = [name for name, one in declared.items() if isinstance(one, Numeric)]
        raw = read_numbers(train.features, names)
        meet_limit(raw, names, limit=self.limit, rule=self.beyond)
        numbers, notes = list[Number](), list[str]()
        for name, values in zip(names, raw, strict=True):
            number, told = declared[name].fit(name, values)  # type: ignore[union-attr]
            numbers.append(number)
            notes += told
        fits = [
            one.fit_column(Categorical.read(train.features, (name,)), train)
            for name, one in declared.items()
            if not isinstance(one, Numeric | Drop)
        ]
        fits += [cross.fit(train) for cross in self.crosses]
        preprocessing = self._assembled(numbers, fits)
        matrix = preprocessing.transform(train.features)
        for one in fits:
            if one.training is not None:
                matrix[:, preprocessing.names.index(one.transform.name)] = one.training
        return Prepared(preprocessing, matrix, (*notes, *(note for one in fits for note in one.notes)))

    def _assembled(self, numbers: Sequence[Number], fits: Sequence[FitOfColumn]) -> Preprocessing:
        """Return the fitted columns together; raises ColumnError for outputs that are too many or of one name."""
        try:
            return Preprocessing(
                numbers=tuple(numbers),
                categories=_of_kind(fits, Category),
                amounts=_of_kind(fits, CategoryAmount),
                hashed=_of_kind(fits, HashedCategory),
                limit=self.limit,
                beyond=self.beyond,
            )
        except ValueError as error:
            raise ColumnError(f"{error}; rename a column, or drop one") from error

    def _declared(self, features: pa.Table) -> dict[str, OfColumn]:
        """Return what becomes of each column; raises ColumnError for one not there, there twice, or of another type."""
        require_once(features.schema.names)
        types = {f.name: f.type for f in features.schema}
        if absent := [name for name in self.needs if name not in types]:
            near = [match for name in absent for match in get_close_matches(name, types, n=1)]
            guess = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
            raise ColumnError(f"preprocessing names column(s) {absent}; there are {sorted(types)}.{guess}")
        declared: dict[str, OfColumn] = {}
        other = {}
        for name, kind in types.items():
            default = self.numbers if is_number(kind) else self.categories
            declared[name] = one = self.columns.get(name, default)
            if not (is_number(kind) or is_category(kind) or isinstance(one, Drop)):
                other[name] = str(kind)
            elif is_number(kind) != isinstance(one, Numeric) and not isinstance(one, Drop):
                raise ColumnError(f"column {name!r} holds {kind}, for which {_described(one)} is not made")
        if other:
            raise ColumnError(f"features must be numbers or text, got {other}; convert them where they are made")
        return declared


FOR_TREES: Final = Preprocessor(numbers=AS_THEY_ARE, categories=Codes())
"""What trees take: numbers as they are, missing or not, and categories as codes."""


def _of_kind(fits: Iterable[FitOfColumn], kind: type[T]) -> tuple[T, ...]:
    return tuple(one.transform for one in fits if isinstance(one.transform, kind))


def _mistakes_of(what: str, found: object, kinds: type | tuple[type, ...]) -> list[str]:
    return not_one(what, found, kinds) or found.mistakes(what)  # type: ignore[attr-defined]


def _described(found: object) -> str:
    """Return a declaration as text, without what is as it would be anyway."""
    if isinstance(found, Mapping):
        return "{" + ", ".join(f"{key!r}: {_described(value)}" for key, value in found.items()) + "}"
    if isinstance(found, tuple):
        return "(" + ", ".join(map(_described, found)) + ("," if len(found) == 1 else "") + ")"
    if not is_dataclass(found) or isinstance(found, type):
        return repr(found)
    said = []
    for one in fields(found):
        value = getattr(found, one.name)
        default = one.default_factory() if callable(one.default_factory) else one.default
        if value != default or type(value) is not type(default):
            said.append(f"{one.name}={_described(value)}")
    return f"{type(found).__name__}({', '.join(said)})"
