"""Feature crosses: what columns are together, as one category."""

from dataclasses import dataclass
from math import prod
from typing import Final

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.category import CROSSING
from mlsys_assets.features.preprocessing.encoding import Categorical, Encoding, FitOfColumn, OneHot
from mlsys_assets.mistakes import not_all, not_one

MOST_COMBINATIONS: Final = 1_000_000
"""Who crosses columns that could make so many outputs does not mean it."""
MOST_COLUMNS: Final = 3
"""More are hardly ever seen together often enough to learn from."""


@dataclass(frozen=True)
class Cross:
    """Two or three columns of text as one category: the destination of a carrier, say, where both alone tell less.

    Its value is missing where that of any column is. The columns themselves stay as they are declared.

    Parameters
    ----------
    columns
        The columns, in the order of the name.
    encoding
        What becomes of it. Its `OneHot.most` caps the outputs; columns whose values could make a million
        outputs are refused, for which `Hashed` is made.

    >>> Cross(("carrier", "dest")).name
    'carrier × dest'
    """

    columns: tuple[str, ...]
    encoding: Encoding = OneHot()

    @property
    def name(self) -> str:
        """The columns' names, joined."""
        return CROSSING.join(self.columns)

    def mistakes(self, what: str) -> list[str]:
        """Return what are no columns, and what is wrong with the encoding."""
        found = not_all(f"{what}: columns", self.columns, str)
        if not found and not 1 < len(set(self.columns)) == len(self.columns) <= MOST_COLUMNS:
            found.append(f"{what}: columns are {self.columns}; it must be two or three different ones")
        return found + (
            not_one(f"{what}: encoding", self.encoding, Encoding) or self.encoding.mistakes(f"{what}: encoding")
        )

    def fit(self, train: Train) -> FitOfColumn:
        """Return what the training rows make of the columns together; raises ColumnError."""
        require_train(train, what=type(self).__name__)
        if isinstance(self.encoding, OneHot):
            sizes = {name: len(Categorical.read(train.features, (name,)).values) for name in self.columns}
            if (could := prod(sizes.values())) >= MOST_COMBINATIONS:
                raise ColumnError(
                    f"crossing {self.name!r} could make {could:,} outputs ({sizes} values); cross coarser columns, or "
                    "declare Hashed(buckets=...) as its encoding"
                )
        return self.encoding.fit_column(Categorical.read(train.features, self.columns), train)
