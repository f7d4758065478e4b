"""The passport: what a model was made from and how, enough to make it again to the last bit."""

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from mlsys_assets.types import Scalar

CPU_FLAGS: Final = ("avx", "avx2", "avx512f", "fma", "sse4_2", "asimd", "sve")
"""The instruction sets that numerical libraries choose their code by, and so the last bits."""


class PassportError(ValueError):
    """A passport that lacks something without which its model could not be made again."""


@dataclass(frozen=True)
class Environment:
    """Where a model was made: the part of the record that a rebuild must find again."""

    code: str
    lock: str
    architecture: str
    python: str

    @classmethod
    def observed(cls, *packages: str) -> "Environment":
        """Return this process's, with the source files of ``packages`` as the code."""
        installed = [(d.metadata["Name"], d.version) for d in distributions()]
        return cls(code_hash(packages), lock_hash(installed), architecture(), platform.python_version())


@dataclass(frozen=True)
class Context:
    """What two equal trainings differ in: counters of the stores, ids of runs, time on the wall."""

    table_versions: Mapping[str, int] = field(default_factory=dict)
    dagster_run: str = ""
    mlflow_run: str = ""
    created_at: str = ""
    asked_by: str = ""


@dataclass(frozen=True)
class Passport:
    """A model's record. All but ``context`` is content: equal for two fresh runs, and hashed.

    Parameters
    ----------
    system, candidate
        Whose model, and by which candidate.
    as_of
        The moment it knew, ISO 8601.
    tables
        The content hash of each lake table that was read.
    environment
        Code, lock, architecture and Python.
    seed, threads
        As given to the fit.
    params, recipe
        What was chosen before the fit, and what the fit found.
    windows
        The prediction times of each part of the split, as text.
    training_rows, training_hash
        How many rows it was fitted on, and the hash of their content.
    model_hash
        The content hash of the bundle.
    context
        Beside the record, outside its hash.
    """

    system: str
    candidate: str
    as_of: str
    tables: Mapping[str, str]
    environment: Environment
    seed: int
    threads: int
    params: Mapping[str, Scalar]
    recipe: Mapping[str, Scalar]
    windows: Mapping[str, str]
    training_rows: int
    training_hash: str
    model_hash: str
    context: Context = Context()

    def __post_init__(self) -> None:
        """Raise PassportError for what is empty: it could not be rebuilt from."""
        needed = ("system", "candidate", "as_of", "tables", "windows", "training_hash", "model_hash")
        empty = [name for name in needed if not getattr(self, name)]
        empty += [f"environment.{f.name}" for f in fields(self.environment) if not getattr(self.environment, f.name)]
        if self.training_rows < 1:
            empty.append("training_rows")
        if empty:
            raise PassportError(f"the passport lacks {empty}; without them the model could not be made again")

    @property
    def content(self) -> bytes:
        """The record without its context, as canonical JSON."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "context"}
        return msgspec.json.encode(named, order="deterministic")

    @property
    def content_hash(self) -> str:
        """The SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def to_json(self) -> bytes:
        """Return the whole record, context included, as canonical JSON."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, data: bytes) -> "Passport":
        """Return the record that ``to_json`` wrote; raises PassportError."""
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, ValueError) as error:
            raise PassportError(f"this is no passport: {error}") from error


def code_hash(packages: Iterable[str]) -> str:
    """Return the SHA-256 of the Python files of packages or modules, by relative path; raises PassportError.

    A package is found, not imported.
    """
    digest = hashlib.sha256()
    for package in sorted(packages):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise PassportError(f"no source of {package!r} was found; name packages or modules that can be imported")
        origin = Path(spec.origin)
        folder, files = origin.parent, sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
        for file in files:
            digest.update(f"{package}/{file.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def lock_hash(installed: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 of distributions as sorted name==version lines, names normalized (PEP 503)."""
    lines = sorted({f"{name.lower().replace('_', '-').replace('.', '-')}=={version}" for name, version in installed})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def architecture() -> str:
    """Return the machine and the instruction sets that decide the last bits of a sum."""
    return " ".join([platform.machine(), sys.platform, *_cpu_flags(Path("/proc/cpuinfo"))])


def _cpu_flags(cpuinfo: Path) -> list[str]:
    if not cpuinfo.is_file():
        return []
    for line in cpuinfo.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            return [flag for flag in CPU_FLAGS if flag in value.split()]
    return []
