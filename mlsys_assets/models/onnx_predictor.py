"""An ONNX model as files: fitted preprocessing and a graph of allow-listed operators, run by ONNX Runtime alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.onnx_first_parse import INPUT, MARGIN, PROBABILITY, ParseError, parse_in_child, session
from mlsys_assets.models.predictor import BundleError, Rows, decode

MODEL = "model.onnx"
BLOCK: Final = 1024
"""Rows run at a time: what a graph holds on its way is so many times its widest step."""


@dataclass(frozen=True, eq=False)
class OnnxPredictor:
    """The graph's probability of the rows as the preprocessing gives them.

    Where the graph gives the margin too, the probability is its logistic function as it is taken everywhere here:
    ONNX Runtime's own differs in the last bit between a row alone and the same row in a table.
    """

    preprocessing: Preprocessing
    model: bytes
    kind: str = "onnx"

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> NDArray[np.float64]:
        """Return (n,) probabilities; one thread computes them, whatever ``threads`` says."""
        matrix = self.preprocessing.transform(rows)
        running, wanted = self._session
        blocks = [matrix[start : start + BLOCK] for start in range(0, len(matrix), BLOCK)] or [matrix]
        found = np.concatenate([running.run([wanted], {INPUT: one})[0][:, 0].astype(np.float64) for one in blocks])
        return logistic(found) if wanted == MARGIN else found

    @cached_property
    def _session(self) -> tuple[Any, str]:
        """The loaded graph, and the output that is read of it."""
        running = session(self.model)
        given = [one.name for one in running.get_outputs()]
        return running, MARGIN if MARGIN in given else PROBABILITY

    def contents(self) -> dict[str, bytes]:
        """Return the preprocessing and the graph."""
        return {"preprocessing.json": self.preprocessing.to_json(), MODEL: self.model}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "OnnxPredictor":
        """Read what ``contents`` wrote, the graph in a child process first; raises BundleError."""
        preprocessing = decode(files, "preprocessing.json", Preprocessing)
        if MODEL not in files:
            raise BundleError(f"the bundle lacks {MODEL}; it has {sorted(files)}")
        try:
            parse_in_child(files[MODEL], features=len(preprocessing.names))
        except ParseError as error:
            raise BundleError(f"{MODEL} is not what was written: {error}") from error
        return cls(preprocessing, files[MODEL])
