"""Labels that were corrupted lately: the recent test believes them, and the static one, which was trusted, does not."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, PrAuc, value
from mlsys_assets.offline_evaluation.champion_gate import RECENT, STATIC, NonInferiority
from mlsys_assets.offline_evaluation.comparison import Scored, compare
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.offline_evaluation.verdict import Case, GateVerdict, Verdict, decide

MEASURED = (LogLoss(), PrAuc())
HOURS, A_HOUR = 240, 40
"""Hours of each part, and rows in each hour."""
STRICT = Gates(champion=NonInferiority(recent=0.02, static=0.02))


@dataclass(frozen=True)
class Rows:
    """Rows of one part, an hour after another, and whether they are of the slice that may be poisoned."""

    x: np.ndarray
    label: np.ndarray
    here: np.ndarray
    at: np.ndarray

    def flipped(self, where: np.ndarray) -> "Rows":
        return Rows(self.x, np.where(where, 1 - self.label, self.label), self.here, self.at)


def rows(part: int) -> Rows:
    rng = np.random.default_rng(part)
    n = HOURS * A_HOUR
    x, here = rng.normal(size=n), rng.uniform(size=n) < 0.25
    label = (rng.uniform(size=n) < 1 / (1 + np.exp(1 - 2 * x))).astype(float)
    at = np.datetime64("2013-01-01", "us") + ((part * HOURS + np.arange(n) // A_HOUR) * 3_600_000_000).astype("m8[us]")
    return Rows(x, label, here, at)


def learned(train: Rows, tests: dict[str, Rows]) -> dict[str, np.ndarray]:
    """Return the probabilities of a line that was fitted on the rows, and may tell the slice apart."""

    def inputs(of: Rows) -> np.ndarray:
        return np.column_stack([of.x, of.here, of.x * of.here])

    model = LogisticRegression(C=1e3).fit(inputs(train), train.label)
    return {split: model.predict_proba(inputs(test))[:, 1] for split, test in tests.items()}


def judged(before: Rows, train: Rows, tests: dict[str, Rows], gates: Gates = STRICT) -> GateVerdict:
    """Return the gate's verdict of what learned of ``train`` against what had learned of ``before``."""
    new, old = learned(train, tests), learned(before, tests)
    scored = [
        Scored(
            split, split, test.at, test.label,
            {"model": new[split], "prior": np.full(len(test.label), test.label.mean()), "champion": old[split]},
            {"model": "m", "prior": "p", "champion": "c"}, groups={"place=here": test.here},
        )
        for split, test in tests.items()
    ]  # fmt: skip
    against = [compare(one, ("model", "champion"), MEASURED, by_slice=LogLoss(), support=Support(20)) for one in scored]
    case = Case("model", [], [compare(one, ("model", "prior"), MEASURED) for one in scored], against)
    return decide(gates, case, model_hash="m", data_hashes={split: split for split in tests})


def last(hours: int) -> np.ndarray:
    return np.arange(HOURS * A_HOUR) >= (HOURS - hours) * A_HOUR


def test_clean_rows_pass() -> None:
    assert judged(rows(0), rows(1), {RECENT: rows(2), STATIC: rows(3)}).verdict is Verdict.PASS


def test_a_corrupt_last_hour_shows_in_the_recent_metric_alone_and_its_learner_is_held_by_the_static_test() -> None:
    """Updated on the last hour alone, as by a stream: what it learned is right there, and wrong wherever else."""
    clean, corrupt = rows(2), rows(2).flipped(last(1))
    champion = learned(rows(0), {RECENT: clean, STATIC: rows(3)})[RECENT]
    fell = value(LogLoss(), corrupt.label[last(24)], champion[last(24)])
    assert fell > value(LogLoss(), clean.label[last(24)], champion[last(24)]) + 0.02
    hour = Rows(*(column[last(1)] for column in (corrupt.x, corrupt.label, corrupt.here, corrupt.at)))
    lenient = Gates(champion=NonInferiority(recent=10, static=0.02))  # even where the recent test held nothing
    verdict = judged(rows(0), hour, {RECENT: corrupt, STATIC: rows(3)}, lenient)
    assert verdict.verdict is Verdict.FAIL
    assert f"champion's on {STATIC}" in verdict.reason
    assert f"champion's on {RECENT}" not in verdict.reason


@pytest.mark.parametrize(("share", "verdict"), [(0.05, Verdict.PASS), (0.2, Verdict.FAIL)])
def test_flipped_labels_are_believed_by_the_recent_test_and_held_by_the_static_one(share, verdict) -> None:
    """A fifth of all labels flipped costs more than the margin; a twentieth costs less."""
    drawn = np.random.default_rng(7).uniform(size=(2, HOURS * A_HOUR)) < share
    train, recent = rows(1).flipped(drawn[0]), rows(2).flipped(drawn[1])
    found = judged(rows(0), train, {RECENT: recent, STATIC: rows(3)})
    assert found.verdict is verdict
    assert f"champion's on {RECENT}" not in found.reason
    assert (f"champion's on {STATIC}" in found.reason) is (verdict is Verdict.FAIL)


def test_labels_flipped_in_one_slice_are_held_by_that_slice() -> None:
    """All its other rows hide it in the whole, with a margin for the whole that lets much pass."""
    train = rows(1).flipped(rows(1).here & (np.random.default_rng(8).uniform(size=HOURS * A_HOUR) < 0.4))
    wide = NonInferiority(recent=0.5, static=0.5)
    tests = {RECENT: rows(2), STATIC: rows(3)}
    assert judged(rows(0), train, tests, Gates(champion=wide)).passed
    found = judged(rows(0), train, tests, Gates(champion=wide, slice_margin=0.02))
    assert found.verdict is Verdict.FAIL
    assert f"log_loss for place=here on {STATIC} is worse than the champion's" in found.reason
