"""The operations store in memory answers as the one on a database."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from mlsys_assets.policy_replay.journal import Journal
from mlsys_assets.policy_replay.memory_operations import MemoryOperations
from mlsys_assets.types import days, utc
from mlsys_resources.operations_records import Conflict
from mlsys_resources.operations_rows import Decision, ModelVersion
from mlsys_resources.operations_store import OperationsStore

START = utc("2013-01-01")
DECISIONS = [
    Decision("it", START + days(n % 4), kind, name, verdict, "because", {"n": n, "of": (1, 2), "share": n / 7})
    for n, (kind, name, verdict) in enumerate(
        [
            ("trigger", "every", "yes"), ("retraining", "arbiter", "train"), ("trigger", "drift", "no"),
            ("monitoring", "drift", "calm"), ("retraining", "arbiter", "hold"), ("trigger", "every", "no"),
        ]
    )
]  # fmt: skip
MODELS = [ModelVersion("it", n, "trees", f"hash{n}", "", "", START + days(n), "") for n in (1, 2)]


@pytest.fixture
def both(tmp_path):
    """The store in memory, and the one on a database, with the same in both."""
    memory = MemoryOperations(Journal(), DECISIONS[:2])
    stored = OperationsStore(f"sqlite:///{tmp_path}/o.db", clock=lambda: START)
    for decision in DECISIONS:
        assert stored.record(decision)
    for decision in DECISIONS[2:]:
        assert memory.record(decision)
    for n, model in enumerate(MODELS):
        memory.record_model(model)
        memory.move("it", "champion", model, reason="better")
        stored.record_model(model)
        stored.set_alias(
            "it", "champion", version=model.version, content_hash=model.content_hash, as_of=model.as_of,
            expected_revision=n, reason="better",
        )  # fmt: skip
    return memory, stored


BOUNDS = [None, START - days(1), START, START + timedelta(hours=30), START + days(2), START + days(9)]


@pytest.mark.parametrize("kind", [None, "trigger", "retraining", "nothing"])
def test_it_gives_the_same_decisions(both, kind) -> None:
    memory, stored = both
    for since in BOUNDS:
        for until in BOUNDS:
            mine, theirs = (s.decisions("it", kind, since=since, until=until) for s in (memory, stored))
            assert [(d.content_hash, dict(d.evidence)["n"]) for d in mine] == [
                (d.content_hash, d.evidence["n"]) for d in theirs
            ]


@pytest.mark.parametrize("verdict", [None, "yes", "no", "maybe"])
def test_it_gives_the_same_last_decision(both, verdict) -> None:
    memory, stored = both
    for until in BOUNDS:
        mine, theirs = (s.decision("it", "trigger", "every", until=until, verdict=verdict) for s in (memory, stored))
        assert (mine and mine.content_hash) == (theirs and theirs.content_hash)


def test_evidence_is_what_a_database_gives_back(both) -> None:
    memory, stored = both
    at = START + days(2)
    mine, theirs = (s.decisions("it", "trigger", since=at, until=at) for s in (memory, stored))
    assert mine[0].evidence == theirs[0].evidence
    assert mine[0].evidence["of"] == [1, 2]


def test_it_gives_the_same_champions(both) -> None:
    memory, stored = both
    assert memory.alias("it", "champion") == stored.alias("it", "champion")
    for at in BOUNDS[1:]:
        assert memory.alias_at("it", "champion", at) == stored.alias_at("it", "champion", at)
    assert memory.alias("it", "nobody") is stored.alias("it", "nobody") is None
    assert [memory.model("it", n) for n in (1, 2, 3)] == [*MODELS, None]


def test_a_decision_is_never_rewritten(both) -> None:
    memory, _ = both
    assert not memory.record(DECISIONS[3])
    with pytest.raises(Conflict):
        memory.record(replace(DECISIONS[3], verdict="wild"))


def test_what_was_done_can_be_done_to_another() -> None:
    journal = Journal()
    first, second = MemoryOperations(journal), MemoryOperations(Journal())
    with journal.listen() as deeds:
        first.record(DECISIONS[0])
        first.record_model(MODELS[0])
        first.move("it", "champion", MODELS[0], reason="better")
    first.record(DECISIONS[1])
    for deed in deeds:
        deed(SimpleNamespace(operations=second))
    assert (
        second.decisions("it") == (DECISIONS[0],) or second.decisions("it")[0].content_hash == DECISIONS[0].content_hash
    )
    assert second.alias("it", "champion") == first.alias("it", "champion")
