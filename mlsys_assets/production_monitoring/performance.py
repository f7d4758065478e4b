"""How predictions did, as far as their labels have matured: counts, metrics and cost by tick and model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.ticks import with_tick
from mlsys_assets.data_sampling.rows import moments, require_columns, require_unique
from mlsys_assets.measures.metrics import Floats, Metric, value
from mlsys_assets.tables import LABEL, MODEL_HASH, PREDICT_AT, SCORE, TICK, TIMESTAMP
from mlsys_assets.types import Calendar, TimeWindow

LEAST_LABELLED = 30
"""With fewer labelled requests than this, a metric or a mean cost is a guess, and null."""

MEAN_COST = "mean_cost"
"""The mean cost of a labelled request, in the unit of the cost that was given."""

COUNTS: Final = ("requests", "labelled", "unlabelled", "never", "positives")
"""Requests predicted; those with a label; those without; those of them that will never have one; labels that are 1."""

Cost = Callable[[Floats, Floats], float]
"""Maps (n,) labels and (n,) scores to the mean cost of a request."""


@dataclass(frozen=True, eq=False)
class Matured:
    """How predictions did.

    Parameters
    ----------
    rows
        One row for each tick and model, in this order; see ``performance_schema``.
    unknown
        How many labels belong to none of the predictions.
    """

    rows: pa.Table
    unknown: int


def performance_schema(metrics: Sequence[Metric]) -> pa.Schema:
    """Return the schema of performance by tick and model; a number that the labels cannot tell is null.

    Raises ValueError if a metric is named as a column that is there anyway.
    """
    names = [m.name for m in metrics]
    own = (TICK, MODEL_HASH, *COUNTS, MEAN_COST)
    if taken := [name for name in names if name in own or names.count(name) > 1]:
        raise ValueError(f"metrics are named {taken}, as another column is; rename them to none of {own}, each once")
    return pa.schema(
        [
            pa.field(TICK, TIMESTAMP, nullable=False),
            pa.field(MODEL_HASH, pa.string(), nullable=False),
            *(pa.field(name, pa.int64(), nullable=False) for name in COUNTS),
            *(pa.field(name, pa.float64()) for name in names),
            pa.field(MEAN_COST, pa.float64()),
        ]
    )


def matured(  # noqa: PLR0913 - two tables, how they are joined, and what is measured
    predictions: pa.Table,
    labels: pa.Table,
    *,
    key: str,
    calendar: Calendar,
    metrics: Sequence[Metric],
    cost: Cost | None = None,
    support: int = LEAST_LABELLED,
) -> Matured:
    """Return how the predictions of each tick and model did, by the labels known so far.

    The order of the rows changes nothing, to the last bit.

    Parameters
    ----------
    predictions
        (n, ≥ 4) ``key``, ``predict_at``, ``score`` and ``model_hash``.
    labels
        (m, ≥ 2) ``key`` and ``label``: 0 or 1, null where there will never be one. Only labels known at the time
        of the question: what is handed over is used.
    calendar
        Whose tick that holds ``predict_at`` a prediction belongs to.
    metrics
        Each is null unless ``support`` requests are labelled, of both classes.
    cost
        The mean cost of a request; null unless ``support`` requests are labelled.

    Raises ValueError if a column is missing, a key is null or stands twice in either table, or a label is neither
    0 nor 1.
    """
    require_columns(predictions, (key, PREDICT_AT, SCORE, MODEL_HASH), what="predictions")
    require_columns(labels, (key, LABEL), what="labels")
    for what, table in (("predictions", predictions), ("labels", labels)):
        require_unique(table[key], what=what)
    asked = with_tick(predictions.select([key, PREDICT_AT, SCORE, MODEL_HASH]), calendar, PREDICT_AT)
    asked = asked.sort_by([(PREDICT_AT, "ascending"), (key, "ascending")])  # sums of floats depend on their order
    found = pc.index_in(asked[key], value_set=labels[key].combine_chunks())
    told = found.is_valid().to_numpy()
    label = labels[LABEL].cast(pa.float64()).take(found).to_numpy()
    _require_classes(label)
    score, measures = asked[SCORE].cast(pa.float64()).to_numpy(), _Measures(metrics, cost, support)
    rows = [
        {TICK: tick, MODEL_HASH: model, **measures.of(label[group], score[group], told[group])}
        for tick, model, group in _groups(asked)
    ]
    return Matured(pa.Table.from_pylist(rows, schema=performance_schema(metrics)), labels.num_rows - int(told.sum()))


def affected(predictions: pa.Table, new_labels: pa.Table, *, key: str, calendar: Calendar) -> tuple[TimeWindow, ...]:
    """Return the ticks of predictions of which these labels tell something, in order: whose performance is another now.

    Parameters
    ----------
    predictions
        (n, ≥ 2) ``key`` and ``predict_at``.
    new_labels
        (m, ≥ 1) ``key``; a label that will never be is news too.
    """
    require_columns(predictions, (key, PREDICT_AT), what="predictions")
    require_columns(new_labels, (key,), what="labels")
    met = pc.is_in(predictions[key], value_set=new_labels[key].combine_chunks())
    ticks = with_tick(predictions.select([PREDICT_AT]).filter(met), calendar, PREDICT_AT)[TICK]
    return tuple(calendar.tick_of(tick) for tick in sorted(ticks.unique().to_pylist()))


@dataclass(frozen=True)
class _Measures:
    """What is measured of each group alike."""

    metrics: Sequence[Metric]
    cost: Cost | None
    support: int

    def of(self, label: Floats, score: Floats, told: NDArray[np.bool_]) -> dict[str, float | None]:
        """Return the counts and measures of (n,) rows; ``told`` says of which the label table tells something."""
        known = ~np.isnan(label)
        label, score = label[known], score[known]
        labelled, positives = len(label), int(label.sum())
        counts = (len(known), labelled, len(known) - labelled, int((told & ~known).sum()), positives)
        enough = labelled >= self.support
        both = enough and 0 < positives < labelled
        found = {m.name: _told(value(m, label, score)) if both else None for m in self.metrics}
        cost = _told(float(self.cost(label, score))) if enough and labelled and self.cost is not None else None
        return {**dict(zip(COUNTS, counts, strict=True)), **found, MEAN_COST: cost}


def _groups(asked: pa.Table) -> list[tuple[object, str, NDArray[np.intp]]]:
    """Return each tick and model with the positions of its rows, which are in order of time."""
    ticks, tick_of = np.unique(moments(asked[TICK]), return_inverse=True)
    models, model_of = np.unique(asked[MODEL_HASH].to_numpy().astype(str), return_inverse=True)
    groups, group_of = np.unique(tick_of * max(len(models), 1) + model_of, return_inverse=True)
    return [
        (ticks[group // len(models)].item(), str(models[group % len(models)]), np.flatnonzero(group_of == i))
        for i, group in enumerate(groups)
    ]


def _require_classes(label: Floats) -> None:
    values = np.unique(label[~np.isnan(label)])
    if wrong := [float(v) for v in values if v not in {0.0, 1.0}]:
        raise ValueError(f"labels are {wrong[:3]}; allowed are 0, 1 and null: look at how the label is computed")


def _told(number: float) -> float | None:
    return number if np.isfinite(number) else None
