"""Stochastic gradient descent: scikit-learn by hand is the outside truth, and no interruption leaves a trace."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.linear_model import SGDClassifier

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.sgd import Sgd
from mlsys_assets.models.stateful.batch_journal import BatchJournals
from mlsys_assets.models.stateful.continues import Continues
from mlsys_assets.models.stateful.stateful import Stateful

from .conftest import view
from .stateful import killed_sgd

DESCENT = Sgd(batch=64)
PROGRAM = Path(killed_sgd.__file__)


@pytest.fixture(scope="module")
def new() -> Train:
    return view(Train, 64 * 9 + 10, seed=9)


@pytest.fixture(scope="module")
def parent(train):
    return DESCENT.refit(train, recipe={}, seed=1, threads=1).predictor


def gone_on(parent, new, **more):
    return DESCENT.go_on(parent, new, by=Stateful(), seed=1, threads=1, **more).predictor


def test_it_is_scikit_learns_partial_fit_on_the_same_batches(train, parent, new) -> None:
    by_hand = SGDClassifier(
        loss="log_loss", alpha=DESCENT.l2, learning_rate="invscaling", eta0=DESCENT.learning_rate,
        power_t=DESCENT.decay, shuffle=False,
    )  # fmt: skip
    further, last = gone_on(parent, new), new.take(np.arange(65))  # of which the second batch is one row
    for rows, expected in ((train, parent), (new, further), (last, gone_on(further, last))):
        matrix = parent.line.preprocessing.transform(rows.features).astype(np.float64)
        for i in range(0, len(rows), 64):
            by_hand.partial_fit(matrix[i : i + 64], rows.label[i : i + 64], classes=[0, 1])
        np.testing.assert_array_equal(expected.line.weights, by_hand.coef_[0])
        assert (expected.line.intercept, expected.steps) == (by_hand.intercept_[0], by_hand.t_)


def test_it_learns(train, validation, later) -> None:
    def loss(candidate):
        p = candidate.fit(train, validation, seed=1, threads=1).predict(later.features)
        return -np.where(later.label > 0, np.log(p), np.log1p(-p)).mean()

    rate = later.label.mean()
    constant = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    assert (
        loss(Sgd(learning_rate=0.02, decay=0.25, l2=1e-5, batch=64))
        < loss(LogisticRegression()) + 0.03
        < constant - 0.03
    )


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(1, 9)))
def test_sessions_cut_between_batches_are_one_session(parent, new, cuts) -> None:
    whole, edges = gone_on(parent, new), [0, *(64 * c for c in sorted(cuts)), len(new)]
    model = parent
    for begin, end in pairwise(edges):
        part = new.take(np.arange(begin, end))
        model = from_files(to_files(gone_on(model, part)))  # through the files, as from one training to the next
    assert to_files(model) == to_files(whole)


@settings(max_examples=10, deadline=None)
@given(st.integers(65, 500))
def test_a_batch_cut_in_two_moves_alike(parent, new, cut) -> None:
    """Rows are learned from one by one: a batch is how many a call takes, not how many a step averages."""
    two = gone_on(gone_on(parent, new.take(np.arange(cut))), new.take(np.arange(cut, len(new))))
    np.testing.assert_allclose(two.line.weights, gone_on(parent, new).line.weights, rtol=1e-9)


def run(folder: Path, kept: int, where: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), str(kept), where], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("kept", "where"), [(2, "after"), (5, "within")])
def test_a_kill_leaves_no_trace(tmp_path, kept, where, monkeypatch) -> None:
    assert run(tmp_path, kept, where).returncode == -signal.SIGKILL
    (journal,) = tmp_path.glob("sgd-*.npz")
    assert len(list(tmp_path.glob("partial-*"))) == (where == "within")
    counted, descend = [], Sgd._descended

    def told(self, begun, *rest):
        counted.append(begun.done)
        return descend(self, begun, *rest)

    monkeypatch.setattr(Sgd, "_descended", told)
    resumed, uninterrupted = killed_sgd.run(tmp_path), killed_sgd.run(None)
    assert counted[1] == 3 * (kept + (where == "after"))  # of the first fit nothing is kept; of this one, every third
    assert resumed == uninterrupted
    done = run(tmp_path / "other", -1, "")
    assert {n: c.encode() for n, c in json.loads(done.stdout).items()} == uninterrupted
    assert journal.exists()


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"", lambda b: b"x" * len(b)])
def test_a_journal_that_is_damaged_costs_time_alone(tmp_path, damage) -> None:
    expected = killed_sgd.run(tmp_path)
    (journal,) = tmp_path.glob("sgd-*.npz")
    journal.write_bytes(damage(journal.read_bytes()))
    assert killed_sgd.run(tmp_path) == expected


@pytest.mark.parametrize("other", ["declaration", "parent", "rows", "code"])
def test_a_journal_of_another_fit_is_not_gone_on_with(tmp_path, train, parent, new, other) -> None:
    """What is kept in the same folder under the same name decides nothing of it, and its own journal does."""
    kept = BatchJournals(tmp_path, "code", every=3)
    whole = gone_on(parent, new, journals=kept)
    assert len(list(tmp_path.glob("sgd-*.npz"))) == 1
    candidate, journals = DESCENT, kept
    if other == "declaration":
        candidate = replace(DESCENT, l2=0.1)
    elif other == "parent":
        parent = gone_on(parent, train)
    elif other == "rows":
        new = new.take(np.arange(len(new))[::-1])
    else:
        journals = replace(kept, code="other code")
    found = candidate.go_on(parent, new, by=Stateful(), seed=1, threads=1, journals=journals).predictor
    expected = candidate.go_on(parent, new, by=Stateful(), seed=1, threads=1).predictor
    assert to_files(found) == to_files(expected)
    assert (to_files(found) == to_files(whole)) == (other == "code")
    assert len(list(tmp_path.glob("sgd-*.npz"))) == 2


def test_what_cannot_be_gone_on_from_is_told(train, new) -> None:
    assert isinstance(DESCENT, Continues)
    line = LogisticRegression().refit(train, recipe={}, seed=1, threads=1).predictor
    assert DESCENT.cannot_go_on(line, by=Stateful()) == "a linear model has no state of a descent"
    with pytest.raises(FitError, match="sgd: a linear model has no state of a descent"):
        gone_on(line, new)


def test_a_descent_that_diverges_is_refused(train) -> None:
    with pytest.raises(FitError, match=r"sgd diverged to weights of up to .*; take a learning_rate below 1e\+300"):
        Sgd(learning_rate=1e300, decay=0.0).refit(train, recipe={}, seed=1, threads=1)


@pytest.mark.parametrize("steps", [0.0, -3.0])
def test_steps_that_cannot_be_are_no_bundle(parent, steps) -> None:
    files = to_files(parent) | {"descent.json": f'{{"steps":{steps}}}'.encode()}
    with pytest.raises(BundleError, match=r"tells of -?\d\.\d steps; they are counted from 1"):
        from_files(files)


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (Sgd(learning_rate=0), "learning_rate is 0; it must be a number, above 0"),
        (Sgd(decay=2), "decay is 2; it must be a number, at least 0, at most 1"),
        (Sgd(l2=-1), "l2 is -1; it must be a number, at least 0"),
        (Sgd(batch=0), "batch is 0; it must be a whole number, at least 1"),
    ],
)
def test_each_mistake_is_told(declared, told) -> None:
    assert declared.mistakes() == [f"candidate 'sgd': {told}"]
