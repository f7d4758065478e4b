"""A search is the same however often it was killed, and wherever its trials are made."""

import importlib.util
import json
import pickle
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.tuning.journal import JournalFolder
from mlsys_assets.models.tuning.pruners import HalvingPruner, MedianPruner
from mlsys_assets.models.tuning.samplers import GridSearch, RandomSearch, Tpe
from mlsys_assets.models.tuning.search import NothingFound, SearchContext
from mlsys_assets.models.tuning.space import Choice, Integers, Reals
from mlsys_assets.models.tuning.tuned import Tuned

SCRIPT = Path(__file__).parent / "killed_search.py"
TRIALS = 25
TUNED = Tuned(
    LightGBM(rounds=12), {"leaves": Integers(2, 31), "learning_rate": Reals(0.01, 0.6, log=True)}, trials=9,
    sampler=Tpe(3), pruner=MedianPruner(2, 3),
)  # fmt: skip


def loaded():
    spec = importlib.util.spec_from_file_location("killed_search", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return loaded().run(tmp_path_factory.mktemp("undisturbed"), TRIALS)


def as_json(trials):
    return json.loads(json.dumps([t.found for t in trials]))


def killed_once(folder, seed):
    """Start the search, and kill it at some moment after it wrote some of its lines."""
    command = [sys.executable, str(SCRIPT), str(folder), str(TRIALS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    chance = random.Random(seed)
    lines = chance.randrange(2, TRIALS - 4)
    while process.poll() is None:
        journal = next(folder.glob("*.log"), None)
        if journal is not None and journal.read_bytes().count(b"\n") >= lines:
            time.sleep(chance.random() * 0.01)
            break
    process.kill()
    process.communicate()
    return len(next(folder.glob("*.log")).read_text().splitlines())


def resumed_after_kills(folder, seeds, undisturbed):
    folder.mkdir()
    wrote = [killed_once(folder, seed) for seed in seeds]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), str(TRIALS)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"trials": as_json(undisturbed.trials), "best": undisturbed.best.number}
    return wrote


def test_a_search_that_was_killed_ends_as_one_that_was_not(tmp_path, undisturbed):
    (wrote,) = resumed_after_kills(tmp_path / "search", (3,), undisturbed)
    assert 1 < wrote < TRIALS + 1


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(12))
def test_a_search_that_was_killed_twice_ends_as_one_that_was_not(tmp_path, undisturbed, seed):
    resumed_after_kills(tmp_path / "search", (seed, seed + 100), undisturbed)


@pytest.mark.parametrize("parallel", [1, 4])
def test_taken_up_after_any_trial_it_ends_the_same(tmp_path, parallel):
    search = loaded()
    whole = search.run(tmp_path / "whole", 11, parallel=parallel)
    (path,) = (tmp_path / "whole").glob("*.log")
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        again = tmp_path / f"again{kept}"
        again.mkdir()
        (again / path.name).write_bytes(b"".join(lines[:kept]) + lines[kept][:20])
        found = search.run(again, 11, parallel=parallel)
        assert [t.found for t in found.trials] == [t.found for t in whole.trials]
        assert to_files(found.fitted.predictor) == to_files(whole.fitted.predictor)
        assert found.fitted.params == whole.fitted.params


def test_a_longer_search_goes_on_where_a_shorter_ended(tmp_path, undisturbed):
    search = loaded()
    short = search.run(tmp_path, 8)
    assert [t.found for t in short.trials] == [t.found for t in undisturbed.trials[:8]]
    long = search.run(tmp_path, TRIALS)
    assert long.trials[:8] == short.trials  # with the seconds that they took then
    assert [t.found for t in long.trials] == [t.found for t in undisturbed.trials]
    assert search.run(tmp_path, 8).trials == short.trials


def test_other_rows_another_seed_or_other_code_begin_anew(tmp_path, train, validation):
    def told(rows=train, validation=validation, seed=1, threads=1, code="1", tuned=TUNED):
        heard = []
        context = SearchContext(JournalFolder(tmp_path, code), heard.append)
        replace(tuned, trials=2).fit_with(rows, validation, seed=seed, threads=threads, context=context)
        return [p.resumed for p in heard]

    assert told() == [False, False]
    assert told() == [True, True]
    half = train.label < 9
    half[::2] = False
    for other in (
        {"rows": train.take(half)}, {"validation": validation.take(half[:500])}, {"seed": 2},
        {"code": "2"}, {"tuned": replace(TUNED, space={"leaves": Integers(2, 30)})},
        {"tuned": replace(TUNED, candidate=LightGBM(rounds=11))}, {"tuned": replace(TUNED, sampler=Tpe(4))},
        {"tuned": replace(TUNED, pruner=None)}, {"tuned": replace(TUNED, parallel=2)},
    ):  # fmt: skip
        assert told(**other) == [False, False], other
    assert told() == [True, True]


def test_trials_made_elsewhere_at_once_are_those_made_here_one_by_one(train, validation):
    tuned = replace(TUNED, parallel=3)
    here = tuned.search(train, validation, seed=5, threads=1, context=SearchContext())
    with ThreadPoolExecutor(3) as pool:
        there = tuned.search(train, validation, seed=5, threads=1, context=SearchContext(spread=pool.map))
    assert [t.found for t in there.trials] == [t.found for t in here.trials]
    assert to_files(there.fitted.predictor) == to_files(here.fitted.predictor)


def test_a_trial_can_be_made_in_another_process(train, validation):
    def sent(one):
        return pickle.loads(pickle.dumps(one))

    def spread(evaluate, tasks):
        return (sent(sent(evaluate)(sent(task))) for task in tasks)

    here = TUNED.fit(train, validation, seed=5, threads=1)
    there = TUNED.fit_with(train, validation, seed=5, threads=1, context=SearchContext(spread=spread))
    assert to_files(there.predictor) == to_files(here.predictor)
    assert there.params == here.params


@pytest.mark.parametrize("pruner", [MedianPruner(2, 3), HalvingPruner(3, 2)])
def test_what_is_pruned_is_on_record_and_never_the_best(train, validation, pruner):
    found = replace(TUNED, pruner=pruner, sampler=RandomSearch()).search(
        train, validation, seed=2, threads=1, context=SearchContext()
    )
    pruned = [t for t in found.trials if t.state == "pruned"]
    assert 0 < len(pruned) < len(found.trials)
    assert all(t.pruned_at <= 12 and t.value is None for t in pruned)
    assert all(len(t.losses) == 12 for t in found.trials if t.state == "complete")
    assert found.best.value == min(t.value for t in found.trials if t.value is not None)
    every = replace(TUNED, pruner=None, sampler=RandomSearch()).search(
        train, validation, seed=2, threads=1, context=SearchContext()
    )
    by_number = {t.number: t.value for t in every.trials}
    assert all(by_number[t.number] == t.value for t in found.trials if t.state == "complete")


class Tick:
    """A stopwatch by which each trial takes ten seconds."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 10.0
        return self.now


def test_out_of_time_the_best_so_far_is_kept_and_the_record_says_so(train, validation, tmp_path):
    tuned = replace(TUNED, seconds=35.0, pruner=None)
    fitted = tuned.fit_with(train, validation, seed=1, threads=1, context=SearchContext(stopwatch=Tick()))
    assert fitted.params["search"] == "4 trials: 4 complete; stopped by time after 4 of 9 trials"
    assert fitted.recipe["trials"] == 4
    four = replace(TUNED, trials=4, pruner=None).fit(train, validation, seed=1, threads=1)
    assert to_files(fitted.predictor) == to_files(four.predictor)


def test_the_time_of_an_earlier_run_counts(train, validation, tmp_path):
    context = SearchContext(JournalFolder(tmp_path, "1"), stopwatch=Tick())
    for trials in (3, 9):
        tuned = replace(TUNED, seconds=35.0, trials=trials)
        found = tuned.search(train, validation, seed=1, threads=1, context=context)
    assert len(found.trials) == 4
    assert found.ended == "stopped by time after 4 of 9 trials"


def test_progress_tells_the_best_so_far_and_the_time_left(train, validation):
    heard = []
    context = SearchContext(told=heard.append, stopwatch=Tick())
    found = replace(TUNED, pruner=None).search(train, validation, seed=1, threads=1, context=context)
    assert [p.trial for p in heard] == list(found.trials)
    assert [p.left_s for p in heard] == [10.0 * (8 - n) for n in range(9)]
    values = [t.value for t in found.trials]
    assert [p.best.value for p in heard] == [min(values[: n + 1]) for n in range(9)]


def test_a_setting_that_cannot_be_fitted_is_a_failed_trial_and_the_others_go_on(train, validation):
    class Refuses(LightGBM):
        def fit(self, *rows, **how):
            if self.leaves == 5:
                raise FitError("five leaves are too many")
            return super().fit(*rows, **how)

    tuned = Tuned(Refuses(rounds=3), {"leaves": Choice((3, 5, 7))}, sampler=GridSearch())
    found = tuned.search(train, validation, seed=0, threads=1, context=SearchContext())
    assert {t.params["leaves"]: (t.state, t.reason) for t in found.trials} == {
        3: ("complete", ""), 5: ("failed", "five leaves are too many"), 7: ("complete", ""),
    }  # fmt: skip
    assert found.ended == "there are 3 settings, fewer than 20 trials"
    with pytest.raises(NothingFound, match=r"none of 1 trials is complete, 0 were pruned\. 1 times: five leaves are"):
        replace(tuned, space={"leaves": Choice((5,))}).fit(train, validation, seed=0, threads=1)


@pytest.mark.parametrize("score", [float("nan"), 1.5])
def test_scores_that_are_no_probabilities_are_a_failed_trial(train, validation, score):
    class Broken(LightGBM):
        def fit(self, *rows, **how):
            fitted = super().fit(*rows, **how)
            return replace(fitted, predictor=Always(score))

    with pytest.raises(FitError, match="log_loss cannot be told: scores reach from"):
        Tuned(Broken(rounds=2), {"leaves": Integers(3, 7)}, trials=2).fit(train, validation, seed=0, threads=1)


class Always:
    kind, columns = "always", ()

    def __init__(self, score):
        self.score = score

    def predict(self, rows, *, threads=1):
        return np.full(rows.num_rows, self.score)
