"""Where a run's files lie: below a local root, or behind MLflow."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mlsys_resources.manifest import (
    LARGEST_FILE,
    MANIFEST_NAME,
    MOST_FILES,
    Manifest,
    TamperedArtifact,
    check_listing,
    verify,
)
from mlsys_resources.names import identifier, inside, relative_path

SERVED = "mlflow-artifacts:"
"""How the address of files begins that an MLflow server serves, and so can delete."""
LARGEST_MANIFEST = 1024 * 1024
"""Bytes of a manifest."""


class ServedElsewhere(RuntimeError):
    """Files that MLflow's server does not serve itself, so that nothing here can delete them."""


class RunPlace(NamedTuple):
    """Which run's files are meant."""

    experiment: str
    run_id: str


@dataclass(frozen=True, slots=True)
class SavedArtifacts:
    """Where a model's files lie, and the hashes by which they are trusted when they are read again."""

    source: str
    manifest_sha256: str
    content_hash: str


class ArtifactFiles(Protocol):
    """Saves and reads the files of runs by a ``source``: a text that says where one folder of them is."""

    def location(self, experiment: str) -> str | None:
        """Return where an experiment's files are to lie, or None to leave it to the server."""
        ...

    def source(self, run: RunPlace, folder: str) -> str:
        """Return the source of a folder of a run (``""``: its top)."""
        ...

    def save(self, run: RunPlace, folder: str, files: Mapping[str, bytes]) -> str:
        """Write files into a folder of a run and return their source."""
        ...

    def sizes(self, source: str) -> dict[str, int | None]:
        """Return every file below a source with its size in bytes, where it is known."""
        ...

    def read(self, source: str, name: str) -> bytes:
        """Return the bytes of one file, at most one more than the largest allowed."""
        ...

    def folders(self, experiment: str) -> list[tuple[RunPlace, str, str]]:
        """Return each folder that a run of an experiment holds: the run, the folder's name, its source."""
        ...

    def folders_of(self, run: RunPlace) -> list[tuple[str, str]]:
        """Return each folder that a run holds: its name, its source."""
        ...

    def discard(self, source: str) -> bool:
        """Delete all files at a source, and return whether there were any; raises ServedElsewhere."""
        ...


class LocalFiles:
    """Files below one fixed root, read and written without MLflow; a source is a path below it.

    Where they lie follows from the names alone, never from what MLflow says, so that nobody's
    experiment leads elsewhere and the root can be moved as a whole.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def location(self, experiment: str) -> str:
        """Return the experiment's folder as a ``file:`` URI."""
        return inside(self._root, identifier(experiment)).as_uri()

    def source(self, run: RunPlace, folder: str) -> str:
        """Return the folder's path below the root."""
        return "/".join(filter(None, (identifier(run.experiment), run.run_id, "artifacts", folder)))

    def save(self, run: RunPlace, folder: str, files: Mapping[str, bytes]) -> str:
        """Write files into a folder of a run, each of them whole or not at all."""
        source = self.source(run, folder)
        for name, data in files.items():
            _write_whole(inside(self._root, source, name), data)
        return source

    def sizes(self, source: str) -> dict[str, int | None]:
        """Return every file with its size; raises TamperedArtifact for a link or a special file."""
        folder = self._folder(source)
        found: dict[str, int | None] = {}
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            name, status = path.relative_to(folder).as_posix(), path.lstat()
            if stat.S_ISDIR(status.st_mode):
                continue
            if not stat.S_ISREG(status.st_mode):
                raise TamperedArtifact(name, "it is no plain file")
            found[name] = status.st_size
        return found

    def read(self, source: str, name: str) -> bytes:
        """Return the bytes of one file."""
        with (self._folder(source) / relative_path(name)).open("rb") as file:
            return file.read(LARGEST_FILE + 1)

    def folders(self, experiment: str) -> list[tuple[RunPlace, str, str]]:
        """Return each folder of the experiment's runs."""
        runs = sorted(path.name for path in inside(self._root, identifier(experiment)).glob("*/"))
        places = [RunPlace(experiment, run) for run in runs]
        found: list[tuple[RunPlace, str, str]] = []
        for place in places:
            with contextlib.suppress(TamperedArtifact):  # a link, or a name that is no run's: nothing of ours
                found += [(place, name, source) for name, source in self.folders_of(place)]
        return found

    def folders_of(self, run: RunPlace) -> list[tuple[str, str]]:
        """Return each folder of a run."""
        top = self.source(run, "")
        found = sorted(self._folder(top).glob("*/"))
        return [(path.name, f"{top}/{path.name}") for path in found if path.is_dir() and not path.is_symlink()]

    def discard(self, source: str) -> bool:
        """Delete a folder of a run with all that is in it, and return whether it was there."""
        folder = self._folder(source)
        there = folder.is_dir()
        shutil.rmtree(folder, ignore_errors=not there)
        return there

    def _folder(self, source: str) -> Path:
        try:
            return inside(self._root, source)
        except ValueError as error:
            raise TamperedArtifact(source, str(error)) from error


class RemoteFiles:
    """Files behind an MLflow server; a source is ``runs:/<run id>/<folder>``."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def location(self, experiment: str) -> None:
        """Return None: the server decides where its files lie."""

    def source(self, run: RunPlace, folder: str) -> str:
        """Return the folder as MLflow addresses it."""
        return f"runs:/{run.run_id}/{folder}"

    def save(self, run: RunPlace, folder: str, files: Mapping[str, bytes]) -> str:
        """Send files into a folder of a run."""
        with tempfile.TemporaryDirectory(prefix="mlsys-") as scratch:
            for name, data in files.items():
                path = inside(scratch, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            self._client.log_artifacts(run.run_id, scratch, folder or None)
        return self.source(run, folder)

    def sizes(self, source: str) -> dict[str, int | None]:
        """Return every file with its size; raises TamperedArtifact for more than a model can have."""
        run_id, folder = self._parts(source)
        found: dict[str, int | None] = {}
        for info in self._walk(run_id, folder):
            found[info.path.removeprefix(f"{folder}/")] = info.file_size
            if len(found) > MOST_FILES + 1:
                raise TamperedArtifact(info.path, f"there are more than {MOST_FILES} files")
        return found

    def read(self, source: str, name: str) -> bytes:
        """Return the bytes of one file."""
        run_id, folder = self._parts(source)
        with tempfile.TemporaryDirectory(prefix="mlsys-") as scratch:
            fetched = self._client.download_artifacts(run_id, f"{folder}/{relative_path(name)}", scratch)
            with Path(fetched).open("rb") as file:
                return file.read(LARGEST_FILE + 1)

    def folders(self, experiment: str) -> list[tuple[RunPlace, str, str]]:
        """Return nothing: a server is not asked for the files of all its runs, which its owner sweeps."""
        return []

    def folders_of(self, run: RunPlace) -> list[tuple[str, str]]:
        """Return each folder of a run."""
        found = self._client.list_artifacts(run.run_id)
        return [(info.path, self.source(run, info.path)) for info in found if info.is_dir]

    def discard(self, source: str) -> bool:
        """Have the server delete a folder of a run; raises ServedElsewhere where it gives its files to none."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        run_id, folder = self._parts(source)
        if not self._client.list_artifacts(run_id, folder):
            return False
        place = str(self._client.get_run(run_id).info.artifact_uri)
        if not place.startswith(SERVED):  # whatever else it names may be anybody's, this machine's disk among it
            raise ServedElsewhere(
                f"the files at {source} lie at {place}, which MLflow's server does not serve itself: delete them there"
            )
        get_artifact_repository(place, tracking_uri=self._client.tracking_uri).delete_artifacts(folder)
        return True

    def _walk(self, run_id: str, folder: str) -> Iterator[Any]:
        for info in self._client.list_artifacts(run_id, folder):
            if info.is_dir:
                yield from self._walk(run_id, info.path)
            else:
                yield info

    @staticmethod
    def _parts(source: str) -> tuple[str, str]:
        run_id, _, folder = source.removeprefix("runs:/").partition("/")
        return identifier(f"r{run_id}")[1:], relative_path(folder).as_posix()


def read_verified(files: ArtifactFiles, source: str, manifest_sha256: str) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the files at a source, each byte checked; raises TamperedArtifact before any parse."""
    sizes = files.sizes(source)
    size = sizes.pop(MANIFEST_NAME, -1)
    if size == -1:
        raise TamperedArtifact(MANIFEST_NAME, f"it is not there (at {source})")
    if size is not None and size > LARGEST_MANIFEST:
        raise TamperedArtifact(MANIFEST_NAME, f"it has {size} bytes, more than {LARGEST_MANIFEST}")
    manifest = Manifest.parse(files.read(source, MANIFEST_NAME), expected_sha256=manifest_sha256)
    check_listing(manifest, sizes)
    found = {name: files.read(source, name) for name in manifest.files}
    verify(manifest, found)
    return manifest, found


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="partial-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
