"""Rollback: which earlier champion to go back to, by the alias's own history."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

WON = "won"
"""How the stores call a try that moved the alias; a test holds the two equal."""

GO_BACK, NOTHING, NOT_THERE = "go back", "nothing to go back to", "refused"
"""Verdicts on whether one can."""


class Move(Protocol):
    """One try to move an alias, as the operations store keeps it."""

    @property
    def version(self) -> int:
        """The version it was to stand for."""
        ...

    @property
    def content_hash(self) -> str:
        """That version's content."""
        ...

    @property
    def as_of(self) -> datetime:
        """As of when it was decided."""
        ...

    @property
    def expected_revision(self) -> int:
        """How often the alias had been moved before."""
        ...

    @property
    def outcome(self) -> str:
        """Whether it was moved."""
        ...

    @property
    def reason(self) -> str:
        """Why."""
        ...


M = TypeVar("M", bound=Move)


@dataclass(frozen=True)
class Rollback(Generic[M]):
    """Whether to go back, and where to.

    Parameters
    ----------
    verdict, reason
        One of ``go back``, ``nothing to go back to`` and ``refused``, and why.
    current, target
        The move that put today's champion in its place, and the one to repeat; None where there is none.
    """

    verdict: str
    reason: str
    current: M | None = None
    target: M | None = None


def decide_rollback(attempts: Sequence[M], *, to: int | None = None, retired: Collection[int] = ()) -> Rollback[M]:
    """Return where a rollback leads.

    Parameters
    ----------
    attempts
        Every try to move the alias, in any order.
    to
        The version wanted, which must have been champion before: no rollback leads around the gate. If not given,
        the last champion before the current one with other content that nobody rolled away from, so that a second
        rollback goes further back and not forth again.
    retired
        Versions that serve no more: nobody goes back to one.
    """
    moves = won(attempts)
    if not moves:
        return Rollback(NOTHING, "there is no champion yet")
    current = moves[-1]
    if to is not None:
        return _named(moves, to, retired)
    before = [move for move in _standing(moves)[:-1] if move.content_hash != current.content_hash]
    earlier = [move for move in before if move.version not in retired]
    if not earlier:
        why = f"no champion with other content came before version {current.version} that was not rolled away from"
        why += f" and is not retired, as {_listed(move.version for move in before)} are" if before else ""
        return Rollback(NOTHING, why, current)
    return _go_back(current, earlier[-1])


def unaffected(attempts: Sequence[M], retired: Collection[int]) -> list[M]:
    """Return the champions that are neither retired nor were rolled away from, the last one first."""
    return [move for move in reversed(_standing(won(attempts))) if move.version not in retired]


def last_way_back(attempts: Sequence[M]) -> tuple[M, M] | None:
    """Return the moves from where and to where the last one led, if that was a rollback; None if it was none."""
    moves = won(attempts)
    if not moves or moves[-1].version not in {move.version for move in moves[:-1]}:
        return None
    return moves[-2], moves[-1]


def won(attempts: Sequence[M]) -> list[M]:
    """Return the tries that moved the alias, in order."""
    return sorted((a for a in attempts if a.outcome == WON), key=lambda move: move.expected_revision)


def _named(moves: Sequence[M], to: int, retired: Collection[int]) -> Rollback[M]:
    current, stood = moves[-1], {move.version: move for move in moves}
    if to not in stood:
        return Rollback(NOT_THERE, f"version {to} was never champion; those that were: {_listed(stood)}", current)
    if to in retired:
        left = _listed({*stood} - {*retired, current.version}) or "none"
        why = f"version {to} is retired: rows that it learned from were erased; former champions that may serve: {left}"
        return Rollback(NOT_THERE, why, current)
    if stood[to].content_hash == current.content_hash:
        return Rollback(NOT_THERE, f"the champion, version {current.version}, has the content of version {to}", current)
    return _go_back(current, stood[to])


def _listed(versions: Iterable[int]) -> str:
    return ", ".join(map(str, sorted({*versions})))


def _go_back(current: M, target: M) -> Rollback[M]:
    return Rollback(GO_BACK, f"from version {current.version} to version {target.version}", current, target)


def _standing(moves: Sequence[M]) -> list[M]:
    """Return the moves that were not rolled away from, the current one last.

    A promotion is always of a version never seen before: each training as of another time registers its own. So a
    version that stood before was put in its place by a rollback, and what came after it was rolled away from.
    """
    standing: list[M] = []
    for move in moves:
        places = [i for i, earlier in enumerate(standing) if earlier.version == move.version]
        if places:
            del standing[places[0] :]
        standing.append(move)
    return standing
