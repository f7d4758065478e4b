"""How much of a change of log loss comes of other features, and how much of labels that follow otherwise from them."""

from dataclasses import dataclass

from mlsys_assets.measures.metrics import Floats, log_losses
from mlsys_assets.production_monitoring.concept.streams import excess_losses
from mlsys_assets.production_monitoring.shift_kind.by_day import Days, Moved
from mlsys_assets.production_monitoring.shift_kind.density_ratio import DensityRatio, trimmed
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows


@dataclass(frozen=True)
class Decomposition:
    """A change of the mean log loss of a request, window minus reference, and its two parts.

    Parameters
    ----------
    total
        The change.
    of_features
        What P(X) alone would have changed: the loss that the reference's rows have, weighted to lie as the window's.
    of_labels
        What P(Y|X) changed beyond that.
    beyond_overlap
        The share of the window's rows, by the classifier, where the reference hardly has any: of them nothing is said.
    """

    total: Moved
    of_features: Moved
    of_labels: Moved
    beyond_overlap: float


def decompose(
    reference: ScoredRows, window: ScoredRows, foretold: tuple[Floats, Floats], days: Days, *, ratio: DensityRatio
) -> Decomposition:
    """Return the parts of the change of log loss between labelled rows.

    After Cai, Namkoong & Yadlowsky (2023), with the reference's rows weighted by the density ratio; what calibrated
    scores foretell of each row's loss is counted at the window's rows themselves, and only the rest is weighted
    (doubly robust: right if either the ratio or the calibration is).

    Parameters
    ----------
    foretold
        (n,) and (m,) probabilities of both sides' rows as they hold in the reference.
    days
        Of those rows.
    ratio
        What tells how much denser the window lies.
    """
    sides = (reference, window)
    loss = [log_losses(rows.label, rows.score) for rows in sides]
    rest = [excess_losses(rows.label, rows.score, p)[0] for rows, p in zip(sides, foretold, strict=True)]
    density = ratio.at_reference(reference.features, window.features, (reference.score, window.score))
    weight, cut = trimmed(density)
    as_window = weight * rest[0]
    return Decomposition(
        total=days.mean(loss[0], loss[1]),
        of_features=days.mean(loss[0] - as_window, loss[1] - rest[1]),
        of_labels=days.mean(as_window, rest[1]),
        beyond_overlap=cut,
    )
