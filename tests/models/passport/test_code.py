import base64
import json
import subprocess
import sys
import zlib
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from mlsys_assets.models.passport.code import SourceArchive, brought, code_hash, source_files, with_neighbours
from mlsys_assets.models.passport.error import PassportError
from mlsys_assets.types import days

KEPT = SourceArchive({"mine/__init__.py": "x = 1\n", "mine/part.py": "y = 'ü'\r\n", "alone.py": ""})


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


def test_a_stub_is_code_too(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "passport_stubbed").mkdir()
    for name in ("__init__.py", "__init__.pyi"):
        (tmp_path / "passport_stubbed" / name).write_text("x: int\n")
    first = code_hash(["passport_stubbed"])
    (tmp_path / "passport_stubbed" / "__init__.pyi").write_text("x: float\n")
    assert code_hash(["passport_stubbed"]) != first


def test_an_archive_is_the_code_that_is_hashed_and_comes_back_as_it_was():
    kept = SourceArchive.of("mlsys_assets", "mlsys_resources")
    assert kept.hash == code_hash(["mlsys_assets", "mlsys_resources"])
    data = kept.to_json()
    assert data == SourceArchive.of("mlsys_resources", "mlsys_assets").to_json()
    assert SourceArchive.from_json(data, expected=kept.hash) == kept
    assert len(data) < sum(map(len, kept.files.values())) / 2
    assert kept.holds("mlsys_assets.models.passport.code")
    assert kept.holds("mlsys_assets.models")
    assert not kept.holds("mlsys_assets.models.nothing")


def test_what_is_unpacked_runs_in_the_place_of_what_is_installed(tmp_path):
    kept = SourceArchive.of("mlsys_assets", "mlsys_resources")
    kept.unpack(tmp_path)
    found = subprocess.run(
        [sys.executable, "-c", "import mlsys_assets; print(mlsys_assets.__file__, mlsys_assets.days(2))"],
        env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.split()[:3] == [str(tmp_path / "mlsys_assets" / "__init__.py"), "2", "days,"]


def test_every_byte_comes_back(tmp_path):
    SourceArchive.from_json(KEPT.to_json(), expected=KEPT.hash).unpack(tmp_path)
    assert (tmp_path / "mine" / "part.py").read_bytes() == "y = 'ü'\r\n".encode()
    assert code_hash([], files=[tmp_path / "mine" / "part.py", tmp_path / "alone.py"]) == KEPT.hash


def test_another_archive_than_the_recorded_one_is_refused():
    with pytest.raises(PassportError, match=f"hashes to {KEPT.hash}, recorded is other"):
        SourceArchive.from_json(KEPT.to_json(), expected="other")


def _packed(files: object) -> bytes:
    text = files if isinstance(files, bytes) else json.dumps(files).encode()
    packed = base64.b64encode(zlib.compress(text)).decode()
    return json.dumps({"files": 1, "sha256": "", "zlib": packed}).encode()


@pytest.mark.parametrize("bad", [
    b"", b"{}", b"\xff", b'{"files":1,"sha256":"","zlib":"%"}', b'{"files":1,"sha256":"","zlib":"AAAA"}',
    _packed([1]), _packed({"a.py": 3}), _packed(b"\xff"), KEPT.to_json()[:-9] + KEPT.to_json()[-2:],
])  # fmt: skip
def test_what_is_no_archive_is_refused(bad):
    with pytest.raises(PassportError):
        SourceArchive.from_json(bad, expected="")


def test_an_archive_of_zeros_without_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr("mlsys_assets.models.passport.code.LARGEST", 1000)
    with pytest.raises(PassportError, match="more than 1000 bytes"):
        SourceArchive.from_json(_packed(b" " * 10_000), expected="")


@pytest.mark.parametrize("name", ["/etc/x.py", "../x.py", "a/../../x.py", "x.sh", "x", "a\\b.py"])
def test_a_path_that_leads_elsewhere_is_refused(name):
    wrong = SourceArchive({name: ""})
    with pytest.raises(PassportError, match="lead elsewhere or are no code"):
        SourceArchive.from_json(wrong.to_json(), expected=wrong.hash)


def test_what_a_file_imports_of_its_neighbours_is_kept_with_it(tmp_path):
    for name, text in {
        "first.py": "import second, numpy\nfrom box.inner import x\n", "second.py": "def f():\n    import third\n",
        "third.py": "import first", "fourth.py": "", "box/__init__.py": "", "box/inner.py": "x = 1\nimport fourth\n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {path.relative_to(tmp_path).as_posix() for path in with_neighbours([tmp_path / "first.py"])}
    assert found == {"first.py", "second.py", "third.py", "box/__init__.py"}


def test_code_that_is_no_text_cannot_be_kept(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "passport_latin.py").write_bytes("# -*- coding: latin-1 -*-\nx = 'ü'\n".encode("latin-1"))
    with pytest.raises(PassportError, match=r"passport_latin\.py is no UTF-8 text"):
        SourceArchive.of("passport_latin")


def test_what_a_distribution_brought_is_told_from_what_lies_here():
    assert brought("sklearn.linear_model")
    assert brought("msgspec")
    assert brought("json")
    assert not brought(Path(__file__).stem)
    assert not brought("no_such_module_anywhere")
