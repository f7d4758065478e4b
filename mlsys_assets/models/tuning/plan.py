"""What a search tries, and how: all that decides its trials but the rows and the seed."""

import re
from dataclasses import dataclass

from mlsys_assets.measures.metrics import Metric
from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.models.tuning.pruners import Pruner
from mlsys_assets.models.tuning.samplers import Sampler
from mlsys_assets.models.tuning.settings import space_mistakes
from mlsys_assets.models.tuning.space import Space

MOST_TRIALS = 10_000
"""More trials than this are a slip of the finger."""
WHERE = re.compile(r" at 0x[0-9a-fA-F]+")
"""Where Python says that an object lies, which tells two processes apart and nothing else."""


@dataclass(frozen=True)
class Plan:
    """What a search tries, and how.

    Parameters
    ----------
    space
        The values of each setting.
    trials
        How many settings are tried.
    sampler
        What is tried next.
    pruner
        What is given up on the way.
    seconds
        No trial begins once the trials together have taken so long.
    metric
        What the best is chosen by, on validation.
    parallel
        So many trials are proposed at once; each such batch is made before the next is proposed.
    """

    space: Space
    trials: int
    sampler: Sampler
    pruner: Pruner | None
    seconds: float | None
    metric: Metric
    parallel: int

    def mistakes(self, candidate: Candidate, *, what: str) -> list[str]:
        """Return what is wrong with it for a candidate."""
        found = space_mistakes(candidate, self.space, what=what)
        found += out_of_range(f"{what}: trials", self.trials, whole=True, least=1, most=MOST_TRIALS)
        found += out_of_range(f"{what}: parallel", self.parallel, whole=True, least=1, most=MOST_TRIALS)
        found += not_one(f"{what}: metric", self.metric, Metric)
        found += not_one(f"{what}: sampler", self.sampler, Sampler) or self.sampler.mistakes(f"{what}: sampler")
        if self.pruner is not None:
            found += not_one(f"{what}: pruner", self.pruner, Pruner) or self.pruner.mistakes(f"{what}: pruner")
        if self.seconds is not None:
            found += out_of_range(f"{what}: seconds", self.seconds, above=0)
        return found

    def decides(self, candidate: Candidate) -> dict[str, str]:
        """Return, as text, what another search would differ in; how many trials and seconds is not of it."""
        space = {name: self.space[name] for name in sorted(self.space)}
        parts = {
            "candidate": candidate, "space": space, "sampler": self.sampler, "pruner": self.pruner,
            "metric": self.metric, "parallel": self.parallel,
        }  # fmt: skip
        return {name: WHERE.sub("", repr(part)) for name, part in parts.items()}
