"""ONNX export: a model that other runtimes and languages can run, checked against the one it was made of."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.onnx_graphs import to_onnx
from mlsys_assets.models.onnx_first_parse import ParseError, check_model
from mlsys_assets.models.onnx_predictor import OnnxPredictor
from mlsys_assets.models.predictor import Predictor

MOST_ROWS = 50_000
"""Training rows, evenly spaced, that both models score: two seconds of 120 trees."""


@dataclass(frozen=True)
class OnnxExport:
    """The same model as an ONNX graph.

    Rows are float32, so thresholds lose nothing: each becomes the largest float32 not above it, and every row goes
    the way it went. In double precision leaves are summed as LightGBM sums them, and all that may differ is the last
    bit of the logistic function; in single precision margins differ by some 1e-6, for a third fewer bytes.

    Parameters
    ----------
    tolerance
        By how much a probability of a training row may differ; more, and the export fails.
    double
        Whether the graph computes in float64.
    """

    tolerance: float = 1e-6
    double: bool = True

    @property
    def name(self) -> str:
        """The format, and the precision where it is not the model's own."""
        return "onnx" if self.double else "onnx_single"

    def kind_of(self, kind: str) -> str:
        """Return the kind of a graph, whatever it is made of."""
        return OnnxPredictor.kind

    def mistakes(self) -> list[str]:
        """Return a tolerance that nothing meets, or anything, and a precision that is none."""
        found = out_of_range("ONNX export: tolerance", self.tolerance, above=0, most=1)
        return found + not_one("ONNX export: double", self.double, bool)

    def compress(self, predictor: Predictor, train: Train, *, seed: int, threads: int) -> Predictor:
        """Return the graph; raises FitError for a model that is none, and where a probability differs too much."""
        require_train(train, what="ONNX export")
        made = to_onnx(predictor, double=self.double)
        try:
            check_model(made.model, features=len(made.preprocessing.names))
        except ParseError as error:
            raise FitError(f"the exported model would be refused when it is read: {error}") from error
        seen = train.take(np.unique(np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).astype(np.intp)))
        before, after = (one.predict(seen.features, threads=threads) for one in (predictor, made))
        largest = float(np.abs(before - after).max(initial=0.0))
        if not largest <= self.tolerance:
            raise FitError(
                f"the exported model differs by {largest:.3g} in a probability of {len(seen)} training rows; at most "
                f"{self.tolerance:g} is allowed: export in double precision, or allow more"
            )
        return made
