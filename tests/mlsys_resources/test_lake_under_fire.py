"""Killed processes, rival processes, full disks and flipped bytes: what is read stays true."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlsys_resources.lake import Lake
from mlsys_resources.table_hash import table_hash
from mlsys_resources.table_version import CHECKPOINT_EVERY

WEEKS = [datetime(2012, 12, 31, tzinfo=UTC) + timedelta(days=7) * i for i in range(9)]
TABLES = ("arrivals", "weather")
KILLS = 20
REVISIONS = 6
MOST_REVISIONS = 200
"""Processes that have not met by then do not work at once."""
FLIPS = 60
MAGIC, FOOTER_LENGTH = b"PAR1", 4
FEWEST_TORN = 0.6
"""The share of the kills that must have met a round of writes that was not over."""

PRELUDE = """
import json, sys
from datetime import UTC, datetime, timedelta
import pyarrow as pa
from mlsys_resources.lake import Lake

MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("value", pa.float64()),
                    pa.field("known_at", MOMENT, nullable=False)])
WEEKS = [datetime(2012, 12, 31, tzinfo=UTC) + timedelta(days=7) * i for i in range(9)]
ROWS = 500

def week(tick, revision):
    return pa.table({
        "id": pa.array(range(ROWS)),
        "value": pa.array([(i * 2654435761 + revision) % 1000003 / 7 for i in range(ROWS)]),
        "known_at": pa.array([tick + timedelta(minutes=i) for i in range(ROWS)], MOMENT),
        "tick": pa.array([tick] * ROWS, MOMENT),
    }, schema=SCHEMA.append(pa.field("tick", MOMENT)))

def write(lake, table, ticks, revision, run_id):
    data = pa.concat_tables([week(t, revision) for t in ticks])
    return lake.write_ticks("flights", table, data, schema=SCHEMA, ticks=ticks, run_id=run_id)

def say(**what):
    print(json.dumps(what), flush=True)
"""

INGEST = """
root, revision = sys.argv[1], int(sys.argv[2])
lake = Lake(root)
say(ready=True)
for tick in WEEKS:
    for table in ("arrivals", "weather"):
        written = write(lake, table, [tick], revision, f"revision-{revision}")
        say(table=table, tick=tick.isoformat(), hash=written.content_hashes[tick])
"""

RIVAL = """
from pathlib import Path
root, mine, revisions, most = sys.argv[1], [WEEKS[int(i)] for i in sys.argv[2].split(",")], *map(int, sys.argv[3:])
met = Path(root).with_suffix(".met")
def wait(seconds):
    import time
    met.touch()
    time.sleep(seconds)
lake = Lake(root, sleep=wait)
say(ready=True)
sys.stdin.readline()
revision = 0
while revision < revisions or (revision < most and not met.exists()):
    revision += 1
    for tick in mine:
        write(lake, "arrivals", [tick], revision, f"{tick:%m%d}-{revision}")
for tick in mine:
    write(lake, "arrivals", [tick], 0, "last")
say(revision=revision)
"""

WHOLE = """
from pathlib import Path
root, most = sys.argv[1:]
lake = Lake(root)
say(ready=True)
for revision in range(1, int(most) + 1):
    write(lake, "arrivals", WEEKS, revision, f"{revision}")
    if Path(root).with_suffix(".seen").exists():
        break
"""

FULL = """
import resource
lake = Lake(sys.argv[1])
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for case in json.loads(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (case["bytes"], most))
    try:
        if case["what"] == "week":
            write(lake, "arrivals", [WEEKS[1]], 2, "full")
        elif case["what"] == "empty":
            none = week(WEEKS[1], 0).slice(ROWS)
            lake.write_ticks("flights", "arrivals", none, schema=SCHEMA, ticks=[WEEKS[1]], run_id="full")
        else:
            write(lake, "new", [WEEKS[1]], 2, "full")
        said = "written"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    say(said=said)
"""


@contextmanager
def child(script: str, *arguments: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run a script in a process of its own, once it is ready."""
    command = [sys.executable, "-c", PRELUDE + script, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if "say(ready=True)" in script:
                assert json.loads(process.stdout.readline()) == {"ready": True}
            yield process
        finally:
            process.kill()


def lines(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """Return what a process says until its end, which must be a good one."""
    said = [json.loads(line) for line in process.communicate("\n")[0].splitlines()]
    assert process.returncode == 0
    return said


def hashes(root: Path) -> dict[tuple[str, datetime], str]:
    """Return the hash of every tick a reader sees now."""
    lake = Lake(root)
    return {(t, w): h for t in lake.tables("flights") for w, h in lake.tick_hashes("flights", t).items()}


def ingested(root: Path, revision: int) -> dict[tuple[str, datetime], str]:
    """Return the hash of every tick after an ingestion that nobody disturbed."""
    with child(INGEST, root, revision) as process:
        return {(s["table"], datetime.fromisoformat(s["tick"])): s["hash"] for s in lines(process)}


@pytest.mark.parametrize("kills", [5, pytest.param(KILLS, marks=pytest.mark.prove)])
def test_killed_ingestion_leaves_whole_ticks_and_is_repeated_to_the_end(tmp_path: Path, kills: int) -> None:
    """Every tick is of one revision at every moment; a re-run makes the tables of an undisturbed run."""
    chance, root = random.Random(5), tmp_path / "killed"
    allowed = {revision: hashes_of(revision) for revision in range(kills + 1)}
    seen: dict[tuple[str, datetime], str] = {}
    torn = 0
    for revision in range(kills):
        with child(INGEST, root, revision) as process:
            assert process.stdout is not None
            for _ in range(chance.randrange(len(WEEKS) * len(TABLES) - 1)):
                process.stdout.readline()
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
            process.wait()
            torn += process.returncode != 0
        now = hashes(root)
        for place, found in now.items():
            assert found in {allowed[revision][place], seen.get(place)}
        assert now.keys() >= seen.keys()
        seen = now
    assert torn >= kills * FEWEST_TORN
    ingested(root, kills)
    calm = tmp_path / "undisturbed"
    assert hashes(root) == allowed[kills] == ingested(calm, kills) == hashes(calm)
    for table in TABLES:
        assert Lake(root).read("flights", table).equals(Lake(calm).read("flights", table))


@cache
def hashes_of(revision: int) -> dict[tuple[str, datetime], str]:
    """Return the hash that each tick has in a revision, without a lake."""
    names: dict[str, Any] = {}
    exec(PRELUDE, names)  # the same rows as the children make
    return {(t, w): table_hash(names["week"](w, revision).drop_columns("tick")) for t in TABLES for w in WEEKS}


def test_a_table_made_while_the_folder_is_looked_at_is_there_at_the_next_look(tmp_path: Path, monkeypatch) -> None:
    """Arrow looks twice, and fails if the folder is not there at first and then is."""

    class Made:
        def get_file_info(self, selector: object) -> None:
            raise FileNotFoundError("Cannot list directory")

    lake = Lake(str(tmp_path / "lake"))
    with monkeypatch.context() as patch:
        patch.setattr(type(lake._store), "_files", lambda *_: Made())
        assert lake.tables("flights") == ()


def test_a_reader_sees_one_commit_at_a_time(tmp_path: Path) -> None:
    """Writes of three blocks at once, and a reader all the while: never rows of two of them."""
    root, seen = tmp_path / "lake", [0]
    with child(WHOLE, root, MOST_REVISIONS) as process:
        while process.poll() is None:
            now = hashes(root)
            if now:
                first = now["arrivals", WEEKS[0]]
                later = range(seen[-1], MOST_REVISIONS + 1)
                revision = next(r for r in later if hashes_of(r)["arrivals", WEEKS[0]] == first)
                assert now == {place: h for place, h in hashes_of(revision).items() if place[0] == "arrivals"}
                seen.append(revision)
            if len(set(seen)) > REVISIONS:
                root.with_suffix(".seen").touch()
        lines(process)
    assert len(set(seen)) > REVISIONS


@pytest.mark.parametrize(
    "shares",
    [(range(1, 5, 2), range(2, 5, 2)), (range(1, 5), range(5, 9)), (range(9), range(9))],
    ids=["one block", "other blocks", "the same ticks"],
)
def test_two_processes_lose_nothing_of_each_other(tmp_path: Path, shares: tuple[Sequence[int], Sequence[int]]) -> None:
    """Both begin where there is no table yet, and write at once until one had to wait for the other."""
    root = tmp_path / "lake"
    arguments = [(root, ",".join(map(str, share)), REVISIONS, MOST_REVISIONS) for share in shares]
    with child(RIVAL, *arguments[0]) as one, child(RIVAL, *arguments[1]) as other:
        for process in (one, other):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = lines(one) + lines(other)
    assert root.with_suffix(".met").exists(), f"they never met: {said}"
    last = hashes_of(0)
    touched = {i for share in shares for i in share}
    assert hashes(root) == {("arrivals", WEEKS[i]): last["arrivals", WEEKS[i]] for i in touched}
    history = Lake(root).history("flights", "arrivals")
    assert [c.version for c in history] == list(reversed(range(len(history))))
    assert len(history) > CHECKPOINT_EVERY


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """Every file a write makes is refused in turn: rows, commit, and those of a new table."""
    with child(INGEST, tmp_path, 1) as process:
        lines(process)
    before, calm = hashes(tmp_path), Lake(tmp_path).read("flights", "arrivals")
    cases = [{"what": what, "bytes": size} for what in ("week", "empty", "new") for size in (0, 100, 500)]
    cases += [{"what": "week", "bytes": size} for size in (1000, 5000)]
    with child(FULL, tmp_path, json.dumps(cases)) as process:
        said = [s["said"] for s in lines(process)]
    assert len(said) == len(cases)
    for case, message in zip(cases, said, strict=True):
        table = "new" if case["what"] == "new" else "arrivals"
        assert message.startswith(f"WriteFailed: writing flights.{table} failed, and what was there stays readable")
        assert "File too large" in message
    assert hashes(tmp_path) == before
    assert Lake(tmp_path).read("flights", "arrivals").equals(calm)
    with child(FULL, tmp_path, json.dumps([{"what": what, "bytes": 10**9} for what in ("week", "new")])) as process:
        assert [s["said"] for s in lines(process)] == ["written", "written"]
    after = hashes(tmp_path)
    assert after["arrivals", WEEKS[1]] == after["new", WEEKS[1]] == hashes_of(2)["arrivals", WEEKS[1]]


def test_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    """Plain Parquet gives other numbers and no error."""
    with child(INGEST, tmp_path, 1) as process:
        lines(process)
    lake, chance = Lake(tmp_path), random.Random(3)
    whole = lake.read("flights", "arrivals")
    history = lake.history("flights", "arrivals")
    path = max((tmp_path / "flights" / "arrivals" / "block=2013-02").glob("*"), key=lambda p: p.stat().st_mtime_ns)
    good = path.read_bytes()
    end = len(good) - len(MAGIC) - FOOTER_LENGTH
    pages = end - int.from_bytes(good[end : end + FOOTER_LENGTH], "little")
    refused = 0
    for _ in range(FLIPS):
        bad = bytearray(good)
        bad[chance.randrange(len(MAGIC), pages)] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        try:
            assert lake.read("flights", "arrivals").equals(whole)
        except OSError:
            refused += 1
    assert refused >= 0.95 * FLIPS  # the rest met a byte that means nothing
    assert lake.history("flights", "arrivals") == history
    path.write_bytes(good)
    assert lake.read("flights", "arrivals").equals(whole)
