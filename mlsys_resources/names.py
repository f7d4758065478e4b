"""Names from outside: identifiers or refused, and the one mapping from names to paths."""

import re
from pathlib import Path, PurePosixPath

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
"""What a system, table, column or model may be called; 63 is PostgreSQL's limit."""

PATH_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=+@-]{0,127}")
"""What one folder or file below a root may be called: no dot first, nothing a shell, URL or Windows reads."""

DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, with any suffix."""

LONGEST_PATH = 1024
"""Characters of a whole path below a root; well under every platform's limit."""

SHOWN = 80
"""Characters of a refused name that a message repeats."""


def identifier(name: str) -> str:
    """Return ``name`` if it is an identifier of at most 63 ASCII characters; raises ValueError if not.

    >>> identifier("flights")
    'flights'
    """
    if isinstance(name, str) and IDENTIFIER.fullmatch(name):
        return name
    raise ValueError(
        f"{_shown(name)} is not an allowed name: it must match ^{IDENTIFIER.pattern}$"
        " (a letter or underscore, then letters, digits or underscores, at most 63); rename it"
    )


def relative_path(path: str) -> PurePosixPath:
    """Return ``path`` if it is one or more plain names joined by ``/``; raises ValueError if not.

    Refused are absolute and empty paths, ``..``, backslashes, escapes, control characters, device
    names, and names or paths that are too long.
    """
    names = path.split("/") if isinstance(path, str) else [""]
    if not all(PATH_PART.fullmatch(name) and name[-1] != "." and not DEVICE.fullmatch(name) for name in names):
        raise ValueError(
            f"{_shown(path)} is not an allowed relative path: each name between slashes must match"
            f" ^{PATH_PART.pattern}$, not end in a dot and not be a Windows device; rename it"
        )
    if len(path) > LONGEST_PATH:
        raise ValueError(f"the path {_shown(path)} is longer than {LONGEST_PATH} characters; shorten it")
    return PurePosixPath(path)


def inside(root: str | Path, *parts: str) -> Path:
    """Return the absolute path of ``parts`` below ``root``, which need not exist yet.

    Raises ValueError for whatever could lead elsewhere: parts that are no ``relative_path``, and any
    symbolic link below the root (the root itself may be one).

    >>> inside("/srv/lake", "flights", "month=2013-01/part-0.parquet").relative_to("/srv").as_posix()
    'lake/flights/month=2013-01/part-0.parquet'
    """
    path = base = Path(root).resolve()
    if not parts:
        return base
    for name in relative_path("/".join(relative_path(part).as_posix() for part in parts)).parts:
        path = path / name
        if path.is_symlink():
            raise ValueError(f"{path} is a symbolic link; below {base} only plain folders and files are used")
    return path


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
