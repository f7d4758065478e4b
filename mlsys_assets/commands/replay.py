"""The command ``mlsys replay``: what if a system had been trained by another policy."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TextIO

from mlsys_assets.clocks import moment
from mlsys_assets.commands.asked import asked_system, shown
from mlsys_assets.replayed_policies import Asked, Replayed, page_of, period, replay
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.policy_replay.fidelity import in_words
from mlsys_assets.retraining.policy_replay.recommendation import MARGIN
from mlsys_assets.retraining.policy_replay.standard_policies import asked_policies
from mlsys_assets.retraining.policy_replay.study_table import basis, computing, counted, header, rows, text_table
from mlsys_assets.types import TimeWindow


def command(options: argparse.Namespace) -> int:
    """Live a system's past under other policies, and tell which of them to live by."""
    system, workspace = asked_system(options)
    policies = asked_policies(system, options.policies)
    since, until, judged = (_moment(getattr(options, name)) for name in ("since", "until", "judge_since"))
    asked = Asked(policies, since, until, judged, MARGIN if options.margin is None else _margin(options.margin))
    stores = workspace.stores
    lived = period(system, stores, since=since, until=until)
    progress = _Progress(sys.stderr, policies, len(system.calendar.ticks(lived)) + 1)
    page = _writable(options.out or page_of(system, stores.home))
    progress.begun(system.name, lived)
    try:
        found = replay(system, stores, asked, told=progress.told)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("nothing was written, and asked for again it begins anew") from None
    page.write_text(found.page, encoding="utf-8")
    if options.json:
        told = {"passed": found.believed.passed, "told": in_words(found.believed), **found.believed.evidence}
        print(
            json.dumps({"system": system.name, "page": str(page), "as_lived": told, **found.study.as_dict()}, indent=1)
        )
    else:
        print("\n".join(summary(found, page)))
    return 0


def summary(found: Replayed, page: Path) -> list[str]:
    """Return a study in lines for people: the policies, the cheapest first, and which one to live by."""
    study = found.study
    return [
        "",
        f"{found.system.name}: {counted(len(study.timelines))}, {basis(study)}",
        "",
        *text_table(header(study, unit=found.unit), rows(study)),
        "",
        f"  {study.recommendation}",
        f"  {computing(study)}",
        f"  {in_words(found.believed)}",
        "",
        f"  {shown(page.absolute())}   the same with pictures",
    ]


class _Progress:
    """Says how far the lives have come: on a terminal in one line, else every tenth of the way."""

    def __init__(self, out: TextIO, policies: Sequence[Policy], steps: int) -> None:
        self.out, self.policies, self.steps, self.done = out, policies, steps, 0

    def begun(self, system: str, lived: TimeWindow) -> None:
        print(f"{system}: living {counted(len(self.policies))} in {lived}", file=self.out, flush=True)

    def told(self, as_of: datetime) -> None:
        self.done += 1
        said = f"  as of {as_of:%Y-%m-%d %H:%M}: {self.done} of {self.steps}"
        if self.out.isatty():
            self.out.write(f"\r\033[K{said}" + ("\n" if self.done == self.steps else ""))
            self.out.flush()
        elif self.done == self.steps or self.done % max(self.steps // 10, 1) == 0:
            print(said, file=self.out, flush=True)


def _writable(page: Path) -> Path:
    """Return where a page is to be written; raises OSError if it cannot be, before anything is done for it."""
    if page.is_dir() or not page.parent.is_dir():
        raise OSError(f"--out is {page}; name a file in a folder that is there")
    return page


def _moment(text: str | None) -> datetime | None:
    return None if text is None else moment(text)


def _margin(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"--margin is {text!r}; give a number in the unit of the system's first metric: 0.002"
        ) from None
