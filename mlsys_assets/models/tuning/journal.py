"""Where finished trials are kept, so that a search that was killed goes on with them."""

import fcntl
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from mlsys_assets.measures.metrics import Metric
from mlsys_assets.models.tuning.optuna_study import frozen, quiet, thawed
from mlsys_assets.models.tuning.space import Space
from mlsys_assets.models.tuning.trial import Trial

SEARCHES = "searches"
"""The folder, below that of all state, where the trials of searches under way are kept: one folder a system in it."""
KEY_LENGTH = 16
"""Hexadecimal digits of a search's key in its journal's name: no two searches of a system will ever share them."""
READ_ERRORS = (ValueError, TypeError, LookupError, AttributeError, AssertionError)
"""What Optuna raises where a file is not what it writes: it has no error for it."""


class Journal(Protocol):
    """Finished trials of one search, in their order."""

    def finished(self) -> list[Trial]:
        """Return those that are kept."""
        ...

    def add(self, trial: Trial) -> None:
        """Keep a further one, the next in order; when this returns, it is kept whatever happens."""
        ...


@dataclass(frozen=True)
class SearchKey:
    """What search a journal is of: with another key there is nothing to go on with.

    Parameters
    ----------
    name
        The candidate that is tuned.
    told
        What decides the trials: the rows' hashes, the candidate, the space, the sampler and the like.
    space, metric
        What may be tried, and by what it is judged.
    """

    name: str
    told: Callable[[], dict[str, str]]
    space: Space
    metric: Metric

    def digest(self, code: str) -> str:
        """Return its hash together with that of the code that fits."""
        text = json.dumps({**self.told(), "code": code}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Journals(Protocol):
    """Gives each search its journal."""

    def open(self, key: SearchKey) -> Journal:
        """Return the journal of a search: of an earlier run of the very same search, or an empty one."""
        ...


class MemoryJournal:
    """Trials of this process alone."""

    def __init__(self, trials: Sequence[Trial] = ()) -> None:
        self.trials = list(trials)

    def finished(self) -> list[Trial]:
        """Return those added."""
        return list(self.trials)

    def add(self, trial: Trial) -> None:
        """Keep a further one."""
        self.trials.append(trial)


@dataclass(frozen=True)
class InMemory:
    """A new journal for each search: nothing is taken up again."""

    def open(self, key: SearchKey) -> Journal:
        """Return an empty journal."""
        return MemoryJournal()


@dataclass(frozen=True)
class JournalFolder:
    """A file for each search, in the format of Optuna's journal storage: optuna-dashboard opens it.

    Parameters
    ----------
    folder
        Where they lie: one folder a system and as-of moment.
    code
        The hash of the code and the libraries that fit; trials of other code are not gone on with.
    """

    folder: Path
    code: str

    def open(self, key: SearchKey) -> Journal:
        """Return the journal whose name holds the search's key."""
        self.folder.mkdir(parents=True, exist_ok=True)
        study = f"{key.name}-{key.digest(self.code)[:KEY_LENGTH]}"
        return OptunaJournal(self.folder / f"{study}.log", study, key)


class OptunaJournal:
    """A study in a file of Optuna's journal storage, one line a finished trial.

    A line that a kill left unfinished is cut off. A file that is damaged otherwise is set aside as ``.damaged``, and
    the search begins anew: what was lost is time.
    """

    def __init__(self, path: Path, study: str, key: SearchKey) -> None:
        self.path, self.key = path, key
        lines = _cut_off_unfinished(path)
        self._study, self._trials = self._read(study, lines) if lines else (self._begun(study), [])

    def finished(self) -> list[Trial]:
        """Return the trials in the file."""
        return list(self._trials)

    def add(self, trial: Trial) -> None:
        """Write it to the disk; raises ValueError for one that is not the next."""
        if trial.number != len(self._trials):
            raise ValueError(f"the journal holds {len(self._trials)} trials; the next is not number {trial.number}")
        began_s = sum(t.seconds for t in self._trials)
        self._study.add_trial(frozen(trial, self.key.space, began_s=began_s))
        self._trials.append(trial)

    def _read(self, study: str, lines: Sequence[bytes]) -> tuple[Any, list[Trial]]:
        """Return what the file holds; where it is not as it was written, it is set aside and there is nothing."""
        import optuna

        try:
            kinds = {type(json.loads(line)) for line in lines}
            found = optuna.load_study(study_name=study, storage=self._storage())
            trials = [thawed(trial) for trial in found.get_trials(deepcopy=False)]
            sound = all(set(trial.params) == set(self.key.space) for trial in trials)
            if kinds == {dict} and sound and len(trials) == len(lines) - 1:  # the first line begins the study
                return found, trials
        except READ_ERRORS:
            pass
        self.path.replace(self.path.with_suffix(".damaged"))
        return self._begun(study), []

    def _begun(self, study: str) -> Any:
        import optuna

        quiet()
        direction = "maximize" if self.key.metric.higher_is_better else "minimize"
        return optuna.create_study(storage=self._storage(), study_name=study, direction=direction)

    def _storage(self) -> Any:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        return JournalStorage(JournalFileBackend(str(self.path), lock_obj=_Lock(self.path)))


class _Lock:
    """A lock that the system takes away from a process that is killed; Optuna's own would be waited for."""

    def __init__(self, path: Path) -> None:
        self.path, self._held = path.with_suffix(".lock"), list[IO[str]]()

    def acquire(self) -> bool:
        """Wait for the lock."""
        held = self.path.open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
        self._held.append(held)
        return True

    def release(self) -> None:
        """Let it go."""
        self._held.pop().close()


def _cut_off_unfinished(path: Path) -> list[bytes]:
    """Cut off what stands behind the last whole line, and return the lines."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    return content[:whole].splitlines()
