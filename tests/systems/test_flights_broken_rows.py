"""A hundred broken rows in a week's file, and some told twice: all in quarantine, and the rest goes on."""

import zipfile
from collections import Counter
from pathlib import Path

import pytest

from mlsys_assets import TimeWindow, build_definitions
from mlsys_assets.instance import open_instance
from mlsys_assets.runs import Runner
from mlsys_assets.systems.flights.files import FLIGHTS_HEADER, FlightsFiles
from mlsys_assets.systems.flights.system import build_system
from mlsys_resources.resources import Resources, build_resources

WEEK = TimeWindow.of("2013-01-07", "2013-01-14")
KINDS = {
    "text in a number": ("dep_delay", "late"),
    "missing key": ("carrier", "NA"),
    "impossible time": ("sched_dep_time", "2575"),
    "unknown airport": ("dest", "ZZZ"),
}
EACH = 20
COMMON = {
    ("required", "carrier"): EACH,
    ("pattern", "sched_dep_time"): EACH,
    ("not in airports.faa", "dest"): EACH,
    ("duplicate key", "flight_id"): EACH,
    ("repeated record", "flight_id"): EACH,
}
"""What every table makes of the broken rows; those that read the departure delay meet the text, too."""


def _january() -> list[str]:
    installed = FlightsFiles.installed().folder
    with zipfile.ZipFile(installed / "flights.csv.zip") as archive:
        lines = archive.read("flights.csv").decode().splitlines()
    return [lines[0], *(line for line in lines[1:] if line.startswith("2013,1,"))]


def _broken(lines: list[str]) -> list[str]:
    """A hundred broken rows of Wednesday the 9th, and twenty plain copies.

    Eighty are changed copies with numbers of their own, twenty say that a flight is another aircraft's.
    """
    sound = [line for line in lines if line.startswith("2013,1,9,") and ",NA" not in line]
    rows = []
    for number, (column, text) in enumerate(KINDS.values()):
        for i in range(EACH):
            fields = sound[i].split(",")
            fields[FLIGHTS_HEADER.index("flight")] = str(9_000 + number * 100 + i)
            fields[FLIGHTS_HEADER.index(column)] = text
            rows.append(",".join(fields))
    for line in sound[200 : 200 + EACH]:
        fields = line.split(",")
        fields[FLIGHTS_HEADER.index("tailnum")] = "N0NAME"
        rows.append(",".join(fields))
    return [*rows, *sound[300 : 300 + EACH]]


def _ingested(home: Path, lines: list[str], clock) -> Resources:
    folder = home / "raw"
    folder.mkdir(parents=True)
    for name in ("airports.csv", "airlines.csv", "planes.csv", "weather.csv"):
        (folder / name).write_bytes((FlightsFiles.installed().folder / name).read_bytes())
    (folder / "flights.csv").write_text("\n".join(lines) + "\n")
    system = build_system(FlightsFiles(folder))
    stores = build_resources({"MLSYS_HOME": str(home)}, clock=clock)
    with open_instance(home) as instance:
        Runner(system, build_definitions(system, resources=stores), instance).ticks("flights_ingest", WEEK)
    return stores


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Resources, Resources]:
    lines = _january()
    at = WEEK.end
    clean = _ingested(tmp_path_factory.mktemp("clean"), lines, lambda: at)
    return clean, _ingested(tmp_path_factory.mktemp("broken"), [*lines, *_broken(lines)], lambda: at)


@pytest.mark.parametrize("table", ["schedule", "departures", "arrivals"])
def test_each_broken_row_is_in_quarantine_and_every_other_goes_on(both, table: str) -> None:
    clean, broken = both
    kept = broken.lake.read("flights", f"{table}_quarantine")
    reads_the_delay = table != "schedule"
    expected = COMMON | ({("not float64", "dep_delay"): EACH} if reads_the_delay else {})
    assert Counter(zip(kept["rule"].to_pylist(), kept["column"].to_pylist(), strict=True)) == expected
    rows = {name: store.lake.read("flights", table) for name, store in (("clean", clean), ("broken", broken))}
    ids = {name: set(found["flight_id"].to_pylist()) for name, found in rows.items()}
    assert ids["clean"] <= ids["broken"]
    assert len(ids["broken"] - ids["clean"]) == (0 if reads_the_delay else EACH)
    assert kept.num_rows + rows["broken"].num_rows - rows["clean"].num_rows == 6 * EACH
    assert "N0NAME" not in rows["broken"]["tailnum"].to_pylist()


def test_features_and_labels_are_made_of_the_rest(both) -> None:
    clean, broken = both
    assert broken.lake.read("flights", "labels").equals(clean.lake.read("flights", "labels"))
    assert broken.lake.read("flights", "features").num_rows == clean.lake.read("flights", "features").num_rows + EACH
