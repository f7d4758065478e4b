"""Budgets: what each candidate was given, so that nobody compares the winner of twenty trials with one of five."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.types import Finding, Scalar

COMPARABLE = "budgets_are_comparable"
GIVEN = ("trials", "rows", "features")
"""What two candidates must have been given alike. CPU seconds are told, not held against each other: a simple model
is not to be made slower."""


@dataclass(frozen=True)
class Budget:
    """What one candidate was given.

    Parameters
    ----------
    candidate
        Its name.
    trials
        Settings that were tried before this one was chosen, itself among them.
    cpu_seconds
        Seconds of a processor that all its fits took.
    rows, features
        Training rows, and feature columns it was offered.
    baseline
        Baselines are exempt: nobody tunes them, and they must be beaten as they are.
    """

    candidate: str
    trials: int
    cpu_seconds: float
    rows: int
    features: int
    baseline: bool = False

    def mistakes(self) -> list[str]:
        """Return what cannot be a budget."""
        what = f"budget of {self.candidate!r}"
        found = not_one("budget: candidate", self.candidate, str)
        found += out_of_range(f"{what}: trials", self.trials, whole=True, least=1)
        found += out_of_range(f"{what}: cpu_seconds", self.cpu_seconds, least=0)
        for name in ("rows", "features"):
            found += out_of_range(f"{what}: {name}", getattr(self, name), whole=True, least=0)
        return found


@dataclass(frozen=True)
class Unequal:
    """A declared difference of budgets: which candidate, in what, and why the comparison is fair nevertheless.

    Parameters
    ----------
    candidate
        Its name.
    what
        ``trials``, ``rows`` or ``features``.
    reason
        Why it holds nevertheless; stands in the finding.
    """

    candidate: str
    what: str
    reason: str


@dataclass(frozen=True)
class BudgetLedger:
    """What was spent, by candidate, in the order it was first recorded; nothing is ever taken off."""

    budgets: tuple[Budget, ...] = ()

    def spend(self, budget: Budget) -> "BudgetLedger":
        """Return the ledger with a further budget: trials and seconds of one candidate add up.

        Rows and features are the most it was given at once. Raises ValueError for what cannot be a budget.
        """
        if wrong := budget.mistakes():
            raise ValueError("; ".join(wrong))
        if all(known.candidate != budget.candidate for known in self.budgets):
            return BudgetLedger((*self.budgets, budget))
        return BudgetLedger(tuple(_together(b, budget) if b.candidate == budget.candidate else b for b in self.budgets))

    def table(self) -> str:
        """Return it as a Markdown table."""
        lines = ["| candidate | trials | CPU [s] | rows | features |", "|---|---|---|---|---|"]
        for b in self.budgets:
            name = f"{b.candidate} (baseline)" if b.baseline else b.candidate
            lines.append(f"| {name} | {b.trials} | {b.cpu_seconds:.1f} | {b.rows:,} | {b.features} |")
        return "\n".join(lines)


def comparable(budgets: Sequence[Budget], *, declared: Sequence[Unequal] = ()) -> Finding:
    """Find candidates that were given unlike trials, rows or features without a declared reason.

    Of the best of twenty trials one expects more than of the best of five, were they all the same
    (Dodge et al. 2019). A declared difference whose reason is blank does not count.
    """
    held = [b for b in budgets if not b.baseline]
    reasons = {(one.candidate, one.what): one.reason.strip() for one in declared}
    unlike, excused = [], []
    for what in GIVEN:
        told = [b for b in held if not reasons.get((b.candidate, what))]
        if len({getattr(b, what) for b in told}) > 1:
            unlike.append(f"{what}: " + ", ".join(f"{b.candidate} {getattr(b, what):,}" for b in told))
        excused += [
            f"{b.candidate} had {getattr(b, what):,} {what} ({reasons[b.candidate, what]})"
            for b in held
            if b not in told
        ]
    evidence: dict[str, Scalar] = {f"{b.candidate} {what}": getattr(b, what) for b in budgets for what in GIVEN}
    evidence |= {f"{b.candidate} cpu_seconds": b.cpu_seconds for b in budgets}
    if unlike:
        summary = (
            f"not comparable, {'; '.join(unlike)}: give each the same, or declare "
            "Unequal(candidate, what, reason) if the comparison is fair nevertheless"
        )
    else:
        summary = f"{len(held)} candidate(s) were given the same trials, rows and features"
    return Finding(COMPARABLE, not unlike, "; ".join([summary, *excused]), evidence=evidence)


def _together(known: Budget, more: Budget) -> Budget:
    return replace(
        known,
        trials=known.trials + more.trials,
        cpu_seconds=known.cpu_seconds + more.cpu_seconds,
        rows=max(known.rows, more.rows),
        features=max(known.features, more.features),
        baseline=known.baseline and more.baseline,
    )
