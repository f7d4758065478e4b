"""Train against serve: requests as they stand in the training set, against the same as they were served and logged.

What a model learned from columns that are filled after the fact, it looks for in vain when it is asked: a classifier
then tells training rows from served ones, and the requests, compared one by one, say by which columns.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.leakage.learner import Learner
from mlsys_assets.features.leakage.logged_rows import LoggedRows, Requests
from mlsys_assets.features.leakage.suspicion import NAMED, Suspicion, finding_of
from mlsys_assets.features.leakage.told_apart import TOLD_APART, Told, adversarial_validation
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.types import Finding, Scalar, Severity

FINDING: Final = "training_rows_are_as_they_were_served"
SERVED_APART: Final = 0.55
"""The lower end of an AUC from which the same requests are told apart; alike, they give 0.5."""
LACKING: Final = 0.2
"""A column that training holds, and serving lacked, in this share of requests was not there to be asked."""
LEAST: Final = 100
"""Fewer requests that are both trained on and served say nothing."""
TOLERANCE: Final = 1e-5
"""The relative difference below which two numbers of 32 bits are the same."""
REMEDY: Final = (
    "Take the column as of the moment of the request, by what was known then; where serving was at fault, rebuild its "
    "state."
)


@dataclass(frozen=True)
class Changed:
    """A column that training holds otherwise than it was served.

    ``share`` of the requests in which they differ, and ``lacking``: in which training has a value and serving had none.
    """

    column: str
    share: float
    lacking: float


@dataclass(frozen=True)
class ServedAsTrained:
    """How training rows compare with served ones.

    Parameters
    ----------
    requests
        That were both trained on and served; 0 if those served are others.
    served
        Requests that were served at all.
    changed
        The columns that differ for the same requests, those that serving lacked most often first.
    told
        How well a classifier tells them apart; None where there is nothing to tell.
    new
        Columns that the log does not have: declared since, and not served yet.
    """

    requests: int
    served: int
    changed: tuple[Changed, ...] = ()
    told: Told | None = None
    new: tuple[str, ...] = ()

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What is suspect about the training rows."""
        if self.requests:
            return self._of_the_same()
        if self.told is None or not self.told.auc.sufficient or self.told.auc.low < TOLD_APART:
            return ()
        columns = tuple(name for name, _ in self.told.columns[:NAMED])
        seen = f"tell served requests from trained ones with an AUC of {self.told.auc}"
        because = "They are other requests: the season may be all that differs."
        return (Suspicion(columns, Severity.WARN, seen, because, "Look at what serving lacks.", self._numbers()),)

    @property
    def finding(self) -> Finding:
        """Whether the training rows are as they were served."""
        clean = f"of {self.served} served requests {self.requests} are trained on, as they were served"
        if not self.served:
            clean = "nothing has been served, so that nothing is compared"
        elif not self.requests:
            clean = f"{self.served} served requests, hardly any of them trained on, look like those that are"
            if self.told is None or not self.told.auc.sufficient:
                clean = f"insufficient data: {self.served} requests were served, too few of them are trained on"
        clean += f"; not served yet: {', '.join(self.new)}" if self.new else ""
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=self._numbers())

    def _of_the_same(self) -> tuple[Suspicion, ...]:
        if not self.changed:
            return ()
        apart = self.told is not None and self.told.auc.sufficient and self.told.auc.low > SERVED_APART
        lacking = [one.column for one in self.changed if one.lacking >= LACKING]
        severity = Severity.ERROR if apart or lacking else Severity.WARN
        columns = tuple(lacking or self._telling() or [one.column for one in self.changed])[:NAMED]
        worst = max(self.changed, key=lambda one: (one.column in columns, one.lacking, one.share))
        most = f"{worst.column} in {worst.share:.1%} of requests, where serving had none in {worst.lacking:.1%}"
        auc = "too few to tell by a classifier" if self.told is None else f"told apart with an AUC of {self.told.auc}"
        seen = (
            f"stands otherwise in training than it was served, most of all {most}; of {self.requests} requests, {auc}"
        )
        because = (
            "A model learns from what it will not be given."
            if severity is Severity.ERROR
            else "By so little, or so seldom, that a classifier hardly tells the two apart."
        )
        return (Suspicion(columns, severity, seen, because, REMEDY, self._numbers()),)

    def _telling(self) -> list[str]:
        """Return the changed columns that alone tell trained from served requests, the surest first."""
        changed = {one.column for one in self.changed}
        told = () if self.told is None else self.told.columns
        return [name for name, auc in told if name in changed and auc > SERVED_APART]

    def _numbers(self) -> dict[str, Scalar]:
        numbers: dict[str, Scalar] = {
            "served": self.served, "requests": self.requests, "columns that differ": len(self.changed)
        }  # fmt: skip
        if self.told is not None and self.told.auc.sufficient:
            numbers |= {"auc": self.told.auc.value, "auc low": self.told.auc.low}
        return numbers


def served_as_trained(
    trained: Requests, served: Requests, learner: Learner, *, seed: int, threads: int = 1
) -> ServedAsTrained:
    """Return whether requests stand in the training set as they were served.

    Parameters
    ----------
    trained
        The training set, or all labelled rows.
    served
        What was served before, and logged. A column is looked at from the first request on that it was served for: it
        may have been declared later; what only training or only the log has, not at all.
    learner
        The classifier, as ``LightGBM(rounds=30, leaves=15)``; fitted only where the same requests differ, or where
        those served are others.
    seed
        Of what is drawn, and of the fits.
    threads
        As many as it may be fitted with.

    Raises ValueError where a column was served as another type than it is trained on.
    """
    names = [name for name in trained.features.schema.names if name in served.features.schema.names]
    new = tuple(name for name in trained.features.schema.names if name not in names)
    if not len(served.ids) or not names:
        return ServedAsTrained(0, len(served.ids), new=new)
    known = LoggedRows(trained.ids, trained.at, trained.features.select(names))
    logged = LoggedRows(served.ids, served.at, _as_trained(served.features, known.features.schema))
    place = np.asarray(pc.fill_null(pc.index_in(logged.ids, value_set=trained.ids), -1)).astype(np.intp)
    asked = np.flatnonzero(place >= 0)
    if len(asked) < LEAST:
        told = adversarial_validation((known, logged), learner, seed=seed, threads=threads)
        return ServedAsTrained(0, len(logged.ids), told=told, new=new)
    theirs = logged.take(asked)
    mine = _since_served(known.take(place[asked]), theirs)
    changed = _changed(mine.features, theirs.features)
    if not changed:
        return ServedAsTrained(len(asked), len(logged.ids), new=new)
    # Of each request one side only: a twin in training, with the other answer, would teach the classifier to err.
    shuffled = np.random.default_rng(seed).permutation(len(asked))
    sides = mine.take(np.sort(shuffled[::2])), theirs.take(np.sort(shuffled[1::2]))
    told = adversarial_validation(sides, learner, seed=seed, threads=threads, folds_of="rows")
    return ServedAsTrained(len(asked), len(logged.ids), changed, told, new)


def _as_trained(served: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return what was served by the columns and types of training."""
    columns = {}
    for field in schema:
        kind = served.schema.field(field.name).type
        if pa.types.is_null(kind):
            columns[field.name] = pa.nulls(len(served), field.type)
        elif is_category(field.type) != is_category(kind):
            raise ValueError(f"column {field.name!r} was served as {kind}, and is trained on as {field.type}")
        else:
            columns[field.name] = served[field.name].cast(field.type)
    return pa.table(columns, schema=schema)


def _since_served(trained: LoggedRows, served: LoggedRows) -> LoggedRows:
    """Return training rows without the values of each column from before it was first served, if it ever was."""
    features = trained.features
    for n, name in enumerate(features.schema.names):
        there = ~_missing(served.features, name)
        before = served.at < served.at[there].min() if there.any() else np.zeros(len(there), dtype=bool)
        if before.any():
            values = pc.if_else(pa.array(before), pa.scalar(None, features.schema.field(n).type), features[name])
            features = features.set_column(n, features.schema.field(n), values)
    return LoggedRows(trained.ids, trained.at, features)


def _changed(trained: pa.Table, served: pa.Table) -> tuple[Changed, ...]:
    found = []
    for name in trained.schema.names:
        mine, theirs = trained[name], served[name]
        if mine.equals(theirs):
            continue
        absent, missing = _missing(trained, name), _missing(served, name)
        differs = (absent != missing) | (~absent & ~missing & _unlike(trained, served, name))
        if differs.any():
            found.append(Changed(name, float(differs.mean()), float((missing & ~absent).mean())))
    return tuple(sorted(found, key=lambda one: (-one.lacking, -one.share, one.column)))


def _missing(table: pa.Table, name: str) -> NDArray[np.bool_]:
    if is_category(table[name].type):
        return np.asarray(pc.is_null(table[name]))
    return np.asarray(np.isnan(read_numbers(table, [name])[0]))


def _unlike(trained: pa.Table, served: pa.Table, name: str) -> NDArray[np.bool_]:
    if is_category(trained[name].type):
        return np.asarray(pc.fill_null(pc.not_equal(trained[name], served[name]), False))
    mine, theirs = (read_numbers(table, [name])[0] for table in (trained, served))
    return np.asarray(~np.isclose(mine, theirs, rtol=TOLERANCE, atol=0.0))
