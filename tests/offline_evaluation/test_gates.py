"""A gate passes what was shown, names what was not, and refuses evidence about something else."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.measures.intervals import Estimate, Support
from mlsys_assets.measures.metrics import Accuracy, Ece, LogLoss, PrAuc
from mlsys_assets.offline_evaluation.comparison import Scored, compare
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.offline_evaluation.gates import RECENT, STATIC, Case, Gates, Verdict, WrongEvidence, decide
from mlsys_assets.offline_evaluation.slices import Slice
from mlsys_assets.types import utc

MEASURED = (LogLoss(), PrAuc())
HASHES = {RECENT: "recent-rows", STATIC: "static-rows"}


def scored(split: str, *, days: int = 30, skill: float = 1.0, seed: int = 0) -> Scored:
    rng = np.random.default_rng(seed)
    n = days * 200
    at = np.datetime64("2013-06-01", "us") + (np.arange(n) // 200).astype("timedelta64[D]")
    signal = rng.normal(size=n)
    truth = 1 / (1 + np.exp(1.2 - signal))
    label = (rng.uniform(size=n) < truth).astype(float)
    known = 1 / (1 + np.exp(1.2 - skill * signal))
    prior = np.full(n, label.mean())
    return Scored(
        split,
        HASHES[split],
        at,
        label,
        {"model": known, "prior": prior, "champion": truth},
        {"model": "m", "prior": "p", "champion": "c"},
    )


def case(*, skill: float = 1.0, champion: bool = False, recent_days: int = 30) -> Case:
    tests = {RECENT: scored(RECENT, skill=skill, days=recent_days), STATIC: scored(STATIC, skill=skill, seed=1)}
    metrics = [LogLoss(), PrAuc()]
    against = [compare(t, ("model", "champion"), metrics) for t in tests.values()] if champion else []
    return Case("model", [], [compare(t, ("model", "prior"), metrics) for t in tests.values()], against)


def ask(gates: Gates, found: Case):
    return decide(gates, found, model_hash="m", data_hashes=HASHES)


def test_a_first_champion_beats_the_baselines() -> None:
    verdict = ask(Gates(), case())
    assert verdict.verdict is Verdict.PASS
    assert "no champion yet" in verdict.reason


def test_noise_does_not_pass_and_the_reason_names_metric_and_test() -> None:
    verdict = ask(Gates(), case(skill=0.0))
    assert verdict.verdict is Verdict.FAIL
    assert "pr_auc does not beat prior on recent_test" in verdict.reason
    assert "static_test" in verdict.reason


def test_a_worse_model_does_not_replace_a_champion() -> None:
    verdict = ask(Gates(), case(skill=0.5, champion=True))
    assert verdict.verdict is Verdict.FAIL
    assert "may be worse than the champion's on recent_test" in verdict.reason


def test_an_equal_model_may() -> None:
    assert ask(Gates(), case(champion=True)).passed


@pytest.mark.parametrize(("rule", "expected"), [("hold", Verdict.INSUFFICIENT_DATA), ("static", Verdict.PASS)])
def test_too_little_against_the_champion_is_a_verdict_of_its_own(rule: str, expected: Verdict) -> None:
    found = case(champion=True)
    few = scored(RECENT).unseen_since(utc("2013-06-29"))
    thin = compare(few, ("model", "champion"), [LogLoss(), PrAuc()])
    mixed = Case("model", [], found.baselines, [thin, found.champion[1]])
    assert ask(Gates(without_recent=rule), mixed).verdict is expected


def sliced(model: str, value: float, *, rows: int = 900, **more: Estimate) -> Evaluation:
    """An evaluation on recent rows with an ECE of ``value`` and a log loss of it at EWR."""
    believed = Estimate(value, value - 0.01, value + 0.01, rows, rows // 3, 30, sufficient=rows > 100)
    parts = {"origin=EWR": {"log_loss": believed}} | {f"origin={n}": {"log_loss": e} for n, e in more.items()}
    return Evaluation(model, model[0], RECENT, HASHES[RECENT], {"ece": believed}, parts)


def test_a_model_that_is_not_calibrated_does_not_pass() -> None:
    found = replace(case(), evaluations=[sliced("model", 0.06)])
    verdict = ask(Gates(most_ece=0.05), found)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.reason == "ece on recent_test is 0.0600 [0.0500, 0.0700], at most 0.05 is allowed"
    assert ask(Gates(most_ece=0.06), found).passed
    assert ask(Gates(), found).passed


def test_a_model_that_is_worse_in_one_slice_does_not_replace_a_champion() -> None:
    found = replace(case(champion=True), evaluations=[sliced("model", 0.5), sliced("champion", 0.4)])
    verdict = ask(Gates(slice_margin=0.09), found)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.reason == "log_loss for origin=EWR is worse than the champion's by 0.1000, allowed is 0.09"
    assert ask(Gates(slice_margin=0.11), found).passed
    assert ask(Gates(), found).passed


def test_a_slice_that_cannot_tell_or_that_the_champion_lacks_decides_nothing() -> None:
    thin = [sliced("model", 0.9, rows=50), sliced("champion", 0.4)]
    new = [sliced("model", 0.4, LGA=Estimate(2.0, 1.9, 2.1, 900, 300, 30)), sliced("champion", 0.4)]
    for evaluations in (thin, new):
        assert ask(Gates(slice_margin=0.01), replace(case(champion=True), evaluations=evaluations)).passed


def test_too_little_to_beat_a_baseline_is_a_verdict_of_its_own() -> None:
    few = compare(scored(RECENT, days=3), ("model", "prior"), [LogLoss(), PrAuc()])
    verdict = ask(Gates(), Case("model", [], [few]))
    assert verdict.verdict is Verdict.INSUFFICIENT_DATA
    assert "recent_test" in verdict.reason


def test_evidence_about_another_model_or_other_rows_is_refused() -> None:
    with pytest.raises(WrongEvidence, match="asked about model x"):
        decide(Gates(), case(), model_hash="x", data_hashes=HASHES)
    with pytest.raises(WrongEvidence, match="recent_test rows y"):
        decide(Gates(), case(), model_hash="m", data_hashes=HASHES | {RECENT: "y"})


def test_mistakes_are_told() -> None:
    wrong = Gates(without_recent="guess", recent_margin=-1.0, static_margin=float("nan"))
    assert len(list(wrong.mistakes(metrics=MEASURED, slices=(), static=True))) == 3


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        (Gates(beats_baselines=()), "any model would pass"),
        (Gates(beats_baselines=(Accuracy(),)), "accuracy"),
        (Gates(beats_baselines=(LogLoss(), LogLoss())), "2 gates' beats_baselines metrics are named 'log_loss'"),
        (Gates(champion_metric=Accuracy()), "accuracy"),
        (Gates(champion_metric="log_loss"), "champion_metric is 'log_loss'"),  # type: ignore[arg-type]
        (Gates(most_ece=0.05), "most_ece asks for 'ece'"),
        (Gates(slice_margin=0.1), "the system has none"),
        (Gates(without_recent="static"), "no static_test"),
        (Gates(support=Support(least_of_each_class=0)), "least_of_each_class is 0"),
        (Gates(support=Support(least_blocks=1)), "least_blocks is 1"),
        (Gates(static_margin=float("inf")), "static_margin is inf"),
    ],
)
def test_a_gate_that_would_ask_nothing_is_a_mistake(gates: Gates, words: str) -> None:
    (mistake,) = gates.mistakes(metrics=MEASURED, slices=(), static=False)
    assert words in mistake


def test_what_is_asked_must_be_measured() -> None:
    gates = Gates(most_ece=0.05, slice_margin=0.1, champion_metric=PrAuc(), without_recent="static")
    measured = (PrAuc(), Ece())
    assert list(gates.mistakes(metrics=measured, slices=(Slice("origin"),), static=True)) == []
    (mistake,) = gates.mistakes(metrics=(Ece(), PrAuc()), slices=(Slice("origin"),), static=True)
    assert "slices are measured by the first of the metrics, 'ece'" in mistake


def test_the_evidence_holds_every_number() -> None:
    verdict = ask(Gates(), case())
    assert verdict.evidence["recent_test log_loss minus prior high"] < 0
    assert verdict.evidence["model"] == "m"
