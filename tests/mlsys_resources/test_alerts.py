"""A channel that is down costs nothing but time: its alerts stay, and the others are told."""

import json
import logging
import resource
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlsys_assets.production_monitoring.alert_decision import Before
from mlsys_assets.production_monitoring.alerting import Alerting, Fault, Watch
from mlsys_assets.production_monitoring.quiet import Look, decide
from mlsys_assets.types import Severity
from mlsys_resources import alerts
from mlsys_resources.alert_channels import ChannelDown, FileChannel, LogChannel, Undelivered
from mlsys_resources.alerts import channels_of, deliver
from mlsys_resources.operations_rows import AlertRow
from mlsys_resources.resources import build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)
CANARY = "s3cr3t-canary"


def alert(number: int, *channels: str) -> AlertRow:
    return AlertRow(
        f"id{number}", "flights", JULY, "label shift: labels", "opened", "so", "warn", "ops", f"subject {number}",
        "what was seen\nmore", channels, {"alert": {"loss": 7.0}},
    )  # fmt: skip


@dataclass
class Fragile:
    """Fails as it is told, and then works."""

    failures: list[Exception]
    sent: list[str] = field(default_factory=list)

    def send(self, alert: AlertRow) -> str:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(alert.id)
        return "told"


def test_a_channel_that_is_down_is_asked_again_the_next_time_and_the_others_are_told(sqlite_store) -> None:
    sqlite_store.record_alerts([alert(1, "webhook", "file"), alert(2, "webhook", "file")])
    hook, file = Fragile([ChannelDown("refused")]), Fragile([])
    told = deliver(sqlite_store, "flights", {"webhook": hook, "file": file})
    assert (str(told), file.sent, hook.sent) == ("2 sent, 2 left; webhook: refused", ["id1", "id2"], [])
    assert [d.said for d in sqlite_store.deliveries("flights", left=True)] == ["refused", "not tried yet"]
    assert str(deliver(sqlite_store, "flights", {"webhook": hook, "file": file})) == "2 sent, 0 left"
    assert (file.sent, hook.sent) == (["id1", "id2"], ["id1", "id2"])
    assert str(deliver(sqlite_store, "flights", {"webhook": hook, "file": file})) == "0 sent, 0 left"


def test_one_alert_that_is_not_taken_keeps_none_from_its_way(sqlite_store) -> None:
    sqlite_store.record_alerts([alert(1, "webhook"), alert(2, "webhook")])
    hook = Fragile([Undelivered("too long")])
    assert str(deliver(sqlite_store, "flights", {"webhook": hook})) == "1 sent, 1 left; webhook: too long"
    assert hook.sent == ["id2"]


def test_alerts_that_are_never_taken_wait_longer_and_longer_and_keep_no_other_from_its_way(
    sqlite_store, clock, monkeypatch
) -> None:
    @dataclass
    class Choosy(Fragile):
        asked: list[str] = field(default_factory=list)

        def send(self, alert: AlertRow) -> str:
            self.asked.append(alert.id)
            if alert.id != "id99":
                raise Undelivered("404")
            return super().send(alert)

    monkeypatch.setattr(alerts, "MOST_AT_ONCE", 2)
    sqlite_store.record_alerts([alert(n, "webhook") for n in (0, 1, 99)])
    hook = Choosy([])
    assert deliver(sqlite_store, "flights", {"webhook": hook}).sent == 0
    assert str(deliver(sqlite_store, "flights", {"webhook": hook})) == "1 sent, 2 left"
    minutes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]
    for wait in minutes:
        clock.advance(timedelta(minutes=wait, seconds=-1))
        assert sqlite_store.due("flights", most=1) == ()
        clock.advance(timedelta(seconds=1))
        (again,) = sqlite_store.due("flights", most=1)
        assert deliver(sqlite_store, "flights", {"webhook": hook}).failed == {"webhook": "404"}
    assert (again.alert.id, hook.asked.count("id0")) == ("id0", 1 + len(minutes))


def test_a_slow_channel_is_asked_for_a_bounded_time_and_the_log_before_it(sqlite_store) -> None:
    @dataclass
    class Slow(Fragile):
        now: float = 0.0

        def send(self, alert: AlertRow) -> str:
            self.now += 9.0
            return super().send(alert)

    slow, file = Slow([]), Fragile([])
    sqlite_store.record_alerts([alert(n, "email", "file") for n in range(1, 9)])
    channels = {"file": file, "email": slow}
    assert deliver(sqlite_store, "flights", channels, passed=lambda: slow.now).sent == 8 + 3
    assert (len(file.sent), slow.sent) == (8, ["id1", "id2", "id3"])
    assert deliver(sqlite_store, "flights", channels, passed=lambda: slow.now).left == 2


def test_a_channel_with_a_mistake_of_its_own_fails_no_run_and_tells_no_text(sqlite_store, caplog) -> None:
    sqlite_store.record_alerts([alert(1, "file", "log")])
    told = deliver(sqlite_store, "flights", {"file": Fragile([KeyError(CANARY)]), "log": LogChannel()})
    assert str(told) == "1 sent, 1 left; file: it failed by KeyError"
    assert CANARY not in caplog.text


def test_a_channel_that_is_not_set_up_closes_what_was_to_be_told_on_it_and_says_so(sqlite_store) -> None:
    sqlite_store.record_alerts([alert(1, "webhook", "email")])
    assert str(deliver(sqlite_store, "flights", {})) == "0 sent, 0 left"
    assert [d.said for d in sqlite_store.deliveries("flights")] == [
        "not set up: set MLSYS_ALERT_SMTP", "not set up: set MLSYS_ALERT_WEBHOOK",
    ]  # fmt: skip


def test_killed_between_sending_and_its_record_an_alert_is_sent_again_under_its_id(sqlite_store, clock) -> None:
    class Killed(BaseException):
        pass

    class Dying(Fragile):
        def send(self, alert: AlertRow) -> str:
            super().send(alert)
            raise Killed

    sqlite_store.record_alerts([alert(1, "file")])
    first, second = Dying([]), Fragile([])
    with pytest.raises(Killed):
        deliver(sqlite_store, "flights", {"file": first})
    assert deliver(sqlite_store, "flights", {"file": second}).sent == 0  # the other may be alive
    clock.advance(datetime(2013, 7, 2, tzinfo=UTC) - JULY)
    assert deliver(sqlite_store, "flights", {"file": second}).sent == 1
    assert first.sent == second.sent == ["id1"]


def test_the_log_tells_one_line_at_its_level(caplog) -> None:
    with caplog.at_level(logging.WARNING, "mlsys.alerts"):
        LogChannel().send(alert(1))
    assert [r.getMessage() for r in caplog.records] == ["subject 1 | ops | what was seen"]
    assert caplog.records[0].levelno == logging.WARNING


def test_the_file_holds_a_line_of_json_for_each_also_after_one_that_was_torn(tmp_path) -> None:
    path = tmp_path / "new" / "alerts.jsonl"
    channel = FileChannel(path)
    channel.send(alert(1))
    path.write_bytes(path.read_bytes() + b'{"id": "to')
    channel.send(alert(2))
    first, torn, second = path.read_text().splitlines()
    assert [json.loads(line)["id"] for line in (first, second)] == ["id1", "id2"]
    assert torn == '{"id": "to'
    assert json.loads(first)["estimated_loss"] == 7.0
    with pytest.raises(ChannelDown, match="Is a directory"):
        FileChannel(tmp_path).send(alert(3))


def test_a_full_disk_leaves_the_alert_for_the_next_time_and_breaks_no_line(tmp_path) -> None:
    with pytest.raises(ChannelDown, match="No space left on device"):
        FileChannel(Path("/dev/full")).send(alert(1))
    channel, before = FileChannel(tmp_path / "alerts.jsonl"), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9, before[1]))  # nine bytes still find room
        with pytest.raises(ChannelDown, match="No space left on device"):
            channel.send(alert(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    channel.send(alert(1))
    torn, whole = channel.path.read_text().splitlines()
    assert len(torn) == 9
    assert json.loads(whole)["id"] == "id1"


def test_a_hostile_name_stays_in_one_line_of_log_and_file(tmp_path, caplog) -> None:
    fault = Fault(Watch.DIAGNOSIS, "schema change", EVIL, Severity.ERROR, f"{EVIL} came")
    (one,) = decide(Look("flights", Watch.DIAGNOSIS, JULY), [fault], Before(), Alerting("ops"))
    row = replace(alert(1), name=one.name, subject=one.subject, body=one.body, evidence=one.evidence)
    FileChannel(tmp_path / "alerts.jsonl").send(row)
    (line,) = (tmp_path / "alerts.jsonl").read_text().splitlines()
    assert json.loads(line)["name"].startswith("schema change: a")
    with caplog.at_level(logging.WARNING, "mlsys.alerts"):
        LogChannel().send(row)
    assert len(caplog.records[0].getMessage().splitlines()) == 1
    assert "\u202e" not in caplog.records[0].getMessage()


EVIL = 'a"}\r\n{"id": "forged"}\x1b[2J\u2028\u202egnp<script>alert(1)</script>%s{x}\x00'
MAIL = {
    "MLSYS_ALERT_SMTP": "mail.example.org:587",
    "MLSYS_ALERT_FROM": "m@example.org",
    "MLSYS_ALERT_TO": "a@b.c, d@e.f",
}


def test_the_environment_says_which_channels_there_are(tmp_path) -> None:
    env = {"MLSYS_HOME": str(tmp_path), "MLSYS_ALERT_WEBHOOK": f"https://hooks.example.org/{CANARY}", **MAIL}
    env |= {"MLSYS_ALERT_WEBHOOK_TOKEN": CANARY, "MLSYS_ALERT_SMTP_USER": "m", "MLSYS_ALERT_SMTP_PASSWORD": CANARY}
    found = build_resources(env, clock=lambda: JULY).alert_channels
    assert sorted(found) == ["email", "file", "log", "webhook"]
    assert found["file"].path == tmp_path / "alerts.jsonl"
    assert found["email"].recipients == ("a@b.c", "d@e.f")
    assert CANARY not in repr(found)
    assert sorted(channels_of({}, home=tmp_path)) == ["file", "log"]


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"MLSYS_ALERT_WEBHOOK": f"ftp://x/{CANARY}"}, "give http://host"),
        ({"MLSYS_ALERT_WEBHOOK": f"https://h/{CANARY}\r\nX: y"}, "give http://host"),
        ({"MLSYS_ALERT_WEBHOOK": f"https://h:{CANARY}/"}, "give http://host"),
        ({"MLSYS_ALERT_WEBHOOK": f"https://[{CANARY}/"}, "give http://host"),
        ({"MLSYS_ALERT_WEBHOOK": "https://h/", "MLSYS_ALERT_WEBHOOK_TOKEN": f"{CANARY}\n"}, "one line of ASCII"),
        (MAIL | {"MLSYS_ALERT_SMTP": "mail"}, "give host:port"),
        (MAIL | {"MLSYS_ALERT_FROM": ""}, "MLSYS_ALERT_FROM is not"),
        (MAIL | {"MLSYS_ALERT_TO": ""}, "no recipient"),
        (MAIL | {"MLSYS_ALERT_TO": "a@b.c\nBcc: d@e.f"}, "is no address"),
        (MAIL | {"MLSYS_ALERT_SMTP_TLS": "maybe"}, "starttls or none"),
        (MAIL | {"MLSYS_ALERT_SMTP_TLS": "none", "MLSYS_ALERT_SMTP_USER": "m"}, "not encrypted"),
    ],
)
def test_what_is_no_channel_is_refused_without_its_secret(env: dict[str, str], words: str, tmp_path) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        channels_of(env, home=tmp_path)
    assert CANARY not in str(caught.value)
