"""The same life, however often it is lived, interrupted or asked again."""

import base64
import os
import random
import re
import shutil
import signal
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import (
    Every,
    LabelVolume,
    LightGBM,
    PerformanceDrop,
    PrAuc,
    Retraining,
    build_definitions,
    days,
    utc,
)
from mlsys_assets.instance import open_instance
from mlsys_assets.replay import Replay
from mlsys_assets.retraining.controller import Controller
from mlsys_assets.retraining.timetable import Due
from mlsys_assets.runs import Runner

from .triggers import CriesWolf

README = Path(__file__).parents[2] / "README.md"
UNTIL = "2013-04-16"
KILLS = 3


@pytest.mark.parametrize(
    ("until", "kills", "share"), [("2013-03-12", 1, 0.12), pytest.param(UNTIL, KILLS, 0.22, marks=pytest.mark.prove)]
)
def test_two_fresh_lives_and_one_that_was_killed_have_one_ledger(
    six_weeks, mlsys, work, tmp_path, until, kills, share
) -> None:
    draw, whole = random.Random(20130416), float((six_weeks.folder / "work.txt").read_text())
    for _ in range(kills):
        with mlsys(tmp_path, "run", "rain", "--until", until) as process:
            assert work.stop_after(process, draw.uniform(0.1, share) * whole)[0] == -signal.SIGKILL
    with mlsys(tmp_path, "run", "rain", "--until", until) as process:
        code, wrong = work.stop_after(process, draw.uniform(0.1, share) * whole, signal.SIGTERM)
    assert (code, wrong) == (130, "mlsys: stopped; what was done is kept, and asked for again it goes on from there\n")
    with mlsys(tmp_path, "run", "rain", "--until", until) as process:
        said, wrong = process.communicate()
    assert process.returncode == 0, said + wrong
    mended = replace(six_weeks, folder=tmp_path)
    assert mended.decisions() == six_weeks.decisions(until=utc(until))
    if until == UNTIL:
        with mlsys(tmp_path, "ledger", "rain", "--hash") as process:
            assert process.communicate()[0].strip() == six_weeks.hash
        assert online_state(mended.stores) == online_state(six_weeks.stores)
        assert len(online_state(mended.stores)) > 5


def online_state(stores):
    position = replace(stores.operations.online_position("rain"), edition=0)  # a tick done again stores again
    return position, *sorted(stores.operations.online_rows("rain"))


@pytest.mark.parametrize("until", ["2013-03-19", pytest.param(UNTIL, marks=pytest.mark.prove)])
def test_a_life_in_another_process_and_in_one_go_is_the_same(six_weeks, grown, rain, until) -> None:
    life = grown(rain).live(until)
    assert life.decisions() == six_weeks.decisions(until=utc(until))
    assert until != UNTIL or life.hash == six_weeks.hash


def test_what_was_lived_through(six_weeks) -> None:
    """Trained, passed, short of data: what the tests below rest on has happened here."""
    assert len(six_weeks.said("retraining", "arbiter")) == 7
    assert {"train", "hold"} == set(six_weeks.said("retraining", "arbiter").values())
    assert {"pass", "insufficient data"} <= set(six_weeks.said("gate", "champion").values())
    assert [len(six_weeks.said("trigger", t.name)) for t in six_weeks.system.triggers] == [7] * 4
    told = (six_weeks.folder / "said.txt").read_text()
    assert "label_volume" in told
    assert "2013-03" in told
    assert (six_weeks.folder / "rain.html").read_text().count("<svg") >= 3


def test_each_decision_is_told_in_the_graph(six_weeks) -> None:
    """With what was asked and said, and a picture of the ticks before, as a partition of its own asset."""
    with open_instance(six_weeks.folder) as instance:
        key = dg.AssetKey(["rain", "retraining_decision"])
        found = instance.fetch_materializations(key, limit=100).records
    told = {record.partition_key: record.asset_materialization.metadata for record in found}
    decided = {f"{d.as_of:%Y-%m-%d}": d for d in six_weeks.decisions("retraining")}
    assert len(found) == len(told) == 7
    assert {day: (m["decision"].value, m["why"].value) for day, m in told.items()} == {
        day: (d.verdict, d.reason) for day, d in decided.items()
    }
    last = told[max(told)]
    assert all(f"| {trigger.name} | " in last["verdicts"].value for trigger in six_weeks.system.triggers)
    picture = base64.b64decode(last["policy, large"].value.partition("base64,")[2].removesuffix(")")).decode()
    cells = re.findall(r"<title>(\d\d-\d\d): ([a-z ]+)</title>", picture)
    assert len(cells) == 7 * 5  # four triggers and the arbiter
    assert cells[-7:] == [(day[5:], decided[day].verdict) for day in sorted(decided)]


def test_the_runs_of_a_training_belong_together_in_mlflow(six_weeks) -> None:
    """A parent for each training, with its candidates and its refit, the gate's verdict, and what it used."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{six_weeks.folder / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("rain").experiment_id], max_results=1000)
    parents = {run.info.run_id: run for run in runs if run.data.tags["stage"] == "training"}
    gates = {d.as_of.isoformat(): d for d in six_weeks.decisions("gate")}
    assert {run.data.tags["as_of"]: run.data.tags["gate"] for run in parents.values()} == {
        at: gate.verdict for at, gate in gates.items()
    }
    for run in runs:
        day = run.data.tags["as_of"][:10]
        assert run.info.run_name.startswith(day)
        if run.info.run_id in parents:
            assert run.info.run_name == f"{day} training"
            assert run.data.metrics["cpu_s"] > 0
        else:
            assert parents[run.data.tags["mlflow.parentRunId"]].data.tags["as_of"] == run.data.tags["as_of"]
    champions = [run for run in runs if run.data.tags.get("role") == "champion"]
    assert len(champions) == list(six_weeks.said("promotion", "champion").values()).count("promoted")
    for champion in champions:
        (challenger,) = [
            r for r in runs
            if r.data.tags["as_of"] == champion.data.tags["as_of"] and r.data.tags.get("role") == "challenger"
        ]  # fmt: skip
        own = {"fit wall_s", "fit cpu_s", "fit rows_per_s", "fit peak_memory_mb", "predict rows_per_s"}
        own |= {"train log_loss by round", "system/cpu_utilization_percentage", "system/process_memory_megabytes"}
        tested = {k: v for k, v in challenger.data.metrics.items() if k.startswith(("recent_test", "static_test"))}
        assert tested
        assert {k: v for k, v in champion.data.metrics.items() if k not in own} == tested
        assert own <= champion.data.metrics.keys()


def test_the_filters_of_the_readme_find_what_they_say(six_weeks) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{six_weeks.folder / 'mlflow.db'}")
    place = [client.get_experiment_by_name("rain").experiment_id]
    rows = re.findall(r"^\| (.+?) \| `(tags\..+)` \|$", README.read_text(), flags=re.MULTILINE)
    first = min(six_weeks.decisions("gate"), key=lambda d: d.as_of)
    found = {
        what: client.search_runs(place, said.replace("2013-07-01T00:00:00+00:00", first.as_of.isoformat()))
        for what, said in rows
    }
    gates, said = six_weeks.decisions("gate"), list(six_weeks.said("promotion", "champion").values())
    counts = [len(runs) for runs in found.values()]
    trainings, champions, challengers, candidates, good, held = counts
    assert (trainings, champions, challengers) == (len(gates), said.count("promoted"), len(gates))
    assert candidates == len(six_weeks.decisions("candidate", since=first.as_of, until=first.as_of))
    assert held == trainings - champions
    assert all(run.data.metrics["recent_test log_loss"] < 0.6 for run in list(found.values())[4])
    assert good >= 1


def test_one_label_that_is_another_changes_the_ledger(six_weeks, grown, rain, change) -> None:
    def wet(raw: pa.Table) -> pa.Table:
        mine = pc.and_(pc.equal(raw["origin"], "JFK"), pc.equal(raw["time_hour"], "2013-03-20T12:00:00Z"))
        assert pc.sum(mine).as_py() <= 1
        at = raw.schema.get_field_index("precip_1")
        return raw.set_column(at, "precip_1", pc.if_else(mine, "0.5", raw["precip_1"]))

    first = utc("2013-03-26")
    other = grown(change(rain, wet, "outcomes", "unobserved")).live(first)
    assert other.decisions(until=utc("2013-03-19")) == six_weeks.decisions(until=utc("2013-03-19"))
    assert other.decisions(since=first, until=first) != six_weeks.decisions(since=first, until=first)


def test_labels_told_twice_and_in_any_order_are_the_same(six_weeks, grown, rain, change) -> None:
    def shuffled_twice(raw: pa.Table) -> pa.Table:
        both = pa.concat_tables([raw, raw])
        return both.take(np.random.default_rng(20130326).permutation(len(both)))

    until = utc("2013-03-19")  # as of then a model is trained on them
    life = grown(change(rain, shuffled_twice, "outcomes", "unobserved")).live(until)
    assert life.decisions(until=until) == six_weeks.decisions(until=until)
    lakes = (life.stores.lake, six_weeks.stores.lake)
    labels, wanted = (lake.read("rain", "labels", window=("known_at", utc("2013-01-01"), until)) for lake in lakes)
    assert labels.equals(wanted)


def test_no_verdict_sees_the_future(six_weeks, grown, rain, change) -> None:
    """Altering and removing all that became known from an as-of on changes nothing that was decided up to it."""
    at = utc("2013-03-26")

    def gone(raw: pa.Table) -> pa.Table:
        known = pc.add(pc.cast(raw["time_hour"], pa.timestamp("s", tz="UTC")), pa.scalar(14_400, pa.duration("s")))
        return raw.filter(pc.less(known, pa.scalar(at, pa.timestamp("s", tz="UTC"))))

    other = grown(change(rain, gone, "outcomes", "unobserved")).live(at)
    assert other.decisions(until=at) == six_weeks.decisions(until=at)
    later = utc("2013-04-02")
    assert other.live(later).decisions(until=later) != six_weeks.decisions(until=later)


def test_four_true_triggers_make_one_training_and_ten_replays_add_nothing(grown, rain) -> None:
    four = (
        Every(days(7)),
        LabelVolume(grows=0.001),
        PerformanceDrop(by=1e-9, metric=PrAuc(), over=1),
        CriesWolf(),
    )
    at = utc("2013-03-19")  # a week that went worse than the test of the first champion
    life = grown(replace(rain, triggers=four, retraining=Retraining(cooldown=days(14)))).live(at)
    assert {d.name: d.verdict for d in life.decisions("trigger", since=at)} == dict.fromkeys(
        (t.name for t in four), "yes"
    )
    before, stores = (life.hash, len(life.decisions())), life.stores
    with open_instance(life.folder) as instance:
        trainings = instance.get_runs(dg.RunsFilter(job_name="rain_train", tags={"mlsys/as_of": "2013-03-19"}))
        runs = instance.get_runs_count()
        runner = Runner(life.system, build_definitions(life.system, resources=stores), instance)
        replay = Replay(runner, stores, lambda what: open(os.devnull))  # noqa: PTH123, SIM115
        for _ in range(10):
            replay._round()
        assert instance.get_runs_count() == runs
    assert len(trainings) == 1
    assert (life.hash, len(life.decisions())) == before


@pytest.mark.parametrize(
    ("asked", "stop", "came_to"),
    [(1, signal.SIGTERM, "the schedule"), (1, signal.SIGINT, "a callback"), (2, signal.SIGTERM, "a callback")],
)
def test_a_signal_to_stop_while_schedule_or_sensors_are_asked_stops_it(
    six_weeks, grown, rain, asked, stop, came_to
) -> None:
    """The schedule asks first, then the first sensor; a callback from C drops what the handler raises."""
    life, at, due, calls = grown(rain), utc("2013-03-12"), Controller.due, []
    handlers = [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]

    def stopped(controller: Controller) -> Due | None:
        calls.append(controller)
        if len(calls) == asked:
            with suppress(BaseException) if came_to == "a callback" else nullcontext():
                os.kill(os.getpid(), stop)
                for _ in range(1000):  # a handler is called between two steps of Python
                    pass
        return due(controller)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Controller, "due", stopped)
        with pytest.raises(KeyboardInterrupt):
            life.live(at)
    assert len(calls) == asked
    assert [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)] == handlers
    assert life.live(at).decisions(until=at) == six_weeks.decisions(until=at)


def test_started_again_after_the_end_it_does_nothing(six_weeks, tmp_path) -> None:
    life = replace(six_weeks, folder=shutil.copytree(six_weeks.folder, tmp_path / "home"))
    began, before = time.monotonic(), life.hash
    told = []
    life.live(told=told.append)
    assert (told, life.hash) == ([], before)
    assert time.monotonic() - began < 60


def test_at_the_end_of_the_data_it_says_so(grown, rain) -> None:
    """And trains on nothing, however far the clock is asked to go."""
    end = utc("2013-03-12")
    always = {"triggers": (Every(days(7)),), "retraining": Retraining()}
    life = grown(replace(rain, calendar=replace(rain.calendar, end=end), **always)).live("2013-12-31")
    assert list(life.said("retraining", "arbiter")) == ["03-05", "03-12"]
    assert life.said("retraining", "arbiter")["03-12"] == "train"  # on all there is
    assert life.said("promotion", "champion").keys() >= {"03-12"}
    with open_instance(life.folder) as instance:
        controller = Controller(life.system, life.stores, instance)
        assert controller.due() is None
        assert controller.waits_for == "end of data: the calendar of rain ends at 2013-03-12 00:00"


def test_a_clock_that_stands_far_ahead_is_caught_up_with_decision_by_decision(six_weeks, grown, rain) -> None:
    life, ahead = grown(rain), utc("2013-06-04")
    life.stores.operations.advance_clock("rain", to=ahead)
    life.live("2013-04-02")
    assert list(life.said("retraining", "arbiter")) == ["03-05", "03-12", "03-19", "03-26", "04-02"]
    until = utc("2013-04-02")
    assert life.decisions("retraining") == six_weeks.decisions("retraining", until=until)


def test_a_training_started_by_hand_is_recorded_as_such(grown, rain) -> None:
    life, at = grown(rain).live("2013-03-12"), utc("2013-03-12")
    with open_instance(life.folder) as instance:
        Runner(rain, build_definitions(rain, resources=life.stores), instance).as_of("rain_train", at)
    said = {d.name: d.verdict for d in life.decisions("retraining", since=at)}
    assert said == {"arbiter": "hold", "manual": "train"}


def test_a_training_that_always_fails_is_given_up_and_life_goes_on(grown, rain, monkeypatch) -> None:
    fits = LightGBM.fit

    def breaks(own: LightGBM, *views: object, **how: object) -> object:
        if own == rain.detective.learner:
            return fits(own, *views, **how)
        raise RuntimeError("no memory")

    monkeypatch.setattr(LightGBM, "fit", breaks)
    life, at = grown(rain), utc("2013-03-19")
    with open_instance(life.folder) as instance:
        runner = Runner(rain, build_definitions(rain, resources=life.stores), instance)
        told: list[str] = []
        replay = Replay(runner, life.stores, lambda what: open(os.devnull), told.append)  # noqa: PTH123, SIM115
        list(replay.run(utc("2013-03-26")))
        assert [("no memory" in why) for why in told] == [True] * 3
        assert instance.get_runs_count(dg.RunsFilter(job_name="rain_train", tags={"mlsys/as_of": "2013-03-19"})) == 3
    said = {d.name: (d.verdict, d.reason) for d in life.decisions("retraining", since=at, until=at)}
    assert said["given_up"] == ("failed", "rain_train as of 2013-03-19 failed 3 times; the champion stays")
    assert list(life.said("monitoring", "performance"))[-1] == "03-26"


def test_a_run_whose_trainings_were_given_up_says_so_and_fails(mlsys, tmp_path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    with mlsys(tmp_path, "run", "rain", "--until", "2013-03-05") as process:
        said, wrong = process.communicate()
    assert process.returncode == 1
    assert said.count("training failed: job rain_train, step rain__candidates: ") == 3
    alerts, last = wrong.splitlines()[:-1], wrong.splitlines()[-1]
    assert last == "mlsys: as of 2013-03-05 the training failed and was given up; why is told above"
    assert alerts
    assert all(" rain: failed run: rain_train " in line for line in alerts)
