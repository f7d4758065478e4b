"""Whether a replay is to be believed: a system's own policy, lived once more, decides what its ledger says."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, cast

from mlsys_assets.ledger import GATE, MANUAL, PROMOTION, RETRAINING, TRIGGER, Record
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.types import Finding, Severity

FAITHFUL = "the_replay_decides_as_the_ledger_says"
"""The name of the finding."""
COMPARED = (TRIGGER, RETRAINING, GATE, PROMOTION)
"""The kinds of decisions that must be the same."""
OF_TRAININGS = (GATE, PROMOTION)
"""Those of them that a training puts on record, some time after it was decided."""
MOST_NAMED = 3
"""Of what differs, so much is named."""


class Hashed(Record, Protocol):
    """A decision with the hash of all that it says."""

    @property
    def content_hash(self) -> str:
        """The SHA-256 of as-of, kind, name, verdict, reason and evidence."""
        ...


def fidelity(lived: Lived, ledger: Iterable[Hashed]) -> Finding:
    """Return whether verdicts, decisions and gates of a life lived once more are those on record, one by one.

    Parameters
    ----------
    lived
        Of the policy that the system declared all the time.
    ledger
        What is on record of the true life; what lies outside of the replayed period is left out. A training as of its
        end may be under way: what is not on record of it yet is no difference.
    """
    mine = _hashes(cast("tuple[Hashed, ...]", lived.decisions), lived.since, lived.until)
    theirs = _hashes(ledger, lived.since, lived.until)
    coming = {key for key in mine.keys() - theirs.keys() if key[0] == lived.until and key[1] in OF_TRAININGS}
    unlike = sorted(key for key in (mine.keys() | theirs.keys()) - coming if mine.get(key) != theirs.get(key))
    evidence = {"compared": len(theirs), "unlike": len(unlike)}
    if not unlike:
        told = f"all {len(theirs)} verdicts and decisions from {lived.since:%Y-%m-%d} to {lived.until:%Y-%m-%d} are"
        return Finding(FAITHFUL, bool(theirs), f"{told} those on record", evidence=evidence)
    named = ", ".join(f"{kind} {name} as of {at:%Y-%m-%d}" for at, kind, name in unlike[:MOST_NAMED])
    hand = " (a training that a person started is not replayed)" if any(n == MANUAL for _, _, n in unlike) else ""
    return Finding(
        FAITHFUL,
        False,
        f"{len(unlike)} of {len(theirs)} verdicts and decisions are not those on record, the first: {named}{hand}; "
        "declaration, code or data are others than when it was lived: live it anew by `mlsys run` with --fresh",
        evidence=evidence,
    )


def untold(declared: str) -> Finding:
    """Return that nobody can tell, for the policy that was lived is not among those that were lived once more."""
    told = (
        "cannot be told: the policy that the system declares was not among them, or not from its first decision on; "
        f"ask for {declared!r} too, without a date to begin from"
    )
    return Finding(FAITHFUL, False, told, severity=Severity.WARN)


def in_words(found: Finding) -> str:
    """Return in a sentence whether a replay is to be believed."""
    answer = "yes, " if found.passed else "" if found.severity is Severity.WARN else "no, "
    return f"replayed decision for decision as it was lived: {answer}{found.summary}"


def _hashes(records: Iterable[Hashed], since: datetime, until: datetime) -> dict[tuple[datetime, str, str], str]:
    return {
        (r.as_of, r.kind, r.name): r.content_hash for r in records if r.kind in COMPARED and since <= r.as_of <= until
    }
