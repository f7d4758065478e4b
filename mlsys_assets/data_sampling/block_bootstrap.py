"""Blocks of time drawn with replacement: what bagging fits each of its models on."""

from datetime import timedelta

import numpy as np

from mlsys_assets.data_sampling.oversampling import Resampled, drawn_rows, require_original
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.measures.intervals import A_DAY, day_blocks


def resample(train: Train, *, seed: int, block: timedelta = A_DAY) -> Resampled:
    """Return the rows of as many blocks as there are, drawn with replacement (Efron & Tibshirani 1993, ch. 8).

    Rows of a day share its weather: of rows drawn one by one, nearly every day would stand in every draw, and models
    of them would be nearly the same.

    Parameters
    ----------
    train
        The rows, as they came.
    seed
        Of the draw.
    block
        How long a block is.

    Raises TypeError for another view, or rows drawn anew already; ValueError for no rows.
    """
    require_original(train, what="resampling")
    if len(train) == 0:
        raise ValueError("resampling needs rows, got none; take a longer Train window")
    of = day_blocks(train.at, length=block)
    blocks = int(of.max()) + 1
    count = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks))
    return drawn_rows(train, np.repeat(np.arange(len(train)), count[of]))
