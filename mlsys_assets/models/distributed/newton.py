"""Logistic regression of more rows than are held at once: sums over blocks of rows, added in the blocks' order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.linear_predictor import logistic

Floats = NDArray[np.float64]
Block = tuple[NDArray[np.float32], Floats]
"""(n, d) rows as the preprocessing gives them, and (n,) labels 0 or 1."""
T = TypeVar("T")

AT_ONCE: Final = 16_384
"""Rows summed at a time: their outputs in double precision, twice, are all the memory that a block takes."""
SMALLEST_STEP: Final = 1e-8
"""A step this small in every coefficient ends the search; by Newton's convergence what is left is far less."""
HALVINGS: Final = 30
"""A step that makes the loss worse is halved so often at most."""
ROUNDING: Final = 1e-12
"""A loss that is larger by this share is as good: sums of so many rows are no more exact."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What rows say at some coefficients, the intercept last: how many they are, their loss, gradient and Hessian."""

    rows: int
    positives: int
    loss: float
    gradient: Floats
    hessian: Floats

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.rows + other.rows, self.positives + other.positives, self.loss + other.loss,
            self.gradient + other.gradient, self.hessian + other.hessian,
        )  # fmt: skip


class MapBlocks(Protocol):
    """Sums each block, here or where it lies; Python's ``map`` is one."""

    def __call__(self, function: Callable[[Block], Sums], blocks: Iterable[Block], /) -> Iterable[Sums]:
        """Yield each block's sums in the blocks' order."""
        ...


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """The optimum: an intercept, (d,) weights, and how many passes over the rows it took."""

    intercept: float
    weights: Floats
    passes: int
    rows: int


def fit_by_blocks(
    blocks: Callable[[], Iterable[Block]],
    *,
    c: float,
    rounds: int = 100,
    map: MapBlocks = map,  # noqa: A002 - it is
) -> LogisticFit:
    """Return the L2-regularized logistic regression of all blocks' rows, by Newton's method.

    One pass over the rows a step; the coefficients are those of a fit on all rows at once but for rounding, and for
    equal blocks equal to the last bit, wherever they are summed (Chu et al. 2006). One block is held at a time.

    Parameters
    ----------
    blocks
        Begins a pass: gives the blocks, the same and in the same order each time.
    c
        Inverse strength of the regularization, as in scikit-learn; the intercept is not regularized.
    rounds
        The most passes.
    map
        Where the blocks are summed.

    Raises FitError for rows that nothing can be learned from, and if it does not converge.

    >>> x = np.array([[-1.0], [0.0], [1.0], [2.0]], dtype=np.float32)
    >>> label = np.array([0.0, 1.0, 0.0, 1.0])
    >>> halves = lambda: [(x[:2], label[:2]), (x[2:], label[2:])]
    >>> fit_by_blocks(halves, c=1.0).weights.round(3)
    array([0.453])
    """
    here = _summed(blocks, map, None)
    _check(here)
    at, passes = np.zeros(len(here.gradient)), 1
    while True:
        step = _newton_step(here, at, c)
        if np.abs(step).max() <= SMALLEST_STEP * max(1.0, float(np.abs(at).max())):
            found = at - step
            return LogisticFit(float(found[-1]), found[:-1].copy(), passes, here.rows)
        for _ in range(HALVINGS):
            if passes >= rounds:
                raise FitError(f"it did not converge in {rounds} passes over the rows; allow more, or regularize more")
            there, passes = _summed(blocks, map, at - step), passes + 1
            if (there.rows, there.positives) != (here.rows, here.positives):
                raise FitError(
                    f"the blocks gave {here.rows} rows, and in another pass {there.rows} or other labels; read rows "
                    "that nobody changes"
                )
            if _loss(there, at - step, c) <= _loss(here, at, c) * (1 + ROUNDING):
                break
            step /= 2
        at, here = at - step, there


def _summed(blocks: Callable[[], Iterable[Block]], map: MapBlocks, at: Floats | None) -> Sums:  # noqa: A002 - it is
    """Return the sums of all blocks at some coefficients; at nothing, if none are given."""
    total = None
    for one in map(partial(block_sums, at), blocks()):
        if total is not None and len(one.gradient) != len(total.gradient):
            raise FitError(f"a block has {len(one.gradient) - 1} columns, others have {len(total.gradient) - 1}")
        total = one if total is None else total + one
    if total is None:
        raise FitError("logistic regression needs training rows, got no block")
    return total


def block_sums(at: Floats | None, block: Block) -> Sums:
    """Return a block's sums, on one thread: more would add in another order."""
    matrix, label = block
    if matrix.ndim != 2 or np.shape(label) != (len(matrix),):  # noqa: PLR2004 - rows and columns
        raise FitError(f"a block is (n, d) rows and (n,) labels, got {np.shape(matrix)} and {np.shape(label)}")
    coefficients = np.zeros(matrix.shape[1] + 1) if at is None else at
    if len(coefficients) != matrix.shape[1] + 1:
        raise FitError(f"a block has {matrix.shape[1]} columns, and in another pass {len(coefficients) - 1}")
    total = Sums(0, 0, 0.0, np.zeros(len(coefficients)), np.zeros((len(coefficients),) * 2))
    with _threads().limit(limits=1):
        for start in range(0, len(matrix), AT_ONCE):
            total += _sums(coefficients, matrix[start : start + AT_ONCE], label[start : start + AT_ONCE])
    return total


def _sums(at: Floats, matrix: NDArray[np.float32], label: Floats) -> Sums:
    if odd := int(((label != 0.0) & (label != 1.0)).sum()):
        raise FitError(f"logistic regression takes labels 0 and 1, and {odd} of {len(label)} rows have another")
    rows = np.empty((len(matrix), len(at)))
    rows[:, :-1], rows[:, -1] = matrix, 1.0
    margin = rows @ at
    if not np.isfinite(margin).all():
        raise FitError("logistic regression takes finite numbers; fill what is missing in the preprocessing")
    p = logistic(margin)
    loss = float(np.logaddexp(0.0, np.where(label > 0, -margin, margin)).sum())
    hessian = rows.T @ (rows * (p * (1.0 - p))[:, None])
    return Sums(len(label), int(label.sum()), loss, rows.T @ (p - label), hessian)


@cache
def _threads() -> Any:
    """Return what sets the threads of the linear algebra: to look for it takes longer than a block."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _check(first: Sums) -> None:
    if not 0 < first.positives < first.rows:
        raise FitError(
            f"logistic regression needs rows of both classes, got {first.positives} positives in {first.rows} rows"
        )


def _loss(sums: Sums, at: Floats, c: float) -> float:
    return c * sums.loss + 0.5 * float(at[:-1] @ at[:-1])


def _newton_step(sums: Sums, at: Floats, c: float) -> Floats:
    """Return Newton's step, which is subtracted; the penalty makes the Hessian definite, columns alike or not."""
    from scipy.linalg import cho_factor, cho_solve

    penalty = np.ones(len(at))
    penalty[-1] = 0.0
    try:
        factor = cho_factor(c * sums.hessian + np.diag(penalty))
    except np.linalg.LinAlgError as error:
        raise FitError("the rows are told apart without a doubt: regularize more") from error
    step: Floats = cho_solve(factor, c * sums.gradient + penalty * at)
    return step
