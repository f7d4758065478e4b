"""On the same rows a random split flatters by what neighbours tell, and by nothing where they tell nothing."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.offline_evaluation.studies.random_split import SplitStudy
from mlsys_assets.types import DeclarationError, days, hours, utc

A_DAY, ALL_DAYS, EASY = 80, 60, 16
AS_OF = utc("2013-03-02")
SPLIT = TimeSplit(validation=days(7), test=days(14), embargo=hours(1))


def world(*, day_effect: float, seed: int = 0) -> LabelledRows:
    """Sixty days, each with a rate of its own that only its own rows tell; the last fortnight has clearer cases."""
    random = np.random.default_rng(seed)
    n = A_DAY * ALL_DAYS
    day = np.arange(n) // A_DAY
    clear = (day >= ALL_DAYS - EASY) & (random.random(n) < 0.7)
    kind = np.where(clear, random.choice([0, 19], n), random.integers(0, 20, n))
    odds = day_effect * random.normal(size=ALL_DAYS)[day] + (kind - 9.5) * 0.15
    label = (random.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    at = np.datetime64("2013-01-01", "us") + day * np.timedelta64(1, "D")
    at = at + np.arange(n) % A_DAY * np.timedelta64(9, "m")
    features = pa.table({"day": [f"d{d}" for d in day], "kind": [f"k{k}" for k in kind], "n": np.arange(n) * 1.0})
    ids, state = pa.array([f"r{i}" for i in range(n)]), pa.array(["labelled"] * n)
    return LabelledRows(ids, at, features, label, at + np.timedelta64(30, "m"), state, timedelta(hours=1))


def opened(rows: LabelledRows) -> OpenedTest:
    return SPLIT.split(rows, as_of=AS_OF).recent_test.open(lambda read: None, models="", reason="a test")


def measured(study: SplitStudy, candidate, rows: LabelledRows):
    notes = []
    found = study.measure(candidate, rows, by=SPLIT, as_of=AS_OF, test=opened(rows), record=notes.append)
    return found, notes


BY_DAY = GroupRate(by=("day",), strength=5, name="by_day")
BY_KIND = GroupRate(by=("kind",), strength=5, name="by_kind")
STUDY = SplitStudy("to show what it hides", RocAuc(), rows=1_200, seeds=(0, 1))


def test_neighbours_that_tell_flatter_and_the_season_does_not_stand_in_it():
    rows = world(day_effect=1.5)
    leaky, _ = measured(STUDY, BY_DAY, rows)
    assert leaky.by_time.value == pytest.approx(0.5)  # a day it never saw has the rate of all
    assert leaky.at_random.value > 0.7
    assert leaky.flattery.value == pytest.approx(leaky.at_random.value - leaky.by_time.value)
    assert leaky.flattery.low > 0.1
    assert not leaky.finding().passed
    assert "report what the split in time says" in leaky.finding().summary


def test_neighbours_that_tell_nothing_do_not_flatter_though_the_naive_difference_says_so():
    found, _ = measured(STUDY, BY_KIND, world(day_effect=0.0))
    assert found.finding().passed
    assert found.flattery.low <= 0 <= found.flattery.high
    assert abs(found.flattery.value) < 0.02
    assert found.naive < found.flattery.low - 0.02  # the last fortnight is easier: a difference of days, not of splits
    assert f"{found.naive:+.4f}, and {found.naive - found.flattery.value:+.4f} of it is that its test" in found.text()


def test_a_metric_that_falls_flatters_upwards_too():
    rows = world(day_effect=1.5)
    leaky, _ = measured(replace(STUDY, metric=LogLoss()), BY_DAY, rows)
    assert leaky.at_random.value < leaky.by_time.value
    assert leaky.flattery.value == pytest.approx(leaky.by_time.value - leaky.at_random.value)
    assert leaky.flattery.low > 0
    assert leaky.naive == pytest.approx(leaky.own_by_time.value - leaky.own_at_random.value)


@dataclass(frozen=True)
class Memory:
    """Remembers the label of each row it was given, and knows nothing else."""

    given: list = field(default_factory=list)
    name: str = "memory"

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        self.given.append((train, validation))
        seen = {n: label for part in (train, validation)
                for n, label in zip(part.features["n"].to_pylist(), part.label, strict=True)}  # fmt: skip

        class Recall:
            kind, columns = "memory", ("n",)

            def predict(self, rows, *, threads=1):
                return np.array([seen.get(n, 0.5) for n in rows["n"].to_pylist()])

        return Fitted("memory", Recall())


def test_no_row_is_scored_by_a_model_that_saw_it_and_both_see_as_many():
    for size in (None, 600):
        memory, rows = Memory(), world(day_effect=1.0)
        found, notes = measured(SplitStudy("why", LogLoss(), size, seeds=(3, 4, 5)), memory, rows)
        for one in (found.by_time, found.at_random, found.own_by_time, found.own_at_random):
            assert one.value == pytest.approx(np.log(2))
        assert found.flattery.value == pytest.approx(0)
        most = len(SPLIT.split(rows, as_of=AS_OF).train)
        assert {len(train) for train, _ in memory.given} == {found.trained} == {size or most}
        tested = set(opened(rows).ids.to_pylist())
        before, anywhere = memory.given[::2], memory.given[1::2]
        assert all(not tested & set(part.ids.to_pylist()) for pair in before for part in pair)
        inside = [len(tested & set(train.ids.to_pylist())) for train, _ in anywhere]
        assert found.neighbours == round(np.mean(inside)) > 0
        spared = [len(tested - {i for part in pair for i in part.ids.to_pylist()}) for pair in anywhere]
        assert found.flattery.rows == min(spared)
        assert len(notes) == 3


def test_each_number_is_what_scikit_learn_gives():
    rows = world(day_effect=1.0)
    found, _ = measured(replace(STUDY, seeds=(2,), rows=None), BY_DAY, rows)
    split = SPLIT.split(rows, as_of=AS_OF)
    test, fitted = opened(rows), BY_DAY.fit(split.train, split.validation, seed=2, threads=1)
    assert found.own_by_time.value == pytest.approx(roc_auc_score(test.label, fitted.predict(test.features)))
    losses, _ = measured(replace(STUDY, seeds=(2,), rows=None, metric=LogLoss()), BY_KIND, rows)
    fitted = BY_KIND.fit(split.train, split.validation, seed=2, threads=1)
    assert losses.own_by_time.value == pytest.approx(log_loss(test.label, fitted.predict(test.features)))
    assert losses.trained == len(split.train)


def test_it_goes_on_record_with_its_reason_and_is_the_same_again():
    rows = world(day_effect=1.0)
    (one, notes), (again, _) = (measured(STUDY, BY_KIND, rows) for _ in range(2))
    assert one.as_dict() == again.as_dict()
    assert [note.evidence["seed"] for note in notes] == [0, 1]
    assert all(not note.passed and "to show what it hides" in note.summary for note in notes)
    assert one.text().endswith("rows ordered in time were split at random: to show what it hides")
    assert one.plot().startswith("<svg")
    assert one.thumbnail().startswith("![")


def test_nothing_is_split_at_random_without_a_reason_or_a_record():
    rows, notes, memory = world(day_effect=0.0), [], Memory()
    for forced in ("", "  "):
        with pytest.raises(DeclarationError, match="forced is empty; say why"):
            SplitStudy(forced).measure(memory, rows, by=SPLIT, as_of=AS_OF, test=opened(rows), record=notes.append)

    def closed(note):
        raise PermissionError("the ledger is closed")

    with pytest.raises(PermissionError):
        STUDY.measure(memory, rows, by=SPLIT, as_of=AS_OF, test=opened(rows), record=closed)
    assert (notes, memory.given) == ([], [])


def test_another_test_and_too_few_rows_are_told():
    rows = world(day_effect=0.0)
    test = opened(rows)
    with pytest.raises(ValueError, match=r"not the recent test as of 2013-03-02 \(10 and \d+ rows\); open"):
        STUDY.measure(ZeroRule(), rows, by=SPLIT, as_of=AS_OF, test=test.take(np.arange(10)), record=print)
    found, _ = measured(replace(STUDY, support=Support(least_of_each_class=100_000)), ZeroRule(), rows)
    assert not found.flattery.sufficient
    assert not found.finding().passed
    assert "cannot be told" in found.finding().summary
    assert "untold" in found.text()


def test_mistakes_are_listed():
    for wrong, said in (
        (SplitStudy(None), "forced is None"),
        (SplitStudy("why", LogLoss), "is the class LogLoss"),
        (SplitStudy("why", rows=0), "rows is 0"),
        (SplitStudy("why", seeds=()), "seeds are (); give 1 or more, each once"),
        (SplitStudy("why", seeds=(-1,)), "seeds[0] is -1; it must be a whole number, at least 0"),
        (SplitStudy("why", seeds=(True,)), "seeds[0] is True; it must be a whole number"),
        (SplitStudy("why", seeds=(2, 2)), "seeds are (2, 2); give 1 or more, each once"),
        (SplitStudy("why", seeds=3), "was a comma forgotten"),
    ):
        assert said in "\n".join(wrong.mistakes())
    assert STUDY.mistakes() == []
