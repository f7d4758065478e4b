"""A gate passes what was shown, names what was not, and refuses evidence about something else."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.measures.intervals import Estimate, Support
from mlsys_assets.measures.metrics import LogLoss, PrAuc
from mlsys_assets.offline_evaluation.champion_gate import RECENT, STATIC, NonInferiority, Superiority
from mlsys_assets.offline_evaluation.comparison import Comparison, Scored, compare
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.offline_evaluation.verdict import Case, Verdict, WrongEvidence, decide
from mlsys_assets.types import Finding, Severity, utc

MEASURED = (LogLoss(), PrAuc())
LENIENT = NonInferiority(recent=1.0, static=1.0)
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


def calibrated(error: float) -> Evaluation:
    """An evaluation on recent rows with an ECE."""
    found = Estimate(error, error - 0.01, error + 0.01, 900, 300, 30)
    return Evaluation("model", "m", RECENT, HASHES[RECENT], {"ece": found})


def test_a_model_that_is_not_calibrated_does_not_pass() -> None:
    found = replace(case(), evaluations=[calibrated(0.06)])
    verdict = ask(Gates(most_ece=0.05), found)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.reason == "ece on recent_test is 0.0600 [0.0500, 0.0700], at most 0.05 is allowed"
    assert ask(Gates(most_ece=0.06), found).passed
    assert ask(Gates(), found).passed


def sliced(*, bad: int, size: int = 600, others: int = 20, split: str = RECENT) -> Comparison:
    """The champion's equal, but for a slice of so many rows whose labels it has the wrong way round."""
    test = scored(split)
    rng = np.random.default_rng(5)
    rows = np.zeros(len(test.label), dtype=bool)
    rows[rng.permutation(len(rows))[:size]] = True
    model = test.scores["champion"].copy()
    wrong = np.flatnonzero(rows)[:bad]
    model[wrong] = 1 - model[wrong]
    draw = rng.integers(0, others, size=len(rows))
    groups = {"place=here": rows} | {f"other={n}": draw == n for n in range(others)}
    test = replace(test, scores=dict(test.scores) | {"model": model}, groups=groups)
    return compare(test, ("model", "champion"), [LogLoss(), PrAuc()], by_slice=LogLoss(), support=Support(20))


@pytest.mark.parametrize("split", [RECENT, STATIC])
def test_a_model_that_is_worse_in_one_slice_does_not_replace_a_champion(split: str) -> None:
    found = replace(case(champion=True), champion=[sliced(bad=400, split=split)])
    verdict = ask(Gates(champion=LENIENT, slice_margin=0.02), found)
    assert verdict.verdict is Verdict.FAIL
    assert f"log_loss for place=here on {split} is worse than the champion's by 0." in verdict.reason
    assert "among 21 slices" in verdict.reason
    assert "other=" not in verdict.reason
    assert ask(Gates(champion=LENIENT), found).passed


def test_what_is_worse_by_chance_alone_does_not_hold_a_model() -> None:
    """The worst of twenty slices is worse by some margin whatever the model."""
    noisy = sliced(bad=3)
    assert max(e.value for e in noisy.slices.values()) > 0.0005
    assert ask(Gates(slice_margin=0.0), replace(case(champion=True), champion=[noisy])).passed


def test_a_slice_that_cannot_tell_decides_nothing() -> None:
    thin = sliced(bad=30, size=30)
    assert not thin.slices["place=here"].sufficient
    assert ask(Gates(champion=LENIENT, slice_margin=0.02), replace(case(champion=True), champion=[thin])).passed


def test_what_declared_tests_found_holds_a_challenger() -> None:
    for severity, expected in ((Severity.ERROR, Verdict.FAIL), (Severity.WARN, Verdict.PASS)):
        found = replace(case(), findings=[Finding("tailnum", False, "12 flips", severity)])
        verdict = ask(Gates(), found)
        assert verdict.verdict is expected
        assert verdict.evidence["tailnum"] is False
    assert "12 flips" in ask(Gates(), replace(case(), findings=[Finding("tailnum", False, "12 flips")])).reason


@pytest.mark.parametrize(
    ("skill", "gain", "expected"),
    [(1.0, 0.0, Verdict.FAIL), (1.0, 0.02, Verdict.FAIL), (0.2, 0.02, Verdict.PASS), (0.2, 0.2, Verdict.FAIL)],
)
def test_superiority_is_shown_beyond_chance_and_beyond_the_gain(skill, gain, expected) -> None:
    """The champion has a part of the model's skill, or all of it."""
    tests = {}
    for seed, split in enumerate((RECENT, STATIC)):
        own, poorer = scored(split, seed=seed), scored(split, seed=seed, skill=skill)
        tests[split] = replace(own, scores=dict(own.scores) | {"champion": poorer.scores["model"]})
    against = [compare(t, ("model", "champion"), MEASURED) for t in tests.values()]
    baselines = [compare(t, ("model", "prior"), MEASURED) for t in tests.values()]
    verdict = ask(Gates(champion=Superiority(gain=gain)), Case("model", [], baselines, against))
    assert verdict.verdict is expected
    if expected is Verdict.FAIL:
        assert f"not shown to be better than the champion's on {RECENT} by more than {gain}" in verdict.reason


def test_an_equal_model_is_no_worse_by_nothing_at_all() -> None:
    test = scored(RECENT)
    same = compare(replace(test, scores={"model": test.scores["model"]} | {"champion": test.scores["model"]}),
                   ("model", "champion"), MEASURED)  # fmt: skip
    found = replace(case(), champion=[same])
    assert ask(Gates(champion=NonInferiority(recent=0.0)), found).passed
    assert not ask(Gates(champion=Superiority(gain=0.0)), found).passed


def test_scores_of_other_rows_are_refused() -> None:
    test = scored(RECENT)
    with pytest.raises(ValueError, match="model on recent_test: 5999 scores for 6000 labels"):
        replace(test, scores={"model": test.scores["model"][1:]})
    with pytest.raises(ValueError, match="reach from"):
        replace(test, scores={"model": test.scores["model"] * 3})


def test_what_is_written_of_a_comparison_is_what_is_read() -> None:
    found = sliced(bad=400)
    again = Comparison.from_dict("champion", RECENT, json.loads(json.dumps(found.as_dict())))
    assert again.as_dict() == found.as_dict()
    assert again.slices["place=here"].value == pytest.approx(found.slices["place=here"].value, rel=1e-11)


def test_too_little_to_beat_a_baseline_is_a_verdict_of_its_own() -> None:
    few = compare(scored(RECENT, days=3), ("model", "prior"), [LogLoss(), PrAuc()])
    verdict = ask(Gates(), Case("model", [], [few]))
    assert verdict.verdict is Verdict.INSUFFICIENT_DATA
    assert "recent_test" in verdict.reason


def test_a_baseline_that_was_not_compared_was_not_beaten() -> None:
    """It could not be fitted, or nobody compared it."""
    found = replace(case(), expected=("prior", "group_rate"))
    verdict = ask(Gates(), found)
    assert verdict.verdict is Verdict.INSUFFICIENT_DATA
    assert verdict.reason == f"not compared with group_rate on {RECENT}; not compared with group_rate on {STATIC}"
    assert ask(Gates(), replace(found, expected=("prior",))).passed
    assert ask(Gates(), Case("model", [], [])).verdict is Verdict.INSUFFICIENT_DATA


def test_the_static_test_decides_alone_only_where_it_can() -> None:
    few = utc("2013-06-29")
    whole = {split: scored(split, seed=n) for n, split in enumerate((RECENT, STATIC))}
    thin = {split: one.unseen_since(few) for split, one in whole.items()}

    def of(recent: Scored, static: Scored) -> Case:
        both = (recent, static)
        return Case("model", [], [compare(t, ("model", "prior"), MEASURED) for t in both],
                    [compare(t, ("model", "champion"), MEASURED) for t in both])  # fmt: skip

    alone = Gates(without_recent="static")
    assert ask(alone, of(thin[RECENT], whole[STATIC])).passed  # baselines and champion alike
    assert ask(Gates(), of(thin[RECENT], whole[STATIC])).verdict is Verdict.INSUFFICIENT_DATA
    for recent, static in ((thin[RECENT], thin[STATIC]), (whole[RECENT], thin[STATIC])):
        assert ask(alone, of(recent, static)).verdict is Verdict.INSUFFICIENT_DATA
    nowhere = Case("model", [], [compare(thin[RECENT], ("model", "prior"), MEASURED)])
    assert ask(alone, nowhere).verdict is Verdict.INSUFFICIENT_DATA  # there is no static test that could
    poor = replace(whole[STATIC], scores=dict(whole[STATIC].scores) | {"model": 1 - whole[STATIC].scores["model"]})
    assert ask(alone, of(thin[RECENT], poor)).verdict is Verdict.FAIL


def test_each_test_has_a_margin_of_its_own() -> None:
    found = case(skill=0.6, champion=True)  # worse by a few hundredths on both
    losses = [c.differences["log_loss"] for c in found.champion]
    assert all(0.005 < e.high < 0.2 for e in losses)
    for recent, static, failed in ((0.2, 0.0, STATIC), (0.0, 0.2, RECENT)):
        verdict = ask(Gates(champion=NonInferiority(recent=recent, static=static)), found)
        assert verdict.verdict is Verdict.FAIL
        assert f"champion's on {failed}" in verdict.reason
        assert verdict.reason.count("may be worse") == 1
    assert ask(Gates(champion=NonInferiority(recent=0.2, static=0.2)), found).passed


def test_a_slice_is_worse_whichever_way_is_up() -> None:
    test = scored(RECENT)
    rows = np.arange(len(test.label)) % 4 == 0
    model = np.where(rows, 1 - test.scores["champion"], test.scores["champion"])
    test = replace(test, scores=dict(test.scores) | {"model": model}, groups={"g=0": rows, "g=1": ~rows})
    found = compare(test, ("model", "champion"), MEASURED, by_slice=PrAuc(), support=Support(20))
    gates = Gates(champion=NonInferiority(PrAuc(), recent=1.0, static=1.0), slice_margin=0.05)
    verdict = ask(gates, replace(case(champion=True), champion=[found]))
    assert verdict.verdict is Verdict.FAIL
    assert f"pr_auc for g=0 on {RECENT} is worse" in verdict.reason
    assert "g=1" not in verdict.reason


def test_a_calibration_that_cannot_be_told_is_waited_for() -> None:
    untold = replace(calibrated(0.01), whole={"ece": Estimate.untold(np.zeros(9), 2, note="ece: ValueError: odd")})
    verdict = ask(Gates(most_ece=0.05), replace(case(), evaluations=[untold]))
    assert verdict.verdict is Verdict.INSUFFICIENT_DATA
    assert "ece: ValueError: odd" in verdict.reason


def test_many_bad_slices_are_counted_in_the_reason_and_named_in_the_evidence() -> None:
    test = scored(RECENT)
    wrong = replace(test, scores=dict(test.scores) | {"model": 1 - test.scores["champion"]},
                    groups={f"g{n}": np.arange(len(test.label)) % 40 == n for n in range(40)})  # fmt: skip
    bad = compare(wrong, ("model", "champion"), MEASURED, by_slice=LogLoss(), support=Support(20))
    verdict = ask(Gates(champion=LENIENT, slice_margin=0.02), replace(case(champion=True), champion=[bad]))
    assert verdict.reason.endswith("and 35 more slices")
    assert len(verdict.reason) < 2_000
    assert sum(name.endswith("chance") for name in verdict.evidence) == 40


def test_evidence_about_another_model_or_other_rows_is_refused() -> None:
    with pytest.raises(WrongEvidence, match="asked about model x"):
        decide(Gates(), case(), model_hash="x", data_hashes=HASHES)
    with pytest.raises(WrongEvidence, match="recent_test rows y"):
        decide(Gates(), case(), model_hash="m", data_hashes=HASHES | {RECENT: "y"})


def test_a_metric_that_fails_is_told_and_passes_nothing() -> None:
    class Broken:
        name, higher_is_better = "broken", True

        def draws(self, label, score, weights):
            raise ZeroDivisionError("nothing there")

    failed = compare(scored(RECENT), ("model", "prior"), [Broken()])
    verdict = ask(Gates(beats_baselines=(Broken(),)), Case("model", [], [failed]))
    assert verdict.verdict is Verdict.INSUFFICIENT_DATA
    assert "broken: ZeroDivisionError: nothing there" in verdict.reason


def test_the_evidence_holds_every_number() -> None:
    verdict = ask(Gates(), case())
    assert verdict.evidence["recent_test log_loss minus prior high"] < 0
    assert verdict.evidence["model"] == "m"
