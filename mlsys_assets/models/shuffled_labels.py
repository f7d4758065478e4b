"""Shuffled labels teach nothing: a candidate that knows the true ones all the same has them from somewhere else."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.intervals import LEAST_OF_EACH_CLASS
from mlsys_assets.measures.metrics import Floats, RocAuc, value
from mlsys_assets.models.candidate import Candidate, FitError
from mlsys_assets.types import Finding, Scalar

SHUFFLED: Final = "shuffled_labels_teach_nothing"
PAIRS: Final = 7
"""So many pairs of fits must all know more than chance. Of candidates that know nothing, one pair is above 1/2 with a
chance of a half at most, so that seven are with 1 in 128: less than one false alarm in a hundred."""
SIGMAS: Final = 2.576
"""Standard errors that the AUC of one pair may lie above 1/2: a chance of 1 in 200 were its rows all it varies by."""
CHOSEN_SIGMAS: Final = 5.0
"""Standard errors on the rows it is chosen on: of thousands of settings the best reaches less by chance."""


@dataclass(frozen=True)
class Pair:
    """What two fits know, of shuffled labels and of the same labels turned round.

    Parameters
    ----------
    shuffled, turned
        The AUC of each on the true labels of validation rows.
    handed
        The AUC of the first on the shuffled labels of the validation rows, which it was handed.
    """

    shuffled: float
    turned: float
    handed: float

    @property
    def known(self) -> float:
        """The mean AUC on the true labels.

        The AUC of one fit lies far from 1/2 by chance: whatever direction noise gives it goes with the truth or
        against it. Labels turned round give the opposite direction, and the mean is 1/2 but for what is known.
        """
        return (self.shuffled + self.turned) / 2


def shuffled_labels_teach_nothing(
    candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int
) -> Finding:
    """Find a candidate that knows labels which it was not taught.

    Labels are shuffled over all rows: within a day, days would still tell how many are positive. It is fitted on
    them and on the same turned round, and asked for the true labels of validation rows. It fails if it ranks them
    better than chance time and again, with other shuffles and seeds, as with a model kept from an earlier fit; or if
    it knows the shuffled labels of the validation rows it was handed to choose on, as when it was fitted on them.

    A baseline is not asked: rules that people wrote know without being taught.
    """
    if candidate.baseline:
        return Finding(
            SHUFFLED, passed=True, summary="not asked: it is a baseline, which may know without being taught"
        )
    positives, negatives = (int((validation.label == of).sum()) for of in (1.0, 0.0))
    if min(positives, negatives) < LEAST_OF_EACH_CLASS or positives + negatives < len(validation):
        told = f"{len(validation)} validation rows, of label 1 {positives} and of label 0 {negatives}"
        return Finding(SHUFFLED, passed=True, summary=f"insufficient data: {told}")
    error = chance_error(positives, negatives)
    allowed, handed = 0.5 + SIGMAS * error, 0.5 + CHOSEN_SIGMAS * error
    found: list[Pair] = []
    try:
        for pair in _pairs(candidate, train, validation, seed=seed, threads=threads):
            found.append(pair)
            if pair.known <= allowed:
                break
    except FitError as refused:
        return Finding(SHUFFLED, passed=True, summary=f"shuffled labels are refused: {refused}")
    last, known = found[-1], min(pair.known for pair in found)
    evidence: dict[str, Scalar] = {
        "auc": last.shuffled, "auc turned": last.turned, "mean": last.known, "allowed": allowed,
        "auc of labels handed": last.handed, "allowed of these": handed, "pairs": len(found),
    }  # fmt: skip
    if last.handed > handed:
        told = (
            f"AUC {last.handed:.3f} on the validation labels it was handed, which were shuffled, at most {handed:.3f} "
            "is allowed: it was fitted on them; choose on validation, and fit on train alone"
        )
    elif known > allowed:
        told = (
            f"AUC {known:.3f} or more on true labels in each of {len(found)} pairs of fits on shuffled ones, at most "
            f"{allowed:.3f} is allowed: look for a model kept from an earlier fit, or a file it reads; if it is a rule "
            "that is not learned, declare it a baseline"
        )
    else:
        told = f"AUC {last.known:.3f} on true labels after fits on shuffled ones, at most {allowed:.3f} is allowed"
        return Finding(SHUFFLED, passed=True, summary=told, evidence=evidence)
    return Finding(SHUFFLED, passed=False, summary=told, evidence=evidence)


def chance_error(positives: int, negatives: int) -> float:
    """Return the standard error of the AUC of scores that know nothing (Mann & Whitney 1947).

    >>> round(chance_error(100, 400), 4)
    0.0323
    """
    return float(np.sqrt((positives + negatives + 1) / (12 * positives * negatives)))


def _pairs(candidate: Candidate, train: Train, validation: Validation, *, seed: int, threads: int) -> Iterator[Pair]:
    """Yield pairs of fits, each with another shuffle and another seed."""
    auc = RocAuc()
    for attempt in range(PAIRS):
        rng = np.random.default_rng([seed, attempt])
        labels, handed = rng.permutation(train.label), rng.permutation(validation.label)
        scores: list[Floats] = []
        for own, chosen in ((labels, handed), (1 - labels, 1 - handed)):
            fitted = candidate.fit(
                replace(train, label=own), replace(validation, label=chosen), seed=seed + attempt, threads=threads
            )
            scores.append(score := fitted.predict(validation.features, threads=threads))
            if bad := int((~np.isfinite(score)).sum()):
                raise FitError(f"{candidate.name} gave {bad} of {len(score)} rows a score that is not finite")
        yield Pair(
            shuffled=value(auc, validation.label, scores[0]),
            turned=value(auc, validation.label, scores[1]),
            handed=value(auc, handed, scores[0]),
        )
