"""Two models on the same rows, none of which either was fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, difference
from mlsys_assets.measures.metrics import Floats, Metric


@dataclass(frozen=True, eq=False)
class Scored:
    """The rows of one test with every model's scores.

    Parameters
    ----------
    split, data_hash
        The test and the rows it was.
    at
        (n,) datetime64[us], UTC: prediction times.
    label
        (n,) 0 or 1.
    scores
        Each model's (n,) scores, by name.
    hashes
        Each model's content hash, by name.
    """

    split: str
    data_hash: str
    at: NDArray[np.datetime64]
    label: Floats
    scores: Mapping[str, Floats]
    hashes: Mapping[str, str]

    def unseen_since(self, moment: datetime) -> "Scored":
        """Return the rows predicted from ``moment`` on: a model fitted as of then has seen none of them."""
        rows = self.at >= np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
        kept = {name: score[rows] for name, score in self.scores.items()}
        return Scored(self.split, self.data_hash, self.at[rows], self.label[rows], kept, self.hashes)


@dataclass(frozen=True)
class Comparison:
    """A challenger against another on one test: differences, challenger minus other, by metric.

    ``hashes`` are the challenger's and the other's, ``data_hash`` the rows'.
    """

    challenger: str
    other: str
    split: str
    hashes: tuple[str, str]
    data_hash: str
    differences: Mapping[str, Estimate]

    @property
    def sufficient(self) -> bool:
        """Whether every difference rests on enough rows."""
        return all(e.sufficient for e in self.differences.values())


def compare(
    scored: Scored,
    pair: tuple[str, str],
    metrics: Sequence[Metric],
    *,
    seed: int = 0,
    support: Support | None = None,
) -> Comparison:
    """Return the comparison of a challenger and another model, named by ``pair``."""
    challenger, other = pair
    weights = bootstrap(day_blocks(scored.at), seed=seed)
    both = (scored.scores[challenger], scored.scores[other])
    found = {m.name: difference(m, scored.label, both, weights=weights, support=support) for m in metrics}
    return Comparison(
        challenger, other, scored.split, (scored.hashes[challenger], scored.hashes[other]), scored.data_hash, found
    )
