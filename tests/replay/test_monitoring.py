"""What monitoring says in a life: where a fault shows first, what is told of it and how often, and that it repeats."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from aiosmtpd.controller import Controller

from mlsys_assets import (
    Alerting,
    Daily,
    FixedClock,
    MLSystem,
    Monitoring,
    TimeWindow,
    Trailing,
    build_definitions,
    utc,
)
from mlsys_assets.dagster_adapter import tick_job
from mlsys_assets.features.online.engine import OnlineFeatures
from mlsys_assets.instance import open_instance
from mlsys_assets.prediction import assets as predicting
from mlsys_assets.production_monitoring.sensors import checks_of, look
from mlsys_assets.runs import RunFailed, Runner
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources, build_resources

from .conftest import SYSTEMS, UNTIL, Change, Life

AHEAD = ("precip_1", "precip_2", "precip_3")
FIRST, SECOND = "2013-03-12", "2013-03-19"
"""The as-ofs of the first tick that is predicted, and of the next."""
TICK = TimeWindow.of("2013-03-05", FIRST)


def put(raw: pa.Table, name: str, values: pa.Scalar | pa.ChunkedArray, where: pa.ChunkedArray) -> pa.Table:
    at = raw.schema.get_field_index(name)
    return raw.set_column(at, name, pc.if_else(where, values, raw[name]))


def since(raw: pa.Table, day: str = "2013-03-05") -> pa.ChunkedArray:
    return pc.greater_equal(raw["time_hour"], f"{day}T00:00:00Z")


def as_fraction(raw: pa.Table) -> pa.Table:
    """Humidity from 0 to 1 in the place of percent: as good a number as any."""
    value = pc.divide(pc.cast(raw["humid"], pa.float64()), 100.0)
    return put(raw, "humid", pc.cast(value, pa.string()), since(raw))


def as_nothing(raw: pa.Table) -> pa.Table:
    return put(raw, "humid", pa.scalar(None, raw["humid"].type), since(raw))


def as_text(raw: pa.Table, every: int = 1) -> pa.Table:
    """Humidity that is no number, in one row of so many."""
    which = [hash_of % every == 0 for hash_of in map(sum, map(str.encode, raw["time_hour"].to_pylist()))]
    return put(raw, "humid", pa.scalar("n/a"), pc.and_(since(raw), pa.chunked_array([which])))


def flipped(raw: pa.Table) -> pa.Table:
    wet = pc.greater(pc.max_element_wise(*(pc.cast(raw[name], pa.float64()) for name in AHEAD)), 0)
    for name in AHEAD:
        raw = put(raw, name, pc.if_else(wet, "0.0", "1.0"), pc.and_(since(raw), pc.is_valid(raw[name])))
    return raw


def silent(raw: pa.Table) -> pa.Table:
    return raw.filter(pc.invert(since(raw)))


def with_weather(system: MLSystem, change: Change) -> MLSystem:
    """Return the system with other weather, of which requests and features are made."""
    old = system.requests.source
    new = replace(old, read=lambda window: change(old.read(window)))
    features = [
        Trailing(new, by=f.by, over=f.over, **dict(f.aggregates)) if isinstance(f, Trailing) else f
        for f in system.features
    ]
    sources = tuple(new if source is old else source for source in system.sources)
    return replace(system, sources=sources, requests=replace(system.requests, source=new), features=tuple(features))


def diagnosis(life: Life, as_of: str = FIRST) -> Decision:
    (one,) = [d for d in life.decisions("monitoring", since=utc(as_of), until=utc(as_of)) if d.name == "diagnosis"]
    return one


def shown(found: Decision) -> list[tuple[str, str, str]]:
    """Return cause, test and place of each symptom, in order."""
    return [(s["cause"], s["test"], s["where"]) for s in found.evidence["symptoms"]]


def told(life: Life, since: str = FIRST) -> list[tuple[str, str, str, str]]:
    """Return day, fault, verdict and severity of what somebody was told."""
    rows = life.stores.operations.alerts("rain")
    return [(f"{r.as_of:%m-%d}", r.name, r.verdict, r.severity) for r in rows if r.channels and r.as_of >= utc(since)]


def page(life: Life, week: str = "2013-03-05") -> str:
    return (life.folder / "pages" / "rain" / f"{week}.html").read_text()


def headline(life: Life) -> str:
    return re.findall(r'<p class="big">(.*?)</p>', page(life))[0]


def checked(life: Life, table: str, name: str) -> bool:
    key = dg.AssetCheckKey(dg.AssetKey(["rain", table]), name)
    with open_instance(life.folder) as instance:
        (last,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).values()
    return bool(last.event.asset_check_evaluation.passed)


@contextmanager
def running(life: Life) -> Iterator[Runner]:
    with open_instance(life.folder) as instance:
        yield Runner(life.system, build_definitions(life.system, resources=life.stores), instance)


def test_a_quiet_week_is_quiet(grown, rain) -> None:
    """Nobody was told of a shift before the first champion either: no model answered."""
    life = grown(rain).live(FIRST)
    alerts = life.stores.operations.alerts("rain")
    assert {row.name.split(":")[0] for row in alerts} <= {"pipeline bug"}
    assert told(life) == []
    assert checked(life, "diagnosis", "data_is_sound")
    assert checked(life, "diagnosis", "no_change_costs")
    assert checked(life, "weekly_page", "few_alerts_stand")
    assert life.said("trigger", "drift")["03-12"] == "no"


@pytest.mark.parametrize(("fault", "test"), [(as_fraction, "unit"), (as_nothing, "missing values")])
def test_a_fault_of_a_raw_file_shows_first_at_the_source(grown, rain, fault: Change, test: str) -> None:
    life = grown(with_weather(rain, fault)).live(FIRST)
    found = diagnosis(life)
    assert (found.verdict, found.evidence["remedy"]) == ("pipeline bug", "fix the data")
    assert shown(found)[0] == ("pipeline bug", test, "weather.humid")
    assert ("pipeline bug", test, "humid") in shown(found)
    assert ("03-12", "pipeline bug: weather.humid", "opened", "error") in told(life)
    assert not checked(life, "diagnosis", "data_is_sound")
    assert checked(life, "diagnosis", "no_change_costs")
    assert not checked(life, "weekly_page", "few_alerts_stand")
    assert headline(life) == "There is a fault in the data."
    assert life.said("trigger", "drift")["03-12"] == "no"


def test_rows_that_break_the_rules_wait_in_quarantine_and_a_file_of_them_stops_the_tick(grown, rain) -> None:
    few = grown(with_weather(rain, lambda raw: as_text(raw, every=40))).live(FIRST)
    waiting = few.stores.lake.read("rain", "weather_quarantine")
    assert {row["rule"] for row in waiting.to_pylist()} == {"not float64"}
    assert 0 < len(waiting) < 30
    assert diagnosis(few).verdict != "pipeline bug"
    every = grown(with_weather(rain, as_text))
    with pytest.raises(RunFailed, match=r"499 of 502 rows are broken.*not float64 in humid"):
        every.live(FIRST)
    assert [d.name for d in every.decisions("monitoring", since=utc(FIRST))] == []
    with open_instance(every.folder) as instance:
        look(every.system, every.stores, every.system.alerting, instance=instance, checks=checks_of([]))
    (failed,) = told(every, since="2013-03-05")
    assert failed[1:] == ("failed run: rain_tick", "opened", "error")


def test_a_fault_of_serving_shows_at_the_features_and_the_failed_check_is_told_too(grown, rain, monkeypatch) -> None:
    update = OnlineFeatures.update
    monkeypatch.setattr(
        OnlineFeatures, "update", lambda state, source, event: event["origin"] != "JFK" and update(state, source, event)
    )
    life = grown(rain).live(FIRST)
    found = diagnosis(life)
    assert (found.verdict, found.evidence["remedy"]) == ("train-serve skew", "fix the serving")
    assert shown(found)[0][1:] == ("served as known", "origin_damp_12h")
    assert {"schema change", "pipeline bug"}.isdisjoint(cause for cause, *_ in shown(found))
    assert found.evidence["price"]["how"] == "realised"
    alerts = [alert[1:] for alert in told(life)]
    assert ("train-serve skew: origin_damp_12h", "opened", "error") in alerts
    assert ("failed check: rain/predictions: served_as_known", "opened", "error") in alerts
    assert headline(life) == "The live service sees other inputs than the model learned from."
    assert life.said("trigger", "drift")["03-12"] == "no"


@pytest.fixture
def stuck(monkeypatch) -> None:
    """Thirty requests in a row are answered by a default."""
    predict = predicting.predict_batch

    def answer(*asked, **more) -> pa.Table:
        made = predict(*asked, **more)
        score, at = made["score"].to_pylist(), made.schema.get_field_index("score")
        for place in pc.sort_indices(made, [("predict_at", "ascending")]).to_pylist()[200:230]:
            score[place] = 0.5
        return made.set_column(at, made.schema.field(at), pa.array(score, pa.float64()))

    monkeypatch.setattr(predicting, "predict_batch", answer)


def test_thirty_equal_predictions_in_a_row_show_at_the_predictions(grown, rain, stuck) -> None:
    life = grown(rain).live(FIRST)
    found = diagnosis(life)
    assert (found.verdict, found.evidence["remedy"]) == ("pipeline bug", "fix the data")
    bugs = [symptom for symptom in shown(found) if symptom[0] == "pipeline bug"]
    assert bugs == [("pipeline bug", "repeated predictions", "scores")]
    assert "30 predictions in a row are 0.5" in found.reason
    assert told(life) == [("03-12", "pipeline bug: scores", "opened", "error")]
    assert not checked(life, "diagnosis", "data_is_sound")


def test_labels_that_flip_show_at_the_accuracy_once_they_are_known_and_a_training_is_asked_for(
    grown, rain, change
) -> None:
    early = grown(change(rain, lambda raw: silent(flipped(raw)), "outcomes", "unobserved")).live(FIRST)
    assert diagnosis(early).verdict != "concept shift"
    assert "of 80% they are needed" in diagnosis(early).evidence["untold"]["kind of shift"]
    assert told(early) == []
    life = grown(change(rain, flipped, "outcomes", "unobserved")).live(FIRST)
    found = diagnosis(life)
    assert (found.verdict, found.evidence["remedy"]) == ("concept shift", "retrain")
    assert shown(found)[0] == ("concept shift", "excess loss", "scores")
    price = found.evidence["price"]
    assert (price["how"], price["log_loss"]["low"] > 1.0, price["money"]["low"] > 0) == ("realised", True, True)
    assert told(life) == [("03-12", "concept shift: requests", "opened", "warn")]
    assert checked(life, "diagnosis", "data_is_sound")
    assert not checked(life, "diagnosis", "no_change_costs")
    assert headline(life).endswith("does so no longer.")
    (drift,) = [d for d in life.decisions("trigger", since=utc(FIRST)) if d.name == "drift"]
    assert drift.verdict == "yes"
    assert (drift.evidence["cause"], drift.evidence["remedy"]) == ("concept shift", "retrain")
    assert drift.evidence["log_loss"] == pytest.approx(price["log_loss"]["value"])


def again(life: Life, *, times: int = 1) -> None:
    """Bring the tick in again."""
    with running(life) as runner:
        for _ in range(times):
            runner.ticks(tick_job(life.system), TICK)


def test_a_tick_that_is_brought_in_again_says_the_same_and_tells_nobody_anew(grown, rain, stuck) -> None:
    life = grown(rain).live(FIRST)
    before = life.hash, told(life), page(life), life.stores.lake.read("rain", "recent_drift")
    again(life, times=2)
    assert (life.hash, told(life), page(life), life.stores.lake.read("rain", "recent_drift")) == before
    lines = (life.folder / "alerts.jsonl").read_text().splitlines()
    assert sum("pipeline bug: scores" in line for line in lines) == 1


def test_a_fault_that_stays_is_no_new_one_and_is_not_called_gone(grown, rain, stuck) -> None:
    life = grown(rain).live(SECOND)
    assert [diagnosis(life, at).verdict for at in (FIRST, SECOND)] == ["pipeline bug"] * 2
    assert told(life) == [("03-12", "pipeline bug: scores", "opened", "error")]


@pytest.mark.prove
def test_ten_repeats_of_a_fault_are_one_alert(grown, rain, stuck) -> None:
    """Ten times the same tick, and ten ticks: what has stayed for all of the reference is the new normal."""
    life = grown(rain).live(FIRST)
    again(life, times=9)
    opened = ("03-12", "pipeline bug: scores", "opened", "error")
    assert told(life) == [opened]
    life.live("2013-05-14")
    assert [one for one in told(life) if one[1] == opened[1]] == [opened, ("04-09", *opened[1:2], "resolved", "error")]


class Mailbox:
    """Keeps the subjects of what is sent."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - the library's
        self.got += re.findall(r"^Subject: (.*)$", envelope.content.decode(), re.MULTILINE)
        return "250 OK"


@dataclass
class Mailed(Life):
    """A life whose alerts go to a mail server."""

    port: int = 0

    @property
    def stores(self) -> Resources:
        mail = {"MLSYS_ALERT_SMTP": f"127.0.0.1:{self.port}", "MLSYS_ALERT_SMTP_TLS": "none"}
        people = {"MLSYS_ALERT_FROM": "mlsys@example.org", "MLSYS_ALERT_TO": "ops@example.org"}
        return build_resources({"MLSYS_HOME": str(self.folder)} | mail | people, clock=FixedClock(UNTIL).now)


def test_a_mail_server_that_is_down_stops_nothing_and_the_next_tick_delivers(grown, rain, stuck) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    system = replace(rain, monitoring=Monitoring(alerting=Alerting("ops@example.org", channels=("file", "email"))))
    life = Mailed(system, grown(system).folder, port=port).live(FIRST)
    left = life.stores.operations.deliveries("rain", left=True)
    assert ("email", "pipeline bug: scores") in [(one.channel, one.alert.name) for one in left]
    assert {one.channel for one in left} == {"email"}
    assert checked(life, "weekly_page", "few_alerts_stand") is False
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=20)
    server.start()
    try:
        again(life)
    finally:
        server.stop()
    assert life.stores.operations.deliveries("rain", left=True) == ()
    assert sum("pipeline bug: scores (opened)" in subject for subject in box.got) == 1


def test_labels_that_come_twice_and_shuffled_are_diagnosed_alike(grown, rain, change) -> None:
    def shuffled(raw: pa.Table) -> pa.Table:
        order = sorted(range(len(raw)), key=lambda i: (i * 7919) % 1009)
        return raw.take(pa.array(order, pa.int64()))

    life, other = grown(rain).live(FIRST), grown(change(rain, shuffled, "outcomes", "unobserved")).live(FIRST)
    again(other)
    assert diagnosis(other) == diagnosis(life)
    assert other.hash == life.hash


def test_without_costs_there_is_no_money_and_the_rest_is_told(grown, rain, change) -> None:
    poor = replace(change(rain, flipped, "outcomes", "unobserved"), costs=None)
    life = grown(poor).live(FIRST)
    found = diagnosis(life)
    assert (found.verdict, found.evidence["price"]["money"]) == ("concept shift", None)
    assert "mean_cost" not in found.evidence["reference"]
    assert "No costs are declared for rain" in page(life)
    assert life.said("trigger", "drift")["03-12"] == "yes"


def test_daily_ticks_without_a_champion_are_diagnosed_each(life_of, rain) -> None:
    daily = replace(rain, calendar=Daily("2013-01-01", end="2013-06-04"))
    life = life_of(daily)
    with running(life) as runner:
        runner.ticks(tick_job(daily), TimeWindow.of("2013-01-01", "2013-01-15"))
    found = [d for d in life.decisions("monitoring") if d.name == "diagnosis"]
    assert len(found) == 14
    assert {d.evidence["price"] is None for d in found} == {True}
    assert found[0].verdict == "insufficient data"
    assert len(list((life.folder / "pages" / "rain").glob("*.html"))) == 14


DIES = """
import os, signal
from mlsys_assets.production_monitoring.weekly import assets
assets._written = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
LIVES = """
import sys
from mlsys_assets.cli import main
sys.exit(main(["run", "rain", "--until", sys.argv[1]]))
"""


def run(life: Life, code: str) -> "subprocess.CompletedProcess[str]":
    paths = os.pathsep.join((str(Path(__file__).parents[2]), str(SYSTEMS)))
    own = {"MLSYS_WORKSPACE": "rain_weekly", "PYTHONPATH": paths, "MLSYS_HOME": str(life.folder)}
    command = [sys.executable, "-c", code, FIRST]
    return subprocess.run(command, env=os.environ | own, cwd=life.folder, capture_output=True, text=True, check=False)


def test_killed_between_alerts_and_page_life_goes_on_to_the_same_ledger(grown, rain) -> None:
    life = grown(rain)
    died = run(life, DIES + LIVES)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not (life.folder / "pages" / "rain" / "2013-03-05.html").exists()
    before = diagnosis(life)
    went_on = run(life, LIVES)
    assert went_on.returncode == 0, went_on.stdout + went_on.stderr
    assert diagnosis(life) == before
    assert life.hash == grown(rain).live(FIRST).hash
    assert "<h1>" in page(life)
