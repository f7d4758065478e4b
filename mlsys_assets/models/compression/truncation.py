"""Truncation: the first trees of a boosted model, which is itself the model of fewer rounds."""

from dataclasses import dataclass
from math import ceil

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.booster_text import BoosterText
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.trees import require_trees, with_text
from mlsys_assets.models.predictor import Predictor


@dataclass(frozen=True)
class Truncation:
    """The first trees of a boosted model: what stopping earlier would have given, to the last bit.

    Parameters
    ----------
    rounds
        How many trees stay, or:
    share
        What share of them, rounded up. Give one of the two.
    """

    rounds: int | None = None
    share: float | None = None

    @property
    def name(self) -> str:
        """What stays."""
        kept = f"{self.rounds}_trees" if self.share is None else f"{100 * self.share:.3g}_percent".replace(".", "_")
        return f"first_{kept}"

    def mistakes(self) -> list[str]:
        """Return numbers that leave no tree, and that both or none of the two are given."""
        if (self.rounds is None) == (self.share is None):
            return [f"truncation has rounds {self.rounds} and a share of {self.share}; give one of the two"]
        if self.rounds is not None:
            return out_of_range("truncation: rounds", self.rounds, whole=True, least=1)
        return out_of_range("truncation: share", self.share, above=0, most=1)

    def compress(self, predictor: Predictor, train: Train, *, seed: int, threads: int) -> Predictor:
        """Return the model of the first trees; raises FitError for a model without trees, or with fewer."""
        require_train(train, what="truncation")
        boosted = require_trees(predictor, what="truncation")
        text = BoosterText.of(boosted.text)
        if text.averaged:
            raise FitError("truncation keeps what the first rounds gave; trees that are averaged have no order")
        kept = self.rounds or ceil(len(text.trees) * (self.share or 1.0))
        if kept > len(text.trees):
            raise FitError(f"truncation to {kept} trees: the model has {len(text.trees)}")
        return with_text(boosted, text.of_trees(text.trees[:kept]))
