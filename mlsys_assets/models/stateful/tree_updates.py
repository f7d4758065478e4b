"""How trees learn from new rows alone: more of them are grown, or the leaves of those there are get other values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.preprocessing.preprocessor import Prepared
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.candidate import check_train, failures_told
from mlsys_assets.models.lightgbm_calls import dataset, few_threads
from mlsys_assets.types import Scalar

TREE = re.compile(rb"^Tree=\d+$", re.MULTILINE)
"""How a tree begins in a Booster text."""
UNSEEN = "unseen categories"
"""How a record tells how many values were not in the frozen maps: they are missing to the model."""


@runtime_checkable
class TreeUpdate(Protocol):
    """Learns from rows that a Booster has not seen: the same text, rows and parameters give the same bytes."""

    @property
    def adds(self) -> int:
        """By how many trees a Booster grows each time."""
        ...

    def mistakes(self) -> list[str]:
        """Return what is wrong with its declaration."""
        ...

    def updated(self, text: bytes, new: Prepared, label: NDArray[np.float64], params: Mapping[str, Scalar]) -> bytes:
        """Return the text of the Booster that has learned from (n, d) rows and their (n,) labels too."""
        ...


@dataclass(frozen=True)
class MoreTrees:
    """Grows further trees on the new rows, which begin from what the trees before them say: LightGBM's ``init_model``.

    Parameters
    ----------
    rounds
        How many, each time.
    learning_rate
        Theirs; None: the candidate's own. The new rows are few and of one season, so that a slower rate than that of a
        fit on all of them loses less of what was learned before.
    """

    rounds: int = 20
    learning_rate: float | None = None

    @property
    def adds(self) -> int:
        """As many as rounds."""
        return self.rounds

    def mistakes(self) -> list[str]:
        """Return that the rounds are none, or the rate."""
        found = out_of_range("stateful: rounds", self.rounds, whole=True, least=1)
        if self.learning_rate is not None:
            found += out_of_range("stateful: learning_rate", self.learning_rate, above=0)
        return found

    def updated(self, text: bytes, new: Prepared, label: NDArray[np.float64], params: Mapping[str, Scalar]) -> bytes:
        """Return the text with the further trees."""
        import lightgbm

        own = {} if self.learning_rate is None else {"learning_rate": self.learning_rate}
        params = few_threads({**params, **own}, new)
        grown = lightgbm.train(dict(params), dataset(new, label, params), self.rounds, init_model=_parsed(text))
        longer: bytes = grown.model_to_string(num_iteration=-1).encode()
        return longer


@dataclass(frozen=True)
class NewLeaves:
    """Leaves the splits as they are, and moves each leaf's value towards what the new rows in it say: leaf refit.

    Parameters
    ----------
    decay
        How much stays of a leaf's value: new = decay * old + (1 - decay) * refitted, as in LightGBM.
    """

    decay: float = 0.9

    @property
    def adds(self) -> int:
        """No tree."""
        return 0

    def mistakes(self) -> list[str]:
        """Return that the decay is no share."""
        return out_of_range("stateful: decay", self.decay, least=0, most=1)

    def updated(self, text: bytes, new: Prepared, label: NDArray[np.float64], params: Mapping[str, Scalar]) -> bytes:
        """Return the text with other leaf values."""
        names, codes = _parsed(text).feature_name(), list(new.preprocessing.code_outputs)
        refitted = _parsed(text).refit(
            new.matrix, label, decay_rate=self.decay, feature_name=names, categorical_feature=codes,
            dataset_params=dict(few_threads(params, new)),
        )  # fmt: skip
        moved: bytes = refitted.model_to_string(num_iteration=-1).encode()
        return moved


def trees_of(predictor: BoosterPredictor) -> int:
    """Return how many trees a model has."""
    return len(TREE.findall(predictor.text))


def learned_on(
    parent: BoosterPredictor, new: Train, *, by: TreeUpdate, params: Mapping[str, Scalar], what: str
) -> tuple[BoosterPredictor, dict[str, Scalar]]:
    """Return the model that has learned from new rows too, and what to tell of it.

    The rows are prepared as the parent was fitted to prepare them: its maps of categories are frozen, so that a code
    means what it meant to the trees there are. A category that they do not hold is missing, and counted.
    """
    check_train(new, what=what)
    encoded = parent.preprocessing.encode(new.features)
    with failures_told(what):
        text = by.updated(parent.text, Prepared(parent.preprocessing, encoded.matrix, ()), new.label, params)
    found = replace(parent, text=text)
    return found, {"rounds": trees_of(found), UNSEEN: sum(encoded.unseen.values())}


def _parsed(text: bytes) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=text.decode())
