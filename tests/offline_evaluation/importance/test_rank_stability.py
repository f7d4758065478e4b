"""Correlations of ranks are SciPy's; pure noise ends at the bottom, and what is not above it is called useless."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import kendalltau, spearmanr

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.candidate import FitError
from mlsys_assets.offline_evaluation.importance.importance import WAYS
from mlsys_assets.offline_evaluation.importance.noise_column import NOISE
from mlsys_assets.offline_evaluation.importance.permutation import Permutation
from mlsys_assets.offline_evaluation.importance.rank_stability import RankStability, RankStabilityStudy, part_of_days
from mlsys_assets.thumbnails import LIMIT
from mlsys_assets.types import DeclarationError


def of(values: np.ndarray, *, top: int = 5) -> RankStability:
    columns = (*(f"x{j}" for j in range(values.shape[1] - 1)), NOISE)
    return RankStability("trees", columns, dict.fromkeys(WAYS, values), NOISE, top)


@given(st.integers(2, 5), st.integers(3, 12), st.integers(0, 99))
@settings(deadline=None)
def test_correlations_are_scipys_also_of_ties(fits, columns, seed):
    values = np.random.default_rng(seed).integers(0, 4, (fits, columns)).astype(float)
    found, pairs = of(values), list(combinations(values, 2))
    if (np.ptp(values, axis=1) == 0).any():
        assert np.isnan(found.spearman("own"))
        return
    assert found.spearman("own") == pytest.approx(np.mean([spearmanr(a, b).statistic for a, b in pairs]))
    assert found.kendall("own") == pytest.approx(np.mean([kendalltau(a, b).statistic for a, b in pairs]))


def test_what_is_shared_and_what_moves_is_counted():
    """By hand: of the first two of four, {a, b} and {a, c} share one; c goes from the third place to the second."""
    found = of(np.array([[9.0, 8.0, 7.0, 1.0], [9.0, 7.0, 8.0, 5.0]]), top=2)
    assert found.shared("own") == 0.5
    assert found.mean_ranks("own") == {"x0": 1.0, "x1": 2.5, "x2": 2.5, NOISE: 4.0}
    assert found.spreads("own")["x1"] == pytest.approx(0.5**0.5)
    assert found.moved("own") == ("x1",)
    assert found.verdict("own") == "not stable"
    assert found.useless() == ()
    assert found.floor("own") == 5.0


def test_the_same_ranking_is_stable_and_a_drawn_one_is_not():
    random = np.random.default_rng(0)
    order = np.arange(40.0)[::-1]
    near = of(order + random.normal(0, 0.7, (5, 40)), top=10)
    assert max(near.spreads("own").values()) > 0.5  # neighbours change places
    assert near.verdict("own") == "stable"
    assert of(random.normal(size=(5, 40)), top=10).verdict("own") == "not stable"


def test_what_is_above_noise_in_one_way_is_not_useless():
    own, shuffled = np.array([[3.0, 0.5, 0.5, 1.0]] * 2), np.array([[3.0, 2.0, 0.1, 1.0]] * 2)
    values = {"own": own, "permutation": shuffled, "contribution": np.full((2, 4), np.nan)}
    found = RankStability("trees", ("a", "b", "c", NOISE), values)
    assert found.ways == ("own", "permutation")
    assert found.useless() == ("c",)
    assert found.verdict("contribution") == "insufficient data"
    assert "by contribution: insufficient data" in found.text()
    assert NOISE not in found.means("own")


@pytest.fixture(scope="module")
def studied(train, validation, recipe):
    return RankStabilityStudy(Permutation(rows=1_500), seeds=(0, 1, 2), top=4).measure(recipe, train, validation)


def test_noise_is_at_the_bottom_in_every_way_and_useless_columns_beside_it(studied):
    for way in WAYS:
        assert next(iter(studied.mean_ranks(way))) == "strong"
        assert studied.mean_ranks(way)[NOISE] >= 6  # of 8, two of the others being noise as well
        assert all(studied.means(way)[name] > studied.floor(way) for name in ("strong", "weak", "twin", "carrier"))
    assert set(studied.useless()) <= {"nothing", "few"}
    assert "few" in studied.useless()


def test_it_is_told_and_drawn(studied):
    assert studied.text().startswith("lightgbm, 3 fits\nby own: ")
    assert "nowhere above noise" in studied.text().splitlines()[-1]
    assert studied.table().count("\n") == 1 + 8
    assert studied.plot().startswith("<svg")
    assert studied.thumbnail().startswith("![")
    assert len(studied.thumbnail()) < LIMIT


def test_a_fit_has_whole_days_and_is_asked_on_the_others(train):
    part, others = part_of_days(train, seed=5)
    assert (type(part), type(others)) == (Train, Validation)
    days = [set(view.at.astype("datetime64[D]").tolist()) for view in (part, others)]
    assert not days[0] & days[1]
    assert [len(one) for one in days] == [27, 13]
    assert len(part) + len(others) == len(train)
    assert day_blocks(part.at).max() == 26
    assert part_of_days(train, seed=6)[0].ids != part.ids


def test_mistakes_and_rows_that_cannot_be_fitted_are_told(train, validation, recipe):
    for seeds in ((), (1,), (1, 1)):
        with pytest.raises(DeclarationError, match="give 2 or more, each once"):
            RankStabilityStudy(seeds=seeds).measure(recipe, train, validation)
    assert "top" in RankStabilityStudy(top=0).mistakes()[0]
    with pytest.raises(FitError):
        RankStabilityStudy().measure(recipe, replace(train, label=np.zeros(len(train))), validation)
    rates = RankStabilityStudy(seeds=(0, 1)).measure(GroupRate(by=("carrier",)), train, validation)
    assert rates.ways == ("permutation", "contribution")
    few = RankStabilityStudy(seeds=(0, 1)).measure(recipe, train.take(np.arange(400)), validation)
    assert few.verdict("permutation") == "insufficient data"
    day = np.flatnonzero(train.at < train.at.min() + np.timedelta64(1, "D"))
    one = RankStabilityStudy(seeds=(0, 1)).measure(recipe, train.take(day), validation)
    assert one.verdict("contribution") == one.verdict("permutation") == "insufficient data"
