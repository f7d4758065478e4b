"""How stable a ranking of columns is: the recipe is fitted anew on other days, beside a column of pure noise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Final, Literal

import numpy as np

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import not_seeds, out_of_range
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.offline_evaluation.importance.importance import WAYS, ImportanceStudy, Way, ranked
from mlsys_assets.offline_evaluation.importance.noise_column import NOISE, with_noise
from mlsys_assets.offline_evaluation.importance.permutation import Permutation
from mlsys_assets.types import DeclarationError

SEEDS: Final = (0, 1, 2, 3, 4)
TOP: Final = 10
SHARE: Final = 2 / 3
"""Of the days, so many are fitted on. Drawn with replacement, rows would stand twice, and noise would fit them."""
LEAST_SHARED: Final = 0.7
"""Of the most important columns of one fit, so many must be among those of another, on the mean of all pairs."""
MOVED: Final = 0.1
"""A column moves whose rank has a standard deviation of more than this share of the number of columns."""
Correlation = Callable[[Floats, Floats], float]
Stable = Literal["stable", "not stable", "insufficient data"]


@dataclass(frozen=True, eq=False)
class RankStability:
    """Importances over several fits.

    Parameters
    ----------
    candidate
        Whose.
    columns
        (d,) the columns, the noise last.
    values
        By way, (k, d) each fit's importances; NaN where a way tells nothing.
    noise
        The name of the column of pure noise.
    top
        How many columns count as the most important.
    """

    candidate: str
    columns: tuple[str, ...]
    values: Mapping[Way, Floats]
    noise: str = NOISE
    top: int = TOP

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways that tell something in every fit."""
        return tuple(way for way in WAYS if np.isfinite(self.values[way]).all())

    def ranks(self, way: Way) -> Floats:
        """Return (k, d) each fit's ranks, 1 the most important."""
        return np.array([ranked(one) for one in self.values[way]])

    def mean_ranks(self, way: Way) -> dict[str, float]:
        """Return each column's mean rank, the most important first."""
        mean = self.ranks(way).mean(axis=0)
        return dict(sorted(zip(self.columns, mean.tolist(), strict=True), key=lambda pair: (pair[1], pair[0])))

    def spreads(self, way: Way) -> dict[str, float]:
        """Return the standard deviation of each column's rank over the fits."""
        return dict(zip(self.columns, self.ranks(way).std(axis=0, ddof=1).tolist(), strict=True))

    def spearman(self, way: Way) -> float:
        """Return the mean rank correlation of two fits (Spearman 1904); NaN where ranks do not differ."""
        return _mean_of_pairs(self.ranks(way), lambda a, b: float(np.corrcoef(a, b)[0, 1]))

    def kendall(self, way: Way) -> float:
        """Return the mean tau-b of two fits (Kendall 1945): pairs in the same order less those in the other."""
        from scipy.stats import kendalltau

        return _mean_of_pairs(self.ranks(way), lambda a, b: float(kendalltau(a, b).statistic))

    def shared(self, way: Way) -> float:
        """Return which share of the most important columns two fits have in common, on the mean of all pairs."""
        most = min(self.top, len(self.columns))
        first = [set(np.lexsort((np.arange(len(one)), one))[:most].tolist()) for one in self.ranks(way)]
        return float(np.mean([len(a & b) / most for a, b in combinations(first, 2)]))

    def moved(self, way: Way) -> tuple[str, ...]:
        """Return which of the most important columns move, in order of importance."""
        spreads = self.spreads(way)
        return tuple(n for n in list(self.mean_ranks(way))[: self.top] if spreads[n] > MOVED * len(self.columns))

    def verdict(self, way: Way) -> Stable:
        """Return whether the most important columns are the same in every fit, by and large."""
        if way not in self.ways:
            return "insufficient data"
        return "stable" if self.shared(way) >= LEAST_SHARED and not self.moved(way) else "not stable"

    def means(self, way: Way) -> dict[str, float]:
        """Return each column's mean importance over the fits, without the noise."""
        mean = self.values[way].mean(axis=0).tolist()
        return {name: one for name, one in zip(self.columns, mean, strict=True) if name != self.noise}

    def floor(self, way: Way) -> float:
        """Return the largest importance that the noise had in any fit: what is not above it may be nothing."""
        return float(self.values[way][:, self.columns.index(self.noise)].max())

    def useless(self) -> tuple[str, ...]:
        """Return the columns whose mean importance is above the floor in no way at all, in the order given."""
        means = {way: self.means(way) for way in self.ways}
        floors = {way: self.floor(way) for way in self.ways}
        own = [name for name in self.columns if name != self.noise and means]
        return tuple(name for name in own if all(means[way][name] <= floors[way] for way in means))

    def table(self) -> str:
        """Return the columns as a Markdown table, each with its mean rank ± standard deviation in every way."""
        ways = self.ways
        ranks, spreads = ({way: of(way) for way in ways} for of in (self.mean_ranks, self.spreads))
        lines = ["| column | " + " | ".join(f"rank by {way}" for way in ways) + " |", "|---|" + "---|" * len(ways)]
        order = ranks[ways[-1]] if ways else self.columns
        lines += [
            f"| {name} | " + " | ".join(f"{ranks[way][name]:.1f} ± {spreads[way][name]:.1f}" for way in ways) + " |"
            for name in order
        ]
        return "\n".join(lines)

    def text(self) -> str:
        """Return in words how stable each way's ranking is, where the noise stands, and what is below it."""
        lines = []
        for way in WAYS:
            if way not in self.ways:
                lines.append(f"by {way}: insufficient data")
                continue
            moved = ", ".join(self.moved(way))
            lines.append(
                f"by {way}: {self.verdict(way)}; two fits share {self.shared(way):.0%} of the first {self.top}, "
                f"Spearman {self.spearman(way):.2f}, Kendall {self.kendall(way):.2f}; "
                f"noise is {self.mean_ranks(way)[self.noise]:.0f} of {len(self.columns)}"
                + (f"; these move: {moved}" if moved else "")
            )
        useless = self.useless()
        told = f"{len(useless)} columns are nowhere above noise" + (f": {', '.join(useless)}" if useless else "")
        return "\n".join([f"{self.candidate}, {len(self.values['own'])} fits", *lines, told])

    def plot(self) -> str:
        """Return the mean ranks of the most important columns and of the noise as SVG, ± a standard deviation."""
        spans = {way: self._spans(way) for way in self.ways}
        names = list(dict.fromkeys(name for found in spans.values() for name in list(found)[: self.top]))
        rows = {name: {str(way): found[name] for way, found in spans.items()} for name in [*names, self.noise]}
        return forest(rows, title=f"rank ± standard deviation over fits of {self.candidate}")

    def thumbnail(self) -> str:
        """Return the mean ranks by the last way that tells, as Markdown that is seen at once."""
        spans = self._spans(self.ways[-1]) if self.ways else {}
        return thumbnails.spans(spans, title=f"rank over fits of {self.candidate}")

    def _spans(self, way: Way) -> dict[str, tuple[float, float, float]]:
        spreads = self.spreads(way)
        return {n: (mean, mean - spreads[n], mean + spreads[n]) for n, mean in self.mean_ranks(way).items()}


@dataclass(frozen=True)
class RankStabilityStudy:
    """How the recipe is fitted anew: each fit on two thirds of the days, its columns shuffled on the others.

    Stability under subsampling (Meinshausen & Bühlmann 2010), of whole days. What a fit did not draw are rows it never
    saw, of the same months: what is worth nothing there costs nothing, where other weeks may even be better off.

    Parameters
    ----------
    permutation
        How columns are shuffled; each fit's seed takes the place of its seeds.
    seeds
        At least two: each draws its own days and noise, and is the seed of its fit.
    top
        How many columns count as the most important.
    threads
        Of each fit.
    """

    permutation: Permutation = field(default_factory=Permutation)
    seeds: tuple[int, ...] = SEEDS
    top: int = TOP
    threads: int = 1

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = self.permutation.mistakes() + not_seeds("rank stability: seeds", self.seeds, least=2)
        return found + out_of_range("rank stability: top", self.top, whole=True, least=1)

    def measure(self, candidate: Candidate, train: Train, validation: Validation) -> RankStability:
        """Return the importances of each fit; raises FitError as fits do, DeclarationError for mistakes."""
        if wrong := self.mistakes():
            raise DeclarationError("rank stability", wrong)
        found = []
        for seed in self.seeds:
            drawn, watched = with_noise(train, validation, seed=seed)
            part, others = part_of_days(drawn, seed=seed)
            fitted = candidate.fit(part, watched, seed=seed, threads=self.threads)
            study = ImportanceStudy(replace(self.permutation, seeds=(seed,)), self.threads)
            found.append(study.measure(fitted.predictor, others))
        columns = (*train.features.schema.names, NOISE)
        values = {way: np.array([[one.values(way)[n] for n in columns] for one in found]) for way in WAYS}
        return RankStability(candidate.name, columns, values, NOISE, self.top)


def part_of_days(train: Train, *, seed: int, share: float = SHARE) -> tuple[Train, Validation]:
    """Return the rows of a share of the days, drawn without replacement, and those of the other days."""
    day = day_blocks(train.at)
    days = int(day.max(initial=-1)) + 1
    drawn = np.random.default_rng(seed).permutation(days) < round(share * days)
    left = train.take(~drawn[day])
    return train.take(drawn[day]), Validation(left.ids, left.at, left.features, left.label, left.window)


def _mean_of_pairs(ranks: Floats, measure: Correlation) -> float:
    if len(ranks[0]) == 1 or bool((np.ptp(ranks, axis=1) == 0).any()):
        return float("nan")
    return float(np.mean([measure(a, b) for a, b in combinations(ranks, 2)]))
