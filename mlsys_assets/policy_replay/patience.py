"""How long triggers are waited for in a replay: each that hangs once, and not once for every tick."""

from mlsys_assets.retraining.deadline import NoAnswer
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.trigger import DEADLINE_S, Trigger, TriggerVerdict, asked, failed


class Patience:
    """Asks triggers for all lives, and none again that was waited for in vain.

    A life asks it anew at every tick, for a tick is long. A replay has a year of ticks in some minutes, and several
    policies with the same trigger: each would wait again, to the same end. It has the verdict ``error`` from then on,
    which says why.

    Parameters
    ----------
    deadline_s
        Seconds that are waited.
    """

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self.deadline_s = deadline_s
        self._late: list[Trigger] = []

    def ask(self, trigger: Trigger, history: History) -> TriggerVerdict:
        """Return a trigger's verdict; one that raises, hangs or answers nonsense has the verdict ``error``: no yes."""
        if any(late is trigger for late in self._late):
            return failed(f"it did not answer within {self.deadline_s:g} s before, and a replay asks it no more")
        try:
            return asked(trigger, history, deadline_s=self.deadline_s)
        except NoAnswer as late:
            self._late.append(trigger)
            return failed(f"it {late}")
