"""What the detective learns with: any candidate of a system can be handed to it, from the stage above."""

from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation


class Scorer(Protocol):
    """Something that was fitted."""

    def predict(self, rows: pa.Table, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities."""
        ...


@runtime_checkable
class Learner(Protocol):
    """Something that can be fitted: every ``Candidate`` is one."""

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Scorer:
        """Fit on train; what is chosen is chosen on validation."""
        ...
