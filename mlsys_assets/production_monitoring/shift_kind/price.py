"""What labels that follow otherwise from the features cost, by those that are known."""

from dataclasses import replace
from typing import Final

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, spread
from mlsys_assets.measures.metrics import Floats, Weights
from mlsys_assets.production_monitoring.concept.streams import excess_losses
from mlsys_assets.production_monitoring.diagnosis import Price
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

REALISED: Final = "realised"


def realised_price(window: ScoredRows, calibrated: Floats, *, costs: CostMatrix | None = None, seed: int = 0) -> Price:
    """Return what the known labels of a window cost more than the reference's calibration foretells of its rows.

    Rows that are harder than before are no part of it; where labels became easier to foretell, it is below 0.

    Parameters
    ----------
    window
        Rows; those without a label tell nothing, and are counted as requests.
    calibrated
        (n,) probabilities of its rows as they hold in the reference.
    costs
        What requests cost; None if that is not declared.
    seed
        Of the bootstrap by day.
    """
    known = window.known
    label, score, held = window.label[known], window.score[known], calibrated[known]
    if not len(label):
        untold = Estimate.untold(label, 0)
        return Price(untold, untold if costs else None, len(window), REALISED)
    weights = bootstrap(day_blocks(window.at[known]), seed=seed)
    loss = _mean(excess_losses(label, score, held)[0], label, score, weights)
    money = None
    if costs is not None:
        paid, if_late, if_not = (costs.per_row(y, score) for y in (label, label * 0 + 1, label * 0))
        money = _mean(paid - held * if_late - (1 - held) * if_not, label, score, weights)
    return Price(loss, money, len(window), REALISED)


def _mean(values: Floats, label: Floats, score: Floats, weights: Weights) -> Estimate:
    """Return the mean of (n,) values with its interval by day."""
    blocks = weights.counts.shape[1]
    like = replace(Estimate.untold(label, blocks), sufficient=Support().suffices(label, score, blocks))
    return spread(float(values.mean()), weights.means(values), like=like)
