"""The words of the ledger: what is decided, about what, and how it can end."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

# Kinds, in the order of a tick's life.
MONITORING = "monitoring"
"""What monitoring found: its names are PERFORMANCE, DRIFT and DIAGNOSIS."""
TRIGGER = "trigger"
"""A trigger's verdict: its name is the trigger's."""
RETRAINING = "retraining"
"""Whether to train: its names are ARBITER, MANUAL and GIVEN_UP."""
TRAINING_SET = "training_set"
"""A training's first record, whose only name is the same."""
CANDIDATE = "candidate"
"""A candidate that was FITTED, or FAILED: its name is the candidate's."""
EVALUATION = "evaluation"
"""How a model did on the tests: its name is the candidate's, or CHAMPION."""
CHALLENGER = "challenger"
"""Which candidate is held against the champion, and why: its only name is the same."""
COMPARISON = "comparison"
"""The challenger against another model on the same rows: its name is the other's."""
BEHAVIOR = "behavior"
"""What a declared test of behavior or fairness found of the challenger: its name is the test's."""
GATE = "gate"
"""Whether the challenger may become champion."""
REFIT = "refit"
"""The recipe that passed, refitted on all that was known; or the evaluated model, where the system refits none."""
PROMOTION = "promotion"
"""A training's last record: whether the champion is another now."""
ROLLBACK = "rollback"
"""A person put an earlier champion back."""
ERASURE = "erasure"
"""A person had all rows of a value erased: its name is the first digits of the value's keyed hash."""
RETIREMENT = "retirement"
"""A model learned from rows that were erased: it serves no more and cannot be rebuilt. Its name is its version's."""
RANDOM_SPLIT = "random_split"
"""A person split rows ordered in time at random, for a study: its names tell the seed and the reason apart."""
ALERT = "alert"
"""What somebody was told of a fault, or was not, and why: its name is the fault's."""

TRAINING = (TRAINING_SET, CANDIDATE, EVALUATION, CHALLENGER, COMPARISON, BEHAVIOR, GATE, REFIT, PROMOTION)
"""The kinds of a training's records, in their order."""

# Names.
PERFORMANCE, DRIFT, DIAGNOSIS = "performance", "drift", "diagnosis"
ARBITER = "arbiter"
"""Who decides from the triggers' verdicts."""
MANUAL = "manual"
"""A person who started a training."""
GIVEN_UP = "given_up"
"""A training that always fails, and is left."""

# Verdicts.
TRAIN, HOLD = "train", "hold"
ADEQUATE, INSUFFICIENT, LEAKS = "adequate", "insufficient data", "leaks"
"""What a training set is: only one that is adequate is trained on."""
PASS, FAIL = "pass", "fail"
PROMOTED = "promoted"
FITTED, FAILED = "fitted", "failed"
FORCED = "forced"
REFITTED, AS_EVALUATED = "refitted", "not refitted"
"""What became of the recipe that passed: it was fitted again, or the very model that was evaluated goes on."""

# Evidence.
CHANGES = "changes"
"""Of a training set: since when the world is another, as its window was told."""


class Record(Protocol):
    """A decision as the ledger holds it."""

    @property
    def as_of(self) -> datetime:
        """What was known by then was decided on."""
        ...

    @property
    def kind(self) -> str:
        """What sort of decision it is."""
        ...

    @property
    def name(self) -> str:
        """What it is about."""
        ...

    @property
    def verdict(self) -> str:
        """The decision in a word."""
        ...

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What it rests on."""
        ...

    @property
    def context(self) -> Mapping[str, Any]:
        """What stands beside it, outside its hash."""
        ...


def cpu_seconds(records: Iterable[Record]) -> float:
    """Return the processor time of the trainings that the records tell of, as far as their steps are on record."""
    return float(sum(record.context.get("cpu_s", 0.0) for record in records if record.kind in TRAINING))
