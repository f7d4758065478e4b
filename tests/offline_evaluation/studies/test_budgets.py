"""Twenty trials are not compared with five, unless somebody says why; baselines are exempt."""

import pytest

from mlsys_assets.offline_evaluation.studies.budgets import Budget, BudgetLedger, Unequal, comparable

TREES = Budget("trees", 20, 300.0, 200_000, 87)
LINEAR = Budget("linear", 20, 40.0, 200_000, 87)
ZERO = Budget("zero_rule", 1, 0.01, 200_000, 0, baseline=True)


def few(candidate: str = "linear", **given) -> Budget:
    return Budget(
        **({"candidate": candidate, "trials": 20, "cpu_seconds": 40.0, "rows": 200_000, "features": 87} | given)
    )


def test_the_same_is_comparable_whatever_the_seconds_and_the_baselines() -> None:
    found = comparable([TREES, LINEAR, ZERO])
    assert found.passed
    assert found.evidence["trees cpu_seconds"] == 300.0
    assert comparable([]).passed


@pytest.mark.parametrize(("what", "value"), [("trials", 5), ("rows", 20_000), ("features", 12)])
def test_unlike_budgets_are_refused_in_words_unless_declared(what: str, value: int) -> None:
    other = few(**{what: value})
    found = comparable([TREES, other])
    assert not found.passed
    assert f"{what}: trees {getattr(TREES, what):,}, linear {value:,}" in found.summary
    assert "Unequal(candidate, what, reason)" in found.summary
    declared = comparable([TREES, other], declared=[Unequal("linear", what, "it has nothing else to tune")])
    assert declared.passed
    assert "it has nothing else to tune" in declared.summary
    for useless in (Unequal("linear", what, " "), Unequal("linear", "seeds", "x"), Unequal("nobody", what, "x")):
        assert not comparable([TREES, other], declared=[useless]).passed


def test_a_declared_one_does_not_excuse_another() -> None:
    third = few("other", trials=7)
    found = comparable([TREES, few(trials=5), third], declared=[Unequal("linear", "trials", "slow")])
    assert not found.passed
    assert "trees 20, other 7" in found.summary


def test_a_ledger_adds_up_and_forgets_nothing() -> None:
    ledger = BudgetLedger()
    for budget in (few(trials=3), ZERO, few(trials=2, rows=300_000, cpu_seconds=1.5)):
        ledger = ledger.spend(budget)
    assert ledger.budgets == (few(trials=5, rows=300_000, cpu_seconds=41.5), ZERO)
    assert "| linear | 5 | 41.5 | 300,000 | 87 |" in ledger.table()
    assert "| zero_rule (baseline) |" in ledger.table()
    for wrong, said in ((few(trials=0), "trials is 0"), (few(cpu_seconds=float("nan")), "cpu_seconds is nan"),
                        (few(rows=-1), "rows is -1"), (few(features=1.5), "features is 1.5")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            ledger.spend(wrong)
