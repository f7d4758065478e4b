"""A system's monitoring is declared with sound defaults, and every mistake in it is told."""

import pytest

from mlsys_assets.production_monitoring.concept.detectors import Adwin
from mlsys_assets.production_monitoring.declared_rules import Within
from mlsys_assets.production_monitoring.drift.references import Sliding
from mlsys_assets.production_monitoring.drift.shifted import ShiftLimits
from mlsys_assets.production_monitoring.drift.usual import Usual
from mlsys_assets.production_monitoring.feedback.feedback_log import FeedbackLog
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.pipeline.bugs import PipelineTests
from mlsys_assets.production_monitoring.shift_kind.kinds import KindLimits
from mlsys_assets.types import days

SOURCES = {"weather": ("at", "temp"), "features": ("x", "y")}


def mistakes(**declared: object) -> list[str]:
    made = Monitoring(**declared)  # type: ignore[arg-type]
    return made.mistakes(sources=SOURCES, features=("x", "y"), requests=("id", "carrier"))


def test_what_is_declared_rightly_has_no_mistakes() -> None:
    assert mistakes() == []
    bugs = {"weather": PipelineTests(may_jump=("temp",)), "features": PipelineTests(hour_columns=("x",))}
    assert mistakes(bugs=bugs, rules=(Within("x", low=0.0),), oldest_model=days(91)) == []


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"reference": days(28)}, "monitoring: reference"),
        ({"reference": Sliding(days(0))}, "a sliding reference: over"),
        ({"columns": 0.1}, "monitoring: columns"),
        ({"columns": ShiftLimits(psi=-1.0)}, "shift limits: psi"),
        ({"usual": Usual(rate=2.0)}, "what is usual: rate"),
        ({"kinds": KindLimits(chance=0.0)}, "kinds of shift: chance"),
        ({"bugs": [PipelineTests()]}, "monitoring: bugs"),
        ({"bugs": {"wether": PipelineTests()}}, "weather"),
        ({"bugs": {"weather": "temp"}}, "monitoring: bugs of weather"),
        ({"bugs": {"weather": PipelineTests(may_jump=("tmp",))}}, "temp"),
        ({"rules": (Within("z", low=0.0),)}, "'z'"),
        ({"rules": ("x > 0",)}, "monitoring: rules"),
        ({"detectors": ("adwin",)}, "monitoring: detectors"),
        ({"detectors": (Adwin(confidence=2.0),)}, "confidence is 2.0"),
        ({"feedback": FeedbackLog(item=("carier",), shown_per_day=20)}, "carrier"),
        ({"oldest_model": 91}, "monitoring: oldest_model"),
        ({"alerting": "mail"}, "monitoring: alerting"),
        ({"words": "flights"}, "monitoring: words"),
    ],
)
def test_each_mistake_is_told(declared: dict[str, object], told: str) -> None:
    found = mistakes(**declared)
    assert len(found) == 1
    assert told in found[0]


def test_all_mistakes_are_told_at_once() -> None:
    wrong = {"columns": ShiftLimits(level=0.0), "bugs": {"wether": PipelineTests()}, "rules": (Within("z", low=0.0),)}
    assert len(mistakes(**wrong)) == 3
    assert len(mistakes(reference=None, usual=None, kinds=None)) == 3
