"""What LightGBM is handed: rows under names that it accepts, and who is called after each round."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.preprocessor import Prepared
from mlsys_assets.models.threads import worthwhile
from mlsys_assets.models.watch import Stopped, Watch
from mlsys_assets.types import Scalar


def dataset(prepared: Prepared, label: NDArray[np.float64], params: Mapping[str, Scalar]) -> Any:
    """Return the training rows and their (n,) labels as LightGBM's data set."""
    import lightgbm

    return lightgbm.Dataset(
        prepared.matrix,
        label,
        feature_name=plain_names(prepared.preprocessing.names),
        categorical_feature=list(prepared.preprocessing.code_outputs),
        params=dict(params),
    )


def few_threads(params: Mapping[str, Scalar], prepared: Prepared) -> dict[str, Scalar]:
    """Return the parameters with no more threads than a fit on this matrix is worth."""
    return {**params, "num_threads": worthwhile(cast(int, params["num_threads"]), prepared.matrix.size)}


def stop_early(patience: int) -> Any:
    """Return LightGBM's callback that stops when the first metric of validation has not improved for so long."""
    import lightgbm

    return lightgbm.early_stopping(patience, first_metric_only=True, verbose=False)


def tell(watch: Watch) -> Any:
    """Return LightGBM's callback that tells the validation loss of each round, and raises Stopped to end it."""

    def told(env: Any) -> None:
        (loss,) = (value for part, _, value, *_ in env.evaluation_result_list if part == "validation")
        if watch(env.iteration + 1, loss):
            raise Stopped

    return told


def plain_names(names: tuple[str, ...]) -> list[str]:
    """Return names that LightGBM accepts: letters, digits and underscores, made unique by their position."""
    plain = [re.sub(r"\W", "_", name, flags=re.ASCII) for name in names]
    counts, taken = Counter(plain), set(plain)
    found = []
    for j, name in enumerate(plain):
        one = name if counts[name] == 1 else f"{name}_{j}"
        while counts[name] > 1 and one in taken:
            one += "_"
        taken.add(one)
        found.append(one)
    return found
