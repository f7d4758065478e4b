from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.tuning.trial import Progress, Trial, best_of, counted

TRIALS = [
    Trial(0, {"x": 1}, "complete", 0.5, 2.0),
    Trial(1, {"x": 2}, "pruned", None, 1.0, (0.1, 0.1)),
    Trial(2, {"x": 3}, "complete", 0.4, 2.0),
    Trial(3, {"x": 4}, "complete", 0.4, 2.0),
    Trial(4, {"x": 5}, "failed", None, 0.1, (), "it did not converge"),
]


def test_the_best_is_complete_and_of_equal_ones_the_first():
    assert best_of(TRIALS, LogLoss()) is TRIALS[2]
    assert best_of(reversed(TRIALS), LogLoss()) is TRIALS[2]
    assert best_of(TRIALS, RocAuc()) is TRIALS[0]
    assert best_of([TRIALS[1], TRIALS[4]], LogLoss()) is None


def test_how_trials_ended_is_told():
    assert counted(TRIALS) == "5 trials: 3 complete, 1 pruned, 1 failed"
    assert counted([]) == "0 trials: none"
    assert [t.pruned_at for t in TRIALS] == [None, 2, None, None, None]


def test_the_time_it_took_is_no_part_of_what_was_found():
    assert Trial(0, {"x": 1}, "complete", 0.5, 9.0).found == TRIALS[0].found
    assert Trial(0, {"x": 1}, "complete", 0.6, 2.0).found != TRIALS[0].found


def test_progress_is_a_line():
    assert Progress("lgb", TRIALS[3], TRIALS[2], 20, 1234.4).line == (
        "lgb: trial 4 of 20: 0.4000, best 0.4000 in trial 3, 1,234 s left"
    )
    assert Progress("lgb", TRIALS[1], None, 20, 3, resumed=True).line == (
        "lgb: trial 2 of 20: pruned, best none so far, 3 s left, taken up again"
    )
