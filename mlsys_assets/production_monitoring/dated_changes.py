"""Since when the world is another, as the diagnoses on record date it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from mlsys_assets.ledger import DIAGNOSIS, MONITORING, Record
from mlsys_assets.production_monitoring.diagnosis import BUGS, Cause
from mlsys_assets.types import utc

TELLS_NOTHING: Final = (Cause.UNTOLD, *BUGS)
"""Of ticks that are diagnosed so, nobody knows whether labels still mean something else."""


def dated_changes(records: Iterable[Record], *, as_of: datetime) -> tuple[datetime, ...]:
    """Return since when labels mean something else for the same features, oldest first, as was known by ``as_of``.

    One change is diagnosed as a concept shift in every tick until a model has learned from it, each of which dates it
    later where no detector of errors is sure. The first of them dates it: the others follow it without a tick between
    them that shows none.

    Parameters
    ----------
    records
        Those of the ledger, in any order; only diagnoses are read.
    as_of
        Those of later are not read, so that the answer is the same whenever it is asked for.
    """
    found, goes_on = list[datetime](), False
    diagnoses = (r for r in records if (r.kind, r.name) == (MONITORING, DIAGNOSIS) and r.as_of <= as_of)
    for record in sorted(diagnoses, key=lambda record: record.as_of):
        if record.verdict == Cause.CONCEPT:
            learn_from = record.evidence.get("learn_from")
            if learn_from is not None and not goes_on:
                found.append(utc(learn_from[0]))
                goes_on = True
        elif record.verdict not in TELLS_NOTHING:
            goes_on = False
    return tuple(sorted(found))
