"""Retrain when predictions have become worse than they were."""

from dataclasses import dataclass, field

from mlsys_assets.measures.metrics import Metric, RocAuc
from mlsys_assets.mistakes import misnamed, not_one, out_of_range
from mlsys_assets.retraining.condition import Combinable
from mlsys_assets.retraining.history import REMEMBERED, History, Served
from mlsys_assets.retraining.trigger import TriggerVerdict, said, unknown


@dataclass(frozen=True)
class PerformanceDrop(Combinable):
    """Fires when a metric of the last predicted ticks is worse by more than ``by`` than at the last training.

    The ticks are those whose labels are known, so it is as late as they are, and says nothing where
    they stop. A metric that follows the share of positives, such as log loss, falls and rises with the
    season; the area under the ROC curve does so less.

    Parameters
    ----------
    metric
        What is watched; one of the system's metrics.
    by
        How much worse, in the metric's unit, than on the recent test of the last training.
    over
        Ticks that are looked at, weighted by their labels; all must be there.
    """

    by: float
    metric: Metric = field(default_factory=RocAuc)
    over: int = 2
    name: str = "performance_drop"

    @property
    def by_clock(self) -> bool:
        """It looks at labels."""
        return False

    @property
    def looks_at_diagnosis(self) -> bool:
        """It looks at no diagnosis."""
        return False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the name, the metric and the numbers."""
        what = f"trigger {self.name!r}"
        return [
            *misnamed("a trigger", self.name),
            *not_one(f"{what}: metric", self.metric, Metric),
            *out_of_range(f"{what}: by", self.by, above=0),
            *out_of_range(f"{what}: over", self.over, whole=True, least=1, most=REMEMBERED),
        ]

    def verdict(self, history: History) -> TriggerVerdict:
        """Return whether the last ticks were that much worse."""
        if history.trained is None:
            return unknown("nothing was trained yet")
        metric, reference = self.metric.name, history.trained.reference.get(self.metric.name)
        if reference is None:
            return unknown(f"the last training's {metric} on its recent test is not known")
        served = [s for s in history.served(self.over, metric=metric) if s.tick >= history.trained.as_of]
        if len(served) < self.over:
            return unknown(
                f"{len(served)} ticks since the last training have labels enough for {metric}; asked for: {self.over}"
            )
        now = _mean(served, metric)
        worse = reference - now if self.metric.higher_is_better else now - reference
        reason = (
            f"{metric} {now:.4f} over {self.over} ticks, {reference:.4f} at the last training: worse by {worse:.4f}; "
            f"asked for: more than {float(self.by):g}"
        )
        return said(worse > self.by, reason, now=now, reference=reference)


def _mean(served: list[Served], metric: str) -> float:
    rows = sum(s.labelled for s in served)
    return sum(s.metrics[metric] * s.labelled for s in served) / rows
