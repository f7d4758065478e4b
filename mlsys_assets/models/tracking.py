"""What a run of a candidate tells MLflow of its fit: losses, a sample of rows with score and label, speed, machine."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.quality.sample import evenly
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.usage import Usage, measured

SAMPLE_FOLDER: Final = "samples"
"""The folder of a run that holds such rows."""
SAMPLES: Final = f"{SAMPLE_FOLDER}/validation.csv"
"""The run's file of rows that were scored."""
TRAIN_SAMPLES: Final = f"{SAMPLE_FOLDER}/train.csv"
"""The same of a refit, which has learned from all that is labelled."""
SAMPLED: Final = 200
"""Rows of that file: enough to look at, few enough to be no copy of the data."""
SCORED: Final = 20_000
"""Training rows of a refit that are scored to tell its loss and its speed."""
TRAIN_LOSS: Final = "train log_loss by round"
VALIDATION_LOSS: Final = "validation log_loss by round"


@dataclass(frozen=True, eq=False)
class Tracked:
    """A fit and all that is told of it.

    Parameters
    ----------
    fitted
        The fitted candidate.
    scores
        (n,) its scores of the validation rows.
    usage
        What the fit used.
    metrics, curves
        As a run logs them, beside how good the model is.
    artifacts
        The run's files.
    """

    fitted: Fitted
    scores: Floats
    usage: Usage
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    artifacts: Mapping[str, bytes]


def track(fitted: Fitted, usage: Usage, *, train: Train, validation: Validation | None, threads: int) -> Tracked:
    """Return what is told of a fit whose course was ``measured``; the validation rows are scored for it.

    A model that is not fitted in rounds has one point of each loss curve: where it ended. A refit has no validation:
    of it a few training rows are scored.
    """
    if validation is None:
        return _refit(fitted, usage, train=train, threads=threads)
    with measured() as scoring:
        scores = fitted.predict(validation.features, threads=threads)
    curve = fitted.loss_curve
    of_train = curve.train or (log_loss(train.label, fitted.predict(train.features, threads=threads)),)
    of_validation = curve.validation or (log_loss(validation.label, scores),)
    return Tracked(
        fitted,
        scores,
        usage,
        usage.metrics(fitted_rows=len(train), scored_rows=len(validation), scored_s=scoring.wall_s),
        {TRAIN_LOSS: of_train, VALIDATION_LOSS: of_validation, **usage.curves()},
        {SAMPLES: sample_log(validation, scores)},
    )


def _refit(fitted: Fitted, usage: Usage, *, train: Train, threads: int) -> Tracked:
    few = evenly(train, most=SCORED)
    with measured() as scoring:
        scores = fitted.predict(few.features, threads=threads)
    losses = fitted.loss_curve.train or (log_loss(few.label, scores),)
    return Tracked(
        fitted,
        scores,
        usage,
        usage.metrics(fitted_rows=len(train), scored_rows=len(few), scored_s=scoring.wall_s),
        {TRAIN_LOSS: losses, **usage.curves()},
        {TRAIN_SAMPLES: sample_log(few, scores)},
    )


def log_loss(label: Floats, score: Floats) -> float:
    """Return the mean log loss, in nats, of (n,) scores for (n,) labels 0 or 1."""
    right = np.where(label > 0, score, 1.0 - score)
    return float(-np.log(np.clip(right, np.finfo(np.float64).tiny, 1.0)).mean())


def sample_log(rows: Train | Validation, scores: Floats, *, most: int = SAMPLED) -> bytes:
    """Return some of the rows, spread evenly, as CSV: id, prediction time, label, score, log loss.

    Features are not copied: the id finds them in the lake, whose version the run names.
    """
    chosen = np.unique(np.linspace(0, max(len(rows) - 1, 0), min(most, len(rows))).round().astype(np.intp))
    right = np.where(rows.label > 0, scores, 1.0 - scores)[chosen]
    losses = -np.log(np.clip(right, np.finfo(np.float64).tiny, 1.0))
    at, told = np.datetime_as_string(rows.at[chosen], unit="s"), (rows.label[chosen], scores[chosen], losses)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "predict_at", "label", "score", "log_loss"))
    for name, moment, *numbers in zip(rows.ids.take(chosen).to_pylist(), at, *told, strict=True):
        writer.writerow((name, f"{moment}Z", *(f"{number:.6g}" for number in numbers)))
    return text.getvalue().encode()
