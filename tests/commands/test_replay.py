"""The command and the asset tell what the engine's lives are worth, and what is wrong in one line."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import pytest

from mlsys_assets import Every, FixedClock, Workspace, build_definitions, days, utc
from mlsys_assets.cli import main
from mlsys_assets.dagster_adapter import policy_replay_job
from mlsys_assets.instance import open_instance
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import build_resources

OFF = {"every_tick": 0.0, "every_4_ticks": 0.05, "mondays": 0.03}
"""By how many log odds a policy's model is wrong; any other by more."""


@dataclass
class Lives:
    """What the engine gives."""

    lived: tuple[Lived, ...]
    trainings_s: float = 40.0
    cpu_s: float = 55.0


@dataclass
class Engine:
    """Lives nothing: its policies are as wrong as they are said to be, on a fortnight of requests.

    They decide what is on record, but for what is ``changed``.
    """

    asked: list[Any] = field(default_factory=list)
    changed: Callable[[Decision], Decision] = lambda decision: decision

    def live(self, system, stores, policies: Sequence[Policy], *, since, until, told) -> Lives:
        self.asked.append((system.name, [p.name for p in policies], since, until))
        first, last = since, utc("2013-03-19")
        rng = np.random.default_rng(0)
        day = np.repeat(np.arange(14), 200)
        odds, up = rng.normal(-1, 0.8, len(day)), np.where(day % 2 == 0, 1, -1)
        label = (rng.uniform(size=len(day)) < 1 / (1 + np.exp(-odds))).astype(float)
        at = np.datetime64("2013-03-05", "us") + day * np.timedelta64(1, "D")
        for as_of in (first, first + days(7), last):
            told(as_of)
        decided = tuple(map(self.changed, stores.operations.decisions(system.name)))
        return Lives(
            tuple(
                Lived(
                    policy, first, last, _trained(policy, first), (first,), 50.0, at,
                    1 / (1 + np.exp(-odds - up * OFF.get(policy.name, 0.7))), label, decided,
                )
                for policy in policies
            )
        )  # fmt: skip


def _trained(policy: Policy, first: datetime) -> tuple[datetime, ...]:
    many = {"every_tick": 6, "never": 0}.get(policy.name, 2)
    return tuple(first + timedelta(days=n) for n in range(many + 1))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    found = Engine()
    monkeypatch.setattr("mlsys_assets.replayed_policies.engine", lambda: found.live)
    return found


def test_it_tells_the_policies_and_which_to_live_by(life, said, engine: Engine, tmp_path) -> None:
    out = tmp_path / "page.html"
    lines = said("replay", "rain", "--judge-since", "2013-03-12", "--out", str(out)).splitlines()
    assert lines[1].startswith(
        "rain: 14 policies, chosen on 1,400 requests in [2013-03-05 00:00, 2013-03-12 00:00); judged"
    )
    assert sum(line.startswith("  every_4_ticks ") for line in lines) == 2  # its row, and the sentence
    assert any("every_4_ticks is the cheapest that is surely within 0.002 of every_tick" in line for line in lines)
    assert "700 s of a processor, 40 s where what is alike is trained once (660 s saved); the whole" in lines[-4]
    assert lines[-3].startswith("  replayed decision for decision as it was lived: yes, all ")
    assert lines[-1] == f"  {out}   the same with pictures"
    page = out.read_text()
    assert page.count("<svg") == 3
    assert "labels_grow_20_percent" in page
    assert '<p class="believed">Replayed decision for decision as it was lived: yes, all ' in page
    assert engine.asked == [("rain", [*_standard()], utc("2013-03-05"), utc("2013-03-19"))]


def _standard() -> list[str]:
    return [
        "declared", "never", "every_tick", "every_2_ticks", "every_4_ticks", "every_8_ticks", "labels_grow_10_percent",
        "labels_grow_20_percent", "labels_grow_50_percent", "labels_grow_with_cooldown", "drift",
        "drift_or_every_8_ticks", "performance_drop", "performance_drop_and_labels_grow",
    ]  # fmt: skip


def test_it_tells_programs_and_shows_people_how_far_it_is(life, said, engine: Engine, tmp_path, capsys) -> None:
    arguments = ("replay", "rain", "--json", "--policies", "never,every_tick", "--out", str(tmp_path / "page.html"))
    assert main([*arguments, "--since", "2013-03-05", "--until", "2013-03-19"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["recommendation"]["policy"] == "every_tick"
    assert [p["name"] for p in told["chosen"]["policies"]] == ["never", "every_tick"]
    assert told["spent_cpu_s"] == {"trainings_s": 40, "all_s": 55}
    assert err.splitlines()[0].startswith("rain: living 2 policies in [2013-03-05 00:00, 2013-03-19 00:00)")
    assert err.splitlines()[-1] == "  as of 2013-03-19 00:00: 3 of 3"
    assert engine.asked[0][2:] == (utc("2013-03-05"), utc("2013-03-19"))


def otherwise(decision: Decision) -> Decision:
    """Return the second week's decision as another one."""
    second = (decision.as_of, decision.kind) == (utc("2013-03-12"), "retraining")
    return replace(decision, verdict="hold", reason="it is another") if second else decision


def test_a_replay_that_decides_otherwise_than_life_did_says_so(life, said, engine: Engine, tmp_path) -> None:
    out, engine.changed = tmp_path / "page.html", otherwise
    told = json.loads(said("replay", "rain", "--json", "--policies", "declared,never", "--out", str(out)))
    assert not told["as_lived"]["passed"]
    assert told["as_lived"]["unlike"] == 1
    words = "replayed decision for decision as it was lived: no, 1 of "
    first = "the first: retraining arbiter as of 2013-03-12; declaration, code or data are others"
    assert told["as_lived"]["told"].startswith(words)
    assert first in told["as_lived"]["told"]
    assert f'<p class="doubted">{words[:1].upper()}{words[1:]}' in out.read_text()
    shown = said("replay", "rain", "--policies", "declared,never", "--out", str(out))
    assert f"  {words}" in shown
    assert first in shown


@pytest.mark.parametrize("asked", [("--policies", "never,every_tick"), ("--since", "2013-02-26")])
def test_without_the_declared_policy_from_its_own_beginning_nobody_can_tell(
    life, said, engine: Engine, tmp_path, asked
) -> None:
    told = json.loads(said("replay", "rain", "--json", *asked, "--out", str(tmp_path / "page.html")))
    assert told["as_lived"]["passed"] is False
    assert "cannot be told: the policy that the system declares was not among them" in told["as_lived"]["told"]


def test_the_margin_decides(life, said, engine: Engine, tmp_path) -> None:
    out = str(tmp_path / "page.html")
    wide = json.loads(said("replay", "rain", "--json", "--margin", "9", "--out", out))
    assert wide["recommendation"]["policy"] == "never"


def test_a_policy_of_the_users_own_appears_by_name(life, engine: Engine, monkeypatch, capsys, tmp_path) -> None:
    from mlsys_assets.systems import workspace as module

    mine = replace(life.system, policies=(Policy("mondays", (Every(days(7)),)),))
    monkeypatch.setenv("MLSYS_HOME", str(life.stores.home))
    monkeypatch.setattr(module, "workspace", Workspace(mine))
    assert main(["replay", "--out", str(tmp_path / "page.html")]) == 0
    assert "  mondays " in capsys.readouterr().out
    assert engine.asked[0][1] == ["declared", "never", "every_tick", "mondays"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policies", "nevr"], "a policy is 'nevr'; allowed: declared, never, every_tick, "),
        (["--policies", "nevr"], "Did you mean 'never'? Name them with commas between, or 'all'"),
        (["--since", "soon"], "'soon' is no date"),
        (["--margin", "much"], "--margin is 'much'; give a number in the unit of the system's first metric: 0.002"),
        (["--margin", "nan"], "the margin is nan; it must be a number, at least 0"),
        (["--out", "/nowhere/page.html"], "--out is /nowhere/page.html; name a file in a folder that is there"),
        (["--out", "/tmp"], "--out is /tmp; name a file in a folder that is there"),
        (["--margin", "-1"], "the margin is -1.0; it must be a number, at least 0"),
        (["--judge-since", "2013-05-01"], "judged since 2013-05-01 00:00, and lived is [2013-03-05"),
        (
            ["--since", "2013-03-19"],
            "nothing lies between 2013-03-19 00:00 and 2013-03-19 00:00; rain has decided from ",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_line(life, said, engine: Engine, capsys, arguments, words: str) -> None:
    assert main(["replay", "rain", *arguments]) == 1
    wrong = capsys.readouterr().err
    assert words in wrong.splitlines()[-1]
    assert engine.asked == []  # nothing was lived for it
    assert not (life.stores.home / "rain_policies.html").exists()


def test_stopped_in_the_midst_it_leaves_nothing_and_says_so(life, said, monkeypatch, capsys, tmp_path) -> None:
    def stopped(*_: Any, **__: Any) -> Lives:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlsys_assets.replayed_policies.engine", lambda: stopped)
    page = tmp_path / "page.html"
    assert main(["replay", "rain", "--policies", "never", "--home", str(life.stores.home), "--out", str(page)]) == 130
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == "mlsys: stopped; nothing was written, and asked for again it begins anew"
    assert not page.exists()


def test_what_was_not_lived_is_told_before_anything_is_done(tmp_path, monkeypatch, capsys, engine: Engine) -> None:
    monkeypatch.setenv("MLSYS_HOME", str(tmp_path))
    from mlsys_assets.systems import workspace as module

    monkeypatch.setattr(module, "workspace", Workspace(*module.workspace.systems))
    assert main(["replay", "flights"]) == 1
    assert capsys.readouterr().err == (
        "mlsys: flights has not been lived yet: no decision is on record; first live it: mlsys run flights\n"
    )
    assert engine.asked == []


@pytest.mark.parametrize("changed", [False, True], ids=["as lived", "otherwise"])
def test_the_asset_shows_the_same_and_records_nothing(life, engine: Engine, tmp_path, changed: bool) -> None:
    import shutil

    home = shutil.copytree(life.stores.home, tmp_path / "home")
    stores = build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(utc("2013-03-19")).now)
    before = stores.operations.ledger_hash("rain")
    job = build_definitions(life.system, resources=stores).resolve_job_def(policy_replay_job(life.system))
    engine.changed = otherwise if changed else engine.changed
    names = "declared,never,every_tick,every_4_ticks"
    asked = {"ops": {"rain__policy_frontier": {"config": {"policies": names}}}}
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with open_instance(home) as instance:
        done = job.execute_in_process(instance=instance, run_config={**asked, **quiet})
    (event,) = done.asset_materializations_for_node("rain__policy_frontier")
    shown = {name: value.value for name, value in event.metadata.items()}
    assert shown["recommendation"].startswith("every_4_ticks is the cheapest that is surely within")
    assert shown["CPU s saved by sharing"] == 160
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("the_replay_decides_as_the_ledger_says", not changed)
    assert check.description.startswith("1 of " if changed else "all ")
    for name in ("by trainings", "by computing", "trainings"):
        assert shown[name].startswith("![")
        assert len(shown[name]) < 1000
        assert ";base64," in shown[f"{name}, large"]
    assert shown["policies"].count("\n") == 5
    assert shown["in full"]["recommendation"]["policy"] == "every_4_ticks"
    assert shown["page"] == (home / "rain_policies.html").as_uri()
    assert stores.operations.ledger_hash("rain") == before


def test_a_system_without_triggers_has_no_policies_to_compare(life, tmp_path) -> None:
    from mlsys_assets import Retraining

    stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=FixedClock(utc("2013-03-19")).now)
    defs = build_definitions(replace(life.system, triggers=(), retraining=Retraining()), resources=stores)
    dg.Definitions.validate_loadable(defs)
    assert "rain_policy_replay" not in [job.name for job in defs.jobs]
