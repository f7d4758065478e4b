"""A fitted scikit-learn estimator as bytes: a skops file in one canonical form, checked whole before anything is made.

skops decides by types, read from the file's ``schema.json``, and follows what it trusts. Here more is asked of a
file first, by plain reading: that it is exactly what this module would write; that every kind of node and every
type stands in ``trusted_types``; that nothing in it lies unread; and that no array is larger than its bytes.
"""

import copy
import io
import json
import math
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.trusted_types import TRUSTED

SCHEMA: Final = "schema.json"
PROTOCOL: Final = 2
"""Of skops' files; what older ones mean is decided by older and laxer code, which a file could ask for."""
MOST_MEMBERS: Final = 100_000
"""Arrays in a file: a forest of a thousand trees has some ten thousand."""
LARGEST_SCHEMA: Final = 64 * 1024 * 1024
"""Bytes of the part that is parsed as JSON, which takes ten times as much memory as bytes."""
MOST_OF_TREE: Final = 1_000_000
"""Features, classes or outputs of one tree."""
PADDING: Final = b"('', '|V"
"""How NumPy writes of bytes that belong to no field."""
LONGEST_HEADER: Final = 10_000
"""Bytes, as in NumPy."""
WRITTEN: Final = (1980, 1, 1, 0, 0, 0)
"""The date of each member: the earliest that a zip file can have."""

Node: TypeAlias = dict[str, Any]
"""One object of the schema; of ``Any``, as JSON is."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "DictNode": ("content", "key_types"), "DTypeNode": ("content",), "FunctionNode": (),
    "JsonNode": ("content", "is_json"), "ListNode": ("content",), "LossNode": ("content", "__reduce__"),
    "NdArrayNode": ("type", "file", "content", "shape"), "ObjectNode": ("content",),
    "RandomGeneratorNode": ("content",), "RandomStateNode": ("content",), "SliceNode": ("content",),
    "TreeNode": ("content", "__reduce__"), "TupleNode": ("content",), "TypeNode": (),
}  # fmt: skip
"""What a node of each kind may say beside its kind, its type and its number."""
OF_ALL: Final = ("__class__", "__module__", "__loader__", "__id__")
LEAVES: Final = frozenset({"FunctionNode", "JsonNode", "TypeNode"})
"""Values that cannot change: that two of them are one object means nothing, and differs from process to process."""


class UntrustedType(BundleError):
    """A file that names types that are not trusted."""


def write_estimator(estimator: object) -> bytes:
    """Return a fitted estimator as a file; equal ones give equal bytes, in every process.

    Raises UntrustedType for one that could not be read again.
    """
    from skops.io import dumps

    members = _members(dumps(estimator))
    schema = json.loads(members.pop(SCHEMA))
    root = {key: value for key, value in schema.items() if key not in {"protocol", "_skops_version"}}
    places = _canonical(root)
    arrays = {new: _filled(members[old]) for old, new in places.items()}
    check_node(root, arrays)
    text = json.dumps({**root, "protocol": PROTOCOL}, separators=(",", ":")).encode()
    return _zipped({SCHEMA: text, **arrays})


def read_estimator(data: bytes) -> Any:
    """Return the estimator that ``write_estimator`` wrote; raises BundleError, and makes nothing, of anything else.

    What its arrays hold is not looked at here: see ``estimator_soundness``.
    """
    check_file(data)
    from sklearn.exceptions import InconsistentVersionWarning
    from skops.io import loads

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return loads(data, trusted=sorted(set[str]().union(*TRUSTED.values())))
    except Exception as error:
        raise BundleError(f"the estimator is not what was written: {type(error).__name__}: {error}") from error


def check_file(data: bytes) -> None:
    """Raise BundleError unless a file is one that ``write_estimator`` writes; it is read, and nothing is made."""
    try:
        members = _members(data)
        if _zipped(members) != data:
            raise BundleError("the estimator's file is not laid out as it was written")
        schema = json.loads(members.pop(SCHEMA))
        protocol = schema.pop("protocol")
        if type(protocol) is not int or protocol != PROTOCOL:
            raise BundleError(f"the estimator's file is of skops' protocol {protocol!r}; {PROTOCOL} is read")
        check_node(schema, members)
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(f"the estimator's file is not what was written: {type(error).__name__}: {error}") from error


def check_node(root: Node, arrays: Mapping[str, bytes]) -> None:
    """Raise BundleError unless a node and all below it are sound and trusted, and read each of the arrays once."""
    nodes = list(_below(root))
    foreign = {f"{_type(node)} as {node['__loader__']}" for node in nodes if not _is_trusted(node)}
    if foreign:
        raise UntrustedType(f"these types are not trusted: {', '.join(sorted(foreign))}")
    numbered: dict[int, Node] = {}
    readers: dict[str, list[object]] = {}
    for node in nodes:
        kind, number = node["__loader__"], node.get("__id__")
        if more := set(node) - {*OF_ALL, *KEYS[kind]}:
            raise BundleError(f"a {kind} of the estimator says {sorted(more)}, which nothing reads")
        if number is not None and (type(number) is not int or numbered.setdefault(number, node) != node):
            raise BundleError(f"two nodes of the estimator have the number {number!r} and are not the same")
        if "file" in node:
            readers.setdefault(node["file"], []).append(number)
        if kind in CHECKS:
            CHECKS[kind](node, arrays)
    for file, numbers in readers.items():
        if len(numbers) > 1 and (len(set(numbers)) > 1 or None in numbers):
            raise BundleError(f"{file!r} is read by {len(numbers)} nodes of the estimator")
    if set(arrays) != set(readers):
        raise BundleError(f"nothing in the estimator reads {sorted(set(arrays) - set(readers))}")


def _type(node: Node) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def _is_trusted(node: Node) -> bool:
    return _type(node) in TRUSTED.get(node["__loader__"], ())


def _below(root: Node) -> Iterator[Node]:
    """Yield a node and all below it, parents first; below a node of unknown kind nothing is known."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(_children(node))


def _children(node: Node) -> list[Node]:
    """Return the nodes that stand in a node."""
    content: Any = node.get("content")
    match node["__loader__"]:
        case "ListNode" | "TupleNode":
            found = list(content)
        case "DictNode":
            found = [node["key_types"], *content.values()]
        case "ObjectNode" if "content" not in node:
            found = []
        case "ObjectNode" | "DTypeNode" | "RandomStateNode":
            found = [content]
        case "NdArrayNode" if node["type"] == "json":
            found = [*content, node["shape"]]
        case "TreeNode" | "LossNode":
            found = [node["__reduce__"]["args"], content]
        case "RandomGeneratorNode":
            found = [content["bit_generator"], content["seed_seq"]]
        case _:
            found = []
    return found


def _canonical(root: Node) -> dict[str, str]:
    """Give nodes and arrays numbers in their order, in place; return each array's new name by its old one.

    skops numbers by addresses in memory. A number is kept where two nodes stand for one object that can change;
    skops reads the first of them only, and what it writes of the second can differ, which here it does not.
    """
    first, waiting = dict[int, Node](), [root]
    while waiting:
        node = waiting.pop()
        known = first.setdefault(node["__id__"], node)
        if known is node or node["__loader__"] in LEAVES:
            waiting += reversed(_children(node))
        else:
            node.update(copy.deepcopy(known))
    counts = Counter(node["__id__"] for node in _below(root) if node["__loader__"] not in LEAVES)
    numbers, names = dict[int, int](), dict[str, str]()
    for node in _below(root):
        own = node.pop("__id__")
        if counts[own] > 1 and node["__loader__"] not in LEAVES:
            node["__id__"] = numbers.setdefault(own, len(numbers) + 1)
        if node["__loader__"] == "NdArrayNode" and "file" in node:
            node["file"] = names.setdefault(node["file"], f"{len(names)}.npy")
    return names


def _members(data: bytes) -> dict[str, bytes]:
    """Return a zip file's members by name; raises BundleError for more than its bytes can hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        listed = file.infolist()
        if len(listed) > MOST_MEMBERS or len({one.filename for one in listed}) < len(listed):
            raise BundleError(f"the estimator's file lists {len(listed)} members, too many or one twice")
        if any(one.compress_type != zipfile.ZIP_STORED for one in listed):
            raise BundleError("the estimator's file holds compressed members; it is written without compression")
        if sum(one.file_size for one in listed) > len(data):
            raise BundleError("the estimator's file says that it holds more bytes than it has")
        if any(one.filename == SCHEMA and one.file_size > LARGEST_SCHEMA for one in listed):
            raise BundleError(f"{SCHEMA} is larger than the {LARGEST_SCHEMA} bytes that are read")
        return {one.filename: file.read(one) for one in listed}


def _zipped(members: Mapping[str, bytes]) -> bytes:
    """Return members as a zip file whose bytes depend on nothing else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name, WRITTEN), content)
    return buffer.getvalue()


def _filled(array: bytes) -> bytes:
    """Return an array's bytes with zeros between its fields: a tree that was read has other memory there."""
    if PADDING not in array[:LONGEST_HEADER]:
        return array
    held = np.load(io.BytesIO(array), allow_pickle=False)
    clean = np.zeros(held.shape, dtype=held.dtype)
    for name in held.dtype.names:
        clean[name] = held[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _check_array(node: Node, arrays: Mapping[str, bytes]) -> None:
    """Raise BundleError unless an array's header says just what its bytes hold."""
    if node["type"] == "json" and "file" not in node:
        return
    if node["type"] != "numpy" or "content" in node or "shape" in node:
        raise BundleError("an array of the estimator is neither a file nor a list")
    file = io.BytesIO(arrays[node["file"]])
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise BundleError(f"{node['file']} is of NumPy's format {version}; 1.0 is read")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    held = len(arrays[node["file"]]) - file.tell()
    if dtype.hasobject or dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize != held:
        raise BundleError(f"{node['file']} says that it holds {shape} of {dtype}, and has {held} bytes")


def _check_tree(node: Node, arrays: Mapping[str, bytes]) -> None:
    """Raise BundleError unless a tree is made of (features, (outputs,) classes, outputs): compiled code trusts them."""
    features, classes, outputs = node["__reduce__"]["args"]["content"]
    counts = (json.loads(features["content"]), json.loads(outputs["content"]))
    if classes["__loader__"] != "NdArrayNode" or classes.get("type") != "numpy":
        raise BundleError("a tree of the estimator has no array of classes")
    held = np.load(io.BytesIO(arrays[classes["file"]]), allow_pickle=False)
    if not all(type(one) is int and 0 < one <= MOST_OF_TREE for one in counts):
        raise BundleError(f"a tree of the estimator has {counts} features and outputs")
    if held.shape != (counts[1],) or held.dtype != np.intp or not ((held > 0) & (held <= MOST_OF_TREE)).all():
        raise BundleError(f"a tree of the estimator has classes of shape {held.shape} for {counts[1]} outputs")


def _check_dict(node: Node, _: Mapping[str, bytes]) -> None:
    """Raise BundleError unless each key has a type."""
    if len(node["key_types"]["content"]) != len(node["content"]):
        raise BundleError("a mapping of the estimator has more keys than types of them, or fewer")


CHECKS: Final[Mapping[str, Callable[[Node, Mapping[str, bytes]], None]]] = {
    "NdArrayNode": _check_array,
    "TreeNode": _check_tree,
    "DictNode": _check_dict,
}
"""What is asked of a node beyond its type."""
