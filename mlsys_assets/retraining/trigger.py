"""A trigger: a pure function of what was known, that says whether to retrain, and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from mlsys_assets.mistakes import misnamed, not_one
from mlsys_assets.retraining.deadline import NoAnswer, answer
from mlsys_assets.retraining.history import History
from mlsys_assets.types import Scalar

LONGEST_REASON = 500
"""Characters of a reason, or of a text in the evidence, that stand in the record."""
LONGEST_READ = 10 * LONGEST_REASON
"""Characters of a reason that are looked at for them: the rest is not even read."""
MOST_EVIDENCE = 100
"""Numbers and texts that a verdict may rest on."""
LARGEST = 2**63
"""A whole number in the evidence is smaller than this, or no database holds it."""
DEADLINE_S = 30.0
"""How long a trigger is waited for. It reads a few hundred numbers: what takes longer hangs."""


class Answer(StrEnum):
    """What a trigger says."""

    YES = "yes"
    NO = "no"
    INSUFFICIENT_DATA = "insufficient data"
    ERROR = "error"


@dataclass(frozen=True)
class TriggerVerdict:
    """An answer, its reason in a sentence, and the numbers it rests on."""

    answer: Answer
    reason: str
    evidence: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def fires(self) -> bool:
        """Whether it asks for a training."""
        return self.answer is Answer.YES


@runtime_checkable
class Trigger(Protocol):
    """Says whether to retrain, from a history and from nothing else: no clock, no data, no chance."""

    @property
    def name(self) -> str:
        """A name, unique in its system."""
        ...

    @property
    def by_clock(self) -> bool:
        """Whether it looks at nothing but the time, so that it can be asked before a tick's data is there."""
        ...

    def mistakes(self) -> list[str]:
        """Return what is wrong with its declaration."""
        ...

    def verdict(self, history: History) -> TriggerVerdict:
        """Return the verdict as of ``history.as_of``."""
        ...


def trigger_mistakes(trigger: Trigger) -> list[str]:
    """Return what is wrong with a trigger: what it says itself, and what every one must be, also one of one's own."""
    by_clock = not_one(f"trigger {trigger.name!r}: by_clock", trigger.by_clock, bool)
    return list(dict.fromkeys([*trigger.mistakes(), *misnamed("a trigger", trigger.name), *by_clock]))


def looks_at_diagnosis(trigger: Trigger) -> bool:
    """Return whether a trigger may look at what monitoring diagnosed: unless it says that it does not.

    A policy none of whose triggers does is replayed without diagnoses, which take most of the time of a tick.
    """
    return bool(getattr(trigger, "looks_at_diagnosis", True))


def said(fires: bool, reason: str, **evidence: Scalar) -> TriggerVerdict:
    """Return yes or no."""
    return TriggerVerdict(Answer.YES if fires else Answer.NO, reason, evidence)


def unknown(reason: str, **evidence: Scalar) -> TriggerVerdict:
    """Return that the data cannot tell."""
    return TriggerVerdict(Answer.INSUFFICIENT_DATA, reason, evidence)


def ask(trigger: Trigger, history: History, *, deadline_s: float = DEADLINE_S) -> TriggerVerdict:
    """Return a trigger's verdict; one that raises, hangs or answers nonsense has the verdict ``error``: no yes."""
    try:
        return asked(trigger, history, deadline_s=deadline_s)
    except NoAnswer as late:
        return failed(f"it {late}")


def asked(trigger: Trigger, history: History, *, deadline_s: float) -> TriggerVerdict:
    """Return a trigger's verdict, ``error`` if it raises or answers nonsense; raises NoAnswer for one that hangs."""
    return answer(lambda: _answered(trigger, history), within_s=deadline_s, of=trigger)


def _answered(trigger: Trigger, history: History) -> TriggerVerdict:
    try:
        return _sound(trigger.verdict(history))
    except BaseException as error:  # noqa: BLE001 - anybody's code, in a thread: a SystemExit there ends nothing here
        return failed(f"it raised {type(error).__name__}: {_words(error)}")


def failed(reason: str) -> TriggerVerdict:
    """Return that a trigger could not be asked, or that its answer is none."""
    return TriggerVerdict(Answer.ERROR, _told(reason))


def _sound(found: object) -> TriggerVerdict:
    if not isinstance(found, TriggerVerdict):
        return failed(f"it answered {found!r:.80}; it must answer a TriggerVerdict")
    answered, reason, evidence = (vars(found)[name] for name in ("answer", "reason", "evidence"))
    if not isinstance(answered, Answer) or not isinstance(reason, str):
        return failed(f"it answered {answered!r:.40} for {reason!r:.40}; allowed: {', '.join(Answer)}, in words")
    if not isinstance(evidence, Mapping):
        return failed(f"its evidence is {evidence!r:.80}; it must be a mapping from names to numbers and text")
    if len(evidence) > MOST_EVIDENCE:
        return failed(f"its evidence has {len(evidence):,} entries; at most {MOST_EVIDENCE} are allowed")
    told = dict(evidence)
    if nonsense := [name for name, value in told.items() if not _recordable(name, value)]:
        return failed(f"its evidence cannot be recorded: {', '.join(map(str, nonsense))}; give finite numbers and text")
    return TriggerVerdict(answered, _told(reason), told)


def _words(error: BaseException) -> str:
    """Return what an error says; its class may be anybody's, and fail even in that."""
    try:
        return str(error)
    except Exception as another:  # noqa: BLE001 - see above
        return f"and telling why raised {type(another).__name__}"


def _recordable(name: object, value: object) -> bool:
    if not isinstance(name, str) or not isinstance(value, str | int | float | None):
        return False
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if isinstance(value, int) and abs(value) >= LARGEST:
        return False
    return all(_told(text) == text for text in (name, value) if isinstance(text, str))


def _told(text: str) -> str:
    """Return a text as a record can hold it: on one line, not too long, without what is no text."""
    sound = text[:LONGEST_READ].replace("\0", " ").encode("utf-8", "replace").decode()
    return " ".join(sound.split())[:LONGEST_REASON]
