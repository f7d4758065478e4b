"""Says what a long job is at: a line for each tick that is settled, and on a terminal the step under way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

WIDTH = 100


@dataclass
class Progress:
    """Tells what is done; times are durations of this process."""

    out: TextIO
    _parts: list[str] = field(default_factory=list)
    _doing: str = ""

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Tell that a job is under way, and remember how long it took."""
        began, self._doing = time.monotonic(), what
        self.step("")
        yield
        self._parts.append(f"{what} {time.monotonic() - began:.1f} s")

    def step(self, name: str) -> None:
        """Tell which step of the job begins, on a terminal."""
        if self.out.isatty():
            line = " · ".join([*self._parts, f"{self._doing} {name}".rstrip()])
            self.out.write(f"\r\033[K{line[:WIDTH]}")
            self.out.flush()

    def failed(self, why: str) -> None:
        """Tell that a job failed, and why."""
        if self.out.isatty():
            self.out.write("\r\033[K")
        print(f"  {self._doing} failed: {why}", file=self.out, flush=True)

    def settled(self, tick: str, told: str) -> None:
        """Tell that a tick is settled, how long its jobs took, and what came of it."""
        if self.out.isatty():
            self.out.write("\r\033[K")
        print(f"{tick}  {', '.join(self._parts):<28}  {told}", file=self.out, flush=True)
        self._parts.clear()
