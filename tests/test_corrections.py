"""What arrives late, or corrects what was said, changes what is asked after it and no training set on record."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import (
    DELIVERED_AT,
    Column,
    Daily,
    FixedClock,
    Gates,
    GroupRate,
    LogisticRegression,
    LogLoss,
    Lookup,
    MLSystem,
    NaturalLabel,
    PrAuc,
    Request,
    Requests,
    Source,
    Support,
    TimeSplit,
    TimeWindow,
    Trailing,
    ZeroRule,
    build_definitions,
    count,
    days,
    hours,
    last,
    mean,
    minutes,
    utc,
)  # fmt: skip
from mlsys_assets.dagster_adapter import in_tick
from mlsys_assets.data_ingestion.csv_file import parse_csv
from mlsys_assets.data_sampling.identity import data_hash
from mlsys_assets.instance import open_instance
from mlsys_assets.known import known_rows
from mlsys_assets.live_features import LiveFeatures
from mlsys_assets.prediction.batch import prediction_schema
from mlsys_assets.production_monitoring.assets import _cold_start
from mlsys_assets.runs import Runner
from mlsys_assets.tables import SOURCE_FILE
from mlsys_resources.resources import build_resources

START, END = utc("2013-01-01"), utc("2013-01-06")
HEADER = "id,place,value,event,known"


class Told:
    """Lines of readings, to which more can be added; each delivered when it became known."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, name: str, place: str, value: float | None, event: datetime, known: datetime) -> None:
        self.lines.append(f"{name},{place},{'' if value is None else value},{event:%Y-%m-%dT%H:%M:%SZ},"
                          f"{known:%Y-%m-%dT%H:%M:%SZ}")  # fmt: skip

    def __call__(self, window: TimeWindow) -> pa.Table:
        text = parse_csv("\n".join([HEADER, *self.lines, ""]).encode())
        text = text.append_column(SOURCE_FILE, pa.repeat("told", len(text)))
        return text.append_column(DELIVERED_AT, pc.strptime(text["known"], format="%Y-%m-%dT%H:%M:%SZ", unit="us")
                                  .cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")))  # fmt: skip


def source_of(name: str, read: Told, *columns: Column, corrections: bool = False) -> Source:
    raw = (Column("id", "string"), Column("place", "string"), Column("value", "float64"),
           Column("event", "timestamp"), Column("known", "timestamp"))  # fmt: skip

    def derive(rows: pa.Table) -> pa.Table:
        rows = rows.append_column("event_time", rows["event"]).append_column("known_at", rows["known"])
        return rows.append_column("predict_at", rows["event"])

    own = (Column("id", "string", nullable=False), Column("place", "string"), Column("value", "float64"), *columns)
    return Source(name, read=read, raw=raw, columns=own, derive=derive, key=("id",), corrections=corrections)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """Readings each hour at two places, a question an hour later, its answer two hours after that: for five days."""
    readings, asks, answers = Told(), Told(), Told()
    for h in range(5 * 24 - 4):
        at = START + hours(h)
        for place in ("A", "B"):
            readings.say(f"{place}{h}", place, h % 7, at, at)
            asks.say(f"{place}{h}", place, None, at + hours(1), at)
            answers.say(f"{place}{h}", place, (h + (place == "A")) % 3, at + hours(3), at + hours(3))
    return World(tmp_path, readings, asks, answers)


class World:
    def __init__(self, folder: Path, readings: Told, asks: Told, answers: Told) -> None:
        self.folder, self.readings, self.answers = folder, readings, answers
        asked = source_of("asks", asks, Column("predict_at", "timestamp"))
        said = source_of("readings", readings, corrections=True)
        answered = source_of("answers", answers, corrections=True)
        self.system = MLSystem(
            name="small", calendar=Daily("2013-01-01", end="2013-01-06"), sources=(asked, said, answered),
            requests=Requests(asked, key="id"),
            label=NaturalLabel("high", source=answered, compute=lambda rows: pc.greater(rows["value"], 1),
                               delay=hours(2), window=days(1)),
            features=(Request("place"), Lookup(said, by="place", columns=("value",), max_age=hours(6)),
                      Trailing(said, by="place", over=hours(24), n=count(), mean=mean("value"), last=last("value"))),
            split=TimeSplit(validation=days(1), test=days(3)),
            candidates=(ZeroRule(), GroupRate(by=("place",)), LogisticRegression()), metrics=(LogLoss(), PrAuc()),
            gates=Gates(support=Support(least_blocks=2)),
        )  # fmt: skip
        self.stores = build_resources({"MLSYS_HOME": str(folder)}, clock=FixedClock(END).now)

    def ingest(self, first: datetime = START, end: datetime = END) -> None:
        definitions = build_definitions(self.system, resources=self.stores)
        with open_instance(self.folder) as instance:
            Runner(self.system, definitions, instance).ticks("small_ingest", TimeWindow(first, end))

    @property
    def versions(self) -> dict[str, int]:
        return {table: self.stores.lake.version("small", table) for table in ("features", "labels")}

    def training_set(self, as_of: datetime, versions: dict[str, int]) -> str:
        rows = known_rows(self.stores.lake, self.system, as_of, versions)
        return data_hash(rows.features) + data_hash(pa.table({"label": pa.array(rows.label)}))

    def features(self) -> dict[tuple[str, datetime], dict[str, Any]]:
        return {
            (row["place"], row["predict_at"]): row for row in self.stores.lake.read("small", "features").to_pylist()
        }


def test_a_late_row_changes_what_is_asked_after_it_was_known_and_no_training_set_on_record(world: World) -> None:
    world.ingest()
    before, old, was = world.versions, world.training_set(END, world.versions), world.features()
    noon = START + days(2) + hours(12)
    world.readings.say("late", "A", 1_000, noon - hours(5), noon + minutes(30))  # happened at seven, known at half past
    world.ingest(START + days(2), START + days(4))
    now = world.features()
    assert world.training_set(END, before) == old
    assert world.training_set(END, world.versions) != old
    changed = sorted(at for at, row in now.items() if row != was[at])
    assert changed == [("A", noon + hours(h)) for h in range(1, 25)], "for a day from when it was known, at its place"
    assert now["A", noon + hours(1)]["place_value"] == was["A", noon + hours(1)]["place_value"], "it hides no newer one"
    assert now["A", noon + hours(1)]["place_n_1d"] == was["A", noon + hours(1)]["place_n_1d"] + 1


def test_a_correction_replaces_its_row_from_when_it_was_known(world: World) -> None:
    world.ingest()
    before, old, was = world.versions, world.training_set(END, world.versions), world.features()
    noon = START + days(2) + hours(12)
    hour = 2 * 24 + 10
    world.readings.say(f"A{hour}", "A", 1_000, noon - hours(2), noon + minutes(30))  # what was said of ten was wrong
    world.ingest(START + days(2), START + days(4))
    now = world.features()
    assert world.training_set(END, before) == old
    assert world.training_set(END, world.versions) != old
    one, was_one = now["A", noon + hours(1)], was["A", noon + hours(1)]
    assert one["place_n_1d"] == was_one["place_n_1d"] == 24
    assert one["place_mean_1d"] == pytest.approx(was_one["place_mean_1d"] + (1_000 - hour % 7) / 24)
    assert one["place_last_1d"] == was_one["place_last_1d"], "another became known since"
    assert one["place_value"] == was_one["place_value"], "another happened since"
    assert min(at for at, row in now.items() if row != was[at]) == ("A", noon + hours(1))
    assert not [at for at, row in now.items() if row != was[at] and at[0] == "B"]
    served = LiveFeatures(world.system, world.stores.lake, world.stores.operations, "x").serve(
        TimeWindow(START + days(2), START + days(3))
    )
    assert served.equals(world.stores.lake.read("small", "features", ticks=[START + days(2)]))


def test_a_corrected_label_is_another_from_when_it_was_known(world: World) -> None:
    world.ingest()
    before, as_of = world.versions, START + days(4)
    old = world.training_set(as_of, before)
    world.answers.say("A30", "A", 99, START + hours(33), START + days(3) + hours(1))
    world.ingest(START + days(3), START + days(4))
    assert world.training_set(as_of, before) == old
    assert world.training_set(as_of, world.versions) != old
    early = START + days(3)
    assert world.training_set(early, world.versions) == world.training_set(early, before), "it was not known then"


def test_the_error_by_what_is_known_is_that_of_corrected_labels(world: World) -> None:
    third, schema = TimeWindow(START + days(2), START + days(3)), prediction_schema("id", "predict_at")
    world.ingest()
    asked = world.stores.lake.read("small", "features", ticks=[third.start], columns=["id", "predict_at"])
    made = pa.table([*asked.columns, *(pa.repeat(pa.scalar(said), len(asked)) for said in (0.5, "m", third.start))],
                    names=schema.names).cast(schema)  # fmt: skip
    world.stores.lake.write_ticks("small", "predictions", in_tick(made, third.start), schema=schema,
                                  ticks=[third.start], run_id="made")  # fmt: skip

    def positives() -> int:
        told = _cold_start(replace(world.system, cold_start="place_n_1d"), world.stores, third)["cold start"].value
        return sum(int(line.split("|")[3]) for line in told.splitlines()[2:])

    was = positives()
    world.answers.say("A50", "A", 99, START + hours(53), third.end - hours(1))  # what was 0 is 1
    world.ingest(third.start, third.end)
    assert was > 0
    assert positives() == was + 1


def test_the_old_rule_holds_where_nothing_may_be_corrected(world: World) -> None:
    (asked, said, answered) = world.system.sources
    strict = replace(answered, corrections=False, tolerance=1.0)
    world.system = replace(
        world.system, sources=(asked, said, strict), label=replace(world.system.label, source=strict)
    )
    world.answers.say("A30", "A", 99, START + hours(33), START + days(3) + hours(1))
    world.ingest()
    quarantined = world.stores.lake.read("small", "answers_quarantine")
    assert quarantined.select(["rule", "value"]).to_pylist() == [{"rule": "duplicate key", "value": "A30"}]
