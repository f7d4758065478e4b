"""How far a system has come with continual learning."""

from enum import StrEnum


class Stage(StrEnum):
    """The four stages of continual learning (Huyen 2022, chapter 9); each asks every trigger and records its verdict.

    MANUAL: a person starts each training, the first one too. AUTOMATED: by the clock, from scratch. STATEFUL: by the
    clock, on from the champion's state. TRIGGERED: by all triggers, as the system's ``learning`` says.
    """

    MANUAL = "manual"
    AUTOMATED = "automated"
    STATEFUL = "stateful"
    TRIGGERED = "triggered"

    @property
    def by_clock_alone(self) -> bool:
        """Whether only triggers count that look at the clock."""
        return self in (Stage.AUTOMATED, Stage.STATEFUL)
