"""What the features of flights are worth, how surely and how steadily, and how many can go: small, and in full."""

import time

import lightgbm
import numpy as np
import pytest

from mlsys_assets import LightGBM, LogLoss, MLSystem
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import OpenedTest, Train
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.importance.column_drift import ColumnDrift
from mlsys_assets.offline_evaluation.importance.feature_debt import by_tables, needs
from mlsys_assets.offline_evaluation.importance.importance import WAYS, ImportanceStudy
from mlsys_assets.offline_evaluation.importance.noise_column import NOISE
from mlsys_assets.offline_evaluation.importance.own_weight import own_weight
from mlsys_assets.offline_evaluation.importance.permutation import Permutation
from mlsys_assets.offline_evaluation.importance.rank_stability import RankStabilityStudy
from mlsys_assets.offline_evaluation.importance.removal import RemovalStudy, by_permutation
from mlsys_assets.offline_evaluation.importance.stability import stability

PROBE = LightGBM(rounds=40, leaves=15, column_share=0.5, more={"max_bin": 31})
ALLOWED = 0.005
CPU_S = 2.0
"""What three shuffles of each of 87 columns of 2,000 rows may cost."""


@pytest.fixture(scope="module")
def tenth(flights_split: Split) -> Train:
    """Every tenth row: all days."""
    return flights_split.train.take(np.arange(0, len(flights_split.train), 10))


@pytest.fixture(scope="module")
def probe(tenth: Train, flights_split: Split) -> Predictor:
    return PROBE.fit(tenth, flights_split.validation, seed=0, threads=1).predictor


def _opened(split: Split) -> OpenedTest:
    return split.recent_test.open(lambda read: None, models="removal", reason="a test of removal")


def test_columns_of_one_table_hide_each_other(probe: Predictor, flights_split: Split, flights_system: MLSystem) -> None:
    """Shuffled one by one, the columns of arrivals cost less in all than jointly."""
    groups = by_tables(flights_system.features, flights_system.requests.source)
    begun = time.process_time()
    found = ImportanceStudy().measure(probe, flights_split.validation, groups=groups)
    print(f"{time.process_time() - begun:.2f} CPU s", found.text(), found.table(), sep="\n")
    alone = found.values("permutation")
    for name in ("all of departures", "all of arrivals"):
        assert found.groups[name].low > 0
        assert found.groups[name].value > 1.5 * sum(alone[column] for column in groups[name])
    assert found.agreement()["own", "contribution"] > 0.8
    text = probe.text.decode()
    theirs = lightgbm.Booster(model_str=text).feature_importance("gain")
    assert max(found.values("own"), key=found.values("own").get) == probe.preprocessing.names[int(theirs.argmax())]


def test_pure_noise_ranks_in_the_bottom_third_in_every_way(tenth: Train, flights_split: Split) -> None:
    found = RankStabilityStudy(Permutation(rows=4_000), seeds=(0, 1, 2)).measure(PROBE, tenth, flights_split.validation)
    print(found.text(), found.table(), sep="\n")
    for way in WAYS:
        assert found.mean_ranks(way)[NOISE] > len(found.columns) * 2 / 3
    assert found.verdict("own") == "stable"
    assert {"tailnum_since_landed_2d", "all_dep_late_1h", "dest"} <= set(list(found.mean_ranks("own"))[:10])
    assert "tailnum_seats" in found.useless()


def test_half_of_the_columns_can_go_and_one_row_is_faster(
    tenth: Train, flights_split: Split, flights_system: MLSystem
) -> None:
    reads = needs(flights_system.features, flights_system.requests.source)
    assert set(reads) == set(tenth.features.schema.names)
    study = RemovalStudy(time.process_time, allowed=ALLOWED, most_fits=6)
    found = study.measure(PROBE, tenth, flights_split.validation, reads=reads, test=_opened(flights_split))
    print(found.table(), found.text(), sep="\n")
    assert len(found.removed) >= 43
    assert found.left.lost.high < ALLOWED
    assert found.tested.lost.value < ALLOWED
    assert found.faster > 0
    assert found.left.bundle_bytes < found.whole.bundle_bytes
    assert "table planes" in found.unneeded


def test_the_temperature_drifts_and_the_distance_does_not(probe: Predictor, flights_split: Split) -> None:
    rates = ColumnDrift().rates(flights_split.train)
    found = stability(own_weight(probe).shares, rates, useful=1 / len(rates))
    print(found.text())
    assert rates["origin_temp"].mean > 1
    assert rates["distance"].mean < 0.01
    assert "origin_pressure" in found.quadrant("useful but drifting")
    assert "origin_temp" in found.quadrant("useless and drifting")
    assert {"dest", "all_dep_late_1h"} <= set(found.quadrant("useful and steady"))
    assert {"distance", "tailnum_seats"} <= set(found.quadrant("useless and steady"))


@pytest.mark.prove
def test_shuffling_every_column_costs_two_cpu_seconds(probe: Predictor, flights_split: Split) -> None:
    begun = time.process_time()
    Permutation().falls(probe, flights_split.validation)
    spent = time.process_time() - begun
    print(f"{spent:.2f} CPU s")
    assert spent <= CPU_S


@pytest.mark.prove
def test_the_recipe_itself_in_full(flights_split: Split, flights_system: MLSystem) -> None:
    recipe = flights_system.candidates[-1]
    ranks = RankStabilityStudy(Permutation(rows=4_000), seeds=(0, 1, 2)).measure(
        recipe, flights_split.train, flights_split.validation
    )
    print(ranks.text())
    assert all(ranks.mean_ranks(way)[NOISE] > len(ranks.columns) * 2 / 3 for way in WAYS)


@pytest.mark.prove
@pytest.mark.parametrize("by", ["contribution", "permutation"])
def test_the_recipe_itself_with_fewer_columns(flights_split: Split, flights_system: MLSystem, by: str) -> None:
    study = RemovalStudy(time.process_time, LogLoss(), allowed=ALLOWED, most_fits=8)
    study = study if by == "contribution" else RemovalStudy(study.meter, weigh=by_permutation, most_fits=8)
    reads = needs(flights_system.features, flights_system.requests.source)
    found = study.measure(
        flights_system.candidates[-1], flights_split.train, flights_split.validation, reads=reads,
        test=_opened(flights_split),
    )  # fmt: skip
    print(found.table(), found.text(), sep="\n")
    assert len(found.removed) >= 20
    assert found.left.lost.high <= ALLOWED
