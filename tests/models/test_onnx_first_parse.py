import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from mlsys_assets.models import onnx_first_parse
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.compression.onnx_graphs import to_onnx
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.onnx_first_parse import ParseError, check_model, parse_in_child
from mlsys_assets.models.predictor import BundleError


@pytest.fixture(scope="module")
def files(train, validation):
    return to_files(to_onnx(LightGBM(rounds=6).fit(train, validation, seed=1, threads=1).predictor, double=True))


@pytest.fixture(scope="module")
def model(files):
    return files["model.onnx"]


@pytest.fixture(scope="module")
def line(train, validation):
    return to_onnx(LogisticRegression().fit(train, validation, seed=1, threads=1).predictor, double=True)


def changed(data, change):
    """The model's bytes after a change, written as onnx writes them."""
    found = ModelProto.FromString(data)
    change(found)
    return found.SerializeToString(deterministic=True)


def ensemble(found):
    return {a.name: a for a in next(n for n in found.graph.node if n.op_type == "TreeEnsemble").attribute}


def test_a_whole_model_passes(model, line):
    check_model(model, features=5)
    parse_in_child(model, features=5)
    parse_in_child(line.model, features=len(line.preprocessing.names))


@pytest.mark.parametrize("twentieth", range(20))
def test_a_truncated_model_is_refused(files, model, twentieth, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cut = model[: len(model) * twentieth // 20]
    with pytest.raises(ParseError):
        check_model(cut, features=5)
    if twentieth % 5 == 0:  # the same, to the end of the way
        with pytest.raises(BundleError, match=r"model\.onnx is not what was written"):
            from_files({**files, "model.onnx": cut})
    assert not list(tmp_path.iterdir())


@settings(max_examples=300)
@given(st.data())
def test_a_flipped_byte_is_refused_or_is_still_a_model_of_allowed_parts(model, data):
    place, bit = data.draw(st.integers(0, len(model) - 1)), data.draw(st.integers(0, 7))
    content = bytearray(model)
    content[place] ^= 1 << bit
    try:
        check_model(bytes(content), features=5)
    except ParseError:
        return
    found = ModelProto.FromString(bytes(content))
    assert {n.op_type for n in found.graph.node} <= {name for _, name in onnx_first_parse.OPERATORS}


@pytest.mark.parametrize("share", [0.02, 0.2, 0.4, 0.6, 0.8, 0.98])
def test_a_flipped_byte_never_ends_this_process(files, model, share, tmp_path, monkeypatch):
    """The manifest refuses it long before; this is the second line."""
    monkeypatch.chdir(tmp_path)
    content = bytearray(model)
    content[int(len(model) * share)] ^= 0x10
    try:
        loaded = from_files({**files, "model.onnx": bytes(content)})
    except BundleError:
        return
    assert np.isfinite(loaded.predict(dict.fromkeys(loaded.columns))).all()
    assert not list(tmp_path.iterdir())


def external(marker):
    def change(found):
        tensor = ensemble(found)["leaf_weights"].t
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=str(marker))

    return change


def foreign(domain, operator):
    def change(found):
        found.graph.node[-1].domain, found.graph.node[-1].op_type = domain, operator

    return change


def looping(found):
    body = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "body", [], [])
    node = found.graph.node[-1]
    node.op_type = "If"
    node.attribute.append(helper.make_attribute("then_branch", body))


def calling(found):
    found.functions.add(name="Sigmoid", domain="own")


def metadata(found):
    found.metadata_props.add(key="session.custom_ops", value="/tmp/evil.so")


def reference(found):
    ensemble(found)["n_targets"].ref_attr_name = "other"


def texts(found):
    found.graph.node[0].attribute.add(name="body_code", type=AttributeProto.STRING, s=b"import os")


HOSTILE = {
    "files elsewhere": (external("/etc/passwd"), "'data_location'|'external_data'"),
    "another runtime's operators": (foreign("com.microsoft", "Sigmoid"), "com.microsoft:Sigmoid"),
    "an operator of Python": (foreign("ai.onnx.contrib", "PyOp"), "ai.onnx.contrib:PyOp"),
    "an operator that was not needed": (foreign("", "Softmax"), ":Softmax; allowed: Add, Cast"),
    "a graph in a graph": (looping, "'g' in a AttributeProto|':If'|:If"),
    "a function": (calling, "'functions' in a ModelProto"),
    "metadata": (metadata, "'metadata_props'"),
    "a reference": (reference, "'ref_attr_name'"),
    "text": (texts, "'s' in a AttributeProto"),
    "another version": (lambda m: setattr(m, "ir_version", 3), "of version 3"),
    "another opset": (lambda m: setattr(m.opset_import[0], "version", 7), "'': 7"),
    "another domain": (lambda m: m.opset_import.add(domain="own", version=1), "'own': 1"),
    "no node": (lambda m: m.graph.ClearField("node"), "0 nodes"),
    "a thousand nodes": (lambda m: m.graph.node.extend(list(m.graph.node[-1:]) * 1000), "1003 nodes"),
    "another input": (lambda m: setattr(m.graph.input[0], "name", "y"), "of x"),
    "a further input": (lambda m: m.graph.input.append(m.graph.input[0]), "of x"),
    "another output": (lambda m: setattr(m.graph.output[0], "name", "label"), "'label'"),
    "other rows": (lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 6), "must be"),
    "a sequence": (lambda m: m.graph.input[0].type.sequence_type.SetInParent(), "'sequence_type'"),
    "large numbers": (
        lambda m: m.graph.initializer.append(numpy_helper.from_array(np.zeros(10**6), "w")), "at most 4096 are read",
    ),
    "a shape beyond its bytes": (lambda m: ensemble(m)["leaf_weights"].t.dims.__setitem__(0, 2**40), "2\\*|at most"),
    "a negative shape": (lambda m: ensemble(m)["leaf_weights"].t.dims.__setitem__(0, -1), "shape"),
    "text as numbers": (lambda m: setattr(ensemble(m)["leaf_weights"].t, "data_type", TensorProto.STRING), "bytes of"),
    "bytes that are missing": (lambda m: setattr(ensemble(m)["leaf_weights"].t, "raw_data", b"12345678"), "8 bytes of"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_on_the_list_is_refused_before_the_runtime_sees_it(model, name):
    change, told = HOSTILE[name]
    with pytest.raises(ParseError, match=told):
        check_model(changed(model, change), features=5)


@pytest.fixture(scope="module")
def network(train, validation):
    return to_onnx(Mlp((6, 4), epochs=2).fit(train, validation, seed=1, threads=1).predictor, double=True)


def holding(name, numbers):
    """Another tensor in one's place."""

    def change(found):
        place = next(i for i, one in enumerate(found.graph.initializer) if one.name == name)
        found.graph.initializer[place].CopyFrom(numpy_helper.from_array(numbers, name))

    return change


def node_of(operator, found):
    return next(one for one in found.graph.node if one.op_type == operator)


def deep(found):
    """Ten steps more, each of which a float32 would not hold."""
    holding("weights1.0", np.full((6, 4), 1e29))(found)
    for i in range(10):
        holding_more = numpy_helper.from_array(np.full((1, 1), 1e29), f"more{i}")
        found.graph.initializer.append(holding_more)
        given = found.graph.node[-1].input[0]
        found.graph.node.insert(
            len(found.graph.node) - 1, helper.make_node("MatMul", [given, f"more{i}"], [f"larger{i}"])
        )
        found.graph.node[-1].input[0] = f"larger{i}"


BLOWN_UP = {
    "three axes": (holding("bias0", np.zeros((3, 1, 6))), "no matrix"),
    "a wide step": (holding("bias0", np.zeros(5_000)), "at most 4096"),
    "rows times rows": (lambda m: node_of("Add", m).input.__setitem__(1, "product0.0"), "than those that it holds"),
    "one side alone": (lambda m: node_of("MatMul", m).input.pop(), "than those that it holds"),
    "whole numbers": (holding("bias0", np.zeros(6, dtype=np.uint8)), "than those that it holds"),
    "a result that is infinite": (deep, "MatMul whose result may not be finite"),
    "what no step gives": (lambda m: node_of("Relu", m).input.__setitem__(0, "nothing"), "may not be finite"),
}


@pytest.mark.parametrize("name", BLOWN_UP)
def test_a_network_that_could_blow_up_is_refused(network, name):
    change, told = BLOWN_UP[name]
    features = len(network.preprocessing.names)
    check_model(network.model, features=features)
    parse_in_child(network.model, features=features)
    with pytest.raises(ParseError, match=told):
        check_model(changed(network.model, change), features=features)


def test_numbers_of_single_precision_are_bounded_by_theirs(line):
    features = len(line.preprocessing.names)

    def single(found):
        for tensor in found.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))

    with pytest.raises(ParseError, match="MatMul whose result may not be finite"):
        check_model(changed(line.model, single), features=features)


def test_a_graph_for_two_rows_at_once_is_refused(line):
    features = len(line.preprocessing.names)
    with pytest.raises(ParseError, match="for 1 rows"):
        parse_in_child(changed(line.model, holding("start", np.zeros((2, 1)))), features=features)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("where", ["leaf_weights", "nodes_splits"])
def test_numbers_beyond_sense_are_refused(model, value, where):
    def change(found):
        tensor = ensemble(found)[where].t
        numbers = numpy_helper.to_array(tensor).copy()
        numbers[2] = value
        tensor.raw_data = numbers.tobytes()

    if where == "nodes_splits" and np.isfinite(value):
        check_model(changed(model, change), features=5)
        return
    with pytest.raises(ParseError, match="what is no number"):
        check_model(changed(model, change), features=5)


def test_what_protobuf_passes_over_is_refused(model):
    unknown = model + bytes([0xFA, 0x3F, 3]) + b"abc"  # a field of a number that nobody knows
    assert ModelProto.FromString(unknown)
    with pytest.raises(ParseError, match="onnx would not write"):
        check_model(unknown, features=5)
    twice = model + ModelProto(ir_version=10).SerializeToString()
    with pytest.raises(ParseError, match="onnx would not write"):
        check_model(twice, features=5)
    for nothing in (b"", b"\xff" * 40, b"tree\nversion=v4\n", b"\x3a" * 100_000, b"\x0a\x80" * 1_000):
        with pytest.raises(ParseError):
            check_model(nothing, features=5)


def endless(found):
    own = ensemble(found)
    own["nodes_trueleafs"].ints[0], own["nodes_truenodeids"].ints[0] = 0, 0


def outside(found):
    own = ensemble(found)
    own["nodes_trueleafs"].ints[3], own["nodes_truenodeids"].ints[3] = 0, 10**6


def beyond_the_row(found):
    ensemble(found)["nodes_featureids"].ints[0] = 10**6


def many_targets(found):
    ensemble(found)["n_targets"].i = 10**9


def not_summed(found):
    found.graph.node[-1].op_type = "Cast"
    found.graph.node[-1].attribute.append(helper.make_attribute("to", TensorProto.DOUBLE))


@pytest.mark.parametrize("change", [endless, outside, beyond_the_row, many_targets, not_summed])
def test_what_only_the_runtime_can_tell_is_told_by_the_child(model, change):
    bad = changed(model, change)
    check_model(bad, features=5)
    with pytest.raises(ParseError):
        parse_in_child(bad, features=5)


def test_a_model_of_another_shape_or_too_large_is_refused(model, monkeypatch):
    with pytest.raises(ParseError, match=r"\[0, 5\]; it must be \[any, 6\]"):
        parse_in_child(model, features=6)
    monkeypatch.setattr(onnx_first_parse, "LARGEST", 1_000)
    with pytest.raises(ParseError, match="at most 1000 are read"):
        parse_in_child(model, features=5)


def test_a_child_that_hangs_is_ended(model, monkeypatch):
    monkeypatch.setattr(onnx_first_parse, "SECONDS", 0.001)
    with pytest.raises(ParseError, match="not parsed within"):
        parse_in_child(model, features=5)


def test_a_child_that_dies_is_told_by_its_exit(model, monkeypatch, tmp_path):
    dying = tmp_path / "dying.py"
    dying.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(onnx_first_parse, "__file__", str(dying))
    with pytest.raises(ParseError, match=r"exit -11"):
        parse_in_child(model, features=5)


SILENT = """
import sys
from mlsys_assets.models.onnx_first_parse import ParseError, parse_in_child, session
import numpy as np
model = sys.stdin.buffer.read()
found = session(model).run(None, {"x": np.zeros((2, 5), dtype=np.float32)})
try:
    session(model[:-20])
except Exception:
    pass
try:
    parse_in_child(model[:-20], features=5)
except ParseError:
    pass
assert "onnx" not in sys.modules
"""


def test_the_runtime_says_nothing_and_leaves_nothing_behind(model, tmp_path):
    root = str(Path(onnx_first_parse.__file__).parents[2])
    program = f"import sys; sys.path.insert(0, {root!r})\n{SILENT}"
    done = subprocess.run([sys.executable, "-c", program], input=model, capture_output=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not list(tmp_path.iterdir())


def test_what_holds_graphs_text_or_files_is_not_on_the_list():
    """By the names that ONNX gives such fields: were one renamed, the list would have to be read again."""
    fields = {f.name for f in onnx.AttributeProto.DESCRIPTOR.fields}
    assert {"g", "graphs", "strings", "sparse_tensor", "ref_attr_name"} <= fields - onnx_first_parse.FIELDS[
        "AttributeProto"
    ]
    assert {"external_data", "data_location"}.isdisjoint(onnx_first_parse.FIELDS["TensorProto"])
