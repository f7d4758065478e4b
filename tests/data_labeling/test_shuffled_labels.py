"""Labels told twice and in any order leave one state behind; late ones a second revision; those of nobody wait."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_ingestion.accounting import Ingested
from mlsys_assets.data_ingestion.csv_file import parse_csv
from mlsys_assets.data_ingestion.source import Reference, Source, SourceKind
from mlsys_assets.data_ingestion.source_changed import SourceChanged
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.data_labeling.label import settled
from mlsys_assets.data_labeling.natural_labels import NaturalLabel, natural_labels
from mlsys_assets.measures.metrics import LogLoss
from mlsys_assets.production_monitoring.performance import matured
from mlsys_assets.production_monitoring.revisions import PREDICTED, revised, revised_schema
from mlsys_assets.tables import KNOWN_AT, MODEL, TIMESTAMP, Column
from mlsys_assets.types import Daily, TimeWindow, days, hours, utc
from mlsys_resources.table_hash import table_hash

START, ROWS = utc("2013-01-01"), 400
CALENDAR, METRICS = Daily(START), (LogLoss(),)
SHUFFLES = 100
MONTHS = TimeWindow(START, START + days(60))


def _derive(raw: pa.Table) -> pa.Table:
    return raw.append_column("event_time", raw["at"]).append_column("known_at", raw["at"])


def source(name: str, *columns: Column, **declared) -> Source:
    identified = (Column("id", "string", nullable=False), *columns)
    return Source(
        name, read=lambda window: pa.table({}), raw=(Column("at", "timestamp"), *identified), columns=identified,
        derive=_derive, key=("id",), kind=SourceKind.THIRD_PARTY, known_within=(hours(0), days(60)), **declared,
    )  # fmt: skip


ASKED = source("asked")
OUTCOMES = source("outcomes", Column("y", "float64"), references=(Reference("id", ASKED, "id"),))
LABEL = NaturalLabel("y", source=OUTCOMES, compute=lambda rows: rows["y"], delay=hours(3), window=days(40))


AT = [START + timedelta(minutes=7 * i) for i in range(ROWS)]
"""When each request was asked: two days of them."""
REQUESTS = pa.table({"id": [f"r{i:03}" for i in range(ROWS)], KNOWN_AT: pa.array(AT, TIMESTAMP)})
PREDICTIONS = pa.table(
    {
        "id": REQUESTS["id"],
        "predict_at": REQUESTS[KNOWN_AT],
        "score": np.random.default_rng(3).uniform(0.1, 0.9, ROWS),
        "model_hash": ["m"] * ROWS,
    }
)


def delivered(*, late: timedelta = timedelta(0), strangers: int = 0, order: list[int] | None = None) -> pa.Table:
    """Raw outcomes, every tenth of which is late, and the last of which are of nobody."""
    rng = np.random.default_rng(5)
    told = [str(float(y)) for y in rng.uniform(size=ROWS) < 0.4]
    at = [f"{one + hours(3) + (late if i % 10 == 0 else hours(0)):%Y-%m-%dT%H:%M:%SZ}" for i, one in enumerate(AT)]
    names = [f"r{i:03}" if i < ROWS - strangers else f"nobody{i}" for i in range(ROWS)]
    rows = [",".join(row) for row in zip(at, names, told, strict=True)]
    text = "\n".join(["at,id,y", *(rows[i] for i in (range(ROWS) if order is None else order))])
    table = parse_csv(text.encode()).append_column(
        "source_file", pa.repeat("f" * 16, ROWS if order is None else len(order))
    )
    return table.append_column("delivered_at", pa.repeat(pa.scalar(START, TIMESTAMP), table.num_rows))


def filed(raw: pa.Table, outcomes: Source = OUTCOMES) -> Ingested:
    return ingest(outcomes, raw, window=MONTHS, known={"asked": REQUESTS})


def performance(raw: pa.Table, *, as_of: datetime) -> pa.Table:
    """Return what is said of each day's predictions by the labels that were known then."""
    labels = natural_labels(LABEL, {"outcomes": filed(raw).accepted}, key="id")
    known = labels.filter(pc.less(labels[KNOWN_AT], pa.scalar(as_of, TIMESTAMP)))
    once = settled(known, key="id", corrections=False)
    return matured(PREDICTIONS, once, key="id", calendar=CALENDAR, metrics=METRICS).rows


def test_a_hundred_shuffles_of_labels_told_twice_have_one_hash() -> None:
    def hashes(order: list[int]) -> tuple[str, ...]:
        raw = delivered(late=days(30), order=order)
        accepted = filed(raw).accepted
        kept = accepted.drop_columns(["source_line"])  # where in the file a row stood is what was shuffled
        labels = natural_labels(LABEL, {"outcomes": accepted}, key="id")
        return table_hash(kept), table_hash(labels), table_hash(performance(raw, as_of=MONTHS.end))

    rng = np.random.default_rng(18)
    once = hashes(list(range(ROWS)))
    twice = [*range(ROWS), *range(ROWS)]
    assert {hashes(rng.permutation(twice).tolist()) for _ in range(SHUFFLES)} == {once}


def test_late_labels_are_a_second_revision_and_no_look_ahead() -> None:
    """Nine in ten within a day, the rest thirty days later: what was said first stays as it was said."""
    raw, said = delivered(late=days(30)), []
    earlier = revised_schema(METRICS).empty_table().select([PREDICTED, MODEL])
    for as_of in (START + days(3), START + days(33)):
        rows = revised({"m": performance(raw, as_of=as_of)}, earlier, as_of=as_of, metrics=METRICS)
        said.append(rows.filter(pc.equal(rows[PREDICTED], pa.scalar(START, TIMESTAMP))).to_pylist()[0])
        earlier = pa.concat_tables([earlier, rows.select(earlier.column_names)])
    assert [row["revision"] for row in said] == [1, 2]
    assert [row["labelled"] for row in said] == [said[0]["requests"] - 21, said[0]["requests"]]
    assert said[0]["log_loss"] != said[1]["log_loss"]
    (never_came,) = [
        row for row in performance(delivered(late=days(50)), as_of=START + days(33)).to_pylist() if row["tick"] == START
    ]
    assert never_came["log_loss"] == said[0]["log_loss"]


def test_labels_of_nobody_wait_in_quarantine_and_many_of_them_stop_the_tick() -> None:
    """One in twenty is what a third party may err in; one more is told by what is unknown, and nothing is filed."""
    found = filed(delivered(strangers=ROWS // 20))
    assert found.accepted.num_rows == ROWS - ROWS // 20
    assert found.quarantined.select(["rule", "column"]).to_pylist() == [{"rule": "not in asked.id", "column": "id"}] * (
        ROWS // 20
    )
    (account,) = [one for one in found.findings if one.name == "every_row_accounted_for"]
    assert "20 quarantined (20 × not in asked.id in id, e.g. 'nobody380')" in account.summary
    clean = settled(natural_labels(LABEL, {"outcomes": found.accepted}, key="id"), key="id", corrections=False)
    assert set(clean["id"].to_pylist()) <= set(REQUESTS["id"].to_pylist())
    with pytest.raises(SourceChanged, match=r"21 of 400 rows are broken.*21 × not in asked\.id in id"):
        filed(delivered(strangers=ROWS // 20 + 1))
