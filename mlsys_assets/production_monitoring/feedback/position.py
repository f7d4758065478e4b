"""The place in a list as a feature: learned from as it was, and the same for all when it is predicted.

What stands first is acted on more often, whatever it is. A model that knows the place puts that down to the place; a
constant at prediction time then takes it out again (Huyen 2022, ch. 8; Zhao et al. 2019).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import misnamed, out_of_range

FIRST = 1.0


@dataclass(frozen=True)
class PositionFeature:
    """The column that holds the place.

    Parameters
    ----------
    column
        What it is called.
    served_as
        The place that every row is given at prediction time.
    """

    column: str = "position"
    served_as: float = FIRST

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *misnamed("position feature", self.column),
            *out_of_range("position feature: served_as", self.served_as, least=FIRST),
        ]

    def trained(self, features: pa.Table, position: Floats) -> pa.Table:
        """Return (n, d + 1) features with the places at which the rows were shown, for training.

        Raises ValueError if the features have such a column, or a place is missing or below 1.
        """
        if len(position) != len(features) or not (np.isfinite(position) & (position >= FIRST)).all():
            raise ValueError(f"{len(position)} places for {len(features)} rows; each row needs one, from 1 on")
        return self._with(features, position)

    def served(self, features: pa.Table) -> pa.Table:
        """Return (n, d + 1) features with the same place for all, for predictions; raises ValueError as above."""
        return self._with(features, np.full(len(features), self.served_as))

    def _with(self, features: pa.Table, position: Floats) -> pa.Table:
        if self.column in features.schema.names:
            raise ValueError(f"the features have a column {self.column!r}; a place is known only once a list is made")
        return features.append_column(self.column, pa.array(position.astype(np.float32)))
