"""A gradient boosting model as files: fitted preprocessing and Booster text."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.booster import Booster, library_path
from mlsys_assets.models.explanation import Contributions, by_column
from mlsys_assets.models.first_parse import ParseError, parse_in_child
from mlsys_assets.models.predictor import BundleError, Rows, decode


@dataclass(frozen=True, eq=False)
class BoosterPredictor:
    """LightGBM's probability of the rows as the preprocessing gives them."""

    preprocessing: Preprocessing
    text: bytes
    kind: str = "lightgbm"

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities."""
        return self.booster.predict(self.preprocessing.transform(rows), threads=threads)

    def contributions(self, rows: Rows, *, threads: int = 1) -> Contributions:
        """Return what each column adds to the log odds: Shapley values of the trees (Lundberg et al. 2020)."""
        found = self.booster.contributions(self.preprocessing.transform(rows), threads=threads)
        base = float(found[0, -1]) if len(found) else 0.0  # of no rows it is not told
        return by_column(self.preprocessing, found[:, :-1], base=base)

    @cached_property
    def booster(self) -> Booster:
        """The parsed text."""
        return Booster(self.text)

    def contents(self) -> dict[str, bytes]:
        """Return the preprocessing and the Booster text."""
        return {"preprocessing.json": self.preprocessing.to_json(), "model.txt": self.text}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "BoosterPredictor":
        """Read what ``contents`` wrote, the text in a child process first; raises BundleError."""
        return cls(*read_booster(files, probabilities=True))


def read_booster(files: Mapping[str, bytes], *, probabilities: bool) -> tuple[Preprocessing, bytes]:
    """Return the preprocessing and the Booster text, parsed in a child process first; raises BundleError.

    Parameters
    ----------
    files
        Among them ``preprocessing.json`` and ``model.txt``.
    probabilities
        Whether the text itself must give probabilities; else any finite number.
    """
    preprocessing = decode(files, "preprocessing.json", Preprocessing)
    if "model.txt" not in files:
        raise BundleError(f"the bundle lacks model.txt; it has {sorted(files)}")
    text, features = files["model.txt"], len(preprocessing.names)
    try:
        parse_in_child(text, library=library_path(), features=features, probabilities=probabilities)
    except ParseError as error:
        raise BundleError(f"model.txt is not what was written: {error}") from error
    return preprocessing, text
