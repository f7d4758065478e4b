"""The first parse of an ONNX model, in a process that may die of it.

An ONNX file can name operators of foreign libraries, files elsewhere, and graphs within graphs. So the child reads it
with protobuf alone, lets pass what is on the lists below and nothing else, then loads and runs it with ONNX Runtime,
and only then this process does. The child is this very file run as a script: it imports numpy, onnx and onnxruntime.
"""

import contextlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SECONDS = 60.0
"""How long a child may take before it counts as hung."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a model: a hundred times those of 120 trees of 31 leaves."""
MOST_MEMORY = 4 * 1024**3
"""Bytes of addresses that the child may ask for; most of them it never touches."""
MOST_NODES = 100
"""Of a graph: trees take five, a network of the most layers and factors some seventy."""
PACKAGES = ("numpy", "onnx", "onnxruntime", "google.protobuf", "ml_dtypes", "typing_extensions")
"""What the child must be able to import."""
INPUT, PROBABILITY, MARGIN = "x", "probability", "margin"
"""The names of a graph's input, (n, d) float32, and of its outputs, (n, 1); the margin may be left out."""
IR_VERSION = 10
OPSETS = {"": 21, "ai.onnx.ml": 5}
"""The version of the format and of the operators, by domain; ONNX's own is the empty one."""
OPERATORS = {("", name) for name in ("Add", "Cast", "MatMul", "Relu", "Sigmoid")} | {("ai.onnx.ml", "TreeEnsemble")}
"""Every operator that a graph may have. None reads a file, runs another graph, or loops."""
FIELDS = {
    "ModelProto": {"ir_version", "producer_name", "opset_import", "graph"},
    "OperatorSetIdProto": {"domain", "version"},
    "GraphProto": {"name", "node", "initializer", "input", "output"},
    "NodeProto": {"name", "domain", "op_type", "input", "output", "attribute"},
    "AttributeProto": {"name", "type", "i", "ints", "t"},
    "TensorProto": {"name", "dims", "data_type", "raw_data"},
    "ValueInfoProto": {"name", "type"},
    "TypeProto": {"tensor_type"},
    "Tensor": {"elem_type", "shape"},
    "TensorShapeProto": {"dim"},
    "Dimension": {"dim_value", "dim_param"},
}
"""By message, all that may be said: no external data, functions, subgraphs, metadata or training."""
NUMBERS = {1: "<f4", 2: "u1", 11: "<f8"}
"""NumPy's types of the numbers that a tensor may hold, by TensorProto's FLOAT, UINT8 and DOUBLE."""
SPLITS, MEMBERS = "splits", "members"
"""The tensors that are compared with, not computed with: the second may hold NaN, which ends a set of categories."""
LARGEST_NUMBER = 1e30
"""No sum of so many as a file holds is infinite in float32."""
WIDEST = 4096
"""The most numbers a row may become on its way, unless it has more to begin with."""
WIDEST_INPUT = 3.4028234663852886e38
"""The largest float32, and so the largest magnitude of a row's numbers."""


class ParseError(ValueError):
    """Bytes that are no ONNX model of the expected shape."""


def parse_in_child(model: bytes, *, features: int) -> None:
    """Check, load and run the model in a child; raises ParseError unless it gives probabilities.

    Parameters
    ----------
    model
        The bytes of model.onnx.
    features
        How many columns a row has.
    """
    if len(model) > LARGEST:
        raise ParseError(f"the ONNX model has {len(model)} bytes; at most {LARGEST} are read")
    command = [sys.executable, "-I", "-S", __file__, str(features), *_folders()]
    try:
        child = subprocess.run(
            command, input=model, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ParseError(f"the ONNX model was not parsed within {SECONDS:g} s") from error
    if child.returncode == REFUSED:
        raise ParseError(child.stderr.decode(errors="replace").strip())
    if child.returncode != 0:
        raise ParseError(f"the ONNX model does not load to a model of {features} features (exit {child.returncode})")


REFUSED = 3
"""The child's exit where it says itself, on standard error, what is wrong."""


def _folders() -> list[str]:
    """Return where the packages lie that the child imports, without importing them here."""
    found = dict[str, None]()
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            depth = name.count(".") + (1 if Path(spec.origin).name.startswith("__init__") else 0)
            found[str(Path(spec.origin).parents[depth])] = None
    return list(found)


def check_model(data: bytes, *, features: int) -> None:
    """Raise ParseError unless the bytes are a model as it is written here; needs onnx, but not onnxruntime."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import ModelProto

    try:
        model = ModelProto.FromString(data)
    except DecodeError as error:
        raise ParseError("these bytes are no ONNX model") from error
    _check_fields(model)
    model.DiscardUnknownFields()
    if model.SerializeToString(deterministic=True) != data:
        raise ParseError("the ONNX model holds bytes that onnx would not write: what is not read, or is said twice")
    versions = {one.domain: one.version for one in model.opset_import}
    if model.ir_version != IR_VERSION or any(OPSETS.get(name) != version for name, version in versions.items()):
        raise ParseError(
            f"the ONNX model is of version {model.ir_version} with {versions}; read: {IR_VERSION}, {OPSETS}"
        )
    _check_graph(model.graph, features)


def _check_fields(message: Any) -> None:
    """Raise unless a message, and all within it, say only what is on the list."""
    kind = message.DESCRIPTOR.name
    for field, value in message.ListFields():
        if field.name not in FIELDS.get(kind, ()):
            raise ParseError(f"the ONNX model says {field.name!r} in a {kind}, which is not read")
        if field.message_type is not None:
            for one in [value] if hasattr(value, "ListFields") else value:
                _check_fields(one)


def _check_graph(graph: Any, features: int) -> None:
    """Raise unless a graph turns (n, features) numbers into probabilities by known operators of bounded size."""
    if not 0 < len(graph.node) <= MOST_NODES:
        raise ParseError(f"the ONNX graph has {len(graph.node)} nodes; at least 1 and at most {MOST_NODES} are read")
    for node in graph.node:
        if (node.domain, node.op_type) not in OPERATORS:
            known = ", ".join(sorted(name for _, name in OPERATORS))
            raise ParseError(f"the ONNX graph has the operator {node.domain}:{node.op_type}; allowed: {known}")
    outputs = [one.name for one in graph.output]
    if [one.name for one in graph.input] != [INPUT] or outputs not in ([PROBABILITY], [PROBABILITY, MARGIN]):
        raise ParseError(f"the ONNX graph gives {outputs}; it must give {PROBABILITY!r}, and may give {MARGIN!r}, of x")
    shape = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    if shape != [0, features]:
        raise ParseError(f"the ONNX graph takes rows of the shape {shape}; it must be [any, {features}]")
    for tensor in graph.initializer:
        _check_tensor(tensor, most=max(features, WIDEST))
        if len(tensor.dims) > 2:  # noqa: PLR2004 - a matrix
            raise ParseError(f"the ONNX graph computes with numbers of the shape {list(tensor.dims)}, no matrix")
    for attribute in (one for node in graph.node for one in node.attribute if one.HasField("t")):
        _check_tensor(attribute.t, most=LARGEST)
    _check_finite(graph)


def _check_tensor(tensor: Any, *, most: int) -> None:
    """Raise unless a tensor holds as many numbers as its shape says, not more than so many, and sound ones."""
    import numpy as np

    count = 1
    for size in tensor.dims:
        count *= size
        if not 0 < size <= most or count > LARGEST:
            raise ParseError(f"the ONNX graph holds numbers of the shape {list(tensor.dims)}; at most {most} are read")
    kind = np.dtype(NUMBERS.get(tensor.data_type, "V1"))
    if kind.kind == "V" or len(tensor.raw_data) != count * kind.itemsize:
        raise ParseError(f"the ONNX graph holds {len(tensor.raw_data)} bytes of {count} numbers")
    numbers = np.frombuffer(tensor.raw_data, kind)
    compared = tensor.name in {SPLITS, MEMBERS}
    sound = np.isfinite(numbers) if compared else np.abs(numbers) <= LARGEST_NUMBER
    if not (sound | np.isnan(numbers) if tensor.name == MEMBERS else sound).all():
        raise ParseError(f"the ONNX graph holds, as {tensor.name!r}, what is no number or one beyond all sense")


def _check_finite(graph: Any) -> None:
    """Raise unless each step's result is finite whatever a row is; what is multiplied by or added is held numbers."""
    import numpy as np

    held = {one.name: np.frombuffer(one.raw_data, NUMBERS[one.data_type]) for one in graph.initializer}
    shapes = {one.name: tuple(one.dims) for one in graph.initializer}
    widest = {INPUT: WIDEST_INPUT}
    for node in graph.node:
        bound, most = widest.get(node.input[0] if node.input else "", np.inf), np.finfo(np.float64).max
        if node.op_type in {"MatMul", "Add"}:
            by = held.get(node.input[1]) if len(node.input) > 1 else None
            if by is None or by.dtype.kind != "f":
                raise ParseError(f"the ONNX graph has a {node.op_type} by other numbers than those that it holds")
            number = np.abs(by.astype(np.float64)).reshape(shapes[node.input[1]])
            most = np.finfo(by.dtype).max
            with np.errstate(over="ignore"):
                bound = bound + number.max() if node.op_type == "Add" else bound * number.sum(axis=0).max()
        if node.op_type == "TreeEnsemble":
            bound = LARGEST_NUMBER * LARGEST  # more leaves a file cannot hold
        if not bound <= most:
            raise ParseError(f"the ONNX graph has a {node.op_type} whose result may not be finite")
        widest.update(dict.fromkeys(node.output, bound))


def main(features: int) -> None:
    """Raise unless the model on standard input gives probabilities for a row of zeros and one of ones."""
    os.putenv("OPENBLAS_NUM_THREADS", "1")  # else numpy asks for memory by the processor
    with contextlib.suppress(ImportError, ValueError):
        import resource  # absent on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    model = sys.stdin.buffer.read()
    check_model(model, features=features)
    import numpy as np

    rows = np.repeat(np.arange(2, dtype=np.float32)[:, None], features, axis=1)
    running = session(model)
    for count in (1, 2):
        for name, found in zip((PROBABILITY, MARGIN), running.run(None, {INPUT: rows[:count]}), strict=False):
            if found.shape != (count, 1) or not np.isfinite(found).all():
                raise ParseError(
                    f"the ONNX model gives a {name} of shape {found.shape} for {count} rows, or no finite one"
                )
            if name == PROBABILITY and not ((found >= 0) & (found <= 1)).all():
                raise ParseError("the ONNX model gives probabilities outside [0, 1]")


def session(model: bytes) -> Any:
    """Return ONNX Runtime's session of a model: one thread, the graph run as it is written, nothing said or sent."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False  # else one large table is held for ever
    options.log_severity_level = 4  # fatal: what it says of a broken model goes nowhere else
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    sys.path.extend(sys.argv[2:])
    try:
        main(int(sys.argv[1]))
    except ParseError as refusal:
        sys.stderr.write(str(refusal))
        sys.exit(REFUSED)
