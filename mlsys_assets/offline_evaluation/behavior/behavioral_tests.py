"""Behavioral tests: what a model must do when its input changes, whatever its metrics say (Ribeiro et al. 2020)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import View
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.predictor import Rows
from mlsys_assets.offline_evaluation.verdict import Verdict
from mlsys_assets.types import Finding, Scalar, Severity

PROBED_ROWS: Final = 4_000
"""Rows that a behavioral test changes and scores: of so many, a share is told within 1.6 points."""
LEAST_PROBED: Final = 100
"""Fewer rows than this, and a share of them says nothing."""
HALF: Final = 0.5
"""The threshold of decisions where nothing says what they cost."""


class Scorer(Protocol):
    """What gives rows a score: any Predictor, or a function by ``FunctionScorer``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns it reads."""
        ...

    def predict(self, rows: Rows, *, threads: int = 1) -> Floats:
        """Return (n,) probabilities."""
        ...


@dataclass(frozen=True)
class FunctionScorer:
    """A scoring function, such as a predictor followed by a calibration, and the columns that it reads."""

    function: Callable[[Rows], Floats]
    columns: tuple[str, ...]

    def predict(self, rows: Rows, *, threads: int = 1) -> Floats:
        """Return (n,) what the function gives."""
        return self.function(rows)


@dataclass(frozen=True, eq=False)
class Probe:
    """A model, the rows it is tried on, and what it says of them as they are.

    Parameters
    ----------
    model
        What is tested.
    view
        (n, …) rows; at most ``PROBED_ROWS`` of them, drawn by ``seed``, are changed and scored.
    threshold
        The score from which one acts: that of the costs, where they are declared.
    seed
        Of all that is drawn: equal for two models, they meet the same rows and the same changes.
    threads
        As many as the model may score with.
    """

    model: Scorer
    view: View
    threshold: float = HALF
    seed: int = 0
    threads: int = 1

    @cached_property
    def rows(self) -> View:
        """The rows that are changed and scored, in the order of the view."""
        if len(self.view) <= PROBED_ROWS:
            return self.view
        drawn = np.random.default_rng(self.seed).choice(len(self.view), PROBED_ROWS, replace=False)
        return self.view.take(np.sort(drawn))

    @cached_property
    def base(self) -> Floats:
        """(n,) the scores of the rows as they are."""
        return self.score(self.rows.features)

    def score(self, rows: pa.Table) -> Floats:
        """Return (n,) scores; raises ValueError for what are no probabilities, one a row."""
        found = self.model.predict(rows, threads=self.threads)
        if found.shape != (rows.num_rows,):
            raise ValueError(f"the model gave scores of shape {found.shape} for {rows.num_rows} rows; one a row")
        if wrong := int((~((found >= 0) & (found <= 1))).sum()):
            raise ValueError(f"{wrong} of {len(found)} scores are no probabilities in [0, 1]; see the model's output")
        return found

    def flipped(self, scores: Floats) -> NDArray[np.bool_]:
        """Return (n,) whether one would act where one did not, or the other way round."""
        flipped: NDArray[np.bool_] = (scores >= self.threshold) != (self.base >= self.threshold)
        return flipped

    def random(self, *names: str) -> np.random.Generator:
        """Return a generator that depends on the seed and on what it is for, not on what else is tested."""
        spoken = [byte for name in names for byte in (*name.encode(), 0)]
        return np.random.default_rng([self.seed, *spoken])


@dataclass(frozen=True)
class BehaviorResult:
    """What a behavioral test found: a verdict, a sentence, and the numbers it rests on."""

    test: str
    verdict: Verdict
    summary: str
    evidence: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def finding(self) -> Finding:
        """The result as a check; too few rows are no failure, and said."""
        passed = self.verdict is not Verdict.FAIL
        return Finding(self.test, passed, self.summary, Severity.WARN, {"verdict": self.verdict.value, **self.evidence})


@runtime_checkable
class BehavioralTest(Protocol):
    """Something a model must do when its input changes; frozen, and equal probes give equal results."""

    @property
    def name(self) -> str:
        """A name, unique in its system."""
        ...

    def mistakes(self, columns: Collection[str], *, request: Collection[str] = ()) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns and those of requests."""
        ...

    def run(self, probe: Probe) -> BehaviorResult:
        """Return what the model of the probe does."""
        ...


def run_behavior(tests: Sequence[BehavioralTest], probe: Probe) -> list[BehaviorResult]:
    """Return the result of each test, all on the same rows, which are scored unchanged once for all of them.

    A test that raises has failed, and names its error; the others still run.
    """
    return [_run(test, probe) for test in tests]


def _run(test: BehavioralTest, probe: Probe) -> BehaviorResult:
    try:
        return test.run(probe)
    except Exception as error:  # noqa: BLE001 - a test or a model may be anybody's: it is named, and the others still run
        raised = type(error).__name__
        told = f"it could not be run: {raised}: {error}"
        return BehaviorResult(test.name, Verdict.FAIL, told, {"raised": raised})


def insufficient(test: str, rows: int, *, what: str = "rows") -> BehaviorResult:
    """Return that there were too few rows to tell."""
    summary = f"insufficient data: {rows} {what}, at least {LEAST_PROBED} are needed"
    return BehaviorResult(test, Verdict.INSUFFICIENT_DATA, summary, {"rows": rows})


def with_column(rows: pa.Table, name: str, values: pa.Array | Floats) -> pa.Table:
    """Return the rows with other values in a column; NaN of numbers becomes null.

    The column keeps its type, unless that one holds whole numbers only and the values are others: then it is float64.
    """
    place, kind = rows.schema.get_field_index(name), rows.schema.field(name).type
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
    if pa.types.is_floating(column.type) and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        whole = pa.float64() if pc.any(pc.not_equal(column, pc.trunc(column))).as_py() else kind
        return rows.set_column(place, name, column.cast(whole, safe=False))
    return rows.set_column(place, name, column.cast(kind, safe=False))


def unknown_columns(what: str, names: Collection[str], columns: Collection[str]) -> list[str]:
    """Return which of the names are no columns."""
    absent = [name for name in names if name not in columns]
    return [f"{what} names {absent}, which are no feature columns; there are {', '.join(columns)}"] if absent else []


def judged(passed: bool) -> Verdict:
    """Return the verdict of rows that were enough."""
    return Verdict.PASS if passed else Verdict.FAIL
