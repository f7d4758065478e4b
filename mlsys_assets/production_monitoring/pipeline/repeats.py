"""What stands there again and again: rows that came twice, predictions that do not change."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import row_hashes
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.production_monitoring.pipeline.sides import LEAST_ROWS

ROWS_TEST: Final = "repeated rows"
PREDICTIONS_TEST: Final = "repeated predictions"
LEAST_REPEATED: Final = 0.05
"""The share of rows that are copies of an earlier one, beyond what is usual, that is a bug."""
TIMES_USUAL: Final = 2.0
"""How many times as usual."""
LONGEST_RUN: Final = 30
"""So many equal predictions in a row are looked at."""
BY_CHANCE: Final = 1e-6
"""A run that chance gives as rarely in all of a window is no chance."""
ALL: Final = 0.9
"""A model that says the same of so many of a window's requests is stuck, whether or not it says so again."""
SAME_SCORE: Final = 1e-9
"""Scores no further apart than this are one."""


Again = Callable[[NDArray[np.intp]], Floats]
"""Maps places of predictions to what the model says of their requests, scored anew."""


def repeated_rows(before: pa.Table, now: pa.Table, *, seed: int) -> Examined:
    """Return whether rows are copies of others, in all columns, far more often than before.

    Both are looked at in as many rows as the smaller has, drawn by ``seed`` from the other: copies come in pairs, and
    the more rows the more pairs. Columns of lists and the like are left out.
    """
    now = now.select([field.name for field in now.schema if not pa.types.is_nested(field.type)])
    rows = min(before.num_rows, now.num_rows)
    if rows < LEAST_ROWS or not now.num_columns:
        return Examined.nothing(ROWS_TEST, f"{before.num_rows} rows before and {now.num_rows} now are too few")
    share = _copies(row_hashes(now))
    if share < LEAST_REPEATED:
        return Examined()
    rng = np.random.default_rng(seed)
    both = [name for name in now.column_names if name in before.column_names]
    usual, found = (_copies(row_hashes(_drawn(table.select(both), rows, rng))) for table in (before, now))
    limit = max(usual + LEAST_REPEATED, min(TIMES_USUAL * usual, 1.0))
    if found < limit or usual == 1:
        return Examined()
    told = f"{share:.1%} of {now.num_rows:,} rows are copies of another one, in all columns; {usual:.1%} were before"
    return Examined((Symptom(Cause.PIPELINE, ROWS_TEST, "rows", told, found, limit, {"before": usual}),))


def repeated_predictions(
    score: Floats,
    at: NDArray[np.datetime64],
    *,
    before: Floats | None = None,
    constant: bool = False,
    again: Again | None = None,
) -> Examined:
    """Return whether a run of equal predictions is longer than chance gives, and not what the model says.

    Weather stays for days, and a tree says one thing of all its leaf: where the model can be asked again, a run of
    what it says itself is none, unless it says nothing else.

    Parameters
    ----------
    score
        (n,) predictions; what is not finite counts as one value.
    at
        (n,) prediction times; those of one time are taken in the order in which they stand.
    before
        (m,) predictions of the same model earlier, in order of time: how often each value comes, and in which runs.
        Without them the rest of the window tells.
    constant
        Whether the model is declared to say the same of everything, as a baseline does: its runs are meant.
    again
        Returns (k,) what the model says of the requests at k places of ``score``, scored anew.

    Raises ValueError for scores and times of different lengths.
    """
    if len(score) != len(at):
        raise ValueError(f"{len(score)} predictions and {len(at)} prediction times; give one time a prediction")
    if constant:
        return Examined.nothing(PREDICTIONS_TEST, "the model is declared to predict a constant")
    if len(score) < LONGEST_RUN:
        return Examined.nothing(PREDICTIONS_TEST, f"{len(score)} predictions cannot make a run of {LONGEST_RUN}")
    order = np.argsort(at, kind="stable")
    ordered, earlier = _one_value(score)[order], np.empty(0) if before is None else _one_value(before)
    for start, length in _long_runs(ordered):  # the longest may be the model's own, and hide another
        symptom = _odd_run(ordered, earlier, start, length)
        if symptom is not None and not _meant(ordered, order, (start, length), again):
            return Examined((symptom,))
    return Examined()


def _odd_run(ordered: Floats, earlier: Floats, start: int, length: int) -> Symptom | None:
    """Return a run that neither chance nor an earlier one explains; None if one does."""
    value = ordered[start]
    usual = _run_of(earlier, value)
    others = earlier if len(earlier) >= LONGEST_RUN else np.delete(ordered, np.s_[start : start + length])
    share = (float((others == value).sum()) + 1) / (len(others) + 2)
    chance = min(len(ordered) * share**length, 1.0)
    if length <= 2 * usual or chance > BY_CHANCE:
        return None
    what = "no number" if np.isposinf(value) else f"{value:.6g}"
    told = f"{length} predictions in a row are {what}; before, at most {usual}; chance gives it {chance:.1g} times"
    measures = {"value": None if np.isposinf(value) else float(value), "share_else": share, "chance": chance}
    limit = float(max(LONGEST_RUN, 2 * usual))
    return Symptom(Cause.PIPELINE, PREDICTIONS_TEST, "scores", told, float(length), limit, measures)


def _meant(ordered: Floats, order: NDArray[np.intp], run: tuple[int, int], again: Again | None) -> bool:
    """Return whether the model says the same of a run when it is asked again, and something else of other rows."""
    start, length = run
    if again is None or length >= ALL * len(ordered):
        return False
    said = _one_value(again(order[start : start + length]))
    return bool(np.allclose(said, ordered[start], rtol=0, atol=SAME_SCORE))


def _one_value(score: Floats) -> Floats:
    return np.where(np.isfinite(score), score, np.inf)


def _long_runs(values: Floats) -> list[tuple[int, int]]:
    """Return where runs of equal values start that are looked at, and their lengths, the longest first."""
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    lengths = np.diff(np.append(starts, len(values)))
    long = np.flatnonzero(lengths >= LONGEST_RUN)
    return [(int(starts[i]), int(lengths[i])) for i in long[np.argsort(-lengths[long], kind="stable")]]


def _run_of(values: Floats, value: float) -> int:
    """Return the length of the longest run of one value."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (values == value).astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _copies(hashes: NDArray[np.uint64]) -> float:
    return 1 - len(np.unique(hashes)) / len(hashes)


def _drawn(table: pa.Table, rows: int, rng: np.random.Generator) -> pa.Table:
    if table.num_rows == rows:
        return table
    return table.take(pa.array(np.sort(rng.choice(table.num_rows, rows, replace=False))))
