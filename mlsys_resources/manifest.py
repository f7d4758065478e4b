"""The list of a model's files with their hashes, checked before anything is parsed."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlsys_resources.canonical import canonical_json, sha256
from mlsys_resources.mlmodel import MLMODEL, MlmodelError, check_mlmodel
from mlsys_resources.names import relative_path

MANIFEST_NAME = "manifest.json"
"""The manifest's own file name, which no other file may have."""

FORMAT = 1
"""The version of the manifest's layout."""

CONTENT_SUFFIXES = frozenset({".txt", ".json", ".skops", ".onnx", ".npy", ".npz"})
"""What a model may consist of: formats with a reader that runs no code from the file."""

RECORD_SUFFIXES = frozenset({".txt", ".json", ".md", ".csv", ".html", ".png", ".svg"})
"""What may be kept beside a model."""

LARGEST_FILE = 512 * 1024 * 1024
"""Bytes of one file: beyond it something other than a model is being handed over."""

MOST_FILES = 200
"""How many files one model may have."""


class TamperedArtifact(RuntimeError):
    """The files are not those that were registered; none of them was parsed."""

    def __init__(self, file: str, what: str) -> None:
        self.file = file
        super().__init__(
            f"{file}: {what}; the artifact was refused before anything in it was parsed: keep serving the version"
            " that is loaded, find out who wrote there, and register the model again from its record"
        )


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One listed file: its hash and its length in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of one model: ``content`` is what the model is, ``record`` what is known about it.

    >>> Manifest.of({"model.txt": b"tree"}, {"passport.json": b"{}"}).content["model.txt"].size
    4
    """

    content: Mapping[str, FileRecord]
    record: Mapping[str, FileRecord]

    @classmethod
    def of(cls, content: Mapping[str, bytes], record: Mapping[str, bytes]) -> "Manifest":
        """Return the manifest of these files; raises ValueError for a name, kind or size that is not allowed."""
        if not content:
            raise ValueError("a model needs at least one content file, got none")
        _check_names(list(content), CONTENT_SUFFIXES)
        _check_names(_told(record), RECORD_SUFFIXES)
        _check_distinct([*content, *record])
        if MLMODEL in record:
            check_mlmodel(record[MLMODEL])
        for name, data in [*content.items(), *record.items()]:
            if len(data) > LARGEST_FILE:
                raise ValueError(f"{name} has {len(data)} bytes; at most {LARGEST_FILE} are allowed; make it smaller")
        return cls(_records(content), _records(record))

    @property
    def content_hash(self) -> str:
        """The SHA-256 over the sorted names and hashes of the content files: equal for equal models."""
        return sha256("".join(f"{name}\n{self.content[name].sha256}\n" for name in sorted(self.content)).encode())

    @property
    def files(self) -> dict[str, FileRecord]:
        """All listed files, content and record."""
        return {**self.content, **self.record}

    @property
    def sha256(self) -> str:
        """The SHA-256 of the manifest itself, which the trusted record keeps."""
        return sha256(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the manifest as canonical JSON."""
        parts = {"content": self.content, "record": self.record}
        listed = {
            part: {name: {"sha256": file.sha256, "size": file.size} for name, file in files.items()}
            for part, files in parts.items()
        }
        return canonical_json({"format": FORMAT, **listed}).encode("ascii")

    @classmethod
    def parse(cls, data: bytes, *, expected_sha256: str) -> "Manifest":
        """Return the manifest that these bytes are, if they are the ones expected; raises TamperedArtifact."""
        if sha256(data) != expected_sha256:
            raise TamperedArtifact(
                MANIFEST_NAME, f"its SHA-256 is {sha256(data)}, the trusted record says {expected_sha256}"
            )
        parsed = json.loads(data)
        if parsed.get("format") != FORMAT:
            raise ValueError(f"the manifest has format {parsed.get('format')!r}; this version of mlsys reads {FORMAT}")
        content, record = (
            {name: FileRecord(file["sha256"], file["size"]) for name, file in parsed[part].items()}
            for part in ("content", "record")
        )
        return cls(content, record)


def verify(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Raise TamperedArtifact, naming the file, unless ``files`` are exactly those of ``manifest``."""
    check_listing(manifest, {name: len(data) for name, data in files.items()})
    for name, listed in manifest.files.items():
        found = sha256(files[name])
        if found != listed.sha256:
            raise TamperedArtifact(name, f"its SHA-256 is {found}, the manifest says {listed.sha256}")
    if MLMODEL in manifest.record:  # whoever registered it may have been deceived
        try:
            check_mlmodel(files[MLMODEL])
        except MlmodelError as error:
            raise TamperedArtifact(MLMODEL, str(error)) from error


def check_listing(manifest: Manifest, sizes: Mapping[str, int | None]) -> None:
    """Raise TamperedArtifact unless the names are exactly those listed, of an allowed kind, in the listed sizes.

    A size of None is not known yet.
    """
    listed = manifest.files
    for name in sorted(sizes.keys() - listed.keys()):
        raise TamperedArtifact(name, "it is there but not in the manifest")
    for name in sorted(listed.keys() - sizes.keys()):
        raise TamperedArtifact(name, "it is in the manifest but not there")
    try:
        _check_names(list(manifest.content), CONTENT_SUFFIXES)
        _check_names(_told(manifest.record), RECORD_SUFFIXES)
    except ValueError as error:
        raise TamperedArtifact(MANIFEST_NAME, str(error)) from error
    for name, file in sorted(listed.items()):
        if sizes[name] not in (None, file.size) or file.size > LARGEST_FILE:
            raise TamperedArtifact(
                name, f"it has {sizes[name]} bytes, the manifest says {file.size} (at most {LARGEST_FILE})"
            )


def _records(files: Mapping[str, bytes]) -> dict[str, FileRecord]:
    return {name: FileRecord(sha256(data), len(data)) for name, data in sorted(files.items())}


def _told(record: Mapping[str, object]) -> list[str]:
    """Return the names of a record but for MLflow's description, which is checked by what it says."""
    return [name for name in record if name != MLMODEL]


def _check_names(names: list[str], suffixes: frozenset[str]) -> None:
    for name in names:
        path = relative_path(name)
        if path.suffix not in suffixes or path.name in (MANIFEST_NAME, MLMODEL):
            raise ValueError(
                f"{name!r} is no allowed file of a model: its suffix must be one of {', '.join(sorted(suffixes))}"
                f" and {MANIFEST_NAME} is the manifest's own; save it in one of these formats"
            )


def _check_distinct(names: list[str]) -> None:
    if len(names) > MOST_FILES:
        raise ValueError(f"a model of {len(names)} files; at most {MOST_FILES} are allowed; put some together")
    folded = sorted(name.casefold() for name in names)
    twice = sorted({name for name, following in itertools.pairwise(folded) if name == following})
    if twice:
        raise ValueError(f"the names {twice} occur twice (upper and lower case are one on some disks); rename them")
