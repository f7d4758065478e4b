from dataclasses import dataclass, replace

import pytest

from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.tuning.automl import AutoML, Family
from mlsys_assets.models.tuning.leaderboard import Leaderboard, Standing
from mlsys_assets.models.tuning.pruners import MedianPruner
from mlsys_assets.models.tuning.samplers import RandomSearch, Tpe
from mlsys_assets.models.tuning.search import SearchContext
from mlsys_assets.models.tuning.space import Choice, Integers, Reals
from mlsys_assets.models.tuning.tuned import Searching, Tuned

TREES = Family(LightGBM(rounds=10), {"leaves": Integers(2, 31), "learning_rate": Reals(0.01, 0.5, log=True)})
LINES = Family(LogisticRegression(), {"c": Reals(1e-4, 10, log=True)})
RATES = Family(GroupRate(by=("carrier", "sched_hour")), {"strength": Reals(0.1, 1_000, log=True)})
AUTOML = AutoML((TREES, LINES, RATES), trials=4, sampler=Tpe(2))


@dataclass(frozen=True)
class Fails(LogisticRegression):
    """A family that no rows suit."""

    name: str = "fails"

    def fit(self, *rows, **how):
        raise FitError("no rows suit it")


def compete(automl, train, validation, *, seed=1, **context):
    return automl.compete(train, validation, seed=seed, threads=1, context=SearchContext(**context))


def test_the_winner_is_the_best_of_its_families_tuned_by_themselves(train, validation):
    fitted, board = compete(AUTOML, train, validation)
    alone = {
        f.candidate.name: Tuned(f.candidate, f.space, trials=4, sampler=Tpe(2)).search(
            train, validation, seed=1, threads=1, context=SearchContext()
        )
        for f in AUTOML.families
    }
    assert {s.family: s.best for s in board.standings} == {name: found.best.value for name, found in alone.items()}
    winner = min(alone, key=lambda name: alone[name].best.value)
    assert board.standings[0].family == fitted.recipe["winner"] == winner
    assert to_files(fitted.predictor) == to_files(alone[winner].fitted.predictor)
    assert fitted.candidate == "automl"


def test_every_family_has_the_same_trials_and_all_are_counted(train, validation):
    fitted, board = compete(AUTOML, train, validation)
    assert [s.trials for s in board.standings] == [4, 4, 4]
    assert fitted.recipe["trials"] == 12
    assert fitted.params["leaderboard"].count("(4)") == 3


def test_the_same_seed_gives_the_same_leaderboard_and_another_seed_another(train, validation):
    boards = [compete(AUTOML, train, validation, seed=s)[1] for s in (1, 1, 2)]
    assert boards[0] == boards[1] != boards[2]
    assert boards[0].line == boards[1].line


def test_a_refit_takes_the_winner_and_its_settings(train, validation):
    fitted = AUTOML.fit(train, validation, seed=1, threads=1)
    again = AUTOML.refit(train, recipe=fitted.recipe, seed=1, threads=1)
    assert to_files(again.predictor) == to_files(fitted.predictor)
    assert (again.recipe, again.candidate) == (fitted.recipe, "automl")
    with pytest.raises(ValueError, match="refitted by a recipe with a 'winner' of"):
        AUTOML.refit(train, recipe={"winner": "forest"}, seed=1, threads=1)


def test_a_family_that_cannot_be_fitted_stands_last_with_its_reason(train, validation):
    failing = Family(Fails(), {"c": Reals(0.1, 1.0)})
    fitted, board = compete(replace(AUTOML, families=(failing, RATES)), train, validation)
    assert fitted.recipe["winner"] == "group_rate"
    assert fitted.recipe["trials"] == 8
    last = board.standings[-1]
    assert (last.family, last.best, last.trials) == ("fails", None, 4)
    assert "4 times: no rows suit it" in last.note
    with pytest.raises(FitError, match="no family could be fitted: automl_fails: none of 4 trials is complete"):
        replace(AUTOML, families=(failing,)).fit(train, validation, seed=1, threads=1)


def test_a_pruner_is_for_those_that_tell_their_loss(train, validation):
    automl = replace(AUTOML, pruner=MedianPruner(1, 1), sampler=RandomSearch(), trials=6)
    assert automl.mistakes() == []
    heard = []
    compete(automl, train, validation, told=heard.append)
    assert {p.search for p in heard if p.trial.state == "pruned"} == {"automl_lightgbm"}
    assert len(heard) == 18


@pytest.mark.parametrize(
    ("automl", "said"),
    [
        (AutoML(()), "families are empty"),
        (AutoML((TREES, TREES)), "2 candidates are named 'lightgbm'"),
        (AutoML(TREES), "families is a Family; it must be a tuple of Family"),
        (AutoML((TREES, Family(3, {}))), r"families[1]: candidate is 3; it must be Candidate"),
        (AutoML((Family(LightGBM(), {}),)), "candidate 'lightgbm': space is empty"),
        (AutoML((TREES,), trials=0), "trials is 0"),
        (AutoML((TREES, LINES), sampler=Tpe), "sampler is the class Tpe"),
        (AutoML((Family(LightGBM(), {"leafs": Choice((1,))}),)), "Did you mean 'leaves'?"),
    ],
)
def test_a_mistake_is_told(automl, said):
    assert any(said in mistake for mistake in automl.mistakes())


def test_it_can_be_given_a_context():
    assert isinstance(AUTOML, Searching)
    assert AUTOML.needs == ("carrier", "sched_hour")


def test_progress_tells_whose_search_it_is_and_what_it_is_judged_by(train, validation):
    heard = []
    searched = AutoML((Family(LightGBM(rounds=2), {"leaves": Integers(2, 9)}),), trials=2, metric=RocAuc())
    searched.fit_with(train, validation, seed=1, threads=1, context=SearchContext(told=heard.append))
    assert [(p.search, p.metric) for p in heard] == [("automl_lightgbm", RocAuc())] * 2
    assert heard[1].best.value == max(p.trial.value for p in heard)


def test_a_leaderboard_is_ordered_by_its_metric_and_is_a_table():
    standings = [
        Standing("a", 0.5, 3, 1.0),
        Standing("b", None, 2, note="no"),
        Standing("c", 0.7, 3, 1.0, {"x": 0.1234}),
    ]
    assert [s.family for s in Leaderboard.of(standings, LogLoss()).standings] == ["a", "c", "b"]
    board = Leaderboard.of(standings, RocAuc())
    assert [s.family for s in board.standings] == ["c", "a", "b"]
    assert board.table().splitlines()[2:] == [
        "| c | 0.7000 | 3 | 1.0 | x 0.123 |  |", "| a | 0.5000 | 3 | 1.0 |  |  |", "| b | — | 2 | 0.0 |  | no |",
    ]  # fmt: skip
    assert board.line == "roc_auc (trials): c 0.700000 (3), a 0.500000 (3), b none (2)"
    assert board == Leaderboard.of([replace(s, seconds=99.0) for s in standings], RocAuc())
