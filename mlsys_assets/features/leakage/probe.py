"""What a small model of some columns ranks on days it did not see: fitted on a few, each set of columns once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation, View, require_train, require_validation
from mlsys_assets.features.leakage.binned import ranked_auc
from mlsys_assets.features.leakage.learner import Learner, Scorer
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import Floats, RocAuc, Weights
from mlsys_assets.types import TimeWindow

FITTED: Final = 10_000
"""Rows that a probe is fitted on: 0.2 s of LightGBM, with an AUC within 0.02 of a model of all rows."""
WATCHED: Final = 1_000
"""Rows of other days that a learner may stop by, so that it chooses nothing on the rows it is measured on."""
SCORED: Final = 12_000
"""Rows of validation, and as many of other training days, that a probe is measured on: validation alone may hold two
weeks with one storm, of which an AUC says little."""


@dataclass(frozen=True, eq=False)
class Probe:
    """Fits a learner on sets of columns, and says how well each ranks the labels of days it did not see.

    Parameters
    ----------
    train, watched
        Rows of different training days: what is fitted on, and what may be stopped by.
    scored
        Rows of other days, of training and of validation.
    learner
        What is fitted.
    seed, threads
        Of every fit; the seed is that of the intervals' draws too.
    """

    train: Train
    watched: Validation
    scored: Validation
    learner: Learner
    seed: int
    threads: int = 1
    _fitted: dict[tuple[str, ...], Scorer] = field(default_factory=dict)
    _scores: dict[tuple[str, ...], Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, train: Train, validation: Validation, learner: Learner, *, seed: int, threads: int = 1) -> "Probe":
        """Return a probe on evenly spaced whole days of both parts; raises TypeError for rows of a test.

        Raises ValueError for labels that are not 0 or 1.
        """
        require_train(train, what="a probe")
        require_validation(validation, what="a probe")
        for view in (train, validation):
            if len(other := view.label[(view.label != 0.0) & (view.label != 1.0)]):
                raise ValueError(f"a probe takes labels 0 and 1, got {other[0]} ({len(other)} such rows)")
        fitted, watched, others = apart(train, (FITTED, WATCHED, SCORED))
        later = validation.take(spaced_days(validation, SCORED))
        return cls(
            train.take(fitted),
            _as_validation(train.take(watched)),
            joined(train.take(others), later),
            learner,
            seed,
            threads,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """All feature columns."""
        return tuple(self.train.features.schema.names)

    @cached_property
    def weights(self) -> Weights:
        """The draws of the scored rows' days that all intervals share."""
        return bootstrap(day_blocks(self.scored.at), seed=self.seed)

    @property
    def told(self) -> bool:
        """Whether a model can be fitted and measured: both classes on either side, and something to stop by."""
        sides = (self.train.label, self.scored.label)
        return all(len(label) and 0.0 < label.mean() < 1.0 for label in sides) and len(self.watched) > 0

    def with_columns(self, values: Mapping[str, Sequence[NDArray[np.float32]]]) -> "Probe":
        """Return a probe that has columns more: by name, their values of the fitted, watched and scored rows."""
        tables = [part.features for part in (self.train, self.watched, self.scored)]
        for name, own in values.items():
            columns = (pa.array(column, pa.float32(), from_pandas=True) for column in own)
            tables = [table.append_column(name, column) for table, column in zip(tables, columns, strict=True)]
        train, watched, scored = tables
        return replace(
            self,
            train=replace(self.train, features=train),
            watched=replace(self.watched, features=watched),
            scored=replace(self.scored, features=scored),
            _fitted={},
            _scores={},
        )

    def fitted(self, columns: tuple[str, ...]) -> Scorer:
        """Return the model of these columns."""
        if columns not in self._fitted:
            names = list(columns)
            train = replace(self.train, features=self.train.features.select(names))
            watched = replace(self.watched, features=self.watched.features.select(names))
            self._fitted[columns] = self.learner.fit(train, watched, seed=self.seed, threads=self.threads)
        return self._fitted[columns]

    def scores(self, columns: tuple[str, ...]) -> Floats:
        """Return (n,) scores of the scored rows by a model of these columns."""
        if columns not in self._scores:
            model = self.fitted(columns)
            self._scores[columns] = model.predict(self.scored.features, threads=self.threads)
        return self._scores[columns]

    def permuted(self, columns: tuple[str, ...], *, rows: int) -> Floats:
        """Return (k,) by how much the AUC of all columns falls where one of these is shuffled (Breiman 2001).

        Of about so many of the scored rows, whole days of them.
        """
        view = self.scored.take(spaced_days(self.scored, rows))
        shuffled = pa.array(np.random.default_rng(self.seed).permutation(len(view)))
        model, features = self.fitted(self.columns), view.features
        base = ranked_auc(model.predict(features, threads=self.threads), view.label)
        found = np.zeros(len(columns))
        for k, name in enumerate(columns):
            place = features.schema.get_field_index(name)
            one = features.set_column(place, name, features[name].take(shuffled))
            found[k] = base - ranked_auc(model.predict(one, threads=self.threads), view.label)
        return found

    def without(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Return all columns but these."""
        return tuple(name for name in self.columns if name not in columns)

    def auc(self, score: Floats) -> Estimate:
        """Return how well (n,) scores rank the scored rows' labels."""
        return estimate(RocAuc(), self.scored.label, score, weights=self.weights)

    def more(self, score: Floats, than: Floats) -> Estimate:
        """Return by how much the first scores rank better than the second, on the same rows."""
        return difference(RocAuc(), self.scored.label, (score, than), weights=self.weights)

    def fall(self, columns: tuple[str, ...]) -> Estimate:
        """Return by how much the AUC of all columns falls where these are dropped."""
        return self.more(self.scores(self.columns), self.scores(self.without(columns)))


def spaced_days(view: View, rows: int) -> NDArray[np.intp]:
    """Return (m,) positions of evenly spaced whole days of a view, of about so many rows, at most all."""
    block = day_blocks(view.at)
    days = int(block.max(initial=-1)) + 1
    wanted = _count(len(view), days, rows)
    return np.flatnonzero(np.isin(block, np.arange(wanted) * days // max(wanted, 1)))


def apart(view: View, rows: tuple[int, ...]) -> tuple[NDArray[np.intp], ...]:
    """Return positions of whole days for each number of rows: no day twice, each spread over the whole view.

    Where there are not as many rows, each part gets its share of the days.
    """
    block = day_blocks(view.at)
    days = int(block.max(initial=-1)) + 1
    share = min(1.0, len(view) / sum(rows))
    left, found = np.arange(days), []
    for most in rows:
        wanted = min(len(left), _count(len(view), days, most * share))
        chosen = left[(np.arange(wanted) * 2 + 1) * len(left) // max(2 * wanted, 1)]
        left = np.setdiff1d(left, chosen)
        found.append(np.flatnonzero(np.isin(block, chosen)))
    return tuple(found)


def _count(rows: int, days: int, most: float) -> int:
    """Return of how many days to take the rows; at least one, where there are any."""
    return min(days, max(1, round(days * most / rows))) if rows else 0


def _as_validation(view: View) -> Validation:
    return Validation(view.ids, view.at, view.features, view.label, view.window)


def joined(first: View, second: View) -> Validation:
    """Return the rows of two views, to be scored together."""
    return Validation(
        pa.concat_arrays([part.ids.cast(pa.string()) for part in (first, second)]),
        np.concatenate([first.at, second.at]),
        pa.concat_tables([first.features, second.features]).combine_chunks(),
        np.concatenate([first.label, second.label]),
        TimeWindow(min(first.window.start, second.window.start), max(first.window.end, second.window.end)),
    )
