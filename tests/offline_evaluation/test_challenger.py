"""The challenger is chosen on validation: the best, or the simplest that is as good as noise can tell."""

import numpy as np
import pytest

from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.offline_evaluation.challenger import Best, SimplestWithinNoise
from mlsys_assets.offline_evaluation.comparison import Scored

DAYS = 14


def validation(*skills: float, a_day: int = 100, noise: float = 0.0) -> Scored:
    """Rows with models of so much skill, the first the simplest; ``noise`` is a difference of their own."""
    rng = np.random.default_rng(3)
    n = DAYS * a_day
    at = np.datetime64("2013-06-01", "us") + (np.arange(n) // a_day).astype("timedelta64[D]")
    signal = rng.normal(size=n)
    label = (rng.random(n) < 1 / (1 + np.exp(1 - signal))).astype(float)
    scores = {
        f"m{k}": 1 / (1 + np.exp(1 - skill * signal + noise * rng.normal(size=n))) for k, skill in enumerate(skills)
    }
    return Scored("validation", "rows", at, label, scores, dict.fromkeys(scores, "h"))


def nearly_alike() -> Scored:
    """The simple model is the better one with a little noise of its own."""
    rows = validation(1.0)
    logit = np.log(rows.scores["m0"] / (1 - rows.scores["m0"]))
    shifted = 1 / (1 + np.exp(-logit - 0.15 * np.random.default_rng(1).normal(size=len(logit))))
    return Scored("validation", "rows", rows.at, rows.label, {"m0": shifted, "m1": rows.scores["m0"]}, {})


def choose(rule, rows: Scored, metric=None):
    return rule.choose(rows, metric or LogLoss(), seed=0, support=Support())


@pytest.mark.parametrize("metric", [LogLoss(), RocAuc()], ids=lambda m: m.name)
def test_the_best_is_chosen_whichever_way_is_up(metric) -> None:
    found = choose(Best(), validation(0.2, 1.0, 0.5, noise=0.2), metric)
    assert found.name == "m1"
    assert metric.name in found.reason
    assert len(found.evidence) == 3


def test_of_equals_the_first_is_chosen() -> None:
    assert choose(Best(), validation(1.0, 1.0)).name == "m0"


def test_a_metric_that_can_tell_of_none_chooses_the_first() -> None:
    rows = validation(1.0, 1.0)
    rows.label[:] = 0
    assert choose(Best(), rows, RocAuc()).name == "m0"
    assert choose(SimplestWithinNoise(), rows, RocAuc()).name == "m0"


def test_the_simplest_within_noise_is_chosen_instead_of_the_best() -> None:
    rows = nearly_alike()
    assert choose(Best(), rows).name == "m1"
    found = choose(SimplestWithinNoise(), rows)
    assert found.name == "m0"
    assert "take m0, the simplest within noise of m1" in found.reason
    assert found.evidence["m0 behind m1"] > 0


def test_a_simple_model_that_is_worse_is_not_chosen() -> None:
    found = choose(SimplestWithinNoise(), validation(0.3, 0.4, 1.0))
    assert found.name == "m2"
    assert "every simpler model is behind it by more than noise" in found.reason


def test_few_days_cannot_tell_so_that_the_best_stands() -> None:
    rows = validation(0.95, 1.0, noise=0.05)
    scores = {name: score[:300] for name, score in rows.scores.items()}
    few = Scored("validation", "rows", rows.at[:300], rows.label[:300], scores, {})
    best = choose(Best(), few).name
    assert choose(SimplestWithinNoise(), few).name == best
