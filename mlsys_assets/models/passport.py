"""The passport: what a model was made from and how, enough to make it again to the last bit."""

import hashlib
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache, partial
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from types import CellType, FunctionType, MethodType
from typing import Any, Final

import msgspec

from mlsys_assets.types import Scalar

CPU_FLAGS: Final = ("avx", "avx2", "avx512f", "fma", "sse4_2", "asimd", "sve")
"""The instruction sets that numerical libraries choose their code by, and so the last bits."""


VERSIONED: Final = sys.stdlib_module_names | {"lightgbm", "numpy", "pandas", "pyarrow", "scipy", "sklearn"}
"""Modules whose versions, which are recorded, stand for their code."""


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
    def observed(cls, *packages: str, declaration: object = None) -> "Environment":
        """Return this process's; the code is that of ``packages`` and of the functions that a declaration names."""
        code = code_hash(packages, files=source_files(declaration))
        return cls(code, lock_hash(_installed()), architecture(), platform.python_version())


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


def code_hash(packages: Iterable[str], *, files: Iterable[Path] = ()) -> str:
    """Return the SHA-256 of the Python files of packages or modules and of others, by relative path.

    A file of a package stands for the whole package. A package is found, not imported; raises PassportError
    where it is not.
    """
    origins = list(files)
    for package in packages:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise PassportError(f"no source of {package!r} was found; name packages or modules that can be imported")
        origins.append(Path(spec.origin))
    digest = hashlib.sha256()
    found = {name: path for top in {_outermost(file) for file in origins} for name, path in _code(top)}
    for name, path in sorted(found.items()):
        with open(path, "rb") as file:  # noqa: PTH123 - a hundred files at every start: Path takes twice as long
            digest.update(f"{name}\n".encode() + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def source_files(declaration: object) -> set[Path]:
    """Return the files of all functions, and of the classes of all objects, that stand anywhere in a declaration.

    Looked for in dataclasses, tuples, sets, mappings, bound methods, partial functions, and what functions close over.
    The standard library and the libraries below are left out: their versions stand for them.
    """
    found: set[str] = set()
    waiting, seen = [declaration], dict[int, object]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part  # kept, so that nothing else gets its place
        waiting += _parts(part)
        named = part if isinstance(part, FunctionType | type) else type(part)
        if (named.__module__ or "").partition(".")[0] not in VERSIONED:
            found.add(_file(named))
    return {Path(file) for file in found if Path(file).is_file()}


def _parts(part: object) -> list[Any]:
    """Return what stands directly in a part of a declaration."""
    if isinstance(part, FunctionType):
        return [cell.cell_contents for cell in part.__closure__ or () if cell != CellType()]
    if isinstance(part, MethodType):
        return [part.__func__, part.__self__]
    if isinstance(part, partial):
        return [part.func, part.args, part.keywords]
    if isinstance(part, Mapping):
        return list(part.values())
    if isinstance(part, tuple | list | Set):
        return list(part)
    return [getattr(part, f.name) for f in fields(part)] if is_dataclass(part) and not isinstance(part, type) else []


def _file(named: FunctionType | type) -> str:
    if isinstance(named, FunctionType):
        return named.__code__.co_filename
    return getattr(sys.modules.get(named.__module__), "__file__", None) or ""


def _outermost(file: Path) -> Path:
    """Return the folder of the outermost package that a file belongs to; the file, if it belongs to none."""
    if not (file.parent / "__init__.py").exists():
        return file
    top = file.parent
    while (top.parent / "__init__.py").exists():
        top = top.parent
    return top


def _code(top: Path) -> Iterator[tuple[str, str]]:
    """Yield name and path of a package's Python files, or of the one file."""
    if top.is_file():
        yield top.name, str(top)
        return
    for folder, _, names in os.walk(top):
        for name in names:
            if name.endswith(".py"):
                path = f"{folder}{os.sep}{name}"
                yield path.removeprefix(f"{top.parent}{os.sep}").replace(os.sep, "/"), path


@cache
def _installed() -> list[tuple[str, str]]:
    """Return names and versions of what is installed; read once, since a process keeps what it imported."""
    return [_named(d.read_text("METADATA") or d.read_text("PKG-INFO") or "") for d in distributions()]


def _named(metadata: str) -> tuple[str, str]:
    """Return a distribution's name and version; parsing all of it as mail, as the library does, takes tenfold."""
    head = metadata.partition("\n\n")[0].splitlines()
    told = dict(line.split(": ", 1) for line in head if line.startswith(("Name: ", "Version: ")))
    return told["Name"], told["Version"]


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
