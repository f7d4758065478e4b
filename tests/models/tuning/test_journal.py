import json
import math
from dataclasses import replace

import optuna
import pytest

from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.tuning.journal import InMemory, JournalFolder, MemoryJournal, SearchKey
from mlsys_assets.models.tuning.space import Choice, Integers, Reals
from mlsys_assets.models.tuning.trial import Trial

SPACE = {"x": Reals(1e-7, 1.0, log=True), "n": Integers(1, 9), "kind": Choice(("a", None, 2.5, True))}
TRIALS = [
    Trial(0, {"x": 0.1 + 1e-17, "n": 3, "kind": None}, "complete", 1 / 3, 0.25, (0.5, 1 / 3)),
    Trial(1, {"x": 1e-7, "n": 9, "kind": "a"}, "pruned", None, 1e-3, (math.pi,)),
    Trial(2, {"x": math.nextafter(1.0, 0.0), "n": 1, "kind": 2.5}, "failed", None, 2.0, (), "it did not converge: ✗"),
    Trial(3, {"x": 2 / 3, "n": 2, "kind": True}, "complete", 0.25),
]
KEY = SearchKey("tuned", lambda: {"train": "abc", "space": "x"}, SPACE, LogLoss())


@pytest.fixture(params=["memory", "folder"])
def journals(request, tmp_path):
    return InMemory() if request.param == "memory" else JournalFolder(tmp_path / "a" / "b", "code")


def test_what_was_added_is_there_in_its_order(journals):
    journal = journals.open(KEY)
    assert journal.finished() == []
    for n, trial in enumerate(TRIALS):
        journal.add(trial)
        assert journal.finished() == TRIALS[: n + 1]


def filled(folder, key=KEY, code="code", trials=TRIALS):
    journal = JournalFolder(folder, code).open(key)
    for trial in trials:
        journal.add(trial)
    (path,) = folder.glob("*.log")
    return path


def test_opened_again_it_holds_the_same_to_the_last_bit(tmp_path):
    filled(tmp_path)
    again = JournalFolder(tmp_path, "code").open(KEY).finished()
    assert again == TRIALS
    assert [type(t.params["n"]) for t in again] == [int] * 4
    assert again[3].params["kind"] is True


def test_the_file_is_a_study_that_optuna_opens_by_itself(tmp_path):
    path = filled(tmp_path)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    (summary,) = optuna.get_all_study_summaries(storage)
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    assert (study.best_trial.number, study.best_value) == (3, 0.25)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert study.trials[0].intermediate_values == {1: 0.5, 2: 1 / 3}
    assert study.trials[1].datetime_start == study.trials[0].datetime_complete
    assert study.trials[2].user_attrs["reason"] == "it did not converge: ✗"


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (KEY, "other code"),
        (replace(KEY, told=lambda: {"train": "abd", "space": "x"}), "code"),
        (replace(KEY, told=lambda: {"train": "abc", "space": "y"}), "code"),
        (replace(KEY, name="other"), "code"),
    ],
)
def test_a_journal_of_another_search_is_not_gone_on_with(tmp_path, key, code):
    filled(tmp_path)
    assert JournalFolder(tmp_path, code).open(key).finished() == []
    assert JournalFolder(tmp_path, "code").open(KEY).finished() == TRIALS


def test_cut_off_anywhere_it_holds_the_trials_whose_lines_are_whole(tmp_path):
    content = filled(tmp_path).read_bytes()
    (path,) = tmp_path.glob("*.log")
    for cut in [*range(0, len(content), 61), len(content) - 1]:
        path.write_bytes(content[:cut])
        journal = JournalFolder(tmp_path, "code").open(KEY)
        kept = max(content[:cut].count(b"\n") - 1, 0)
        assert journal.finished() == TRIALS[:kept]
        for trial in TRIALS[kept:]:
            journal.add(trial)
        assert JournalFolder(tmp_path, "code").open(KEY).finished() == TRIALS


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.replace(b'"op_code":4', b'"op_code":x', 1),
        lambda content: content.replace(b'"op_code":4', b'"op_code":99', 1),
        lambda content: b"\x00" * len(content) + b"\n",
        lambda content: content.replace(b'"study_id":0', b'"study_id":7'),
        lambda content: content.replace(b'"study_name":"tuned', b'"study_name":["tuned"],"other":"'),
        lambda content: content.replace(b'"state":1', b'"state":0'),
        lambda content: content.replace(b'"seconds":0.25', b'"seconds":"x"'),
        lambda content: content.replace(b'"intermediate_values":{"1"', b'"intermediate_values":{"7"'),
        lambda content: b"[]\n" + content,
    ],
)
def test_a_damaged_journal_is_set_aside_and_the_search_begins_anew(tmp_path, damage):
    path = filled(tmp_path)
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    journal = JournalFolder(tmp_path, "code").open(KEY)
    assert journal.finished() == []
    journal.add(TRIALS[0])
    assert JournalFolder(tmp_path, "code").open(KEY).finished() == TRIALS[:1]
    (aside,) = tmp_path.glob("*.damaged")
    assert aside.read_bytes() == damage(content)


def test_a_lock_that_a_kill_left_behind_is_not_waited_for(tmp_path):
    path = filled(tmp_path, trials=TRIALS[:1])
    path.with_suffix(".lock").write_text("")
    path.with_name(path.name + ".lock").symlink_to(path)  # what Optuna's own leaves behind
    JournalFolder(tmp_path, "code").open(KEY).add(TRIALS[1])


def test_only_the_next_trial_can_be_added(tmp_path):
    journal = JournalFolder(tmp_path, "code").open(KEY)
    with pytest.raises(ValueError, match="holds 0 trials; the next is not number 1"):
        journal.add(TRIALS[1])


def test_it_says_in_which_direction_it_is_better(tmp_path):
    JournalFolder(tmp_path, "code").open(replace(KEY, metric=RocAuc()))
    (path,) = tmp_path.glob("*.log")
    assert json.loads(path.read_text().splitlines()[0])["directions"] == [2]


def test_a_journal_in_memory_can_begin_with_what_is_known():
    assert MemoryJournal(TRIALS[:2]).finished() == TRIALS[:2]
