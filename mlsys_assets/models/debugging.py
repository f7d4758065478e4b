"""Debugging a candidate: that it can learn, learns from labels alone, and does so the same way each time.

Cheap questions to ask before a candidate's quality is (Karpathy 2019; Huyen 2022, ch. 6): can it learn a few rows by
heart, does it know nothing when labels say nothing, does its seed decide all that chance decides.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np

from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.features.quality.sample import evenly
from mlsys_assets.measures.metrics import LogLoss, value
from mlsys_assets.models.candidate import Candidate, FitError, Fitted
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.shuffled_labels import SHUFFLED, shuffled_labels_teach_nothing
from mlsys_assets.types import Finding, Scalar, Severity

OVERFITS, SAME_SEED, SEEDS = "overfits_one_batch", "same_seed_same_model", "seeds_matter"
CHECKS: Final[Mapping[str, tuple[str, bool]]] = {
    OVERFITS: ("Freed of what holds it back, a candidate learns 64 rows by heart.", False),
    SHUFFLED: ("A candidate that was fitted on shuffled labels does not know the true ones.", False),
    SAME_SEED: ("Two fits with one seed on the same rows give the same bytes.", False),
    SEEDS: ("Two seeds give two models, where a candidate says that it draws at random.", False),
}
"""What each check looks for, and whether it blocks: none does, a candidate that fails is left out and others go on."""

BATCH: Final = 64
"""Rows to be learned by heart."""
BY_HEART: Final = 0.01
"""A log loss below this: the right class with a probability of 0.99, on the mean."""
ROWS: Final = 2_000
"""Of training and of validation, evenly spaced, for the checks that ask how it learns and not how well."""
ADVICE: Final = "look whether the preprocessing drops what tells rows apart, or labels come in another order than rows"
RANK: Final = 1e-6
"""Of the largest, what a row must add of its own to be independent of the others."""


@runtime_checkable
class Memorizes(Protocol):
    """A candidate that can be freed of all that keeps it from learning a few rows by heart."""

    def unbounded(self) -> Candidate | None:
        """Return the same without regularization, least rows and shares, and with rounds enough; None if unknown."""
        ...


@runtime_checkable
class Brief(Protocol):
    """A candidate of which there is a cheaper one that learns in the same way."""

    def brief(self) -> Candidate:
        """Return the same with a few rounds."""
        ...


@runtime_checkable
class Randomized(Protocol):
    """A candidate that says whether its seed decides anything."""

    @property
    def randomized(self) -> bool:
        """Whether two seeds give two models."""
        ...


def freed(candidate: Candidate) -> Candidate | None:
    """Return a candidate without what keeps it from learning a few rows by heart; None if it does not say."""
    return candidate.unbounded() if isinstance(candidate, Memorizes) else None


def brief_of(candidate: Candidate) -> Candidate:
    """Return a cheaper candidate that learns in the same way; the candidate itself if it does not say."""
    return candidate.brief() if isinstance(candidate, Brief) else candidate


def debugged(candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int) -> list[Finding]:
    """Return what each of ``CHECKS`` finds, in their order, on a few rows of the views."""
    require_train(train, what="debugging")
    require_validation(validation, what="debugging")
    few, held = evenly(train, most=ROWS), evenly(validation, most=ROWS)
    short = brief_of(candidate)
    return [
        overfits_one_batch(candidate, train, seed=seed, threads=threads),
        shuffled_labels_teach_nothing(short, few, held, seed=seed, threads=threads),
        *seeds_decide(short, few, held, seed=seed, threads=threads),
    ]


def refusal(found: Sequence[Finding]) -> str:
    """Return why a candidate is not to be trusted, for its record as one that failed; "" if it is."""
    return "; ".join(f"{f.name}: {f.summary}" for f in found if not f.passed and f.severity is Severity.ERROR)


def together(found: Mapping[str, Sequence[Finding]]) -> list[Finding]:
    """Return one finding for each of ``CHECKS`` out of those of several candidates, by the candidates' names."""
    joined = []
    for check in CHECKS:
        mine = {name: f for name, findings in found.items() for f in findings if f.name == check}
        failed = {name: f for name, f in mine.items() if not f.passed}
        summary = "; ".join(f"{name}: {f.summary}" for name, f in (failed or mine).items())
        evidence = {f"{name} {key}": number for name, f in mine.items() for key, number in f.evidence.items()}
        worst = any(f.severity is Severity.ERROR for f in (failed or mine).values())
        severity = Severity.ERROR if worst else Severity.WARN
        joined.append(Finding(check, not failed, summary or "there is no candidate", severity, evidence))
    return joined


def overfits_one_batch(candidate: Candidate, train: Train, *, seed: int, threads: int) -> Finding:
    """Find a candidate that cannot learn 64 rows by heart: what tells them apart does not reach what is fitted.

    A linear model holds only as many rows, whatever their labels are, as its outputs are independent (Cover 1965);
    where that is fewer, it is asked for those. Rows with equal features are asked for once.
    """
    free = freed(candidate)
    if free is None:
        return _not_asked(OVERFITS, f"{candidate.name} does not say what it is without bounds", Severity.WARN)
    batch = _batch(train)
    if set(batch.label.tolist()) != {0.0, 1.0} or np.isin(train.label, (0.0, 1.0), invert=True).any():
        return _not_asked(OVERFITS, f"{len(train)} rows that are not of the classes 0 and 1 both", Severity.WARN)
    try:
        fitted, loss = _by_heart(free, batch, seed=seed, threads=threads)
        held = _independent(fitted, batch) if loss >= BY_HEART else batch
        if len(held) < len(batch) and set(held.label.tolist()) == {0.0, 1.0}:
            _, loss = _by_heart(free, held, seed=seed, threads=threads)
    except ValueError as error:  # a fit that is refused, and scores that are no probabilities
        return Finding(OVERFITS, passed=False, summary=f"{len(batch)} rows: {error}", severity=Severity.WARN)
    learned = loss < BY_HEART
    told = f"log loss {loss:.4f} on the {len(held)} rows it was fitted on, below {BY_HEART} is asked for"
    advice = (
        ""
        if learned
        else "; look whether the preprocessing drops what tells rows apart, or labels come in another order"
    )
    evidence: dict[str, Scalar] = {"log_loss": loss, "rows": len(held), "allowed": BY_HEART}
    return Finding(OVERFITS, learned, told + advice, Severity.WARN, evidence)


def seeds_decide(
    candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int
) -> list[Finding]:
    """Find a candidate whose fits differ under one seed, and one that says it draws at random and ignores its seed.

    Models are compared by their bytes under one seed, and by their scores under two: a file may name its seed.
    """
    try:
        one, again, other = (candidate.fit(train, validation, seed=s, threads=threads) for s in (seed, seed, seed + 1))
    except FitError as error:
        return [_not_asked(SAME_SEED, str(error), Severity.ERROR), _not_asked(SEEDS, str(error), Severity.WARN)]
    scores = [fitted.predict(validation.features, threads=threads) for fitted in (one, again, other)]
    files = [fitted.predictor.contents() for fitted in (one, again)]
    unlike = sorted(n for n in {*files[0], *files[1]} if files[0].get(n) != files[1].get(n))
    unlike += ["its recipe"] if dict(one.recipe) != dict(again.recipe) else []
    by_chance, by_seed = (float(np.abs(scores[0] - s).max(initial=0.0)) for s in scores[1:])
    same = (
        f"two fits with seed {seed} differ in {', '.join(unlike)}, their scores by up to {by_chance:.3g}; draw from "
        "np.random.default_rng(seed) alone, and neither from a global generator nor by the order of a set"
        if unlike
        else f"two fits with seed {seed} gave the same bytes"
    )
    return [
        Finding(SAME_SEED, not unlike, same, Severity.ERROR, {"largest difference": by_chance}),
        _seeds_matter(candidate, by_seed, seeds=(seed, seed + 1)),
    ]


def _seeds_matter(candidate: Candidate, by_seed: float, *, seeds: tuple[int, int]) -> Finding:
    says = candidate.randomized if isinstance(candidate, Randomized) else None
    ignored = by_seed == 0.0 and says is True
    if ignored:
        told = f"the seeds {seeds} gave equal scores, though it says that it draws at random; hand the seed on"
    elif by_seed == 0.0:
        told = f"the seeds {seeds} gave equal scores: nothing is drawn"
    else:
        told = f"the seeds {seeds} gave scores that differ by up to {by_seed:.3g}"
    return Finding(SEEDS, not ignored, told, Severity.WARN, {"largest difference": by_seed})


def _by_heart(candidate: Candidate, batch: Train, *, seed: int, threads: int) -> tuple[Fitted, float]:
    """Return the candidate fitted on a batch, and its log loss on the same rows."""
    same = Validation(batch.ids, batch.at, batch.features, batch.label, batch.window)
    fitted = candidate.fit(batch, same, seed=seed, threads=threads)
    return fitted, value(LogLoss(), batch.label, fitted.predict(batch.features, threads=threads))


def _batch(train: Train) -> Train:
    """Return up to 32 rows of each class, evenly spaced, none with the features of another."""
    halves = [np.flatnonzero(train.label == of) for of in (0.0, 1.0)]
    picked = [own[np.unique(np.linspace(0, len(own) - 1, BATCH // 2).astype(np.intp))] for own in halves if len(own)]
    batch = train.take(np.sort(np.concatenate([np.empty(0, dtype=np.intp), *picked])))
    return batch.take(np.sort(np.unique(batch.fingerprints, return_index=True)[1]))


def _independent(fitted: Fitted, batch: Train) -> Train:
    """Return the rows that a linear model can hold whatever their labels are; of other models, all."""
    if not isinstance(fitted.predictor, LinearPredictor):
        return batch
    from scipy.linalg import qr

    matrix = fitted.predictor.preprocessing.transform(batch.features).astype(np.float64)
    triangle, order = qr(np.column_stack([np.ones(len(batch)), matrix]).T, mode="r", pivoting=True)
    own = np.abs(np.diag(triangle))
    return batch.take(np.sort(order[: int((own > RANK * own.max(initial=0.0)).sum())]))


def _not_asked(check: str, why: str, severity: Severity) -> Finding:
    return Finding(check, passed=True, summary=f"not asked: {why}", severity=severity)
