"""The simplest model within noise is recommended, and a real gain is seen; of nothing, hardly ever."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.metrics import log_loss

from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.offline_evaluation.studies.ladder import five_baselines, ladder

DAYS, A_DAY = 20, 60
N = DAYS * A_DAY
AT = np.datetime64("2013-06-01", "us") + (np.arange(N) // A_DAY).astype("timedelta64[D]")
ORDER = ("zero", "group", "linear", "trees")


def noisy(random: np.random.Generator, margin: np.ndarray, by: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(margin + random.normal(0, by, N))))


def world(seed: int, noise: dict[str, float]) -> Scored:
    """Models that know the truth but for noise; the zero rule knows nothing."""
    random = np.random.default_rng(seed)
    margin = random.normal(-0.5, 1.5, N)
    label = (random.random(N) < 1 / (1 + np.exp(-margin))).astype(float)
    scores = {"zero": np.full(N, label.mean())} | {name: noisy(random, margin, by) for name, by in noise.items()}
    return Scored("recent_test", "dh", AT, label, scores, dict.fromkeys(scores, "h"))


def test_the_simplest_of_equals_is_recommended_and_each_rung_is_told() -> None:
    scored = world(1, {"group": 1.2, "linear": 0.3, "trees": 0.3, "champion": 2.0})
    found = ladder(scored, ORDER, metric=LogLoss())
    assert found.recommended == "linear"
    assert found.best in {"linear", "trees"}
    zero, _, linear, trees = found.rungs
    assert [r.within_noise for r in found.rungs] == [False, False, True, True]
    assert zero.gain is None
    loss = {name: log_loss(scored.label, score) for name, score in scored.scores.items()}
    for before, rung in zip(ORDER, found.rungs[1:], strict=False):
        assert rung.found.value == pytest.approx(loss[rung.name])
        assert rung.gain.value == pytest.approx(loss[before] - loss[rung.name])
    assert linear.gain_p < 0.05 < trees.gain_p
    value, gain = found.beside["champion"]
    assert value.value == pytest.approx(loss["champion"])
    assert gain.value == pytest.approx(loss["champion"] - loss["linear"])
    assert gain.low > 0
    assert "over champion it gains" in found.text()
    assert found.table().count("\n") == 1 + 4 + 1
    assert "| champion (beside) |" in found.table()
    assert found.plot().startswith("<svg")
    assert found.thumbnail().startswith("![")
    assert found.as_dict()["rungs"][0]["gain_p"] is None


def test_the_most_complex_is_recommended_where_it_is_truly_better() -> None:
    scored = world(2, {"group": 2.0, "linear": 1.0, "trees": 0.1})
    for metric in (LogLoss(), RocAuc()):
        found = ladder(scored, ORDER[1:], metric=metric)
        assert found.best == found.recommended == "trees"
        assert all(rung.gain.low > 0 for rung in found.rungs[1:])
        assert "every simpler model is behind" in found.text()


def test_of_equal_models_the_simplest_is_wrongly_left_behind_hardly_ever() -> None:
    """Five models of the same worth: the best of them is a lucky one, which the correction makes up for in part."""
    names = ("a", "b", "c", "d", "e")
    found = [
        ladder(world(100 + seed, dict.fromkeys(names, 0.5)), names, metric=LogLoss()).recommended for seed in range(60)
    ]
    assert np.mean([name != "a" for name in found]) <= 0.1


def test_p_values_are_those_of_paired_t_tests_of_the_days_corrected_for_all_rungs() -> None:
    scored = world(3, {"group": 1.0, "linear": 0.75, "trees": 0.6})
    p = {name: np.where(scored.label > 0, score, 1 - score) for name, score in scored.scores.items()}
    daily = {name: -np.log(one).reshape(DAYS, A_DAY).mean(axis=1) for name, one in p.items()}
    found = ladder(scored, ORDER, metric=LogLoss())
    gains = [ttest_rel(daily[a], daily[b]).pvalue for a, b in pairwise(ORDER)]
    assert [r.gain_p for r in found.rungs[1:]] == pytest.approx(list(holm(gains)), rel=0.35, abs=0.01)
    assert found.best == "trees"
    behind = [ttest_rel(daily[n], daily["trees"], alternative="greater").pvalue for n in ORDER[:-1]]
    assert [r.behind_p for r in found.rungs[:-1]] == pytest.approx(list(holm(behind)), rel=0.35, abs=0.01)


def test_too_few_rows_recommend_nothing() -> None:
    scored = world(4, {"group": 0.5})
    few = Scored("recent_test", "dh", AT[:120], scored.label[:120],
                 {name: score[:120] for name, score in scored.scores.items()}, scored.hashes)  # fmt: skip
    found = ladder(few, ("zero", "group"), metric=LogLoss())
    assert found.recommended is found.best is None
    assert "insufficient data" in found.text()
    assert "insufficient data" in found.table()
    for order in ((), ("zero", "nobody"), ("zero", "zero")):
        with pytest.raises(ValueError, match="each model of the ladder once"):
            ladder(scored, order, metric=LogLoss())


def test_a_report_without_a_baseline_names_it() -> None:
    found = five_baselines(["zero_rule", "group_rate", "lightgbm"], champion=False)
    assert not found.passed
    assert "holds 2 of five" in found.summary
    assert all(word in found.summary for word in ("random (random)", "human (human_rule)", "existing (champion)"))
    assert "declare candidates of the kinds random, human_rule" in found.summary
    all_four = ["zero_rule", "group_rate", "random", "human_rule"]
    assert five_baselines(all_four, champion=True).summary.startswith("the report holds 5 of five")
    first = five_baselines(all_four, champion=False)
    assert (first.passed, first.evidence["existing"]) == (True, False)
