"""A column of pure noise: whatever a model makes of it, it would make of any column that tells nothing."""

from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa

from mlsys_assets.data_sampling.views import Train, Validation

NOISE: Final = "pure_noise"
V = TypeVar("V", Train, Validation)


def with_noise(train: Train, validation: Validation, *, seed: int, name: str = NOISE) -> tuple[Train, Validation]:
    """Return the views with a column of normal numbers that are drawn anew for each row.

    Every number is another, so that trees find as many places to split it at as in any column: a probe for useless
    columns (Stoppiglia et al. 2003). Raises ValueError if a column has the name already.
    """
    random = np.random.default_rng(seed)
    return _noisy(train, random, name), _noisy(validation, random, name)


def _noisy(view: V, random: np.random.Generator, name: str) -> V:
    if name in view.features.schema.names:
        raise ValueError(f"the rows have a column {name!r} already; give the noise another name")
    noise = pa.array(random.standard_normal(len(view)).astype(np.float32))
    return replace(view, features=view.features.append_column(name, noise))
