"""A person takes a champion back: verified before the alias moves, on record after, whatever happens in between."""

import argparse
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlsys_assets.clocks import clock_of
from mlsys_assets.commands.asked import asked_system
from mlsys_assets.ledger import ROLLBACK
from mlsys_assets.models.bundle import from_files
from mlsys_assets.rollout.rollback import decide_rollback, last_way_back, won
from mlsys_assets.types import CHAMPION
from mlsys_resources.mlflow_connection import ModelStoreError
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_rows import AliasAttempt, Decision
from mlsys_resources.operations_store import OperationsStore

ROLLED_BACK = "rolled back"
HASH_DIGITS = 16
"""Hexadecimal digits of a content hash that are told."""


class CannotServe(RuntimeError):
    """The model to go back to cannot be loaded: nothing was moved."""


@dataclass(frozen=True)
class Outcome:
    """Whether the champion is another now, and what to tell of it, in lines."""

    done: bool
    lines: tuple[str, ...]


def roll_back(
    system: str,
    operations: OperationsStore,
    models: ModelStore,
    *,
    reason: str,
    now: Callable[[], datetime],
    to: int | None = None,
) -> Outcome:
    """Put an earlier champion in the place of the current one, and return what was done.

    A rollback whose process died between the move and its record is put on record first, and nothing more is done:
    who tries again wants that one, not a second.

    Parameters
    ----------
    system
        Whose champion.
    reason
        Why, in a person's words.
    now
        The system's clock; ticks that begin from then on are for the earlier champion.
    to
        A version that was champion before and is not retired; if not given, the one before the current.

    Raises ValueError without a reason, CannotServe if the model cannot be loaded, and Conflict if the alias was moved
    meanwhile or by a decision as of later than now; the alias is then as it was.
    """
    if not reason.strip():
        raise ValueError("a rollback needs a reason, for who reads the ledger; say what is wrong with the champion")
    began, attempts = time.monotonic(), operations.attempts(system, CHAMPION)
    if (cut_short := _not_on_record(system, operations, attempts)) is not None:
        return _done(system, operations, models, cut_short, told="had gone back, and nothing more was moved:")
    retired = operations.retired(system)
    found = decide_rollback(attempts, to=to, retired=retired)
    if found.current is None or found.target is None:
        return Outcome(False, (f"{system}: {found.verdict}: {found.reason}",))
    others = {move.version for move in won(attempts)} - {found.current.version, found.target.version} - retired
    _load(system, models, found.target, others)
    moved = operations.set_alias(
        system,
        CHAMPION,
        version=found.target.version,
        content_hash=found.target.content_hash,
        as_of=now(),
        expected_revision=found.current.expected_revision + 1,
        reason=reason,
    )
    took = f"went back, in {time.monotonic() - began:.1f} s,"
    target = won(operations.attempts(system, CHAMPION))[moved.revision - 1]
    return _done(system, operations, models, (found.current, target), told=took)


def _done(
    system: str,
    operations: OperationsStore,
    models: ModelStore,
    way: tuple[AliasAttempt, AliasAttempt],
    *,
    told: str,
) -> Outcome:
    """Put a rollback on record, from where and to where, show it in MLflow, and return what to tell of it."""
    origin, target = way
    _record(system, operations, origin, target)
    lines = (
        f"{system}: the champion {told} from version {origin.version} to version {target.version}",
        f"  content    {target.content_hash[:HASH_DIGITS]}",
        f"  as of      {target.as_of:%Y-%m-%d %H:%M}: it predicts the ticks that begin from then on",
        f"  reason     {target.reason}",
        f"  on record  {ROLLBACK} {_name(target)!r}",
    )
    try:
        models.mirror_alias(system, CHAMPION)
    except ModelStoreError as error:  # the champion stands as decided, whatever MLflow shows
        return Outcome(True, (*lines, f"  note       {error}"))
    return Outcome(True, lines)


def _not_on_record(
    system: str, operations: OperationsStore, attempts: Sequence[AliasAttempt]
) -> tuple[AliasAttempt, AliasAttempt] | None:
    """Return from where and to where the last move led, if it was a rollback that the ledger does not know of."""
    way = last_way_back(attempts)
    known = {decision.name for decision in operations.decisions(system, ROLLBACK)}
    return None if way is None or _name(way[1]) in known else way


def _load(system: str, models: ModelStore, target: AliasAttempt, others: Collection[int]) -> None:
    """Raise CannotServe, which names the others, unless the model's files are what was registered, and make a model."""
    try:
        from_files(models.load(system, target.version).content)
    except (LookupError, OSError, RuntimeError, ValueError) as error:
        raise CannotServe(
            f"{system} version {target.version} cannot be served, so that nothing was moved: {error}; other former"
            f" champions, for --to: {', '.join(map(str, sorted(others))) or 'none'}"
        ) from error


def _record(system: str, operations: OperationsStore, origin: AliasAttempt, target: AliasAttempt) -> None:
    operations.record(
        Decision(
            system,
            target.as_of,
            ROLLBACK,
            _name(target),
            ROLLED_BACK,
            target.reason,
            evidence={"from": origin.content_hash, "to": target.content_hash},
            context={"from_version": origin.version, "to_version": target.version},
        )
    )


def _name(move: AliasAttempt) -> str:
    return f"{CHAMPION} revision {move.expected_revision + 1}"


def command(options: argparse.Namespace) -> int:
    """Put an earlier champion back, and tell what was done; 1 if there was none."""
    if options.system is None:
        raise ValueError("say whose champion: mlsys rollback SYSTEM --reason TEXT")
    system, workspace = asked_system(options)
    stores, now = workspace.stores, clock_of(system, workspace.stores).now
    outcome = roll_back(system.name, stores.operations, stores.models, reason=options.reason, now=now, to=options.to)
    print("\n".join(outcome.lines))
    return 0 if outcome.done else 1
