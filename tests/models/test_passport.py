import hashlib
import math
import sys
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from importlib.metadata import distributions

import pytest

from mlsys_assets.models.passport import (
    Context,
    Environment,
    Passport,
    PassportError,
    _cpu_flags,
    _installed,
    architecture,
    code_hash,
    lock_hash,
    source_files,
)
from mlsys_assets.types import days

ENVIRONMENT = Environment(code="c", lock="l", architecture="x86_64 linux avx2", python="3.11.7")
PASSPORT = Passport(
    system="flights", candidate="lightgbm", as_of="2013-07-01T00:00:00+00:00", tables={"features": "f", "labels": "g"},
    environment=ENVIRONMENT, seed=0, threads=2, params={"learning_rate": 0.1, "leaves": 31}, recipe={"rounds": 120},
    windows={"train": "[a, b)"}, training_rows=160_000, training_hash="t", model_hash="m",
    context=Context({"features": 17}, dagster_run="r1", created_at="2026-01-01T00:00:00+00:00"),
)  # fmt: skip


def test_the_context_stands_outside_the_hash():
    other = replace(PASSPORT, context=Context({"features": 99}, dagster_run="r2"))
    assert other.content == PASSPORT.content
    assert other.content_hash == PASSPORT.content_hash
    assert other.to_json() != PASSPORT.to_json()
    assert PASSPORT.content_hash == hashlib.sha256(PASSPORT.content).hexdigest()


CHANGED = {
    "system": "rain", "candidate": "zero_rule", "as_of": "2013-07-08T00:00:00+00:00", "tables": {"features": "z"},
    "environment": replace(ENVIRONMENT, lock="k"), "seed": 1, "threads": 1, "params": {"leaves": 30},
    "recipe": {"rounds": 119}, "windows": {"train": "[a, c)"}, "training_rows": 1, "training_hash": "u",
    "model_hash": "n",
}  # fmt: skip


@pytest.mark.parametrize("name", [f.name for f in fields(Passport) if f.name != "context"])
def test_every_other_field_is_in_the_hash(name):
    assert replace(PASSPORT, **{name: CHANGED[name]}).content_hash != PASSPORT.content_hash


def test_the_order_in_which_parameters_were_given_is_not():
    other = replace(PASSPORT, params={"leaves": 31, "learning_rate": 0.1}, tables={"labels": "g", "features": "f"})
    assert other.content_hash == PASSPORT.content_hash


def test_a_passport_survives_being_written():
    odd = replace(PASSPORT, params={"x": 0.1 + 0.2, "y": math.nextafter(1, 2), "z": None, "flag": True, "n": 3})
    read = Passport.from_json(odd.to_json())
    assert read == odd
    assert read.content_hash == odd.content_hash


@pytest.mark.parametrize(
    "name", ["system", "candidate", "as_of", "tables", "windows", "training_hash", "model_hash", "training_rows"]
)
def test_what_a_rebuild_needs_cannot_be_left_out(name):
    empty = type(getattr(PASSPORT, name))()
    with pytest.raises(PassportError, match=name):
        replace(PASSPORT, **{name: empty})


def test_an_environment_without_a_lock_is_refused():
    with pytest.raises(PassportError, match=r"environment\.lock"):
        replace(PASSPORT, environment=replace(ENVIRONMENT, lock=""))


@pytest.mark.parametrize("bad", [b"", b"{}", b"[1]", b'{"system": 3}', b"\xff"])
def test_other_bytes_are_no_passport(bad):
    with pytest.raises(PassportError, match="no passport"):
        Passport.from_json(bad)


def test_the_code_hash_follows_names_and_content_of_python_files_only(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "passport_example"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    (package / "inner" / "part.py").write_text("y = 2\n")
    first = code_hash(["passport_example"])
    (package / "notes.md").write_text("no code")
    assert code_hash(["passport_example"]) == first
    (package / "inner" / "part.py").write_text("y = 3\n")
    changed = code_hash(["passport_example"])
    (package / "inner" / "part.py").rename(package / "inner" / "other.py")
    assert len({first, changed, code_hash(["passport_example"])}) == 3
    assert "passport_example" not in sys.modules


def test_a_single_module_has_a_hash_and_an_unknown_one_an_error(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "passport_module.py").write_text("x = 1\n")
    (tmp_path / "passport_neighbour.py").write_text("x = 1\n")
    first = code_hash(["passport_module"])
    (tmp_path / "passport_neighbour.py").write_text("x = 2\n")
    assert code_hash(["passport_module"]) == first
    with pytest.raises(PassportError, match="no_such_module"):
        code_hash(["no_such_module"])


def test_the_lock_hash_knows_no_order_and_no_spelling():
    assert lock_hash([("NumPy", "2.4"), ("a_b", "1")]) == lock_hash([("a-b", "1"), ("numpy", "2.4"), ("numpy", "2.4")])
    assert lock_hash([("numpy", "2.4")]) != lock_hash([("numpy", "2.5")])
    assert lock_hash([("numpy", "2.4")]) == hashlib.sha256(b"numpy==2.4").hexdigest()


def test_the_environment_is_this_one_and_stays_the_same():
    one, two = (Environment.observed("mlsys_assets") for _ in range(2))
    assert one == two
    assert one.python == ".".join(map(str, sys.version_info[:3]))
    assert one.architecture == architecture()


def test_instruction_sets_are_read_where_they_are_told(tmp_path):
    x86, arm = tmp_path / "x86", tmp_path / "arm"
    x86.write_text("processor\t: 0\nflags\t\t: fpu avx2 fma ssse3 avx\n")
    arm.write_text("Features\t: fp asimd crc32\n")
    assert _cpu_flags(x86) == ["avx", "avx2", "fma"]
    assert _cpu_flags(arm) == ["asimd"]
    assert _cpu_flags(tmp_path / "none") == []


def test_what_is_installed_is_what_the_library_says():
    assert _installed() == [(d.metadata["Name"], d.version) for d in distributions()]


def test_the_code_of_a_declaration_is_that_of_its_functions_and_classes(tmp_path, monkeypatch):
    one = "def one():\n    return 1\n"
    for module, text in {
        "plain": one,
        "closed_over": one,
        "closing": "def closing(over):\n    return lambda: over()\n",
        "record": "from dataclasses import dataclass\n@dataclass\nclass Record:\n    part: object\n",
        "thing": "class Thing:\n    def bound(self):\n        return 1\n",
        "part": one,
        "unused": one,
        "package/__init__": "",
        "package/two": one,
        "package/neighbour": one,
    }.items():
        (tmp_path / f"{module}.py").parent.mkdir(exist_ok=True)
        (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    names = ("plain", "closed_over", "closing", "record", "thing", "part", "package.two")
    plain, closed_over, closing, record, thing, part, two = (import_module(name) for name in names)
    system = record.Record(
        (
            {"deep": plain.one},
            [closing.closing(closed_over.one)],
            partial(part.one),
            thing.Thing().bound,
            {two.one},
            days(3),
        )
    )
    files = source_files(system)
    assert files == {tmp_path / f"{name.replace('.', '/')}.py" for name in names}
    first = code_hash([], files=files)
    for changed in ("plain.py", "record.py", "thing.py", "package/two.py", "package/neighbour.py"):
        before = (tmp_path / changed).read_text()
        (tmp_path / changed).write_text(before + "# later\n")
        assert code_hash([], files=files) != first
        (tmp_path / changed).write_text(before)
    assert code_hash([], files=files) == first
