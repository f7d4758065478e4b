"""The flights features see nothing of the future; set to the departure hour, they would, and that is found."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import TimeWindow
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.future_blindness import Outcomes, Sample, future_blindness
from mlsys_assets.systems.flights.features import build_features

JULY = TimeWindow.of("2013-07-01", "2013-07-29")
OUTCOMES = Outcomes("flight_id", ("departures", "arrivals", "cancellations", "diversions"))


def _asked(tables: dict[str, pa.Table]) -> pa.Table:
    plan = tables["schedule"]
    inside = pc.and_(
        pc.greater_equal(plan["predict_at"], pa.scalar(JULY.start)), pc.less(plan["predict_at"], pa.scalar(JULY.end))
    )
    return plan.filter(inside)


def _blindness(flights, requests: pa.Table, tables: dict[str, pa.Table], rows: int):
    features = build_features(flights)

    def engine(asked, known):
        return compute(features, asked, known, key="flight_id")

    return future_blindness(engine, requests, tables, outcomes=OUTCOMES, sample=Sample(rows=rows, seed=7))


@pytest.mark.parametrize("rows", [600, pytest.param(4_000, marks=pytest.mark.prove)])
def test_no_feature_sees_the_future(flights, summer, rows) -> None:
    found = _blindness(flights, _asked(summer), summer, rows=rows)
    assert found.passed, found.summary


def test_a_prediction_at_the_departure_hour_sees_it(flights, summer) -> None:
    requests = _asked(summer)
    hour = pc.floor_temporal(requests["sched_dep"], unit="hour")
    moved = requests.set_column(requests.schema.get_field_index("predict_at"), "predict_at", hour)
    found = _blindness(flights, moved, summer, rows=300)
    assert not found.passed
