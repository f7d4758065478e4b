"""Two models on the same rows, none of which either was fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, difference, require_rows
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
    groups
        (n,) which rows are of each slice, by slice and value ("origin=EWR").

    Raises ValueError for scores that are not finite probabilities of these rows.
    """

    split: str
    data_hash: str
    at: NDArray[np.datetime64]
    label: Floats
    scores: Mapping[str, Floats]
    hashes: Mapping[str, str]
    groups: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, score in self.scores.items():
            require_rows(self.label, score, what=f"{name} on {self.split}")

    def unseen_since(self, moment: datetime) -> "Scored":
        """Return the rows predicted from ``moment`` on: a model fitted as of then has seen none of them."""
        rows = self.at >= np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
        scores = {name: score[rows] for name, score in self.scores.items()}
        groups = {name: inside[rows] for name, inside in self.groups.items()}
        return Scored(self.split, self.data_hash, self.at[rows], self.label[rows], scores, self.hashes, groups)


@dataclass(frozen=True)
class Comparison:
    """A challenger against another on one test: differences, challenger minus other, by metric.

    ``hashes`` are the challenger's and the other's, ``data_hash`` the rows'; ``slices`` the difference of the metric
    that decides, by slice and value.
    """

    challenger: str
    other: str
    split: str
    hashes: tuple[str, str]
    data_hash: str
    differences: Mapping[str, Estimate]
    slices: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def sufficient(self) -> bool:
        """Whether every difference rests on enough rows."""
        return all(e.sufficient for e in self.differences.values())

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it; NaN becomes null."""
        return {
            "challenger": self.challenger,
            "hashes": list(self.hashes),
            "data_hash": self.data_hash,
            "differences": {name: e.as_dict() for name, e in self.differences.items()},
            "slices": {name: e.as_dict() for name, e in self.slices.items()},
        }

    @classmethod
    def from_dict(cls, other: str, split: str, found: Mapping[str, Any]) -> "Comparison":
        """Return the comparison with ``other`` on ``split`` that ``as_dict`` gave."""
        told = [{name: Estimate.from_dict(e) for name, e in found[part].items()} for part in ("differences", "slices")]
        first, second = found["hashes"]
        return cls(found["challenger"], other, split, (first, second), found["data_hash"], *told)


def compare(
    scored: Scored,
    pair: tuple[str, str],
    metrics: Sequence[Metric],
    *,
    seed: int = 0,
    support: Support | None = None,
    by_slice: Metric | None = None,
) -> Comparison:
    """Return the comparison of a challenger and another model, named by ``pair``; slices are compared ``by_slice``."""
    (challenger, other), asked = pair, support or Support()
    weights = bootstrap(day_blocks(scored.at, length=asked.block), seed=seed)
    both = (scored.scores[challenger], scored.scores[other])
    found = {m.name: difference(m, scored.label, both, weights=weights, support=asked) for m in metrics}
    slices = {
        name: difference(
            by_slice, scored.label[rows], (both[0][rows], both[1][rows]), weights=weights.of(rows), support=asked
        )
        for name, rows in scored.groups.items()
        if by_slice is not None
    }
    hashes = (scored.hashes[challenger], scored.hashes[other])
    return Comparison(challenger, other, scored.split, hashes, scored.data_hash, found, slices)
