"""What a training learns from where a window chooses it, and what is on record of that."""

from typing import Any

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.training_window import EXPANDING
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.ledger import CHANGES, REFIT


def learned_from(step: DecisionStep, rows: LabelledRows, split: Split) -> dict[str, Train]:
    """Return what candidates and the refit learn from, where a window chooses that; else all of train and later."""
    if step.system.learning.window == EXPANDING:
        return {}
    refit = {REFIT: step.refit_view(rows)} if step.system.learning.refit else {}
    return {"train": split.train, **refit}


def window_told(step: DecisionStep, learned: dict[str, Train]) -> dict[str, Any]:
    """Return what is on record of a window: its words, what it was told, and what it chose."""
    if not learned:
        return {}
    return {
        "window": str(step.system.learning.window),
        CHANGES: [at.isoformat() for at in step.changes],
        **{
            f"{name} window": {
                "from": view.window.start.isoformat(),
                "to": view.window.end.isoformat(),
                "rows": len(view),
                "hash": view.content_hash,
            }
            for name, view in learned.items()
        },
    }
