"""How a system learns when it is trained: on which rows, from scratch or on, and whether the winner is refitted."""

from dataclasses import dataclass, field, replace

from mlsys_assets.data_sampling.training_window import EXPANDING, Expanding, TrainingWindow
from mlsys_assets.mistakes import not_one
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.retraining.stage import Stage


@dataclass(frozen=True)
class Learning:
    """What each training learns from.

    Parameters
    ----------
    window
        Which of the known rows are trained on.
    stateful
        How a candidate goes on from the champion's state; None: each training starts from scratch.
    refit
        Whether the recipe that passed the gate is fitted again on all rows of the window, those of validation and
        test among them; else the very model that was evaluated is promoted.
    """

    window: TrainingWindow = field(default_factory=Expanding)
    stateful: Stateful | None = None
    refit: bool = True

    def __str__(self) -> str:
        if self.stateful is not None:
            return "goes on from the champion"
        return f"learns from {self.window}" + ("" if self.refit else ", without a refit")

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_one("learning: window", self.window, TrainingWindow) or self.window.mistakes()
        if self.stateful is not None:
            found += not_one("learning: stateful", self.stateful, Stateful) or self.stateful.mistakes()
            found += _going_on(self)
        return found + not_one("learning: refit", self.refit, bool)


def _going_on(learning: Learning, *, instead: str = "stateful") -> list[str]:
    """Return what cannot be had together with going on from a model, for which ``instead`` is given up or taken."""
    found = []
    if learning.window != EXPANDING:
        found.append(
            f"learning: a stateful training learns from each row once, and forgets none: its window is "
            f"{EXPANDING}, not {learning.window}; leave window out, or {instead}"
        )
    if learning.refit is False:
        found.append(
            "learning: a stateful training goes on over the rows of validation and test in place of a refit; leave "
            f"refit=False out, or {instead}"
        )
    return found


def in_stage(learning: Learning, stage: Stage) -> Learning:
    """Return what each training learns from in a stage: stateful in that of the name, else as declared."""
    if stage is Stage.STATEFUL and learning.stateful is None:
        return replace(learning, stateful=Stateful())
    return learning


def stage_mistakes(stage: Stage, learning: Learning) -> list[str]:
    """Return that a stage and what is learned from contradict each other."""
    if stage is Stage.AUTOMATED and learning.stateful is not None:
        told = "retraining: in the automated stage each training starts from scratch, and learning is stateful; "
        return [told + "leave stateful out, or take Stage.STATEFUL"]
    if stage is Stage.STATEFUL and learning.stateful is None:  # what declares it itself is told of it there
        return _going_on(learning, instead="take another stage than Stage.STATEFUL")
    return []
