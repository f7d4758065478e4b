"""A model whose files are not to the byte those that were registered is refused, whichever way they are read."""

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mlsys_resources.manifest import MANIFEST_NAME, TamperedArtifact


@pytest.mark.parametrize("how", ["flip", "truncate", "append", "empty", "remove", "swap"])
def test_any_file_that_differs_is_refused(either: Any, how: str) -> None:
    """Faults 33 and 34: every file, the manifest among them."""
    version = either.register()
    for name, other in zip(either.every_file, [*either.every_file[1:], either.every_file[0]], strict=True):
        path, twin = either.folder(version) / name, either.folder(version) / other
        good, second = path.read_bytes(), twin.read_bytes()
        if how == "remove":
            path.unlink()
        elif how == "swap":
            path.write_bytes(second)
            twin.write_bytes(good)
        else:
            path.write_bytes({
                "flip": good[:-1] + bytes([good[-1] ^ 1]), "truncate": good[:-1], "append": good + b" ", "empty": b"",
            }[how])  # fmt: skip
        with pytest.raises(TamperedArtifact) as refused:
            either.models.load(either.system, version.version)
        assert refused.value.file in (name, other) if how == "swap" else refused.value.file == name
        path.write_bytes(good)
        twin.write_bytes(second)
    assert either.models.load(either.system, version.version).files == {**either.content, **either.record}


@pytest.mark.parametrize("name", ["MLmodel", "code/loader.py", "conda.yaml", "model2.txt", "onnx/more/x.onnx"])
def test_an_added_file_is_refused(either: Any, name: str) -> None:
    """Faults 35 and 36: there is no MLmodel to edit and no code that a loader would run."""
    version = either.register()
    path = either.folder(version) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"loader_module: evil")
    with pytest.raises(TamperedArtifact, match=name):
        either.models.load(either.system, version.version)


def test_a_model_in_the_place_of_another_is_refused(world: Any) -> None:
    """The manifest of the other one is consistent in itself, but it is not the one on record."""
    first, second = world.register(), world.register(content={**world.content, "model.txt": b"other"})
    shutil.rmtree(world.folder(first))
    shutil.copytree(world.folder(second), world.root / "artifacts" / first.source)
    with pytest.raises(TamperedArtifact, match=r"manifest\.json: its SHA-256"):
        world.models.load(world.system, first.version)


@pytest.mark.parametrize("how", ["link to a file", "link to a folder", "pipe", "folder is a link"])
def test_a_link_or_a_pipe_is_refused(world: Any, tmp_path: Path, how: str) -> None:
    version = world.register()
    folder = world.folder(version)
    if how == "link to a file":
        shutil.copy(folder / "model.txt", tmp_path / "model.txt")
        (folder / "model.txt").unlink()
        (folder / "model.txt").symlink_to(tmp_path / "model.txt")
    elif how == "link to a folder":
        (folder / "more").symlink_to(tmp_path)
    elif how == "pipe":
        (folder / "model.txt").unlink()
        os.mkfifo(folder / "model.txt")
    else:
        shutil.move(folder, tmp_path / "model")
        folder.symlink_to(tmp_path / "model")
    with pytest.raises(TamperedArtifact, match=r"no plain file|symbolic link"):
        world.models.load(world.system, version.version)


def test_a_manifest_of_any_size_is_not_read(world: Any) -> None:
    version = world.register()
    with (world.folder(version) / MANIFEST_NAME).open("r+b") as file:
        file.truncate(2**30)
    with pytest.raises(TamperedArtifact, match=r"manifest\.json: it has 1073741824 bytes"):
        world.models.load(world.system, version.version)


def test_a_trusted_record_that_was_changed_is_refused(world: Any) -> None:
    version = world.register()
    with sqlite3.connect(world.root / "operations.db") as database:
        database.execute("UPDATE mlsys_models SET content_hash = 'x' WHERE system = ?", (world.system,))
    database.close()
    with pytest.raises(TamperedArtifact, match="its content is not x"):
        world.models.load(world.system, version.version)
