"""The challenger: the one model of a training that is compared with the champion."""

from collections.abc import Mapping

from mlsys_assets.measures.metrics import Metric


def challenger(validation: Mapping[str, float | None], metric: Metric) -> str | None:
    """Return the model that did best on validation, the first of equals; None if none could be told: tests choose none.

    Parameters
    ----------
    validation
        By model, the metric on validation; None where it could not be told.

    >>> from mlsys_assets import LogLoss
    >>> challenger({"linear": 0.41, "lightgbm": 0.39, "mlp": None}, LogLoss())
    'lightgbm'
    """
    sign = -1 if metric.higher_is_better else 1
    known = {name: sign * value for name, value in validation.items() if value is not None}
    return min(known, key=known.__getitem__, default=None)
