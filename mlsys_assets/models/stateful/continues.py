"""What a candidate offers that can go on from a model in place of starting from scratch."""

from typing import Protocol, runtime_checkable

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.stateful.batch_journal import BatchJournals
from mlsys_assets.models.stateful.stateful import Stateful


@runtime_checkable
class Continues(Protocol):
    """A candidate whose predictor holds all the state that a further fit needs.

    Equal parents, rows and seeds give equal models, and what prepares rows is what the parent prepared them with.
    """

    def cannot_go_on(self, parent: Predictor, *, by: Stateful) -> str:
        """Return why a model cannot be gone on from; "" if it can."""
        ...

    def go_on(
        self,
        parent: Predictor,
        new: Train,
        *,
        by: Stateful,
        seed: int,
        threads: int,
        journals: BatchJournals | None = None,
    ) -> Fitted:
        """Return the parent's model after it has learned from new rows too; raises FitError, TypeError for test rows.

        ``journals`` keep the state of a fit under way, where it has one that is worth it.
        """
        ...
