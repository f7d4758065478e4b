"""Where a model was made: what a rebuild must find again, and what a prediction must."""

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

CPU_FLAGS: Final = ("avx", "avx2", "avx512f", "fma", "sse4_2", "asimd", "sve")
"""The instruction sets that numerical libraries choose their code by, and so the last bits."""
ABSENT: Final = "not there"
"""The version of a distribution that is not installed."""


@dataclass(frozen=True)
class Dependencies:
    """What was installed, and on what machine.

    Parameters
    ----------
    distributions
        Version by name, all of them, names normalized (PEP 503).
    lock
        The hash of these.
    python
        Its version.
    architecture
        The machine and its instruction sets.
    """

    distributions: Mapping[str, str]
    lock: str
    python: str
    architecture: str

    @classmethod
    def observed(cls) -> "Dependencies":
        """Return this process's."""
        named = {normalized(name): version for name, version in sorted(installed())}
        return cls(named, lock_hash(named.items()), platform.python_version(), architecture())

    def differences(self, now: "Dependencies") -> list[str]:
        """Return in words what is another ``now``; none if a fit gives the same bits."""
        pairs = {"Python": (self.python, now.python), "architecture": (self.architecture, now.architecture)}
        for name in sorted({*self.distributions, *now.distributions}):
            pairs[name] = (self.distributions.get(name, ABSENT), now.distributions.get(name, ABSENT))
        found = [f"{name}: was {was}, is {is_now}" for name, (was, is_now) in pairs.items() if was != is_now]
        if not found and self.lock != now.lock:
            found.append(f"lock: was {self.lock}, is {now.lock}")
        return found


def versions(names: Iterable[str], found: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of some distributions among those ``found``."""
    return {name: found.get(name, ABSENT) for name in names}


def python_series() -> str:
    """Return the series of this Python, within which compiled code is the same."""
    return ".".join(platform.python_version_tuple()[:2])


def normalized(name: str) -> str:
    """Return a distribution's name as PEP 503 writes it, near enough.

    >>> normalized("Ibis_Framework")
    'ibis-framework'
    """
    return name.lower().replace("_", "-").replace(".", "-")


@cache
def installed() -> list[tuple[str, str]]:
    """Return names and versions of what is installed; read once, since a process keeps what it imported."""
    return [_named(d.read_text("METADATA") or d.read_text("PKG-INFO") or "") for d in distributions()]


def _named(metadata: str) -> tuple[str, str]:
    """Return a distribution's name and version; parsing all of it as mail, as the library does, takes tenfold."""
    head = metadata.partition("\n\n")[0].splitlines()
    told = dict(line.split(": ", 1) for line in head if line.startswith(("Name: ", "Version: ")))
    return told["Name"], told["Version"]


def lock_hash(found: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 of distributions as sorted name==version lines, names normalized."""
    lines = sorted({f"{normalized(name)}=={version}" for name, version in found})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def architecture() -> str:
    """Return the machine and the instruction sets that decide the last bits of a sum."""
    return " ".join([platform.machine(), sys.platform, *cpu_flags(Path("/proc/cpuinfo"))])


def cpu_flags(cpuinfo: Path) -> list[str]:
    """Return those of ``CPU_FLAGS`` that the processor has, where that is told."""
    if not cpuinfo.is_file():
        return []
    for line in cpuinfo.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            return [flag for flag in CPU_FLAGS if flag in value.split()]
    return []
