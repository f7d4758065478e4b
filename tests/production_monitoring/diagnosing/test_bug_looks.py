"""Each source is looked at under its own name, for its columns and for how many rows came."""

import pyarrow as pa
from diagnosing_worlds import normal, pair, seen

from mlsys_assets.production_monitoring.diagnosing.bug_looks import bug_looks
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.production_monitoring.pipeline.volume import Flow

STEADY = Flow((2_000,) * 4, 1.0)


def looked(**raw: object) -> Examined:
    features = pair(normal(0, 2_000), normal(1, 500))
    return Examined.of(bug_looks(seen(features, raw=raw), Monitoring(), seed=0))


def test_a_source_that_halves_is_a_bug_of_the_pipeline_and_one_that_does_not_is_none() -> None:
    table = normal(0, 8_000)
    found = looked(weather=pair(table, normal(1, 900), flow=STEADY), plan=pair(table, normal(2, 1_900), flow=STEADY))
    (one,) = found.symptoms
    assert (one.cause, one.test, one.where) == (Cause.PIPELINE, "volume", "rows of weather")
    assert one.told == "900 rows of weather came, 2,000 usually, from 2,000 to 2,000"
    assert found.untold == {}


def test_a_column_in_another_unit_is_named_with_its_source() -> None:
    now = normal(1, 2_000).set_column(0, "x0", pa.array(normal(1, 2_000)["x0"].to_numpy() * 1000))
    found = looked(weather=pair(normal(0, 8_000), now, flow=STEADY))
    assert {s.where for s in found.symptoms} == {"weather.x0"}


def test_what_cannot_be_held_is_told_by_source() -> None:
    table = normal(0, 8_000)
    found = looked(
        weather=pair(table, table, untold="no time before"), plan=pair(table, table, flow=Flow((8_000,), 1.0))
    )
    assert found.symptoms == ()
    assert found.untold["bugs of weather"] == "no time before"
    assert "1 windows before" in found.untold["volume of plan"]
