import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mlsys_assets import LightGBM, TimeSplit, days
from mlsys_assets.models.passport.code import SourceArchive
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.models.passport.declared import declared, modules
from mlsys_assets.models.passport.environment import Dependencies
from mlsys_assets.models.passport.error import PassportError
from mlsys_assets.models.passport.parts import (
    CODE,
    PARTS,
    Asked,
    Attempt,
    ColumnTold,
    Context,
    Data,
    Definition,
    Experiment,
    FeatureTold,
    FeaturizeAndPredict,
    Generation,
    Parameters,
    Part,
    Tags,
    Verdict,
    file_name,
    files_of,
    part_of,
)

SPLIT = TimeSplit(days(14), days(14), embargo=days(1))
SOURCE = SourceArchive({f"{m.replace('.', '/')}.py": "" for m in modules(declared((LightGBM(), SPLIT)))})
GATE = Verdict("gate", "champion", "pass", "beats every baseline", "g", {"model": "c", "recent_test rows": "d"})
WHOLE: dict[str, Any] = {
    "definition": Definition(
        "flights", "lightgbm", declared(LightGBM()), {"name": "late", "delay [s]": 3600.0},
        (ColumnTold("distance", "float32", "mi"),),
    ),
    "parameters": Parameters({"learning_rate": 0.1}, {"rounds": 120}, 0, 2),
    "featurize_and_predict": FeaturizeAndPredict(
        {"distance": FeatureTold("Request: distance", "h")}, ("distance",), "Preprocessor()", "lightgbm", "m",
        {"model.txt": "f"}, {"lightgbm": "4.6.0"},
    ),
    "dependencies": Dependencies({"lightgbm": "4.6.0"}, "l", "3.11.7", "x86_64 linux avx2"),
    "data": Data("2013-07-01T00:00:00+00:00", declared(days(3)), {"features": "a", "labels": "b"}, 9, "r", 7, "t"),
    "generation": Generation(
        SOURCE.hash, declared(SPLIT), {"train": "[a, b)"},
        {"lightgbm": Attempt(declared(LightGBM()), 1, 5, 1)},
    ),
    "experiment": Experiment(
        {"validation log_loss": 0.4}, {"train": (0.5, 0.4)}, {"lightgbm": {"recent_test": {}}}, {"zero_rule": {}}, {},
        {"recent_test.png": "p"},
    ),
    "tags": Tags("ops", "late", "2013-07-01T00:00:00+00:00", "lightgbm"),
    "decision": Asked((Verdict("retraining", "arbiter", "train", "asked", "v", {}),), (), GATE),
    "context": Context({"features": 17, "labels": 9}, "run1", "mlflow1"),
}  # fmt: skip
NINE = tuple(name for name in PARTS if name != "context")


def _files(**other: Part) -> dict[str, bytes]:
    return files_of(*(WHOLE | other).values()) | {CODE: SOURCE.to_json()}


def _of(files: dict[str, bytes]) -> CompletePassport:
    return CompletePassport.of(files, content_hash="m")


def test_a_whole_passport_is_read_as_it_was_written():
    found = _of(_files())
    for name, part in WHOLE.items():
        assert getattr(found, name) == part
    assert found.source == SOURCE
    assert len(NINE) == 9


@pytest.mark.parametrize("name", list(PARTS))
@pytest.mark.parametrize("how", [None, b"", b"{}", b"[]", b"\xff", b'{"x": 1}'])
def test_each_part_that_is_missing_or_empty_is_named(name, how):
    files = _files()
    del files[file_name(name)]
    if how is not None:
        files[file_name(name)] = how
    with pytest.raises(PassportError, match=rf"\b{name} \({PARTS[name][1]}\) is (missing|not what was written)"):
        _of(files)


EMPTY: dict[str, list[str]] = {
    "definition": ["system", "candidate", "declaration", "label", "columns", "output"],
    "parameters": ["threads"],
    "featurize_and_predict": [
        "features", "reads", "preprocessing", "kind", "content_hash", "content", "libraries",
    ],
    "dependencies": ["distributions", "lock", "python", "architecture"],
    "data": ["as_of", "reading", "tables", "rows", "rows_hash", "training_rows", "training_hash"],
    "generation": ["code", "split", "windows", "candidates"],
    "experiment": ["validation", "evaluations", "comparisons", "artifacts"],
    "tags": ["owner", "task", "as_of", "candidate"],
    "decision": ["retraining"],
    "context": ["lake_versions", "dagster_run", "mlflow_run"],
}  # fmt: skip


@pytest.mark.parametrize(("part", "field"), [(part, field) for part, of in EMPTY.items() for field in of])
def test_each_field_that_is_empty_is_named(part, field):
    empty = type(getattr(WHOLE[part], field))()
    with pytest.raises(PassportError, match=rf"{part}\.{field} is empty"):
        _of(_files(**{part: replace(WHOLE[part], **{field: empty})}))


def test_everything_that_is_wrong_is_named_at_once():
    files = _files(tags=replace(WHOLE["tags"], owner=""))
    del files[file_name("data")], files[file_name("decision")]
    with pytest.raises(PassportError, match=r"(?s)data \(.*tags\.owner is empty.*decision \("):
        _of(files)


def test_the_passport_of_another_model_is_refused():
    with pytest.raises(PassportError, match="it is of the model m, not of n"):
        CompletePassport.of(_files(), content_hash="n")


def test_code_that_is_missing_or_other_than_recorded_is_refused():
    files = _files()
    del files[CODE]
    with pytest.raises(PassportError, match=r"its source text: there is no passport/code\.json"):
        _of(files)
    with pytest.raises(PassportError, match="generation: the code that was kept hashes to"):
        _of(_files() | {CODE: SourceArchive({"a.py": ""}).to_json()})


def test_a_candidate_or_a_split_that_cannot_be_made_again_is_refused():
    local = replace(WHOLE["definition"], declaration=declared(LightGBM(objective=lambda: 0)))  # type: ignore[arg-type]
    with pytest.raises(PassportError, match=r"definition cannot be made again: the declaration\.objective is .*lambda"):
        _of(_files(definition=local))
    foreign = replace(WHOLE["generation"], split=declared(Elsewhere()))
    with pytest.raises(
        PassportError, match=rf"generation\.split names the module '{__name__}', whose code was not kept"
    ):
        _of(_files(generation=foreign))


def test_a_window_that_cannot_be_made_again_is_refused_and_what_has_none_is_not():
    local = replace(WHOLE["generation"], window=declared(lambda: 0))
    with pytest.raises(PassportError, match=r"generation\.window cannot be made again: the declaration is .*lambda"):
        _of(_files(generation=local))
    foreign = replace(WHOLE["generation"], window=declared(Elsewhere()))
    with pytest.raises(PassportError, match=rf"generation\.window names the module '{__name__}'"):
        _of(_files(generation=foreign))
    assert _of(_files()).generation.window is None


def test_a_record_from_before_windows_is_read_as_of_all_that_is_known():
    files = _files()
    told = msgspec.json.decode(files[file_name("generation")])
    old = {name: one for name, one in told.items() if name not in {"window", "changes", "refit"}}
    found = _of({**files, file_name("generation"): msgspec.json.encode(old)}).generation
    assert (found.window, found.changes, found.refit) == (None, (), True)


class Elsewhere:
    def get_params(self, deep: bool) -> dict[str, object]:
        return {}


def test_a_candidate_of_a_notebook_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    told = replace(WHOLE["definition"], declaration={"made": "__main__:Mine", "of": {}})
    with pytest.raises(PassportError, match="the module '__main__', whose code was not kept: declare it in a file"):
        _of(_files(definition=told))


def test_a_column_that_is_read_and_not_told_is_refused():
    told = replace(WHOLE["featurize_and_predict"], reads=("distance", "speed"))
    with pytest.raises(PassportError, match="it reads 'speed', of which it does not tell the feature"):
        _of(_files(featurize_and_predict=told))


def test_a_candidate_that_was_not_evaluated_is_refused():
    other = {name: replace(WHOLE[name], candidate="mlp") for name in ("definition", "tags")}
    with pytest.raises(PassportError, match=r"generation\.candidates is missing 'mlp'.*evaluations is missing 'mlp'"):
        _of(_files(**other))


def test_the_context_stands_outside_the_hash_and_all_else_within():
    first = _of(_files()).content_hash
    assert _of(_files(context=Context({"features": 99}, "run2", "mlflow2"))).content_hash == first
    changed: dict[str, Part] = {
        "definition": replace(WHOLE["definition"], output="P(late)"),
        "parameters": replace(WHOLE["parameters"], seed=1),
        "featurize_and_predict": replace(WHOLE["featurize_and_predict"], libraries={"lightgbm": "4.6.1"}),
        "dependencies": replace(WHOLE["dependencies"], lock="k"),
        "data": replace(WHOLE["data"], rows=10),
        "generation": replace(WHOLE["generation"], windows={"train": "[a, c)"}),
        "experiment": replace(WHOLE["experiment"], artifacts={"recent_test.png": "q"}),
        "tags": replace(WHOLE["tags"], owner="me"),
        "decision": replace(WHOLE["decision"], gate=replace(GATE, content_hash="h")),
    }
    assert set(changed) == set(NINE)
    assert len({first, *(_of(_files(**{name: part})).content_hash for name, part in changed.items())}) == 10


def test_equal_parts_give_equal_bytes_whatever_the_order_of_their_mappings():
    turned = replace(WHOLE["data"], tables={"labels": "b", "features": "a"})
    assert _files(data=turned) == _files()


def test_numbers_come_back_as_they_were():
    odd = Parameters({"x": 0.1 + 0.2, "y": np.float64(1) / 3, "flag": True, "none": None}, {"n": np.int64(3)}, 0, 2)
    again = part_of(files_of(odd), Parameters)
    assert again == odd
    assert json.loads(files_of(odd)[file_name("parameters")])["params"]["y"] == 1 / 3
    with pytest.raises(TypeError, match="a PosixPath cannot be put on record"):
        files_of(replace(odd, params={"p": Path("x")}))  # type: ignore[dict-item]


def test_a_number_that_json_has_not_makes_no_complete_passport():
    unknown = replace(WHOLE["experiment"], validation={"log_loss": float("nan")})
    with pytest.raises(PassportError, match=r"experiment .* is not what was written"):
        _of(_files(experiment=unknown))


def test_the_hash_is_that_of_the_files():
    files = _files()
    named = {name: hashlib.sha256(files[file_name(name)]).hexdigest() for name in NINE}
    told = json.dumps(named, sort_keys=True, separators=(",", ":")).encode()
    assert _of(files).content_hash == hashlib.sha256(told).hexdigest()
