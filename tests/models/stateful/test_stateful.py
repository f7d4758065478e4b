"""How a model is trained on is declared soundly, or each mistake is told."""

import pytest

from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.stateful.tree_updates import MoreTrees, NewLeaves


def test_what_is_sound_has_no_mistakes() -> None:
    assert Stateful().mistakes() == Stateful(NewLeaves(0.0), most_trees=1, least_rows=1).mistakes() == []


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (Stateful(MoreTrees(0)), "stateful: rounds is 0; it must be a whole number, at least 1"),
        (Stateful(MoreTrees(5, 0.0)), "stateful: learning_rate is 0.0; it must be a number, above 0"),
        (Stateful(NewLeaves(1.5)), "stateful: decay is 1.5; it must be a number, at least 0, at most 1"),
        (Stateful(MoreTrees), "stateful: trees is the class MoreTrees; write MoreTrees(...)"),
        (Stateful(20), "stateful: trees is 20; it must be TreeUpdate, and lacks adds, mistakes, updated"),
        (Stateful(most_trees=0.5), "stateful: most_trees is 0.5; it must be a whole number, at least 1"),
        (Stateful(least_rows=-1), "stateful: least_rows is -1; it must be a whole number, at least 1"),
    ],
)
def test_each_mistake_is_told(declared, told) -> None:
    assert declared.mistakes() == [told]
