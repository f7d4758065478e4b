"""The code that a model was made by: which files, their hash, and their text, kept so that it can be run again."""

import ast
import base64
import binascii
import hashlib
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from types import CellType, FunctionType, MethodType
from typing import Any, Final

import msgspec

from mlsys_assets.models.passport.error import PassportError

VERSIONED: Final = sys.stdlib_module_names | {"lightgbm", "numpy", "pandas", "pyarrow", "scipy", "sklearn"}
"""Modules whose versions, which are recorded, stand for their code."""
TYPED_IN: Final = "__main__"
"""The module of a notebook, a script or a prompt, which nobody can import again."""
SUFFIXES: Final = (".py", ".pyi")
"""What is code: the public names are read from a stub."""
PLACES: Final = frozenset({"site-packages", "dist-packages"})
"""The folders that distributions are installed in."""
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of source text in one archive: beyond it something other than code is being unpacked."""
LEVEL: Final = 6
"""How hard zlib tries."""


@dataclass(frozen=True)
class SourceArchive:
    """Source files by relative path, the folder that holds them all being one that Python can import from.

    >>> kept = SourceArchive({"mine.py": "x = 1"})
    >>> SourceArchive.from_json(kept.to_json(), expected=kept.hash) == kept
    True
    """

    files: Mapping[str, str]

    @classmethod
    def of(cls, *packages: str, declaration: object = None) -> "SourceArchive":
        """Return packages whole, the files of what a declaration names, and what those import of their neighbours.

        Raises PassportError for a package that is not found and for a file that is no UTF-8 text.
        """
        found = _named_files(packages, with_neighbours(source_files(declaration)))
        texts = {}
        for name, path in sorted(found.items()):
            try:
                texts[name] = Path(path).read_bytes().decode()
            except UnicodeDecodeError as error:
                raise PassportError(f"{path} is no UTF-8 text, so that it could not be kept: {error}") from error
        return cls(texts)

    @property
    def hash(self) -> str:
        """The SHA-256 over paths and contents: that of ``code_hash`` of the same files."""
        return _hash((name, text.encode()) for name, text in self.files.items())

    def holds(self, module: str) -> bool:
        """Return whether a module can be imported from here."""
        path = module.replace(".", "/")
        return f"{path}.py" in self.files or f"{path}/__init__.py" in self.files

    def to_json(self) -> bytes:
        """Return it as JSON that holds the compressed text: a fourth of it."""
        packed = zlib.compress(msgspec.json.encode(self.files, order="deterministic"), LEVEL)
        return msgspec.json.encode(
            {"files": len(self.files), "sha256": self.hash, "zlib": base64.b64encode(packed).decode()},
            order="deterministic",
        )

    @classmethod
    def from_json(cls, data: bytes, *, expected: str) -> "SourceArchive":
        """Return the archive of that hash; raises PassportError for any other, and for paths that lead elsewhere."""
        try:
            told = msgspec.json.decode(data, type=_Packed)
            unpacked = zlib.decompressobj()
            text = unpacked.decompress(base64.b64decode(told.zlib, validate=True), LARGEST)
            if unpacked.unconsumed_tail or not unpacked.eof:
                raise PassportError(f"the code has more than {LARGEST} bytes, or was cut off")
            found = cls(msgspec.json.decode(text, type=dict[str, str]))
        except (msgspec.MsgspecError, binascii.Error, zlib.error, UnicodeDecodeError) as error:
            raise PassportError(f"this is no code of a passport: {error}") from error
        if found.hash != expected:
            raise PassportError(f"the code that was kept hashes to {found.hash}, recorded is {expected}")
        if odd := [name for name in found.files if not _plain(name)]:
            raise PassportError(f"the code has files by the names {odd[:3]}, which lead elsewhere or are no code")
        return found

    def unpack(self, folder: Path) -> None:
        """Write the files below a folder, which Python can then import from."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())


class _Packed(msgspec.Struct, forbid_unknown_fields=True):
    files: int
    sha256: str
    zlib: str


def code_hash(packages: Iterable[str], *, files: Iterable[Path] = ()) -> str:
    """Return the SHA-256 of the Python files of packages or modules and of others, by relative path.

    A file of a package stands for the whole package. A package is found, not imported; raises PassportError
    where it is not.
    """
    return _hash((name, _read(path)) for name, path in _named_files(packages, files).items())


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
        waiting += parts_of(part)
        named = part if isinstance(part, FunctionType | type) else type(part)
        if (named.__module__ or "").partition(".")[0] not in VERSIONED:
            found.add(_file(named))
    return {Path(file) for file in found if Path(file).is_file()}


def brought(module: str) -> bool:
    """Return whether a distribution brought a module, so that its version, which is recorded, stands for its code."""
    top = module.partition(".")[0]
    if top in VERSIONED or top == TYPED_IN:
        return top != TYPED_IN
    try:
        spec = find_spec(top)
    except ValueError:  # so says Python of a module that was made in memory
        return False
    return spec is not None and spec.origin is not None and not PLACES.isdisjoint(Path(spec.origin).parts)


def with_neighbours(files: Iterable[Path]) -> set[Path]:
    """Return files with those beside them that they import, and that these import in turn.

    A file of a package is one of many, and stands for all of them; what a distribution brought, its version stands for.
    """
    found, waiting = set[Path](), list(files)
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        if file == _outermost(file):
            waiting += [path for name in _imported(file) for path in _beside(file, name)]
    return found


def parts_of(part: object) -> list[Any]:
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


def _imported(file: Path) -> set[str]:
    """Return the first names of the modules that a file imports, wherever in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _beside(file: Path, name: str) -> list[Path]:
    """Return the module or package of that name in the folder of a file, if it is there."""
    places = (file.parent / f"{name}.py", file.parent / name / "__init__.py")
    return [place for place in places if place.is_file()]


def _hash(contents: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(contents):
        digest.update(f"{name}\n".encode() + hashlib.sha256(data).digest())
    return digest.hexdigest()


def _named_files(packages: Iterable[str], files: Iterable[Path]) -> dict[str, str]:
    """Return the path of every file of code by the name that it has where Python imports from."""
    origins = list(files)
    for package in packages:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise PassportError(f"no source of {package!r} was found; name packages or modules that can be imported")
        origins.append(Path(spec.origin))
    return {name: path for top in sorted({_outermost(f) for f in origins}) for name, path in _code(top)}


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - hundreds of files at every start: Path takes twice as long
        return file.read()


def _plain(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix in SUFFIXES and not path.is_absolute() and ".." not in path.parts and "\\" not in name


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
    """Yield name and path of a package's files of code, or of the one file."""
    if top.is_file():
        yield top.name, str(top)
        return
    for folder, _, names in os.walk(top):
        for name in names:
            if name.endswith(SUFFIXES):
                path = f"{folder}{os.sep}{name}"
                yield path.removeprefix(f"{top.parent}{os.sep}").replace(os.sep, "/"), path
