"""How the flights' candidates were chosen, on January to September alone: python choose_candidates.py HOME.

HOME is the state folder of a year that was lived. The history is walked forward in months, each scored by what was
trained on all before it. Settings are searched on two of the months; on the three others, which no search saw, what
it found and other kinds of models are held against the trees as declared, paired by the day. October to December are
never read. A choice that costs more than a third more to train must gain .003 of log loss: none does.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlsys_assets.process_environment import prepare

prepare(os.environ)

from mlsys_assets import FixedClock, LightGBM, LogisticRegression, LogLoss, RocAuc, days, utc  # noqa: E402 - after it
from mlsys_assets.data_sampling.folds import Fold  # noqa: E402
from mlsys_assets.data_sampling.rows import LabelledRows  # noqa: E402
from mlsys_assets.data_sampling.time_folds import WalkForward  # noqa: E402
from mlsys_assets.measures.intervals import bootstrap, day_blocks, difference  # noqa: E402
from mlsys_assets.measures.metrics import Ece, PrAuc, value  # noqa: E402
from mlsys_assets.models.baselines import GroupRate  # noqa: E402
from mlsys_assets.models.candidate import Candidate  # noqa: E402
from mlsys_assets.models.ensembles.bagging import Bagging  # noqa: E402
from mlsys_assets.models.ensembles.stacking import Stacking  # noqa: E402
from mlsys_assets.models.mlp import Mlp  # noqa: E402
from mlsys_assets.models.random_forest import RandomForest  # noqa: E402
from mlsys_assets.models.tuning.evaluation import Evaluation, Outcome, Task  # noqa: E402
from mlsys_assets.models.tuning.journal import JournalFolder  # noqa: E402
from mlsys_assets.models.tuning.search import SearchContext  # noqa: E402
from mlsys_assets.models.tuning.settings import with_settings  # noqa: E402
from mlsys_assets.models.tuning.space import Integers, Reals, Space  # noqa: E402
from mlsys_assets.models.tuning.tuned import Tuned  # noqa: E402
from mlsys_assets.systems.flights.system import flights  # noqa: E402
from mlsys_assets.tables import PREDICT_AT  # noqa: E402
from mlsys_resources.resources import build_resources  # noqa: E402

END = utc("2013-10-01")
MONTHS = WalkForward(5, days(30), days(2))
LATELY = WalkForward(1, flights.split.validation, days(2))
"""What each candidate is chosen on before it is fitted again."""
SEARCHED, HELD = (0, 2), (1, 3, 4)
"""Of May to September: where settings are searched, and where what was found is told."""
TREES = LightGBM(column_share=0.3, more={"max_bin": 63})
"""What is declared: what another choice must beat."""
SLOWER = replace(
    TREES, rounds=200, learning_rate=0.07, least_rows=360, more={**TREES.more, "cat_smooth": 60}
)  # fmt: skip
"""Near what a search finds in rate, rows in a leaf and smoothing, with narrow trees: half of the time that it costs."""
LINE = LogisticRegression()
OF_TREES: Space = {
    "leaves": Integers(8, 63, log=True),
    "learning_rate": Reals(0.04, 0.15, log=True),
    "least_rows": Integers(20, 2_000, log=True),
    "column_share": Reals(0.15, 0.6),
    "l2": Reals(0.1, 300, log=True),
    "more.cat_smooth": Reals(10, 1_000, log=True),
}
OF_LINE: Space = {"c": Reals(1e-4, 1.0, log=True)}
TRIALS = 32
"""Of each kind alike."""
ANOTHER_SEED = {"more.feature_fraction_seed": 5, "more.data_random_seed": 5}
RATES = GroupRate(by=("carrier", "sched_hour"))
WITHIN = WalkForward(3, days(28), days(2))
"""How a stack walks through what it learns from."""
METRICS = (LogLoss(), RocAuc(), PrAuc(), Ece())


@dataclass(frozen=True)
class OverMonths:
    """Makes a trial on each of several folds: its value is the mean."""

    folds: Sequence[Fold]

    def __call__(self, evaluate: Evaluation, tasks: Sequence[Task], /) -> Iterator[Outcome]:
        for task in tasks:
            each = [replace(evaluate, train=f.train, validation=f.validation)(task) for f in self.folds]
            told = next((one.trial for one in each if one.trial.value is None), each[-1].trial)  # one failed: all did
            trial = replace(told, seconds=sum(one.trial.seconds for one in each))
            values = [one.trial.value for one in each if one.trial.value is not None]
            if len(values) < len(each):
                yield Outcome(trial)
            else:
                yield Outcome(replace(trial, value=float(np.mean(values))), each[-1].fitted)


def search(candidate: Candidate, space: Space, folds: Sequence[Fold], home: str) -> Candidate:
    """Return the candidate with the settings of the least mean log loss; a search that was killed goes on."""
    context = SearchContext(
        journals=JournalFolder(Path(home) / "choose_candidates", code="walk forward"),
        told=lambda progress: print(progress.line, dict(progress.trial.params), file=sys.stderr, flush=True),
        spread=OverMonths(folds),
    )
    tuned = Tuned(candidate, space, trials=TRIALS, name=f"tuned_{candidate.name}")
    found = tuned.search(folds[0].train, folds[0].validation, seed=flights.seed, threads=1, context=context)
    print(f"{candidate.name}: {dict(found.best.params)}")
    return with_settings(candidate, found.best.params)


def lived(candidate: Candidate, fold: Fold) -> tuple[np.ndarray, float]:
    """Return (n,) what it says of a month by the product's protocol, and the CPU seconds of its training.

    It is chosen on the last two weeks of what was known, and fitted again on all of it.
    """
    began = time.process_time()
    (recent,) = LATELY.folds(fold.train)
    recipe = candidate.fit(recent.train, recent.validation, seed=flights.seed, threads=1).recipe
    fitted = candidate.refit(fold.train, recipe=recipe, seed=flights.seed, threads=1)
    spent = time.process_time() - began
    return fitted.predict(fold.validation.features), spent


def compare(candidates: dict[str, Candidate], folds: Sequence[Fold]) -> None:
    """Print how each does on all the months together, against the first by days, and what its training costs."""
    label, at = (np.concatenate([getattr(fold.validation, part) for fold in folds]) for part in ("label", "at"))
    weights = bootstrap(day_blocks(at), seed=flights.seed)
    print("| candidate | CPU s a training | " + " | ".join(m.name for m in METRICS) + " | log loss less the first's |")
    print("| --- | " + " | ".join("---" for _ in METRICS) + " | --- | --- |")
    first = None
    for name, candidate in candidates.items():
        parts = [lived(candidate, fold) for fold in folds]
        score = np.concatenate([part for part, _ in parts])
        first = score if first is None else first
        against = difference(LogLoss(), label, (score, first), weights=weights)
        told = [f"{value(m, label, score):.4f}" for m in METRICS]
        print(f"| {name} | {parts[-1][1]:.1f} | {' | '.join(told)} | {against} |", flush=True)


def read(home: str) -> LabelledRows:
    """Return the rows whose labels were known before October."""
    lake = build_resources({"MLSYS_HOME": home}, clock=FixedClock(END).now).lake
    start = flights.calendar.start
    features = lake.read("flights", "features", window=(PREDICT_AT, start, END))
    labels = lake.read("flights", "labels", window=("known_at", start, END))
    return LabelledRows.join(features, labels, key="flight_id", at=PREDICT_AT, window=flights.label.window)


def contenders(trees: Candidate, line: Candidate) -> dict[str, Candidate]:
    """Return what is compared, by how it is called in the table; the first is what a choice must beat."""
    return {
        "trees": TREES,
        "trees, another seed": with_settings(TREES, ANOTHER_SEED),
        "trees as found": trees,
        "trees, slower and more": SLOWER,
        "trees, slower and more, another seed": with_settings(SLOWER, ANOTHER_SEED),
        "trees bagged by days": Bagging(TREES, n=3),
        "line": LINE,
        "line as found": line,
        "stack of line, trees and rates": Stacking((LINE, TREES, RATES), WITHIN),
        "forest": RandomForest(),
        "network": Mlp(),
    }


def main() -> None:
    home = sys.argv[1]
    folds = list(MONTHS.folds(flights.time_split.refit_view(read(home), as_of=END)))
    searched, held = ([folds[k] for k in months] for months in (SEARCHED, HELD))
    trees, line = search(TREES, OF_TREES, searched, home), search(LINE, OF_LINE, searched, home)
    compare(contenders(trees, line), held)


if __name__ == "__main__":
    main()
