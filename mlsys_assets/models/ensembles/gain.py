"""What an ensemble gains over the best of its parts: paired, by days, and said as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlsys_assets.measures.intervals import Estimate, difference
from mlsys_assets.measures.metrics import Floats, LogLoss, Metric, Weights, value

LOG_LOSS = LogLoss()


@dataclass(frozen=True)
class Gain:
    """How much better an ensemble is than its best part, with its interval.

    Parameters
    ----------
    ensemble, best
        Their names.
    metric
        In what.
    gain
        Above 0 where the ensemble is better, whichever way the metric goes.
    """

    ensemble: str
    best: str
    metric: str
    gain: Estimate

    def __str__(self) -> str:
        if not self.gain.sufficient:
            return f"what {self.ensemble} gains over {self.best} cannot be told: {self.gain}"
        if self.gain.low > 0:
            verdict = "is better than"
        else:
            verdict = "is worse than" if self.gain.high < 0 else "cannot be told from"
        return f"{self.ensemble} {verdict} its best part, {self.best}, by {self.metric}: gain {self.gain}"


def gain_over_best(
    ensemble: tuple[str, Floats],
    parts: Mapping[str, Floats],
    label: Floats,
    *,
    weights: Weights,
    metric: Metric = LOG_LOSS,
) -> Gain:
    """Return what an ensemble gains over the part that is best on the same rows, so that no low bar is chosen.

    Parameters
    ----------
    ensemble
        Its name and (n,) scores.
    parts
        By name, (n,) scores of each part.
    label
        (n,) of rows that nothing was fitted on.
    weights
        The draws: ``bootstrap(day_blocks(at), seed=...)``.

    Raises ValueError for no part.
    """
    if not parts:
        raise ValueError(f"{ensemble[0]} is compared with its parts, got none; give their scores by name")
    sign = 1.0 if metric.higher_is_better else -1.0
    best = max(parts, key=lambda name: sign * value(metric, label, parts[name]))
    found = difference(metric, label, (ensemble[1], parts[best]), weights=weights)
    if sign < 0:
        found = replace(found, value=-found.value, low=-found.high, high=-found.low, bias=-found.bias)
    return Gain(ensemble[0], best, metric.name, found)
