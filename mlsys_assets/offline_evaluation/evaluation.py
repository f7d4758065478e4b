"""How well a model did on rows it never saw: metrics with intervals, as a whole and by slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import View
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, estimate, on_record, require_rows
from mlsys_assets.measures.metrics import Floats, Metric
from mlsys_assets.offline_evaluation.slicing.slices import Slicing


@dataclass(frozen=True)
class Evaluation:
    """One model on one test.

    Parameters
    ----------
    model, model_hash
        The candidate and the content it was.
    split, data_hash
        The test and the rows it was.
    whole
        Metric name to estimate.
    slices
        Slice and value ("origin=EWR") to metric name to estimate.
    """

    model: str
    model_hash: str
    split: str
    data_hash: str
    whole: Mapping[str, Estimate]
    slices: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it; NaN becomes null."""
        return {
            "model_hash": self.model_hash,
            "data_hash": self.data_hash,
            "whole": {name: e.as_dict() for name, e in self.whole.items()},
            "slices": {g: {name: e.as_dict() for name, e in found.items()} for g, found in self.slices.items()},
        }

    @classmethod
    def from_dict(cls, model: str, split: str, found: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation of ``model`` on ``split`` that ``as_dict`` gave."""
        whole = {name: Estimate.from_dict(e) for name, e in found["whole"].items()}
        slices = {g: {name: Estimate.from_dict(e) for name, e in part.items()} for g, part in found["slices"].items()}
        return cls(model, found["model_hash"], split, found["data_hash"], whole, slices)

    def metrics(self) -> dict[str, float]:
        """Return every sufficient estimate's value by "split metric" and "split slice metric", as logged."""
        found = {f"{self.split} {name}": on_record(e.value) for name, e in self.whole.items() if e.sufficient}
        for group, estimates in self.slices.items():
            found |= {
                f"{self.split} {group} {name}": on_record(e.value) for name, e in estimates.items() if e.sufficient
            }
        return found


@dataclass(frozen=True)
class Evaluator:
    """What is measured of every model alike: the same rows, the same draws.

    Parameters
    ----------
    metrics
        All of them for the whole; the first, which decides, for each slice.
    slices
        The groups.
    seed
        Of the bootstrap.
    support
        What must be there before a number is believed.
    """

    metrics: Sequence[Metric]
    slices: Sequence[Slicing] = ()
    seed: int = 0
    support: Support = field(default_factory=Support)

    def evaluate(self, test: View, scores: Floats, *, model: str, hashes: tuple[str, str], split: str) -> Evaluation:
        """Return the evaluation of ``scores``; ``hashes`` are the model's and the rows'.

        Raises ValueError for scores that are not finite probabilities of the test's rows.
        """
        require_rows(test.label, scores, what=f"{model} on {split}")
        order = np.argsort(-scores, kind="stable")  # once, for every metric and slice
        weights = bootstrap(day_blocks(test.at, length=self.support.block), seed=self.seed).of(order)
        label, score = test.label[order], scores[order]
        whole = {m.name: estimate(m, label, score, weights=weights, support=self.support) for m in self.metrics}
        slices = {}
        for name, rows in groups_of(self.slices, test.features).items():
            mine = rows[order]
            part = weights.of(mine)
            found = estimate(self.metrics[0], label[mine], score[mine], weights=part, support=self.support)
            slices[name] = {self.metrics[0].name: found}
        return Evaluation(model, hashes[0], split, hashes[1], whole, slices)


def groups_of(slices: Sequence[Slicing], features: pa.Table) -> dict[str, NDArray[np.bool_]]:
    """Return (n,) which rows are of each slice and value, as ``origin=EWR``."""
    return {f"{one.name}={group}": rows for one in slices for group, rows in one.groups(features)}


def score_schema(key: str, at: str) -> pa.Schema:
    """Return the schema of the table that keeps test scores, one row for each model and test row."""
    text = [pa.field(name, pa.string(), nullable=False) for name in ("model", "model_hash", "split", "data_hash", key)]
    moment = pa.field(at, pa.timestamp("us", tz="UTC"), nullable=False)
    numbers = [pa.field(name, pa.float64(), nullable=False) for name in ("label", "score")]
    return pa.schema([*text, moment, *numbers])
