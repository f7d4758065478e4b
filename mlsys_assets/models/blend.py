"""Decoupled objectives: a model for each, and weights that are set when rows are scored, not when models are fitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import NAME, not_one, out_of_range
from mlsys_assets.models.predictor import BundleError, Predictor, ReadKind, Rows, decode, encode
from mlsys_assets.types import DeclarationError

PART: Final = "part."
"""How the names of the files of a blend's parts begin."""


@dataclass(frozen=True)
class Blend:
    """How much each objective counts: a score is the weighted mean of the parts' scores.

    Another weight is another order of the rows and no other model: nothing is fitted (Huyen 2022,
    ch. 6, on decoupling objectives).

    Parameters
    ----------
    weights
        By the part's name, how much it counts; only their proportion matters.

    >>> Blend({"late": 3, "very_late": 1}).shares
    {'late': 0.75, 'very_late': 0.25}
    """

    weights: Mapping[str, float]

    def mistakes(self) -> list[str]:
        """Return weights below nothing, none above it, and names that no file can have."""
        if wrong := not_one("blend: weights", self.weights, Mapping):
            return wrong
        found = [m for name, weight in self.weights.items() for m in out_of_range(f"blend: {name}", weight, least=0)]
        found += [f"blend: a part is called {n!r}; letters, digits and _ only" for n in self.weights if not _plain(n)]
        if not found and not sum(self.weights.values()) > 0:
            found.append(f"blend: no weight of {dict(self.weights)} is above 0; give at least one part a weight")
        return found

    @property
    def shares(self) -> dict[str, float]:
        """The weights by name, in order of the names, scaled to a sum of 1; raises DeclarationError for mistakes."""
        if mistakes := self.mistakes():
            raise DeclarationError("the blend", mistakes)
        total = sum(float(self.weights[name]) for name in sorted(self.weights))
        return {name: float(self.weights[name]) / total for name in sorted(self.weights)}

    def combine(self, scores: Mapping[str, Floats]) -> Floats:
        """Return (n,) the weighted mean of the parts' (n,) scores; raises ValueError for other parts than weights."""
        shares = self.shares
        if set(scores) != set(shares):
            raise ValueError(f"the blend weighs {sorted(shares)}, scores are of {sorted(scores)}; give one of each")
        lengths = {len(score) for score in scores.values()}
        if len(lengths) != 1:
            raise ValueError(f"the parts scored {sorted(lengths)} rows; they must score the same rows")
        return _mean([(share, scores[name]) for name, share in shares.items()])

    def of(self, parts: Mapping[str, Predictor]) -> "BlendPredictor":
        """Return the blend of fitted models; raises ValueError for other parts than weights, and for a blend in it."""
        shares = self.shares
        if set(parts) != set(shares):
            raise ValueError(f"the blend weighs {sorted(shares)}, the models are {sorted(parts)}; give one of each")
        return BlendPredictor(tuple((name, parts[name]) for name in shares), tuple(shares.values()))


class Weighted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part in blend.json: its name, its kind and its share."""

    name: str
    kind: str
    share: float


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of blend.json."""

    parts: tuple[Weighted, ...]


@dataclass(frozen=True, eq=False)
class BlendPredictor:
    """The weighted mean of models' probabilities; to be made by ``Blend.of``.

    ``parts`` are names and models in order of the names, ``shares`` their weights, which sum to 1.
    """

    parts: tuple[tuple[str, Predictor], ...]
    shares: tuple[float, ...]
    kind: str = "blend"

    def __post_init__(self) -> None:
        names = [name for name, _ in self.parts]
        if len(names) != len(self.shares) or not names or any(a >= b for a, b in pairwise(names)):
            raise ValueError(f"a blend has parts in order of their names and a share for each, got {names}")
        if not all(0.0 <= share <= 1.0 for share in self.shares) or not np.isclose(sum(self.shares), 1.0):
            raise ValueError(f"a blend's shares lie in [0, 1] and sum to 1, got {self.shares}")
        if nested := [name for name, part in self.parts if part.kind == self.kind]:
            raise ValueError(f"the parts {nested} are blends themselves; give their parts instead")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that any part reads, each once."""
        return tuple(dict.fromkeys(column for _, part in self.parts for column in part.columns))

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) weighted means."""
        pairs = zip(self.shares, self.parts, strict=True)
        return _mean([(share, part.predict(rows, threads=threads)) for share, (_, part) in pairs])

    def reweighted(self, weights: Mapping[str, float]) -> "BlendPredictor":
        """Return the same models with other weights: nothing is fitted."""
        return Blend(weights).of(dict(self.parts))

    def contents(self) -> dict[str, bytes]:
        """Return the shares, and each part's files by name."""
        told = [Weighted(name, part.kind, share) for (name, part), share in zip(self.parts, self.shares, strict=True)]
        files = {f"{PART}{name}.{file}": data for name, part in self.parts for file, data in part.contents().items()}
        return {"blend.json": encode(Parts(tuple(told))), **files}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes], read: ReadKind) -> "BlendPredictor":
        """Read what ``contents`` wrote, each part by its kind; raises BundleError."""
        told = decode(files, "blend.json", Parts).parts
        parts = []
        for one in told:
            if one.kind == cls.kind:
                raise BundleError(f"the part {one.name!r} is a blend itself")
            begins = f"{PART}{one.name}."
            own = {file.removeprefix(begins): data for file, data in files.items() if file.startswith(begins)}
            parts.append((one.name, read(one.kind, own, begins)))
        try:
            return cls(tuple(parts), tuple(one.share for one in told))
        except ValueError as error:
            raise BundleError(f"blend.json is not what was written: {error}") from error


def _mean(parts: list[tuple[float, Floats]]) -> Floats:
    """Return (n,) the sum of shares times scores, in their order, so that the last bit is always the same."""
    total = np.zeros(len(parts[0][1]))
    for share, score in parts:
        total += share * score
    return np.clip(total, 0.0, 1.0)


def _plain(name: object) -> bool:
    return isinstance(name, str) and NAME.fullmatch(name) is not None
