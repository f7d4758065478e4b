"""A stored estimator is read only as it was written; of anything else nothing is made, and no code is run."""

import copy
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from mlsys_assets.models.estimator_file import (
    UntrustedType,
    _zipped,
    check_file,
    read_estimator,
    write_estimator,
)
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.trusted_types import ESTIMATORS, PARTS, TRUSTED

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype(np.float32)
Y = (X[:, 0] + RNG.normal(size=120) > 0).astype(int)


def forest():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(3, max_depth=3, random_state=0)


@pytest.fixture(scope="module")
def data():
    return write_estimator(forest().fit(X, Y))


def parts(data):
    """The schema and the arrays of a file."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    return json.loads(members.pop("schema.json")), members


def packed(schema, arrays):
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    return _zipped({"schema.json": text, **arrays})


def node(loader, module, name, **content):
    return {"__loader__": loader, "__module__": module, "__class__": name, **content}


def text(value):
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def listed(*items, kind="list"):
    return node("ListNode" if kind == "list" else "TupleNode", "builtins", kind, content=list(items))


def with_attribute(data, added):
    """The file, whose estimator has one more attribute."""
    schema, arrays = parts(data)
    state = schema["content"]
    state["content"]["planted_"] = added
    state["key_types"]["content"].append(node("TypeNode", "builtins", "str"))
    return packed(schema, arrays)


def test_what_is_written_is_read_and_gives_the_same(data):
    check_file(data)
    assert np.array_equal(read_estimator(data).predict_proba(X), forest().fit(X, Y).predict_proba(X))
    assert write_estimator(read_estimator(data)) == data


def test_one_more_attribute_of_a_trusted_kind_is_no_offence_so_that_what_follows_is_refused_for_its_own_sake(data):
    assert read_estimator(with_attribute(data, text("a"))).planted_ == "a"


PLANTED = """
import pathlib
MARKER = pathlib.Path({marker!r})
MARKER.write_text("imported")
class Planted:
    def __new__(cls, *a, **k):
        MARKER.write_text("made")
        return super().__new__(cls)
    def __setstate__(self, state):
        MARKER.write_text("state")
def planted(*a, **k):
    MARKER.write_text("called")
"""


@pytest.fixture
def marker(tmp_path, monkeypatch):
    found = tmp_path / "marker"
    (tmp_path / "planted_code.py").write_text(PLANTED.format(marker=str(found)))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield found
    assert not found.exists()
    assert "planted_code" not in sys.modules


def hostile(marker):
    """Nodes that skops knows, or that older ones did, by what they would do."""
    command = listed(listed(text("touch"), text(str(marker))), kind="tuple")
    empty = node("DictNode", "builtins", "dict", content={}, key_types=listed())
    own = {"module": "planted_code"}
    return {
        "a foreign class": node("ObjectNode", own["module"], "Planted", content=empty),
        "a foreign function": node("FunctionNode", own["module"], "planted"),
        "a foreign type": node("TypeNode", own["module"], "Planted"),
        "a process": node("ConstructorFromReduceNode", "subprocess", "Popen", content=command),
        "a shell": node("FunctionNode", "os", "system"),
        "eval": node("FunctionNode", "builtins", "eval"),
        "eval as a type": node("TypeNode", "builtins", "eval"),
        "a list of another class": node("ListNode", own["module"], "Planted", content=[]),
        "a mapping of another class": node("DictNode", own["module"], "Planted", content={}, key_types=listed()),
        "keys of a type that is called": node(
            "DictNode",
            "builtins",
            "dict",
            content={"touch x": text(1)},
            key_types=listed(node("TypeNode", "os", "system")),
        ),
        "a tree of another class": node(
            "TreeNode", own["module"], "Planted", content=empty, __reduce__={"args": listed(kind="tuple")}
        ),
        "a loss of another class": node(
            "LossNode", own["module"], "Planted", content=empty, __reduce__={"args": listed(kind="tuple")}
        ),
        "a reduced object": node(
            "ReduceNode", "os", "system", content=empty, __reduce__={"args": listed(text("touch x"), kind="tuple")}
        ),
        "a bound method": node(
            "MethodNode", "builtins", "str", content={"func": "format", "obj": text("{0.__class__}")}
        ),
        "an operator": node("OperatorFuncNode", "operator", "methodcaller", attrs=listed(text("x"), kind="tuple")),
        "a partial function": node(
            "PartialNode",
            "functools",
            "partial",
            content={
                "func": node("FunctionNode", "os", "system"),
                "args": command,
                "kwds": empty,
                "namespace": text(None),
            },
        ),
        "a cached node": node("CachedNode", "builtins", "str", __id__=1),
        "a default dictionary": node("DefaultDictNode", "collections", "defaultdict", content={}),
        "raw bytes": node("BytesNode", "builtins", "bytes", file="0.npy"),
        "a sparse matrix": node("SparseMatrixNode", "scipy.sparse", "csr_matrix", type="scipy", file="0.npy"),
        "an unknown kind": node("PickleNode", "builtins", "str", content="x"),
        "an array as an object": node("ObjectNode", "numpy", "ndarray"),
        "a function as a list": node("ListNode", "numpy", "log1p", content=[]),
        "a function that reads files": node("FunctionNode", "numpy", "load"),
        "a part of scikit-learn that reads files": node("FunctionNode", "sklearn.datasets", "load_files"),
        "another scikit-learn class": node("ObjectNode", "sklearn.neighbors._kd_tree", "KDTree", content=empty),
        "a generator": node(
            "RandomGeneratorNode", own["module"], "Planted", content={"bit_generator": empty, "seed_seq": empty}
        ),
    }


@pytest.mark.parametrize("what", hostile(None))
def test_what_is_not_trusted_is_refused_and_runs_nothing(what, data, marker):
    with pytest.raises(BundleError, match="not trusted"):
        read_estimator(with_attribute(data, hostile(marker)[what]))


def test_a_trusted_object_may_not_hide_an_untrusted_one_under_its_number(data, marker):
    schema, arrays = parts(data)
    foreign = {**hostile(marker)["a foreign class"], "__id__": 77}
    for one in (foreign, {**text(1), "__id__": 77}):
        changed = copy.deepcopy(schema)
        items = [{**text(2), "__id__": 77}, one]
        changed["content"]["content"]["n_jobs"] = listed(*items)
        with pytest.raises(BundleError, match=r"not trusted|not the same"):
            read_estimator(packed(changed, arrays))


def test_the_generator_of_random_numbers_is_one_of_numpys(data):
    def name(what):
        state = {"bit_generator": text(what)}
        inner = node(
            "DictNode", "builtins", "dict", content=state, key_types=listed(node("TypeNode", "builtins", "str"))
        )
        seeds = node("DictNode", "builtins", "dict", content={}, key_types=listed())
        content = {"bit_generator": inner, "seed_seq": seeds}
        return node("RandomGeneratorNode", "numpy.random._generator", "Generator", content=content)

    before = np.random.get_state()[1].copy()  # noqa: NPY002 - that it is left alone
    for what in ("seed", "set_bit_generator", "rand"):
        with pytest.raises(BundleError):
            read_estimator(with_attribute(data, name(what)))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("protocol", [0, 1, 3, -1, True, 2.0, "2", None])
def test_another_protocol_is_refused(data, protocol):
    schema, arrays = parts(data)
    with pytest.raises(BundleError):
        read_estimator(packed({**schema, "protocol": protocol}, arrays))


def test_truncated_at_any_of_twenty_places_it_is_refused(data):
    for end in np.linspace(0, len(data) - 1, 20).astype(int):
        with pytest.raises(BundleError):
            check_file(data[:end])


def test_no_byte_may_be_another(data):
    places = np.unique(np.concatenate([np.linspace(0, len(data) - 1, 400).astype(int), range(100), range(-100, 0)]))
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << int(place % 8)
        with pytest.raises(BundleError):
            check_file(bytes(changed))


def test_a_zip_that_is_laid_out_otherwise_is_refused(data):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", b"0" * 20_000_000)
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as file:
        file.writestr("schema.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("schema.json", "{}")
    commented = io.BytesIO(data)
    with zipfile.ZipFile(commented, "a") as file:
        file.comment = b"more"
    for bad, why in (
        (bomb.getvalue(), "compressed"),
        (twice.getvalue(), "twice"),
        (commented.getvalue(), "laid out"),
        (b"MZ" + data, "laid out"),
        (data + b"\0" * 20, "laid out|not what"),
        (_zipped({"data.zip": data}), "schema.json"),
        (_zipped({**parts(data)[1]}), "schema.json"),
        (b"", "not what was written"),
        (b"\x80\x04\x95", "not what was written"),
    ):
        with pytest.raises(BundleError, match=why):
            read_estimator(bad)


def test_members_that_claim_more_than_there_is_are_refused_before_they_are_read(data):
    claimed = bytearray(data)
    place = data.rindex(b"PK\x01\x02")  # the last entry of the directory
    claimed[place + 20 : place + 28] = (2**31).to_bytes(4, "little") * 2  # its sizes
    with pytest.raises(BundleError, match="more bytes than it has"):
        check_file(bytes(claimed))


def npy(header, held):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + held


@pytest.mark.parametrize(
    ("header", "held"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", b""),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", b"\0" * 23),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", b"\0" * 17),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"\0" * 8),
        ("{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,), }", b""),
        ("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", b"\0" * 8),
        ("__import__('os').system('false')", b""),
    ],
)
def test_an_array_that_says_otherwise_than_its_bytes_is_refused(data, header, held):
    schema, arrays = parts(data)
    with pytest.raises(BundleError):
        read_estimator(packed(schema, {**arrays, "0.npy": npy(header, held)}))


def test_what_nothing_reads_or_reads_twice_is_refused(data):
    schema, arrays = parts(data)
    array = node("NdArrayNode", "numpy", "ndarray", type="numpy", file="0.npy")
    keyless = node("DictNode", "builtins", "dict", content={"a": text(1)}, key_types=listed())
    for bad, why in (
        (packed(schema, {**arrays, "more.npy": arrays["0.npy"]}), "nothing in the estimator reads"),
        (packed({**schema, "more": 1}, arrays), "nothing reads"),
        (packed(schema, {k: v for k, v in arrays.items() if k != "0.npy"}), "0.npy"),
        (with_attribute(data, array), "read by 2 nodes"),
        (with_attribute(data, {**array, "content": []}), "neither"),
        (with_attribute(data, keyless), "keys"),
        (with_attribute(data, {**text(1), "code": "x"}), "nothing reads"),
    ):
        with pytest.raises(BundleError, match=why):
            read_estimator(bad)


def test_a_schema_that_is_none_is_refused(data):
    arrays = parts(data)[1]
    deep = b'{"protocol":2,"__loader__":"ListNode","__module__":"builtins","__class__":"list","content":['
    for bad in (b"", b"{", b"[]", b"null", b'"x"', b"[" * 200_000, deep * 5_000 + b"]}" * 5_000, b'{"protocol":2}'):
        with pytest.raises(BundleError):
            read_estimator(packed(bad, arrays))
    with pytest.raises(BundleError):
        read_estimator(with_attribute(data, {**text(1), "content": "[" * 200_000}))
    with pytest.raises(BundleError):
        read_estimator(with_attribute(data, {**text(1), "content": "not JSON"}))


def trees(schema):
    """The nodes of the compiled trees, wherever they stand."""
    if isinstance(schema, dict):
        if schema.get("__loader__") == "TreeNode":
            yield schema
        for one in schema.values():
            yield from trees(one)
    if isinstance(schema, list):
        for one in schema:
            yield from trees(one)


@pytest.mark.parametrize(("place", "value"), [(0, 0), (0, "4"), (0, 10**12), (2, 10**9), (2, 2), (2, True), (0, None)])
def test_a_tree_is_not_made_of_numbers_that_do_not_fit(data, place, value):
    schema, arrays = parts(data)
    next(trees(schema))["__reduce__"]["args"]["content"][place] = text(value)
    with pytest.raises(BundleError, match="tree"):
        check_file(packed(schema, arrays))


def test_what_is_not_trusted_is_told_when_it_is_written():
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(UntrustedType, match="KDTree"):
        write_estimator(KNeighborsClassifier(algorithm="kd_tree").fit(X, Y))


def test_every_trusted_type_is_there_and_nothing_that_runs_what_it_is_given():
    import importlib

    for name in set().union(*TRUSTED.values()):
        module, _, own = name.rpartition(".")
        assert hasattr(importlib.import_module(module), own), name
    for name in ESTIMATORS | PARTS:
        assert name.startswith("sklearn.")
    assert not {"builtins.eval", "builtins.exec", "builtins.type", "builtins.object"} & set().union(*TRUSTED.values())


MAKING = """
import hashlib, numpy as np
from sklearn.ensemble import *
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from mlsys_assets.models.estimator_file import write_estimator
rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4)).astype(np.float32)
y = (X[:, 0] + rng.normal(size=120) > 0).astype(int)
made = (
    RandomForestClassifier(3, random_state=0), HistGradientBoostingClassifier(max_iter=3, random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=0), MLPClassifier(max_iter=500, tol=.1, random_state=0),
    make_pipeline(StandardScaler(), VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression())])),
)
hashes = [hashlib.sha256(write_estimator(one.fit(X, y))).hexdigest() for one in made]
"""


def test_only_what_is_one_object_in_two_places_has_a_number_and_is_one_again():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    apart = write_estimator(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y))
    assert b"__id__" not in apart
    shared = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    shared.again_ = shared[-1]
    found = read_estimator(write_estimator(shared))
    assert found.again_ is found[-1]


def test_another_process_writes_the_same_bytes():
    here: dict[str, list[str]] = {}
    exec(MAKING, here)
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "junk = [object() for _ in range(1000)]" + MAKING + "print(*hashes)"]
    there = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()
    assert there == here["hashes"]
    assert len(set(there)) == 5
