"""What can be wrong with how a system wants its models evaluated, given the columns that there are."""

from collections.abc import Iterator, Sequence

from mlsys_assets.mistakes import alike, not_one, sound
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import BehavioralTest
from mlsys_assets.offline_evaluation.choices.thresholds import ThresholdPolicy
from mlsys_assets.offline_evaluation.choices.worth import Worth
from mlsys_assets.offline_evaluation.confidence.confidence import Abstention
from mlsys_assets.offline_evaluation.slicing.fairness import Fairness
from mlsys_assets.offline_evaluation.slicing.slice_finder import SliceFinder
from mlsys_assets.offline_evaluation.slicing.slices import Slicing
from mlsys_assets.system import MLSystem

PARTS = {"slice_finder": SliceFinder, "threshold": ThresholdPolicy, "worth": Worth, "abstention": Abstention}
"""What a system may have one of."""


def evaluation_mistakes(system: MLSystem, columns: Sequence[str], request: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with slices, behavioral tests, fairness, threshold and worth.

    Parameters
    ----------
    columns, request
        The feature columns, and those that a request tells of itself.
    """
    for name, kind in PARTS.items():
        if (part := getattr(system, name)) is not None:
            yield from not_one(name, part, kind)
    for slicing in sound(system.slices, Slicing):
        yield from slicing.mistakes(columns)
    for finder in sound(system.slice_finder, SliceFinder):
        yield from finder.mistakes(columns)
    behavior, fairness = sound(system.behavior, BehavioralTest), sound(system.fairness, Fairness)
    for test in behavior:
        yield from test.mistakes(columns, request=request)
    for rule in fairness:
        yield from rule.mistakes(columns)
    yield from alike("behavioral or fairness test", [one.name for one in (*behavior, *fairness)])
    for one in (
        *sound(system.threshold, ThresholdPolicy), *sound(system.worth, Worth), *sound(system.abstention, Abstention)
    ):  # fmt: skip
        yield from one.mistakes()
