"""A model is made again from its record alone: by the code of then, whatever the code of now says."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import mlsys_assets
from mlsys_assets.cli import main
from mlsys_assets.commands import rebuild as command
from mlsys_assets.commands.rebuild import CannotRebuild, Outcome, asked, rebuild
from mlsys_assets.commands.refit_recorded import Gone, refit
from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.models.passport.environment import Dependencies
from mlsys_assets.models.passport.parts import Context, Data, Parameters, files_of, part_of
from mlsys_resources.model_store import LoadedArtifacts
from mlsys_resources.operations_store import UnknownModel

PACKAGES = Path(mlsys_assets.__file__).parents[1]
CHANGED = {
    "mlsys_assets/models/gradient_boosting.py": ("def refit(", "def refit_in_another_way("),
    "mlsys_assets/features/trailing.py": ("class Trailing", "class Following"),
    "mlsys_assets/models/passport/parts.py": ("class Data", "class Data"),
}


@pytest.fixture
def model(life) -> LoadedArtifacts:
    return life.stores.models.load("rain", 1)


@pytest.fixture
def changed_tree(tmp_path: Path) -> Path:
    """The packages as somebody works on them: what fits and what computes features is broken by now."""
    tree = tmp_path / "tree"
    for package in ("mlsys_assets", "mlsys_resources"):
        shutil.copytree(PACKAGES / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (was, becomes) in CHANGED.items():
        text = (tree / name).read_text(encoding="utf-8")
        assert was in text
        (tree / name).write_text(text.replace(was, becomes), encoding="utf-8")
    return tree


def test_the_registered_model_is_made_again_though_the_code_has_changed_since(life, model, changed_tree, tmp_path):
    out = tmp_path / "rebuilt"
    done = subprocess.run(
        [sys.executable, "-m", "mlsys_assets.cli", "rebuild", "rain@1", "--home", life.stores.home, "--out", out],
        env=os.environ | {"PYTHONPATH": str(changed_tree)}, cwd=changed_tree, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in (
        "rain@1: lightgbm as of 2013-03-05",
        "environment  the same: Python 3.",
        "fitted on 3,750, each equal",
    ):
        assert words in done.stdout
    assert f"equal to the last bit: {model.version.content_hash[:16]}" in done.stdout
    made = {path.name: path.read_bytes() for path in out.iterdir()}
    assert made == model.content
    rows = life.stores.lake.read("rain", "features")
    scores = [from_files(files).predict(rows, threads=2) for files in (made, model.content)]
    assert rows.num_rows > 1000
    assert np.array_equal(scores[0].view(np.uint64), scores[1].view(np.uint64))


def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Dependencies.observed()
    other = replace(now, distributions={**now.distributions, "lightgbm": "0.1"}, lock="other", python="3.99.0")
    monkeypatch.setattr(command, "Dependencies", type("Elsewhere", (), {"observed": staticmethod(lambda: other)}))


def test_another_environment_is_refused_and_each_difference_named(life, monkeypatch):
    _elsewhere(monkeypatch)
    with pytest.raises(
        CannotRebuild, match=r"Python: was 3\.\d+\.\d+, is 3\.99\.0; lightgbm: was [\d.]+, is 0\.1; install"
    ):
        rebuild(life.stores, "rain", 1)


def test_it_goes_on_where_that_is_asked_for_and_says_that_it_proves_less(life, model, monkeypatch):
    _elsewhere(monkeypatch)
    content = {name: file.sha256 for name, file in model.manifest.content.items()}
    monkeypatch.setattr(command, "_refitted", lambda *_: {"rows": 1, "training_rows": 1, "content": content})
    found = rebuild(life.stores, "rain", 1, anyway=True)
    assert found.equal
    assert "environment  ANOTHER, so that this proves less: Python: was" in "\n".join(found.lines)


def test_code_that_is_gone_or_was_swapped_is_not_replaced_by_that_of_now(life, monkeypatch):
    """The child imports what is on record, or nothing."""
    kept = CompletePassport.of.__func__

    def without(cls: type, files: Any, *, content_hash: str) -> Any:
        found = kept(cls, files, content_hash=content_hash)
        few = {n: t for n, t in found.source.files.items() if not n.endswith("refit_recorded.py")}
        object.__setattr__(found, "source", replace(found.source, files=few))
        return found

    monkeypatch.setattr(CompletePassport, "of", classmethod(without))
    with pytest.raises(CannotRebuild, match=r"No module named mlsys_assets\.commands\.refit_recorded"):
        rebuild(life.stores, "rain", 1)


def test_a_model_that_comes_out_otherwise_is_told_by_its_files(life, model, monkeypatch):
    hashes = {name: file.sha256 for name, file in model.manifest.content.items()}
    found = {
        "code": "",
        "rows": 1,
        "training_rows": 1,
        "content": {**hashes, "model.txt": "f" * 64, "more.json": "e" * 64},
    }
    monkeypatch.setattr(command, "_refitted", lambda *_: found)
    outcome = rebuild(life.stores, "rain", 1)
    assert not outcome.equal
    assert (
        f"model        DIFFERS: model.txt: was {hashes['model.txt'][:16]}, is {'f' * 16}; more.json: was not there, is"
        in ("\n".join(outcome.lines))
    )


@pytest.mark.parametrize(("equal", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_they_are_equal(life, monkeypatch, capsys, equal, code):
    monkeypatch.setattr(command, "rebuild", lambda *_, **__: Outcome(equal, ("said",)))
    monkeypatch.setenv("MLSYS_HOME", str(life.stores.home))
    assert main(["rebuild", "rain@1"]) == code
    assert capsys.readouterr().out == "said\n"


class Erased:
    """A lake without some rows of a table, in all its versions."""

    def __init__(self, lake: Any, table: str) -> None:
        self.lake, self.table = lake, table

    def read(self, system: str, table: str, **narrowed: Any) -> pa.Table:
        rows = self.lake.read(system, table, **narrowed)
        return rows.slice(1) if table == self.table else rows


def test_the_same_rows_give_the_same_bytes_at_the_same_threads_and_seed(life, model):
    files, found = refit(model.record, life.stores.lake)
    assert files == model.content
    assert (found["rows"], found["training_rows"]) == (4506, 3750)


@pytest.mark.parametrize("change", [{"seed": 1}, {"recipe": {"rounds": 29}}], ids=["seed", "recipe"])
def test_what_is_on_record_is_what_is_fitted(life, model, change):
    """What a model was set up with stands in its text, which is another, whether its trees are or not."""
    other = replace(part_of(model.record, Parameters), **change)
    files, _ = refit(model.record | files_of(other), life.stores.lake)
    assert files != model.content


def test_the_threads_on_record_are_those_that_it_may_take(life, model, monkeypatch):
    """A fit of so few rows takes one of them, and is the same."""
    told, fit = [], LightGBM.refit

    def watched(candidate: LightGBM, train: Any, **how: Any) -> Any:
        told.append(how["threads"])
        return fit(candidate, train, **how)

    monkeypatch.setattr(LightGBM, "refit", watched)
    other = replace(part_of(model.record, Parameters), threads=7)
    assert refit(model.record | files_of(other), life.stores.lake)[0] == model.content
    assert told == [7]


@pytest.mark.parametrize(("table", "changed"), [("features", "features, labels"), ("labels", "labels")])
def test_rows_that_were_erased_are_told_by_the_tables_that_lack_them(life, model, table, changed):
    with pytest.raises(Gone, match=f"are not the 4506 that were recorded: {changed} changed; rows were erased"):
        refit(model.record, Erased(life.stores.lake, table))


def test_a_version_that_is_gone_is_told(life, model):
    gone = replace(part_of(model.record, Context), lake_versions={"features": 999, "labels": 1})
    with pytest.raises(Gone, match="features version 999, labels version 1 cannot be read any more"):
        refit(model.record | files_of(gone), life.stores.lake)


def test_rows_that_are_split_in_another_way_are_told(life, model):
    other = replace(part_of(model.record, Data), training_hash="x")
    with pytest.raises(Gone, match=r"the 3750 rows to fit on hash to .*, recorded is x"):
        refit(model.record | files_of(other), life.stores.lake)


def test_files_that_are_gone_from_the_lake_are_told_by_the_command(life, model, tmp_path, monkeypatch, capsys):
    home = Path(shutil.copytree(life.stores.home, tmp_path / "home"))
    for file in (home / "lake" / "rain" / "labels").rglob("*.parquet"):
        file.unlink()
    assert main(["rebuild", "rain@1", "--home", str(home)]) == 1
    assert "what was erased cannot be learned from again" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["rain", "rain@", "@1", "rain@one", "rain@-1"])
def test_what_names_no_model_is_refused(wrong):
    with pytest.raises(ValueError, match="is no model; write SYSTEM@VERSION"):
        asked(wrong)


def test_a_version_that_is_not_there_and_a_folder_that_is_full_are_refused(life, tmp_path):
    with pytest.raises(UnknownModel, match="version 99"):
        rebuild(life.stores, "rain", 99)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is not empty"):
        rebuild(life.stores, "rain", 1, out=tmp_path)
    with pytest.raises(ValueError, match="or no folder"):
        rebuild(life.stores, "rain", 1, out=tmp_path / "file")
    with pytest.raises(ValueError, match="allowed is a whole number"):
        rebuild(life.stores, "rain", 10**30)
