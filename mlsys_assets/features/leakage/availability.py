"""The availability-time audit: whether a value in the training set could not have been known at its prediction time.

A declared feature reads only what was known (`features.future_blindness`). That a column of another making did, is
told by its values: those of a copy are all found in records that were known by then; those of a leak in records that
became known later, and in no other. Values that are found everywhere, such as small counts, are found on other days
as often, which tells them apart. What sums up many records, such as a mean, is found nowhere, and not judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from mlsys_assets.features.leakage.copied_column import CopiedColumn, copied_column
from mlsys_assets.features.leakage.day_sample import DaySample
from mlsys_assets.features.leakage.joins import Join
from mlsys_assets.features.leakage.match import Match
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.leakage.value_matches import ValueMatches
from mlsys_assets.types import Finding

FINDING = "values_were_known_in_time"
"""The check's."""


@dataclass(frozen=True)
class AvailabilityAudit:
    """The columns that are copies, and what is said against them.

    Parameters
    ----------
    copies
        One for each feature column that copies a source's, in the features' order.
    columns, rows, days
        How many columns were looked at, in how many requests of how many days.
    sufficient
        Whether there were days far enough apart to tell a copy from chance.
    """

    copies: tuple[CopiedColumn, ...]
    columns: int
    rows: int
    days: int
    sufficient: bool = True

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What is said against columns, the greatest share of values first that were not known."""
        accused = sorted((one for one in self.copies if one.leaks), key=lambda one: -one.only_later)
        return tuple(one.suspicion for one in accused)

    @property
    def finding(self) -> Finding:
        """The check's outcome."""
        looked = f"{self.columns} columns in {self.rows:,} requests of {self.days} days"
        clean = (
            f"of {looked}, {len(self.copies)} copy a source's column, and each value was known when it was used"
            if self.sufficient
            else f"insufficient data ({looked}): requests of two days at least are needed, which lie five days apart"
        )
        evidence = {"columns_seen": self.columns, "rows": self.rows, "days": self.days, "copies": len(self.copies),
                    "sufficient": self.sufficient}  # fmt: skip
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=evidence)


def availability(
    sample: DaySample, tables: Mapping[str, pa.Table], joins: Sequence[Join], *, requests: str, key: str
) -> AvailabilityAudit:
    """Return what the features of sampled requests copy, and in how many of these that was not known yet.

    Parameters
    ----------
    sample
        Of what is trained on.
    tables
        By name, the rows of the requests' source and of the others that joins name; one that is missing is not
        looked at.
    joins
        By which keys records are looked for, as `joins_of` gives them.
    requests
        The name of the requests' source.
    key
        The column that names the entity.
    """
    days, columns = len(sample.starts), len(sample.features)
    if not sample.turns or not len(sample) or not columns:
        return AvailabilityAudit((), columns, len(sample), days, sufficient=False)
    matches = ValueMatches(sample, tables, requests=requests, key=key)
    found: dict[str, list[Match]] = {name: [] for name in sample.features}
    for match in matches.of([join for join in joins if join.source in tables]):
        found[match.feature].append(match)
    copies = [copied_column(of_one, matches, sample) for of_one in found.values()]
    return AvailabilityAudit(tuple(one for one in copies if one is not None), columns, len(sample), days)
