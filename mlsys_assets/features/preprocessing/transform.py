"""Fitted row-level transforms: learned from Train only, applied by column name with NumPy alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import ColumnError, read_numbers, read_values
from mlsys_assets.features.preprocessing.category import Category, CategoryAmount, FittedEncoding
from mlsys_assets.features.preprocessing.hashed_category import HashedCategory
from mlsys_assets.features.preprocessing.number import LARGEST, Number
from mlsys_assets.features.preprocessing.row import RowTransform

Beyond = Literal["reject", "clip", "missing"]
"""What happens to a number that is infinite or beyond the limit, or negative where its logarithm is taken."""
BEYOND: Final = get_args(Beyond)
LIMIT: Final = 1e12
"""Nothing that is measured is larger in magnitude than this."""
BLOCK: Final = 1024
"""Rows turned from columns at a time: as many as stay in the cache."""
MOST_OUTPUTS: Final = 100_000
"""No model here is of more outputs; whoever declares more has crossed or hashed by mistake."""


@dataclass(frozen=True)
class Encoded:
    """Rows as a model takes them, and what was out of the ordinary.

    Parameters
    ----------
    matrix
        (n, d) row-major.
    unseen
        How many values of a category were not in its frozen map, by column, where any.
    beyond
        How many numbers were beyond the limit, by column, where any.
    """

    matrix: NDArray[np.float32]
    unseen: Mapping[str, int]
    beyond: Mapping[str, int]


@dataclass(frozen=True)
class Preprocessing:
    """A fitted transform of named columns into (n, d) numbers; exported as JSON, applied without scikit-learn.

    Columns are found by name: their order does not matter, an absent one is an error. The outputs
    are the numbers, the marks of those that were missing, then the categories: those that are codes or
    one-hot, those that are amounts, and those that are hashed.
    """

    numbers: tuple[Number, ...] = ()
    categories: tuple[Category, ...] = ()
    amounts: tuple[CategoryAmount, ...] = ()
    hashed: tuple[HashedCategory, ...] = ()
    limit: float = LIMIT
    beyond: Beyond = "reject"

    def __post_init__(self) -> None:
        if not 0 < self.limit <= LARGEST:
            raise ValueError(f"preprocessing has a limit of {self.limit:g}; it must be above 0, at most {LARGEST:g}")
        outputs = len(self.numbers) + len(self._marked) + sum(e.width for e in self.encodings)
        if outputs > MOST_OUTPUTS:
            raise ValueError(f"preprocessing has {outputs} outputs; at most {MOST_OUTPUTS} are taken")
        own = (*(n.name for n in self.numbers), *(e.name for e in self.encodings))
        for what, names in (("columns", own), ("outputs", self.names)):
            if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
                raise ValueError(f"preprocessing names the {what} {repeated} twice")

    @cached_property
    def encodings(self) -> tuple[FittedEncoding, ...]:
        """The categories, in the order of their outputs."""
        return (*self.categories, *self.amounts, *self.hashed)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The input columns."""
        names = (*(n.name for n in self.numbers), *(name for e in self.encodings for name in e.inputs))
        return tuple(dict.fromkeys(names))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """(d,) the outputs' names, in order."""
        marks = (f"{n.name} is missing" for n in self.numbers if n.indicator)
        return (*(n.name for n in self.numbers), *marks, *(name for e in self.encodings for name in e.names))

    @cached_property
    def made_of(self) -> tuple[tuple[str, ...], ...]:
        """(d,) for each output the input columns that it is made of."""
        numbers = ((n.name,) for n in self.numbers)
        marks = ((n.name,) for n in self.numbers if n.indicator)
        return (*numbers, *marks, *(e.inputs for e in self.encodings for _ in range(e.width)))

    @property
    def code_outputs(self) -> tuple[int, ...]:
        """The positions of the outputs that are codes of categories, not amounts."""
        place, found = len(self.numbers) + len(self._marked), list[int]()
        for category in self.categories:
            found += [] if category.one_hot else [place]
            place += category.width
        return tuple(found)

    def transform(self, rows: pa.Table | Mapping[str, object]) -> NDArray[np.float32]:
        """Return the (n, d) matrix of a table, or (1, d) of a single row; raises ColumnError."""
        if type(rows) is dict and (found := self._row(rows)) is not None:
            return found
        return self.encode(rows).matrix

    def encode(self, rows: pa.Table | Mapping[str, object]) -> Encoded:
        """Return the matrix and the counts of what was unseen or beyond the limit; raises ColumnError."""
        raw = read_numbers(rows, [n.name for n in self.numbers])
        beyond = self._meet_limit(raw)
        n = rows.num_rows if isinstance(rows, pa.Table) else 1
        matrix = np.zeros((n, len(self.names)), dtype=np.float32)
        for start in range(0, len(matrix), BLOCK):
            self._amounts(raw[:, start : start + BLOCK], matrix[start : start + BLOCK])
        place, unseen = len(self.numbers) + len(self._marked), dict[str, int]()
        for encoding in self.encodings:
            count = write_values(encoding, rows, matrix[:, place : place + encoding.width])
            unseen |= {encoding.name: count} if count else {}
            place += encoding.width
        return Encoded(matrix, unseen, beyond)

    def unseen(self, rows: pa.Table | Mapping[str, object]) -> Counter[str]:
        """Return for each category how many rows have a value that is not in its frozen map; raises ColumnError."""
        found: Counter[str] = Counter()
        for encoding in self.encodings:
            values, which = read_values(rows, encoding.inputs)
            found[encoding.name] = int(_strange(encoding, values)[which].sum())
        return found

    def _meet_limit(self, raw: NDArray[np.float32]) -> dict[str, int]:
        """Meet what is beyond the limit by the declared rule, in place; return the counts by column."""
        found = Counter[str]()
        for j in self._logged:
            negative = raw[j] < 0
            if count := int(negative.sum()):
                name = self.numbers[j].name
                if self.beyond == "reject":
                    raise ColumnError(
                        f"column {name!r} is taken the logarithm of, and {count} rows are below 0, down to "
                        f"{np.nanmin(raw[j]):g}; correct them where they are made"
                    )
                raw[j, negative] = np.nan if self.beyond == "missing" else 0.0
                found[name] = count
        found.update(meet_limit(raw, [n.name for n in self.numbers], limit=self.limit, rule=self.beyond))
        return dict(found)

    def _amounts(self, raw: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Write (d, n) numbers as they were read into (n, d) as the model takes them."""
        count = len(self.numbers)
        absent = None if self._plain and not self._marked else np.isnan(raw)
        if absent is None or self._plain:
            out[:, :count] = raw.T
        else:
            fill, center, scale, low, high = self._affine
            filled = np.where(absent, fill, raw)
            for j in self._logged:
                filled[j] = np.log1p(filled[j])
            with np.errstate(over="ignore"):
                scaled = (filled - center) / scale
            out[:, :count] = np.clip(scaled, low, high).T
        if absent is not None:
            out[:, count : count + len(self._marked)] = absent[self._marked].T

    @cached_property
    def _row(self) -> RowTransform:
        return RowTransform(self.numbers, self.encodings, self.limit)

    @cached_property
    def _plain(self) -> bool:
        return all(n.plain for n in self.numbers)

    @cached_property
    def _logged(self) -> list[int]:
        return [j for j, n in enumerate(self.numbers) if n.log]

    @cached_property
    def _marked(self) -> list[int]:
        return [j for j, n in enumerate(self.numbers) if n.indicator]

    @cached_property
    def _affine(self) -> NDArray[np.float64]:
        """(5, numbers, 1) what fills, moves, scales and bounds each."""
        fills = [np.nan if n.fill is None else n.fill for n in self.numbers]
        moved = [[n.center for n in self.numbers], [n.scale for n in self.numbers]]
        return np.array([fills, *moved, *np.reshape([n.range for n in self.numbers], (-1, 2)).T])[:, :, None]

    def to_json(self) -> bytes:
        """Return the transform as JSON; every float comes back as it was, to the last bit."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> "Preprocessing":
        """Return the transform that ``to_json`` wrote; raises ValueError if it is not one."""
        try:
            return msgspec.json.decode(data, type=cls)
        except RecursionError as error:
            raise ValueError(f"preprocessing is not what was written: {error}") from error


def write_values(encoding: FittedEncoding, rows: pa.Table | Mapping[str, object], out: NDArray[np.float32]) -> int:
    """Write a category's outputs into (n, width) zeros; return how many rows have a value that it does not know."""
    values, which = read_values(rows, encoding.inputs)
    outputs = [encoding.output(value) for value in values]
    place = np.array([o[0] for o in outputs], dtype=np.intp)[which]
    amount = np.array([o[1] for o in outputs], dtype=np.float32)[which]
    if encoding.width == 1 and (place == 0).all():
        out[:, 0] = amount
    else:
        filled = np.flatnonzero(place >= 0)
        out[filled, place[filled]] = amount[filled]
    return int(_strange(encoding, values)[which].sum())


def _strange(encoding: FittedEncoding, values: Sequence[object]) -> NDArray[np.bool_]:
    """Return which of some values a category does not know."""
    return np.array([not encoding.knows(value) for value in values], dtype=bool)  # type: ignore[arg-type]


def meet_limit(raw: NDArray[np.float32], names: Sequence[str], *, limit: float, rule: Beyond) -> dict[str, int]:
    """Meet numbers beyond the limit by the declared rule, in place; return their counts by column.

    ``raw`` is (d, n). Raises ColumnError if the rule is to reject.
    """
    if not ((raw > limit).any() or (raw < -limit).any()):  # a third of the time of the absolute values
        return {}
    over = np.abs(raw) > limit
    counts = {name: int(n) for name, n in zip(names, over.sum(axis=1), strict=True) if n}
    if rule == "reject":
        raise ColumnError(f"numbers beyond ±{limit:g} (rows by column): {counts}; correct them where they are made")
    raw[over] = np.nan if rule == "missing" else np.copysign(np.float32(limit), raw[over])
    return counts
