"""A gate that asks nothing, or what could never be answered, is told when it is declared."""

from datetime import timedelta

import pytest

from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import Accuracy, Ece, LogLoss, PrAuc
from mlsys_assets.offline_evaluation.champion_gate import NonInferiority, Superiority
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.offline_evaluation.slicing.slices import Slice

MEASURED = (LogLoss(), PrAuc())


def test_mistakes_are_told() -> None:
    wrong = Gates(without_recent="guess", champion=NonInferiority(recent=-1.0, static=float("nan")))
    assert len(list(wrong.mistakes(metrics=MEASURED, slices=(), static=True))) == 3


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        (Gates(beats_baselines=()), "any model would pass"),
        (Gates(beats_baselines=(Accuracy(),)), "accuracy"),
        (Gates(beats_baselines=(LogLoss(), LogLoss())), "2 gates' beats_baselines metrics are named 'log_loss'"),
        (Gates(beats_baselines=(Ece(),)), "ece cannot be what decides"),
        (Gates(champion=NonInferiority(Accuracy())), "accuracy"),
        (Gates(champion=Superiority("log_loss")), "champion.metric is 'log_loss'"),  # type: ignore[arg-type]
        (Gates(champion=Superiority(gain=-0.1)), "champion.gain is -0.1"),
        (Gates(champion=Superiority(static=-0.1)), "champion.static is -0.1"),
        (Gates(champion="better"), "champion is 'better'"),  # type: ignore[arg-type]
        (Gates(choice="best"), "choice is 'best'"),  # type: ignore[arg-type]
        (Gates(support=Support(block=timedelta(0))), "support.block"),
        (Gates(support=Support(block=timedelta(milliseconds=1))), "share longer than that"),
        (Gates(most_ece=0.05), "most_ece asks for 'ece'"),
        (Gates(slice_margin=0.1), "the system has none"),
        (Gates(without_recent="static"), "no static_test"),
        (Gates(behavior="shout"), "behavior is 'shout'"),
        (Gates(support=Support(least_of_each_class=0)), "least_of_each_class is 0"),
        (Gates(support=Support(least_blocks=1)), "least_blocks is 1"),
        (Gates(champion=NonInferiority(static=float("inf"))), "champion.static is inf"),
    ],
)
def test_a_gate_that_would_ask_nothing_is_a_mistake(gates: Gates, words: str) -> None:
    (mistake,) = gates.mistakes(metrics=MEASURED, slices=(), static=False)
    assert words in mistake


def test_what_is_asked_must_be_measured() -> None:
    gates = Gates(most_ece=0.05, slice_margin=0.1, champion=NonInferiority(PrAuc()), without_recent="static")
    assert list(gates.mistakes(metrics=(PrAuc(), Ece()), slices=(Slice("origin"),), static=True)) == []


def test_superiority_cannot_be_shown_by_the_static_test() -> None:
    gates = Gates(champion=Superiority(), without_recent="static")
    (mistake,) = gates.mistakes(metrics=MEASURED, slices=(), static=True)
    assert "which only recent rows can show" in mistake
