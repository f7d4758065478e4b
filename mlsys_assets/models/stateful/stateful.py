"""How a model is trained on from its last state, in place of from scratch."""

from dataclasses import dataclass

from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.models.stateful.tree_updates import MoreTrees, TreeUpdate

SLOWLY = MoreTrees(rounds=40, learning_rate=0.02)
"""Of what was tried on the flights until September, four weeks of new rows at a time, this lost the least."""


@dataclass(frozen=True)
class Stateful:
    """Candidates that can go on from the champion do so, on the rows that it has not seen; the others start anew.

    The champion itself has learned from the rows that now choose and test, since it was trained on all that was known.
    What is gone on from is the state in which it was evaluated: the bundle on record of the candidate that won then,
    which ends where its training part ended. What passes the gate goes on once more, over the rows of validation and
    test, in place of a refit from scratch. So each row is learned from once, by a model and all that it came from.

    Parameters
    ----------
    trees
        How LightGBM learns from new rows.
    most_trees
        A model that would have more of them starts anew.
    least_rows
        With fewer new rows than this, or of one class only, there is too little to go on with.
    """

    trees: TreeUpdate = SLOWLY
    most_trees: int = 1_000
    least_rows: int = 1_000

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *(not_one("stateful: trees", self.trees, TreeUpdate) or self.trees.mistakes()),
            *out_of_range("stateful: most_trees", self.most_trees, whole=True, least=1),
            *out_of_range("stateful: least_rows", self.least_rows, whole=True, least=1),
        ]
