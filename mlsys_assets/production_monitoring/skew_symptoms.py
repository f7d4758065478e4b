"""Train-serve skew as a symptom: which feature, which conversion if it is one, and what it costs."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import is_number
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, spread
from mlsys_assets.measures.metrics import Floats, log_losses
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.prediction.skew import Difference
from mlsys_assets.production_monitoring.diagnosis import Cause, Price, Symptom
from mlsys_assets.production_monitoring.pipeline.conversions import CONVERSIONS, SIGN, Conversion
from mlsys_assets.production_monitoring.pipeline.sides import numbers

TEST: Final = "served as known"
LEAST_SHARE: Final = 0.001
"""The share of requests with another value from which on it is skew: rows that arrive late change a few."""
LEAST_PAIRS: Final = 5
"""Fewer different pairs may lie on a line by chance."""
EXPLAINED: Final = 0.95
"""The share of differing requests that a conversion must give."""
SAME: Final = 1e-4
"""The relative difference up to which it gives them: served numbers may be rounded."""
SEED: Final = 0
"""Of the days drawn for the interval."""
ESTIMATED, REALISED = "estimated", "realised"


def skew_symptoms(
    found: Sequence[Difference], served: pa.Table, known: pa.Table, *, key: str, least_share: float = LEAST_SHARE
) -> tuple[Symptom, ...]:
    """Return the features that were served otherwise than known, in the order in which they were found.

    Parameters
    ----------
    found
        What ``differences`` found between the same two tables.
    served, known
        (n, 2 + d) with ``key``, a time, and the features; the same requests in any order.
    least_share
        The share of requests below which a difference is left to the check ``served_as_known``.
    """
    aligned = _aligned(served, known, key)
    return tuple(_symptom(one, served, aligned, least_share) for one in found if one.share >= least_share)


def conversion_of(known: Floats, served: Floats) -> Conversion | None:
    """Return the conversion that gives what was served of what was known, of (n,) pairs that differ; None if none does.

    >>> conversion_of(np.array([32.0, 50, 68, 86, 104]), np.array([0.0, 10, 20, 30, 40])).name
    '°F → °C'
    """
    both = np.isfinite(known) & np.isfinite(served)
    known, served = known[both], served[both]
    if len(np.unique(known)) < LEAST_PAIRS:
        return None
    reach = SAME * np.maximum(np.abs(served), np.abs(served).mean())
    given = [float((np.abs(one(known) - served) <= reach).mean()) for one in (*CONVERSIONS, SIGN)]
    best = int(np.argmax(given))
    return (*CONVERSIONS, SIGN)[best] if given[best] >= EXPLAINED else None


def skew_price(
    predictor: Predictor,
    served: pa.Table,
    known: pa.Table,
    *,
    key: str,
    label: Floats | None = None,
    costs: CostMatrix | None = None,
) -> Price:
    """Return what it costs to score what was served, against what was known.

    Without labels it is what calibrated probabilities of the known features expect: the Kullback–Leibler divergence of
    the served ones. It is 0 or more, and right only as far as the model is.

    Parameters
    ----------
    served, known
        (n, 2 + d) with ``key``, a time, and the features; the same requests in any order.
    label
        (n,) 0 or 1 in the order of ``served``, NaN where it is not known; where all are NaN, as without it.
    costs
        Of the system's decision.
    """
    aligned = _aligned(served, known, key)
    p, q = (np.asarray(predictor.predict(table), dtype=np.float64) for table in (aligned, served))
    at = pc.cast(served.column(1), pa.timestamp("us")).to_numpy().astype("datetime64[us]")
    labelled = np.zeros(len(p), dtype=np.bool_) if label is None else np.isfinite(label)
    realised = bool(labelled.any())
    rows = labelled if realised else np.ones(len(p), dtype=np.bool_)
    truth = label if realised and label is not None else None
    loss = _expected(log_losses, truth, p, q)[rows]
    money = None if costs is None else _mean(_expected(costs.per_row, truth, p, q)[rows], at[rows])
    return Price(_mean(loss, at[rows]), money, len(p), REALISED if realised else ESTIMATED)


def _expected(loss: Callable[[Floats, Floats], Floats], label: Floats | None, known: Floats, served: Floats) -> Floats:
    """Return (n,) how much more served scores lose than known ones, by the label or by what the known ones expect."""
    if label is not None:
        return loss(label, served) - loss(label, known)
    one, none = np.ones(len(known)), np.zeros(len(known))
    of_one, of_none = (loss(truth, served) - loss(truth, known) for truth in (one, none))
    expected: Floats = known * of_one + (1 - known) * of_none
    return expected


def _mean(losses: Floats, at: NDArray[np.datetime64]) -> Estimate:
    """Return the mean with its interval, by days."""
    asked = Support()
    if not len(losses):
        return Estimate.untold(losses, 0)
    weights = bootstrap(day_blocks(at), seed=SEED)
    blocks = len(np.unique(weights.block))
    enough = blocks >= asked.least_blocks and len(losses) >= 2 * asked.least_of_each_class
    like = Estimate(np.nan, np.nan, np.nan, len(losses), 0, blocks, sufficient=enough)
    return spread(float(losses.mean()), weights.means(losses), like=like)


def _aligned(served: pa.Table, known: pa.Table, key: str) -> pa.Table:
    """Return what was known in the order of what was served."""
    place = pc.index_in(served[key], value_set=known[key].combine_chunks())
    if served.num_rows != known.num_rows or place.null_count:
        raise ValueError(
            f"{served.num_rows} requests were served and {known.num_rows} are known, and {place.null_count} of those "
            "served are not among them; bring the tick in again, so that both are of the same requests"
        )
    return known.take(place)


def _symptom(one: Difference, served: pa.Table, known: pa.Table, limit: float) -> Symptom:
    conversion = _conversion(one.feature, served, known)
    request, mine, theirs = one.example
    by = f": served = {conversion.formula} of what was known, {conversion.name}" if conversion else ""
    of = f"{one.share:.1%} of requests{by} (of {request}: {mine} for {theirs})"
    told = f"{one.feature} was served otherwise than known in {of}"
    measures = {"requests": one.rows, "mean": one.mean, "largest": one.largest}
    return Symptom(
        Cause.SKEW, TEST, one.feature, told, one.share, limit, measures | (conversion.measures if conversion else {})
    )


def _conversion(feature: str, served: pa.Table, known: pa.Table) -> Conversion | None:
    if not (is_number(served[feature].type) and is_number(known[feature].type)):
        return None
    mine, theirs = numbers(served[feature]), numbers(known[feature])
    differ = np.abs(mine - theirs) > SAME * np.maximum(np.abs(mine), np.abs(theirs))
    return conversion_of(theirs[differ], mine[differ])
