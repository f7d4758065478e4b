"""Flights: the error on a route, and on a flight number, by how often it was flown before."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_sampling.rows import LabelledRows, moment, moments
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.production_monitoring.cold_start import cold_start
from mlsys_assets.tables import TIMESTAMP

OCTOBER = moment(datetime(2013, 10, 1, tzinfo=UTC))
ROUTE, NUMBER = ("carrier", "origin", "dest"), ("carrier", "flight")


@pytest.fixture(scope="module")
def predicted(
    flights_rows: LabelledRows, flights_fitted: dict[str, Predictor], flights_tables: dict[str, pa.Table]
) -> dict[str, pa.Table]:
    """What the model as of October said of October to December, the labels, and what names each flight."""
    rows = np.flatnonzero(flights_rows.at >= OCTOBER)
    ids, at = flights_rows.ids.take(pa.array(rows)), pa.array(flights_rows.at[rows]).cast(TIMESTAMP)
    score = flights_fitted["lightgbm"].predict(flights_rows.features.take(pa.array(rows)))
    label = pa.array(flights_rows.label[rows], from_pandas=True)
    return {
        "predictions": pa.table({"flight_id": ids, "predict_at": at, "score": score}),
        "labels": pa.table({"flight_id": ids, "label": label}),
        "plan": flights_tables["schedule"],
        "landed": flights_tables["arrivals"],
    }


def flown(tables: dict[str, pa.Table], by: tuple[str, ...]) -> pa.Table:
    """Return how many flights that share the columns were known to have landed when each was predicted."""
    plan, asked, landed = tables["plan"], tables["predictions"], tables["landed"]
    name = pc.binary_join_element_wise(*(plan[c].cast(pa.string()) for c in by), "|").combine_chunks()
    code = name.dictionary_encode().indices.to_numpy().astype(np.int64)
    keys = plan["flight_id"].combine_chunks()
    at_of, at = (moments(t[c]).astype(np.int64) for t, c in ((landed, "known_at"), (asked, "predict_at")))
    group_of, group = (code[pc.index_in(t["flight_id"], value_set=keys).to_numpy()] for t in (landed, asked))
    span = max(at_of.max(), at.max()) + 1
    past = np.sort(group_of * span + at_of)
    count = np.searchsorted(past, group * span + at, side="right") - np.searchsorted(past, group * span)
    return pa.table({"flight_id": asked["flight_id"], "flown": count})


def test_the_error_on_what_is_new_stands_beside_that_on_what_is_known(predicted: dict[str, pa.Table]) -> None:
    """Nearly every route was flown 20 times by October; flight numbers come and go, and are told by length."""
    tables = {name: predicted[name] for name in ("predictions", "labels")}
    for by in (ROUTE, NUMBER):
        history = flown(predicted, by)
        told = cold_start(**tables, features=history, key="flight_id", count="flown")
        print("\n" + "; ".join(f"{'-'.join(by)} flown {n}: {e} on {e.rows:,}" for n, e in told.items()))
        assert sum(e.rows for e in told.values()) == len(tables["labels"]) - tables["labels"]["label"].null_count
        assert told["unknown"].rows == 0
        assert told["20 and more"].sufficient
    assert told["0"].rows > 200
    assert told["0"].sufficient


def test_the_history_is_what_was_known_then(predicted: dict[str, pa.Table]) -> None:
    """Row by row, of a few flights: those of the same number that had landed, as known when it was predicted."""
    history = dict(zip(*(flown(predicted, NUMBER)[c].to_pylist() for c in ("flight_id", "flown")), strict=True))
    plan = predicted["plan"]
    for row in predicted["predictions"].take(pa.array(range(0, 80_000, 9_973))).to_pylist():
        own = plan.filter(pc.equal(plan["flight_id"], row["flight_id"])).to_pylist()[0]
        same = plan.filter(pc.and_(pc.equal(plan["carrier"], own["carrier"]), pc.equal(plan["flight"], own["flight"])))[
            "flight_id"
        ]
        landed = predicted["landed"].filter(pc.is_in(predicted["landed"]["flight_id"], value_set=same.combine_chunks()))
        assert history[row["flight_id"]] == sum(known <= row["predict_at"] for known in landed["known_at"].to_pylist())
