"""A stack as files: the models in it, and the few numbers that join their log-odds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import NAME
from mlsys_assets.models.blend import PART
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import EDGE, log_odds
from mlsys_assets.models.predictor import BundleError, Predictor, ReadKind, Rows, decode, encode

META: Final = "meta.json"
WIDEST: Final = float(log_odds(np.array([1 - EDGE]))[0])
"""No part's log-odds are larger in magnitude."""
MOST_PARTS: Final = 64
"""More models in a stack than this, and it is none that anybody fitted."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The probability 1 / (1 + exp(-(intercept + Σ weight · log-odds))); the weights are by the parts' names."""

    intercept: float
    weights: dict[str, float]

    def mistake(self) -> str:
        """Return why this is no line, "" if it is one."""
        with np.errstate(over="ignore"):
            widest = abs(self.intercept) + WIDEST * float(np.abs(list(self.weights.values())).sum())
        if not np.isfinite(widest):
            return f"weights {self.weights} and an intercept of {self.intercept} whose sum may not be finite"
        if not 1 <= len(self.weights) <= MOST_PARTS:
            return f"{len(self.weights)} weights, which must be 1 to {MOST_PARTS}"
        wrong = [name for name in self.weights if not NAME.fullmatch(name)]
        return f"parts called {wrong[:3]}; letters, digits and _ only" if wrong else ""

    def apply(self, scores: Mapping[str, Floats]) -> Floats:
        """Return (n,) probabilities of the parts' (n,) scores, summed in the weights' order."""
        margin = np.full(len(next(iter(scores.values()))), self.intercept)
        for name, weight in self.weights.items():
            margin += weight * log_odds(scores[name])
        return logistic(margin)


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of meta.json: the line, and each part's kind by name."""

    line: Line
    kinds: dict[str, str]


@dataclass(frozen=True, eq=False)
class StackPredictor:
    """A line of the parts' log-odds; ``parts`` are models by name, as the line names them."""

    parts: tuple[tuple[str, Predictor], ...]
    line: Line
    kind: str = "stack"

    def __post_init__(self) -> None:
        names = [name for name, _ in self.parts]
        if names != list(self.line.weights):
            raise ValueError(f"the line weighs {list(self.line.weights)}, the models are {names}; give one of each")
        if mistake := self.line.mistake():
            raise ValueError(f"a stack's line has {mistake}")
        if nested := [name for name, part in self.parts if part.kind == self.kind]:
            raise ValueError(f"the parts {nested} are stacks themselves; give their parts instead")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that any part reads, each once."""
        return tuple(dict.fromkeys(column for _, part in self.parts for column in part.columns))

    def predict(self, rows: Rows, *, threads: int = 1) -> Floats:
        """Return (n,) probabilities."""
        return self.line.apply({name: part.predict(rows, threads=threads) for name, part in self.parts})

    def contents(self) -> dict[str, bytes]:
        """Return the line, and each part's files by name."""
        files = {f"{PART}{name}.{file}": data for name, part in self.parts for file, data in part.contents().items()}
        return {META: encode(Content(self.line, {name: part.kind for name, part in self.parts})), **files}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes], read: ReadKind) -> "StackPredictor":
        """Read what ``contents`` wrote, each part by its kind; raises BundleError."""
        told = decode(files, META, Content)
        if mistake := told.line.mistake():
            raise BundleError(f"{META} holds {mistake}")
        if list(told.kinds) != list(told.line.weights):
            raise BundleError(f"{META} weighs {list(told.line.weights)} and tells the kinds of {list(told.kinds)}")
        parts = []
        for name, kind in told.kinds.items():
            if kind == cls.kind:
                raise BundleError(f"the part {name!r} is a stack itself")
            begins = f"{PART}{name}."
            own = {file.removeprefix(begins): data for file, data in files.items() if file.startswith(begins)}
            parts.append((name, read(kind, own, begins)))
        return cls(tuple(parts), told.line)
