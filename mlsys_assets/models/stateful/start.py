"""Where a training of a candidate starts from, and on which rows: a pure function of what there is to go on from."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import data_hash
from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.ledger import INSUFFICIENT
from mlsys_assets.models.candidate import Candidate, Fitted
from mlsys_assets.models.passport.declared import declared
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.stateful.batch_journal import BatchJournals
from mlsys_assets.models.stateful.continues import Continues
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.types import Scalar

FROM, AS_OF, BY, VERSION = "gone on from", "gone on from as of", "gone on by", "gone on from version"
"""What the parameters of a model say of the one that it was gone on from, and how: enough to do it again."""
SCRATCH: Final = "scratch"
"""What a model is trained from that is not gone on from another."""
ONE_CLASS: Final = 1
"""Labels of so many values tell nothing apart."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model that can be gone on from.

    Parameters
    ----------
    predictor
        The model, which holds all the state there is.
    content_hash
        Its bundle's.
    as_of
        The training in which it was evaluated: its rows are those of the training part of then.
    version
        The champion that came of it; None where it was never registered.
    """

    predictor: Predictor
    content_hash: str
    as_of: datetime
    version: int | None = None


@dataclass(frozen=True, eq=False)
class Start:
    """What a candidate is trained on, and from where.

    Parameters
    ----------
    train
        The rows: all from scratch, else those that the model has not learned from, by when their labels were known.
    rows
        Those that ``train`` was cut from, which know when.
    reason
        Why it starts there.
    checkpoint
        What is gone on from; None: from scratch.
    corrected
        Rows whose label was corrected after it had been learned from: they are not learned from again.
    """

    train: Train
    rows: LabelledRows
    reason: str
    checkpoint: Checkpoint | None = None
    corrected: int = 0

    @cached_property
    def evidence(self) -> dict[str, Any]:
        """What the ledger says of it: from what, why, and which rows by number, hash and known time."""
        known = self.rows.known_at[places(self.train.ids, self.rows)]
        told: dict[str, Any] = {
            "from": SCRATCH if self.checkpoint is None else self.checkpoint.content_hash,
            "reason": self.reason,
            "rows": len(self.train),
            "ids": data_hash(pa.table({"id": self.train.ids})),
            "known": [str(known.min()), str(known.max())] if len(known) else [],
        }
        if self.checkpoint is not None:
            told |= {"as of": self.checkpoint.as_of.isoformat(), "corrected": self.corrected}
            told |= {} if self.checkpoint.version is None else {"version": self.checkpoint.version}
        return told


def start(
    candidate: Candidate,
    train: Train,
    rows: LabelledRows,
    checkpoint: Checkpoint | str,
    *,
    seen: NDArray[np.bool_],
    by: Stateful,
) -> Start:
    """Return where a candidate starts from.

    Parameters
    ----------
    train
        All the rows that it would be fitted on from scratch.
    rows
        Those that the training part was cut from.
    checkpoint
        What there is to go on from, or why there is nothing.
    seen
        (n,) which of ``rows`` that model, and all it came from, has learned from.
    """
    require_train(train, what="a stateful training")
    if not isinstance(candidate, Continues) or candidate.baseline:
        return Start(train, rows, "it is a candidate that does not go on")
    if isinstance(checkpoint, str):
        return Start(train, rows, checkpoint)
    if reason := candidate.cannot_go_on(checkpoint.predictor, by=by):
        return Start(train, rows, reason)
    at = places(train.ids, rows)
    new = by_known(train.take(~seen[at]), rows)
    if reason := _too_little(new, by):
        return Start(train, rows, reason)
    return Start(new, rows, f"{len(new)} of {len(train)} rows are new", checkpoint)


def rest(
    candidate: Candidate,
    everything: Train,
    rows: LabelledRows,
    evaluated: Checkpoint | str,
    *,
    seen: NDArray[np.bool_],
    by: Stateful,
) -> Start:
    """Return how a candidate that passed the gate goes on over what it has not learned from yet, as ``start`` does."""
    by = replace(by, least_rows=1, most_trees=by.most_trees + by.trees.adds)  # room for both was asked for at its start
    found = start(candidate, everything, rows, evaluated, seen=seen, by=by)
    return found if found.checkpoint is None else replace(found, reason=f"the {len(found.train)} rows that are left")


def go_on(
    candidate: Candidate,
    begun: Start,
    *,
    by: Stateful,
    seed: int,
    threads: int,
    journals: BatchJournals | None = None,
) -> Fitted:
    """Return the candidate gone on from a start's checkpoint; raises FitError as a fit does."""
    if begun.checkpoint is None or not isinstance(candidate, Continues):
        raise ValueError(f"{candidate.name} starts from scratch ({begun.reason}): fit it")
    return candidate.go_on(
        begun.checkpoint.predictor, begun.train, by=by, seed=seed, threads=threads, journals=journals
    )


def gone_on_from(checkpoint: Checkpoint, by: Stateful) -> dict[str, Scalar]:
    """Return what a model's parameters say of the one that it was gone on from."""
    told: dict[str, Scalar] = {
        FROM: checkpoint.content_hash,
        AS_OF: checkpoint.as_of.isoformat(),
        BY: msgspec.json.encode(declared(by)).decode(),
    }
    return told if checkpoint.version is None else {**told, VERSION: checkpoint.version}


def learned_by(split: TimeSplit, rows: LabelledRows, as_of: datetime) -> NDArray[np.bool_]:
    """Return (n,) which rows stand in the training part as of a time: what was evaluated then has learned from them.

    As times pass, rows come in and none goes: what became known late stands in the part of the next training.
    """
    if split.embargo is None:
        raise ValueError("the time split has no embargo; set it to the label's delay by with_embargo(...)")
    end = split.windows(as_of)["train"].end
    settled = rows.at < moment(end - split.embargo)
    return split.usable(rows, as_of=as_of) & settled & (rows.known_at <= moment(end))


def by_known(view: Train, rows: LabelledRows) -> Train:
    """Return a view in the order in which its labels became known, and by id where several did at once."""
    known = rows.known_at[places(view.ids, rows)]
    ids = pc.rank(view.ids, sort_keys="ascending").to_numpy() if len(view) else np.array([], dtype=np.uint64)
    return view.take(np.lexsort((ids, known)))


def places(ids: pa.Array, rows: LabelledRows) -> NDArray[np.intp]:
    """Return (n,) where each of some rows stands among all; raises ValueError for one that does not."""
    found = pc.index_in(ids, value_set=rows.ids)
    if found.null_count:
        raise ValueError(
            f"{found.null_count} of {len(ids)} rows of a view are not among the {len(rows)} it is cut from"
        )
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.intp)


def _too_little(new: Train, by: Stateful) -> str:
    if len(new) < by.least_rows:
        return f"{INSUFFICIENT}: {len(new)} new rows, least {by.least_rows}"
    if len(np.unique(new.label)) <= ONE_CLASS:
        return f"{INSUFFICIENT}: the {len(new)} new rows are of one class"
    return ""
