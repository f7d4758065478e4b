"""The recipe against the bare reference, under the reference's protocol: a new model each month of July to December."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import LogLoss, RocAuc
from mlsys_assets.data_labeling.natural_labels import natural_labels
from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.measures.metrics import value
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.system import NEW_YORK, build_system
from mlsys_assets.tables import PREDICT_AT

REFERENCE = {7: 0.789, 8: 0.759, 9: 0.745, 10: 0.747, 11: 0.736, 12: 0.759}
"""ROC-AUC of the bare chain by month, mean of five seeds."""
MEAN = 0.753
SLACK = 0.010
SEEDS = range(5)


@pytest.fixture(scope="module")
def system():
    return build_system(FlightsFiles.installed())


@pytest.fixture(scope="module")
def rows(system, year) -> LabelledRows:
    features = compute(system.features, year["schedule"], year, key="flight_id")
    labels = natural_labels(system.label, year, key="flight_id")
    return LabelledRows.join(features, labels, key="flight_id", at=PREDICT_AT, window=system.label.window)


def _month(rows: LabelledRows, month: int) -> np.ndarray:
    """Return which labelled rows are asked for in a local month."""
    start = moment(datetime(2013, month, 1, tzinfo=NEW_YORK))
    end = moment(datetime(2013 + month // 12, month % 12 + 1, 1, tzinfo=NEW_YORK))
    return (rows.at >= start) & (rows.at < end) & ~np.isnan(rows.label)


@pytest.mark.prove
def test_the_recipe_is_no_worse_than_the_bare_reference(system, rows) -> None:
    (candidate,) = [c for c in system.candidates if c.name == "lightgbm"]
    auc, loss = {}, {}
    for month in REFERENCE:
        train = system.split.refit_view(rows, as_of=datetime(2013, month, 1, tzinfo=NEW_YORK))
        chosen = _month(rows, month)
        tested, label = rows.features.filter(pa.array(chosen)), rows.label[chosen]
        scores = [
            candidate.refit(train, recipe={"rounds": candidate.rounds}, seed=seed, threads=2).predict(tested, threads=2)
            for seed in SEEDS
        ]
        auc[month] = [value(RocAuc(), label, s) for s in scores]
        loss[month] = [value(LogLoss(), label, s) for s in scores]
        mean, deviation = np.mean(auc[month]), np.std(auc[month])
        print(f"2013-{month:02d}: AUC {mean:.4f} ± {deviation:.4f}, log loss {np.mean(loss[month]):.4f}")
    means = {month: float(np.mean(values)) for month, values in auc.items()}
    assert np.mean(list(means.values())) >= MEAN, means
    assert all(means[month] >= REFERENCE[month] - SLACK for month in REFERENCE), means
