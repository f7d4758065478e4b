"""The kernel two-sample test: whether the principal components of now and before are distributed alike."""

from dataclasses import dataclass
from math import comb
from typing import Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.leakage.told_apart import Unlabelled
from mlsys_assets.features.named_columns import is_number, read_numbers
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.drift.comparable import comparable
from mlsys_assets.production_monitoring.drift.outcome import Outcome

KERNEL: Final = "kernel"
SAMPLED: Final = 700
"""Rows of each set at most that are held against each other, as many of every day where days are blocks: their number
squared is what it costs."""
FITTED: Final = 5_000
"""Rows before, others than those, that the components are fitted on."""
LEAST_ROWS: Final = 50
"""Fewer rows than this in any part tell nothing."""
OF_A_DAY: Final = 20
"""Rows of a day at least, where there are so many; of more days than then fit in, some are drawn."""
COMPONENTS: Final = 10
"""How many principal components are kept."""
CLIP: Final = 5.0
"""Standard deviations from where on a value is no farther away: one outlier decides nothing."""
PERMUTATIONS: Final = 999
"""The smallest p-value is one over so many and one: 1 in 1,000."""
ROUNDING: Final = 1e-6
"""What float32 makes of a constant: less variance, or deviation for a mean of 1, is none."""
CHANCE: Final = 0.001
"""What chance gives more rarely than this is no chance: one window in a thousand."""
LEAST_EFFECT: Final = 0.01
"""What the sets differ by, in shares of what rows of a set differ by, from where on it counts: about what a move of one
in ten independent columns by a quarter of its standard deviation gives."""


@dataclass(frozen=True)
class KernelTest:
    """Holds the maximum mean discrepancy against that of permuted rows, or days (Gretton et al. 2012).

    Numbers are standardised by rows before, a missing one being their mean, and reduced to their principal components,
    each of the same variance; these are fitted on rows that are not compared, so that the permutations are exact.

    Parameters
    ----------
    least_effect
        The MMD² over the mean within-set dissimilarity of the kernel, below which the sets count as alike.
    chance
        The p-value at most.
    blocks
        Whether whole days are permuted, as rows of a day depend on each other, or rows.
    components
        How many principal components at most.

    It cannot signal a change of text, of what is missing, or of a column that was constant before.
    """

    least_effect: float = LEAST_EFFECT
    chance: float = CHANCE
    blocks: Literal["days", "rows"] = "days"
    components: int = COMPONENTS

    def mistakes(self) -> list[str]:
        """Return which numbers are out of range, and what are no blocks."""
        what = "the kernel test"
        return [
            *out_of_range(f"{what}: least_effect", self.least_effect, least=0, most=1),
            *out_of_range(f"{what}: chance", self.chance, least=1 / (PERMUTATIONS + 1), most=0.5),
            *out_of_range(f"{what}: components", self.components, whole=True, least=1),
            *([] if self.blocks in {"days", "rows"} else [f"{what}: blocks are {self.blocks!r}; allowed: days, rows"]),
        ]

    def held(self, before: Unlabelled, now: Unlabelled, *, seed: int) -> Outcome:
        """Return how far the components of now lie from those before; ``seed`` is of the draws and permutations."""
        both = comparable(before.features, now.features)
        left_out = both.left_out | {f.name: "is text" for f in both.before.schema if not is_number(f.type)}
        random = np.random.default_rng(seed)
        parts = self._drawn(before.at, now.at, random)
        if len(before.at) < 2 * LEAST_ROWS or len(now.at) < LEAST_ROWS:
            few = f"{len(before.at)} rows before and {len(now.at)} now; {2 * LEAST_ROWS} and {LEAST_ROWS} needed"
            return Outcome.nothing(KERNEL, few, left_out)
        fit, compared, other = parts
        names = [f.name for f in both.before.schema if is_number(f.type)]
        numbers, there = _standardised(*(
            read_numbers(table.take(pa.array(rows)), names)
            for table, rows in ((both.before, fit), (both.before, compared), (both.now, other))
        ))  # fmt: skip
        left_out |= {name: "is constant before" for name, kept in zip(names, there, strict=True) if not kept}
        if not there.any():
            return Outcome.nothing(KERNEL, "no column of numbers that varies before", left_out)
        reduced = _components(numbers, len(fit), self.components)
        member = np.repeat([0, 1], [len(compared), len(other)])
        block = self._blocks(np.concatenate([before.at[compared], now.at[other]]), member)
        dealt, own = int(block.max()) + 1, len(np.unique(block[member == 1]))
        if comb(dealt, own) < 1 / self.chance:
            why = f"{dealt} {self.blocks}, {own} of them now, can be dealt out in too few ways to tell chance"
            return Outcome.nothing(KERNEL, why, left_out)
        effect, chance = mmd_test(reduced[:, len(fit) :].T, member, block, random=random)
        return self._outcome(effect, chance, left_out, len(member))

    def _drawn(
        self, before: NDArray[np.datetime64], now: NDArray[np.datetime64], random: np.random.Generator
    ) -> tuple[NDArray[np.intp], ...]:
        """Return the positions of rows before to fit on, of others to compare, and of rows now."""
        shuffled, other = random.permutation(len(before)), random.permutation(len(now))
        half = len(before) // 2
        fit, compared = np.sort(shuffled[half : half + FITTED]), shuffled[:half]
        if self.blocks == "rows":
            return fit, np.sort(compared[:SAMPLED]), np.sort(other[:SAMPLED])
        days = max(len(np.unique(day_blocks(at))) for at in (before[compared], now))
        each = max(SAMPLED // max(days, 1), OF_A_DAY)
        return fit, _even(before, compared, each, random), _even(now, other, each, random)

    def _blocks(self, at: NDArray[np.datetime64], member: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return (n,) blocks that are permuted: rows, or the days of either set."""
        if self.blocks == "rows":
            return np.arange(len(at))
        return np.asarray(np.unique(day_blocks(at) * 2 + member, return_inverse=True)[1], dtype=np.intp)

    def _outcome(self, effect: float, chance: float, left_out: dict[str, str], rows: int) -> Outcome:
        symptom = None
        if effect >= self.least_effect and chance <= self.chance:
            said = (
                f"the principal components lie {effect:.3f} of their own dissimilarity apart (p {chance:.1g}; below "
                f"{self.least_effect:g} is alike)"
            )
            measures = {"p": chance, "rows": rows}
            symptom = Symptom(Cause.COVARIATE, KERNEL, "features", said, effect, self.least_effect, measures)
        return Outcome(KERNEL, effect, self.least_effect, chance, max(effect, 0.0), symptom, "", left_out)


def mmd_test(
    rows: Floats, member: NDArray[np.intp], block: NDArray[np.intp], *, random: np.random.Generator
) -> tuple[float, float]:
    """Return the effect of belonging to a set, and the p-value of it among permutations.

    The effect is the unbiased MMD² over the mean within-set dissimilarity 1 − k.

    Parameters
    ----------
    rows
        (n, c) numbers.
    member
        (n,) 0 or 1: which set a row is of.
    block
        (n,) rows of the same block are of the same set, in every permutation.
    """
    kernel = gaussian_kernel(rows)
    np.fill_diagonal(kernel, 0.0)
    size = int(block.max()) + 1
    of_block = np.zeros(size, dtype=np.float32)
    of_block[block] = member
    dealt = random.permuted(np.tile(of_block, (PERMUTATIONS, 1)), axis=1)
    drawn = np.concatenate([of_block[None], dealt])[:, block]
    effects = _effects(kernel, drawn)
    at_least = int((effects[1:] >= effects[0] - 1e-7).sum())  # a permutation that changes nothing is as large
    return float(effects[0]), (1 + at_least) / (1 + PERMUTATIONS)


def gaussian_kernel(rows: Floats) -> NDArray[np.float32]:
    """Return (n, n) exp(−d² / 2 h²), h being the median distance of (n, c) rows; rows that are all alike have 1."""
    numbers = rows.astype(np.float32)
    square = (numbers**2).sum(axis=1)
    apart = np.maximum(square[:, None] + square - 2 * (numbers @ numbers.T), 0)
    middle = float(np.median(apart[np.triu_indices(len(rows), 1)]))
    kernel: NDArray[np.float32] = np.exp(-apart / (2 * middle if middle > 0 else 1.0))
    return kernel


def _effects(kernel: NDArray[np.float32], member: NDArray[np.float32]) -> Floats:
    """Return (b,) effects of (b, n) memberships, of a kernel whose diagonal is 0."""
    sums = kernel.sum(axis=1, dtype=np.float64)
    m = member.sum(axis=1, dtype=np.float64)
    n = member.shape[1] - m
    own = np.einsum("bi,bi->b", member @ kernel, member, dtype=np.float64)
    across = member @ sums - own
    others = sums.sum() - 2 * across - own
    within, without = own / np.maximum(m * (m - 1), 1), others / np.maximum(n * (n - 1), 1)
    between = across / np.maximum(m * n, 1)
    return np.asarray((within + without - 2 * between) / np.maximum(1 - (within + without) / 2, 1e-12))


def _even(
    at: NDArray[np.datetime64], candidates: NDArray[np.intp], each: int, random: np.random.Generator
) -> NDArray[np.intp]:
    """Return the first ``each`` candidates of every day, rising: days of one size can take each other's place."""
    day = day_blocks(at[candidates])
    count = int(day.max(initial=-1)) + 1
    order = np.argsort(day, kind="stable")
    starts = np.searchsorted(day[order], np.arange(count))
    within = np.arange(len(order)) - starts[day[order]]
    drawn = np.isin(day[order], random.permutation(count)[: SAMPLED // each])
    return np.sort(candidates[order[(within < each) & drawn]])


def _standardised(*parts: NDArray[np.float32]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (d, n) numbers of all parts by mean and deviation of the first, and which columns vary there."""
    first = np.where(np.isfinite(parts[0]), parts[0], np.nan).astype(np.float64)
    count = np.maximum(np.isfinite(first).sum(axis=1), 1)
    mean = np.nansum(first, axis=1) / count
    spread = np.sqrt(np.nansum((first - mean[:, None]) ** 2, axis=1) / count)
    varies = spread > ROUNDING * np.abs(mean)
    whole = np.concatenate(parts, axis=1).astype(np.float64)[varies]
    standard = (whole - mean[varies, None]) / spread[varies, None]
    return np.clip(np.nan_to_num(standard, nan=0.0, posinf=CLIP, neginf=-CLIP), -CLIP, CLIP), varies


def _components(numbers: Floats, fitted: int, most: int) -> Floats:
    """Return (c, n) principal components of (d, n) numbers, fitted on the first rows, of variance 1 there."""
    center = numbers[:, :fitted].mean(axis=1, keepdims=True)
    variance, vectors = np.linalg.eigh(np.cov(numbers[:, :fitted]).reshape(len(numbers), -1))
    kept = np.argsort(-variance)[:most]
    kept = kept[variance[kept] > ROUNDING]
    return np.asarray(vectors[:, kept].T @ (numbers - center) / np.sqrt(variance[kept])[:, None])
