"""How a system is monitored: what windows are held against, and from where on a change counts. Declared once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from mlsys_assets.mistakes import none_of, not_all, not_long, not_one, sound
from mlsys_assets.production_monitoring.alerting import Alerting
from mlsys_assets.production_monitoring.concept.detectors import DETECTORS, Detector
from mlsys_assets.production_monitoring.declared_rules import DeclaredRule
from mlsys_assets.production_monitoring.drift.kernel_test import KernelTest
from mlsys_assets.production_monitoring.drift.references import Reference, Sliding
from mlsys_assets.production_monitoring.drift.shifted import ShiftLimits
from mlsys_assets.production_monitoring.drift.usual import Usual
from mlsys_assets.production_monitoring.feedback.feedback_log import FeedbackLog
from mlsys_assets.production_monitoring.pipeline.bugs import PipelineTests
from mlsys_assets.production_monitoring.shift_kind.kinds import KindLimits
from mlsys_assets.production_monitoring.weekly.facts import Words
from mlsys_assets.types import days


@dataclass(frozen=True)
class Monitoring:
    """How a system is monitored.

    Parameters
    ----------
    reference
        The earlier time that a tick's rows are held against.
    columns
        From where on a column counts as shifted.
    usual
        How the past of the system itself sets limits.
    together
        Sees what all columns together do that none does by itself; None: nobody looks.
    kinds
        From where on a change of features or labels counts.
    detectors
        What dates a concept shift on the stream of errors: two of them must agree.
    bugs
        By source, what its raw rows are looked at for besides what their columns say; of the features, by the name
        ``features``.
    rules
        What the features' values must be.
    feedback
        What of the predictions somebody sees; None: no list is watched.
    oldest_model
        How old what the champion learned may be; None: any age.
    alerting
        Who is told of faults, and how rarely; None: the system's owner, in the log and in a file.
    words
        What requests and their labels are called on the pages of its ticks.
    """

    reference: Reference = Sliding(days(28))
    columns: ShiftLimits = ShiftLimits()
    usual: Usual = Usual()
    together: KernelTest | None = KernelTest()
    kinds: KindLimits = KindLimits()
    detectors: tuple[Detector, ...] = DETECTORS
    bugs: Mapping[str, PipelineTests] = field(default_factory=dict)
    rules: tuple[DeclaredRule, ...] = ()
    feedback: FeedbackLog | None = None
    oldest_model: timedelta | None = None
    alerting: Alerting | None = None
    words: Words = Words()

    def mistakes(
        self, *, sources: Mapping[str, Collection[str]], features: Collection[str], requests: Collection[str]
    ) -> list[str]:
        """Return what is wrong with the declaration.

        Parameters
        ----------
        sources
            Each table's columns, by its name: the sources', and those of ``features``.
        features, requests
            The columns of features, and of requests.
        """
        found = [
            *not_one("monitoring: reference", self.reference, Reference),
            *not_one("monitoring: columns", self.columns, ShiftLimits),
            *not_one("monitoring: usual", self.usual, Usual),
            *([] if self.together is None else not_one("monitoring: together", self.together, KernelTest)),
            *not_one("monitoring: kinds", self.kinds, KindLimits),
            *not_all("monitoring: detectors", self.detectors, Detector),
            *not_one("monitoring: bugs", self.bugs, Mapping),
            *not_all("monitoring: rules", self.rules, DeclaredRule),
            *([] if self.feedback is None else not_one("monitoring: feedback", self.feedback, FeedbackLog)),
            *([] if self.alerting is None else not_one("monitoring: alerting", self.alerting, Alerting)),
            *not_one("monitoring: words", self.words, Words),
            *([] if self.oldest_model is None else not_long("monitoring: oldest_model", self.oldest_model)),
        ]
        if found:
            return found
        for part in (self.reference, self.columns, self.usual, self.kinds):
            found += part.mistakes()
        found += [mistake for one in self.detectors for mistake in one.mistakes()]
        found += [] if self.together is None else self.together.mistakes()
        for name, tests in self.bugs.items():
            wrong = none_of("monitoring: bugs: a source", name, sources) or not_one(
                f"monitoring: bugs of {name}", tests, PipelineTests
            )
            found += wrong or tests.mistakes(sources[name])
        found += [] if self.alerting is None else self.alerting.mistakes("monitoring: alerting")
        found += self.words.mistakes()
        found += [mistake for rule in sound(self.rules, DeclaredRule) for mistake in rule.mistakes(features)]
        return found + ([] if self.feedback is None else self.feedback.mistakes(list(requests)))
