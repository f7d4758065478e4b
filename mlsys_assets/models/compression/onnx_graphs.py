"""Models as ONNX graphs: one function for each kind of predictor that can be one.

onnxmltools writes Boosters too: in single precision, with thresholds rounded to the nearest float32, where a row that
lies between the two goes the other way; in four times the bytes, since it takes each category for a split of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.booster_text import (
    DEFAULT_LEFT,
    MISSING_NAN,
    MISSING_ZERO,
    BoosterText,
    Tree,
)
from mlsys_assets.models.booster_trees import CATEGORICAL
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compact_linear_predictor import CompactLinearPredictor
from mlsys_assets.models.linear_predictor import WIDEST_INPUT, LinearPredictor
from mlsys_assets.models.margin_predictor import MarginPredictor
from mlsys_assets.models.mlp_predictor import MlpPredictor
from mlsys_assets.models.onnx_first_parse import INPUT, IR_VERSION, MARGIN, MEMBERS, OPSETS, PROBABILITY, SPLITS
from mlsys_assets.models.onnx_predictor import OnnxPredictor
from mlsys_assets.models.predictor import Predictor

LOGISTIC = frozenset({"binary sigmoid:1", "cross_entropy"})
"""Objectives of a Booster whose score is the logistic function of its margin."""
ZERO = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold."""
MEAN, SUM = 0, 1
"""TreeEnsemble's aggregate functions."""
AT_MOST, MEMBER = 0, 6
"""TreeEnsemble's modes of a split: BRANCH_LEQ, and BRANCH_MEMBER of a set."""


@singledispatch
def to_onnx(predictor: Predictor, *, double: bool) -> OnnxPredictor:
    """Return the model as an ONNX graph; raises FitError for a kind that no function is registered for.

    A kind is added by ``@to_onnx.register``. What a graph needs beyond the operators that are read so far is added to
    ``onnx_first_parse.OPERATORS``, once it is known what a hostile one of them could do.

    Parameters
    ----------
    predictor
        The model.
    double
        Whether the graph computes in float64, as LightGBM and NumPy do, or in float32, in fewer bytes.
    """
    precision = "double" if double else "single"
    raise FitError(
        f"a model of kind {predictor.kind!r} is not written as ONNX in {precision} precision; export the one within"
    )


@to_onnx.register
def _booster(predictor: BoosterPredictor, *, double: bool) -> OnnxPredictor:
    text = BoosterText.of(predictor.text)
    if text.objective not in LOGISTIC:
        raise FitError(f"a Booster of the objective {text.objective!r} is not written as ONNX; known: {set(LOGISTIC)}")
    graph = _Graph(len(predictor.preprocessing.names), double)
    _trees(graph, text)
    return OnnxPredictor(predictor.preprocessing, graph.bytes())


@to_onnx.register
def _margin(predictor: MarginPredictor, *, double: bool) -> OnnxPredictor:
    graph = _Graph(len(predictor.preprocessing.names), double)
    graph.add(_trees(graph, BoosterText.of(predictor.text)), predictor.start)
    return OnnxPredictor(predictor.preprocessing, graph.bytes())


@to_onnx.register
def _linear(predictor: LinearPredictor, *, double: bool) -> OnnxPredictor:
    if not double:
        raise FitError(
            "a linear model is not written in single precision: sums of float32 are not its, and few bytes are saved"
        )
    graph = _Graph(len(predictor.preprocessing.names), double)
    weights = graph.hold("weights", predictor.weights[:, None])
    graph.add(graph.node("MatMul", [graph.rows, weights], "product"), predictor.intercept)
    return OnnxPredictor(predictor.preprocessing, graph.bytes())


@to_onnx.register
def _compact(predictor: CompactLinearPredictor, *, double: bool) -> OnnxPredictor:
    return to_onnx(predictor.linear, double=double)


@to_onnx.register
def _network(predictor: MlpPredictor, *, double: bool) -> OnnxPredictor:
    if not double:
        raise FitError("a network is not written in single precision: sums of float32 are not its, and may be infinite")
    graph = _Graph(len(predictor.preprocessing.names), double)
    at = graph.rows
    for i, layer in enumerate(predictor.layers):
        at = graph.node("Relu", [at], f"rectified{i}") if i else at
        for j, factor in enumerate(layer.factors):
            at = graph.node("MatMul", [at, graph.hold(f"weights{i}.{j}", factor.dense)], f"product{i}.{j}")
        at = graph.node("Add", [at, graph.hold(f"bias{i}", layer.bias)], f"sum{i}")
    return OnnxPredictor(predictor.preprocessing, graph.bytes())


def floor32(number: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest float32 not above each number: a float32 is at most the one just if it is at most the other.

    >>> floor32(np.array([0.1, 0.5])).tolist()
    [0.09999999403953552, 0.5]
    """
    with np.errstate(over="ignore"):
        nearest = number.astype(np.float32)
    below = np.where(nearest > number, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    return np.clip(below.astype(np.float64), -WIDEST_INPUT, WIDEST_INPUT)  # LightGBM's may be infinite


def border(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest float32 that LightGBM sends left at each threshold: it takes all within ±ZERO for 0."""
    low = np.where((threshold >= -ZERO) & (threshold < 0), np.nextafter(-ZERO, -np.inf), threshold)
    return floor32(np.where((threshold >= 0) & (threshold < ZERO), ZERO, low))


@dataclass
class _Graph:
    """A graph as it grows. Names are those of its steps, so that equal models give equal bytes."""

    features: int
    double: bool
    nodes: list[Any] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)

    @property
    def kind(self) -> int:
        """TensorProto's data type of what is computed."""
        from onnx import TensorProto

        return int(TensorProto.DOUBLE if self.double else TensorProto.FLOAT)

    def tensor(self, name: str, numbers: NDArray[np.generic]) -> Any:
        """Return numbers as ONNX holds them: floats in the graph's precision, others as they are."""
        from onnx import numpy_helper

        own = np.float64 if self.double else np.float32
        return numpy_helper.from_array(numbers.astype(own) if numbers.dtype.kind == "f" else numbers, name)

    def hold(self, name: str, numbers: NDArray[np.generic]) -> str:
        """Keep numbers in the graph and return their name."""
        self.held.append(self.tensor(name, numbers))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Add a step and return the name of what it gives."""
        from onnx import helper

        domain = attributes.pop("domain", "")
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    @property
    def rows(self) -> str:
        """The name of the rows in the graph's precision."""
        if self.double and not self.nodes:
            self.node("Cast", [INPUT], "rows", to=self.kind)
        return "rows" if self.double else INPUT

    def add(self, margin: str, constant: float) -> None:
        """Add a number to the margin."""
        self.node("Add", [margin, self.hold("start", np.array([constant]))], "sum")

    def bytes(self) -> bytes:
        """Return the model that gives the logistic function of the last step, and that step as the margin."""
        from onnx import TensorProto, helper

        self.nodes[-1].output[0] = MARGIN
        self.node("Sigmoid", [MARGIN], PROBABILITY)
        given = [helper.make_tensor_value_info(name, self.kind, ["n", 1]) for name in (PROBABILITY, MARGIN)]
        taken = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", self.features])
        graph = helper.make_graph(self.nodes, "model", [taken], given, self.held)
        used = {node.domain for node in self.nodes}
        opsets = [helper.make_opsetid(name, version) for name, version in OPSETS.items() if name in used]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="mlsys")
        written: bytes = model.SerializeToString(deterministic=True)
        return written


def _trees(graph: _Graph, text: BoosterText) -> str:
    """Add all trees as one TreeEnsemble and return the name of what it gives."""
    found = _Ensemble()
    for tree in text.trees:
        found.add(tree)
    own = {
        "tree_roots": found.roots, "nodes_featureids": found.features, "nodes_modes": _bytes(graph, found.modes),
        "nodes_splits": graph.tensor(SPLITS, border(np.array(found.splits))),
        "nodes_truenodeids": found.left, "nodes_trueleafs": found.left_leaf,
        "nodes_falsenodeids": found.right, "nodes_falseleafs": found.right_leaf,
        "nodes_missing_value_tracks_true": found.missing_left,
        "leaf_weights": graph.tensor("weights", np.array(found.values)), "leaf_targetids": [0] * len(found.values),
        "n_targets": 1, "aggregate_function": MEAN if text.averaged else SUM, "post_transform": 0,
    }  # fmt: skip
    if found.members:
        own["membership_values"] = graph.tensor(MEMBERS, np.array(found.members, dtype=np.float64))
    return graph.node("TreeEnsemble", [graph.rows], "trees", domain="ai.onnx.ml", **own)


def _bytes(graph: _Graph, modes: Iterable[int]) -> Any:
    return graph.tensor("modes", np.array(modes, dtype=np.uint8))


@dataclass
class _Ensemble:
    """The attributes of a TreeEnsemble: all trees' splits one after another, and all their leaves."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    left_leaf: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    right_leaf: list[int] = field(default_factory=list)
    missing_left: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    """The categories of each split by category, NaN after each of them."""
    values: list[float] = field(default_factory=list)

    def add(self, tree: Tree) -> None:
        """Add a tree; one of a single leaf becomes a split that leads to it on both sides."""
        first, first_leaf = len(self.features), len(self.values)
        self.roots.append(first)
        self.values += tree.numbers("leaf_value").tolist()
        if tree.leaves == 1:
            self._split(0, AT_MOST, 0.0, missing_left=True)
            self._children(-1, -1, first, first_leaf)
        decisions = tree.integers("decision_type").tolist()
        thresholds = tree.numbers("threshold").tolist()
        left, right = tree.integers("left_child").tolist(), tree.integers("right_child").tolist()
        for n, feature in enumerate(tree.integers("split_feature").tolist()):
            if decisions[n] & CATEGORICAL:
                self.members += [*tree.categories(n), np.nan]
                self._split(feature, MEMBER, 0.0, missing_left=False)
            else:
                self._split(feature, AT_MOST, thresholds[n], missing_left=_missing_left(decisions[n], thresholds[n]))
            self._children(left[n], right[n], first, first_leaf)

    def _split(self, feature: int, mode: int, threshold: float, *, missing_left: bool) -> None:
        self.features.append(feature)
        self.modes.append(mode)
        self.splits.append(threshold)
        self.missing_left.append(int(missing_left))

    def _children(self, left: int, right: int, first: int, first_leaf: int) -> None:
        """Add where a split leads: to another split, counted from the tree's first, or to a leaf, counted so too."""
        for child, place, leaf in ((left, self.left, self.left_leaf), (right, self.right, self.right_leaf)):
            place.append(first + child if child >= 0 else first_leaf + ~child)
            leaf.append(int(child < 0))


def _missing_left(decision: int, threshold: float) -> bool:
    """Return whether LightGBM sends NaN left at a split by number."""
    missing = decision >> 2 & 3
    if missing == MISSING_ZERO:
        raise FitError("a Booster that takes 0 for missing (zero_as_missing) is not written as ONNX")
    if missing == MISSING_NAN:
        return bool(decision & DEFAULT_LEFT)
    return threshold >= 0.0  # no value was missing in training: NaN counts as 0
