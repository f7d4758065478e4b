"""The error by how much is known of a key agrees with scikit-learn's, on the flights of a week and row by row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from mlsys_assets import Support, TimeWindow, Trailing, Workspace, count, days, utc
from mlsys_assets.data_labeling.label import settled
from mlsys_assets.production_monitoring.cold_start import cold_start
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.tables import TIMESTAMP

UNTIL, WEEK = "2013-07-08", TimeWindow(utc("2013-07-01"), utc("2013-07-08"))
NAMES = ["0", "1 to 4", "5 to 19", "20 and more", "unknown"]


@pytest.fixture(scope="module")
def tables(flights_lived) -> dict[str, pa.Table]:
    """The first predicted week, with how often each route was flown in the three days before."""
    home: Path = flights_lived(UNTIL)
    workspace = Workspace(flights, environment={"MLSYS_HOME": str(home)})
    lake, arrivals = workspace.stores.lake, next(s for s in flights.sources if s.name == "arrivals")
    routes = Trailing(arrivals, by=("origin", "dest"), over=days(3), flown=count())
    return {
        "predictions": lake.read("flights", "predictions"),
        "labels": settled(lake.read("flights", "labels"), key="flight_id", corrections=False),
        "features": workspace.try_features("flights", [routes], WEEK),
    }


def test_new_routes_and_known_ones_agree_with_scikit_learn(tables) -> None:
    support = Support(least_of_each_class=5, least_blocks=3)
    told = cold_start(**tables, key="flight_id", count="origin_dest_flown_3d", support=support)
    assert list(told) == NAMES
    score = dict(zip(*(tables["predictions"][c].to_pylist() for c in ("flight_id", "score")), strict=True))
    label = dict(zip(*(tables["labels"][c].to_pylist() for c in ("flight_id", "label")), strict=True))
    flown = dict(zip(*(tables["features"][c].to_pylist() for c in ("flight_id", "origin_dest_flown_3d")), strict=True))
    groups: dict[str, list[str]] = {name: [] for name in NAMES}
    for flight in score:
        if label.get(flight) is not None:
            n = flown[flight]
            groups["0" if n == 0 else "1 to 4" if n <= 4 else "5 to 19" if n <= 19 else "20 and more"].append(flight)
    for name, flights_there in groups.items():
        found, truth = told[name], [label[f] for f in flights_there]
        assert (found.rows, found.positives) == (len(truth), sum(truth)), name
        if found.sufficient:
            assert found.value == pytest.approx(log_loss(truth, [score[f] for f in flights_there]), rel=1e-9), name
            assert found.low < found.value < found.high
    assert [told[name].sufficient for name in NAMES] == [False, True, True, True, False]
    assert str(told["0"]).startswith("insufficient data (")
    assert 0 < told["0"].rows < 100


def small(history: list[float | None], label: list[float | None]) -> dict[str, pa.Table]:
    ids = [f"r{i}" for i in range(len(history))]
    hours = [i * 3_600_000_000 for i in range(len(ids))]
    return {
        "predictions": pa.table({"id": ids, "predict_at": pa.array(hours, TIMESTAMP), "score": [0.25] * len(ids)}),
        "labels": pa.table({"id": ids[::-1], "label": pa.array(label[::-1], pa.float64())}),
        "features": pa.table({"id": ids, "n": pa.array(history, pa.float32())}),
    }


def test_each_row_falls_into_one_range_and_what_has_no_label_into_none() -> None:
    history = [0, 1, 4, 5, 19, 20, 1000, None, 2]
    tables = small(history, [1, 0, 1, 0, 1, 0, 1, 0, None])
    told = cold_start(**tables, key="id", count="n", support=Support(1, 1))
    assert {name: (found.rows, found.positives) for name, found in told.items()} == {
        "0": (1, 1), "1 to 4": (2, 1), "5 to 19": (2, 1), "20 and more": (2, 1), "unknown": (1, 0),
    }  # fmt: skip
    assert told["1 to 4"].value == pytest.approx(-(np.log(0.25) + np.log(0.75)) / 2)
    assert np.isnan(told["0"].value)
    mixed = {**tables, "predictions": tables["predictions"].take(pa.array(range(8, -1, -1)))}
    again = cold_start(**mixed, key="id", count="n", support=Support(1, 1))
    assert {name: found.as_dict() for name, found in told.items()} == {n: found.as_dict() for n, found in again.items()}


def test_what_does_not_fit_is_refused() -> None:
    tables = small([1, 2], [0, 1])
    with pytest.raises(ValueError, match="the features lack the columns"):
        cold_start(**tables, key="id", count="flown")
    with pytest.raises(ValueError, match="repeat a key"):
        cold_start(**{**tables, "labels": pa.concat_tables([tables["labels"]] * 2)}, key="id", count="n")
