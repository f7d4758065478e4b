"""The detective, as a system declares it: what it learns with, what it accepts, and what each test looks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.leakage.examination import Accepted, Examination
from mlsys_assets.features.leakage.learner import Learner
from mlsys_assets.features.leakage.logged_rows import LoggedRows
from mlsys_assets.mistakes import none_of, not_all, not_one, sound
from mlsys_assets.types import TimeWindow

CHECKS: Final[Mapping[str, str]] = {
    "values_were_known_in_time": "No value stands in a feature that became known only after its prediction time.",
    "no_source_looks_ahead": "No row of a source changes when the records that became known later are removed.",
    "no_label_looks_ahead": "No label changes when later events are removed.",
    "no_column_tells_the_label_alone": "No column alone ranks labels better than what is honestly known can.",
    "no_pair_tells_the_label_together": "No two columns tell together what neither tells apart.",
    "no_few_columns_carry_the_model": "No few columns carry a model that is better than honest ones are.",
    "no_column_is_made_of_its_rows_labels": "No column's values are means that its own rows' labels are part of.",
    "no_column_steps_by_its_rows_label": "No column steps, from row to row of a key, as the row's own label does.",
    "no_column_is_pure_at_both_ends": "No column has an end at which all labels are alike beyond chance.",
    "no_column_numbers_the_rows": "No feature numbers the rows, which would tell the order of a file.",
    "no_group_is_known_by_its_label": "No group of rows is known by its label.",
    "training_rows_are_as_they_were_served": "Training rows stand as they were served, where they were.",
}
"""What each test looks for: an ERROR of any of them keeps a training set from being trained on."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where a training set comes from: what its columns can be held against.

    Parameters
    ----------
    requests, key
        The source of the requests, and the column that names them.
    sources, features, label
        The declarations that it was made by.
    tables
        By source, the rows known as of the training set's time, also those known after a request's.
    audited
        Within which time the sources' own functions are tried again.
    served
        What was served before, and logged; None where nothing was.
    """

    requests: Source
    key: str
    sources: tuple[Source, ...]
    features: tuple[Feature, ...]
    label: NaturalLabel
    tables: Mapping[str, pa.Table]
    audited: TimeWindow
    served: LoggedRows | None = None


@dataclass(frozen=True)
class LeakageDetective:
    """Looks for leaks in every training set of a system.

    Parameters
    ----------
    learner
        What probes are fitted with, some twenty times on 10,000 rows: a small, quick candidate.
    accepts
        Columns that honestly tell as much as is suspect elsewhere, each with the reason.
    groups
        Columns of the requests' source that name groups whose rows belong together, such as a patient's number;
        the features' own categories are looked at in any case.
    """

    learner: Learner
    accepts: tuple[Accepted, ...] = ()
    groups: tuple[str, ...] = ()

    def mistakes(self, *, features: Sequence[str], requests: Sequence[str]) -> list[str]:
        """Return what is wrong with the declaration, for those feature columns and columns of requests."""
        found = not_one("detective: learner", self.learner, Learner)
        found += not_all("detective: accepts", self.accepts, Accepted) + not_all("detective: groups", self.groups, str)
        for one in sound(self.accepts, Accepted):
            found += none_of("detective: an accepted column", one.column, features)
            if not isinstance(one.because, str) or not one.because.strip():
                found.append(f"detective: {one.column!r} is accepted without a reason; say why in because=")
        for name in sound(self.groups, str):
            found += none_of("detective: a column that names groups", name, requests)
        return found

    def examine(
        self, train: Train, validation: Validation, around: Surroundings, *, seed: int, threads: int = 1
    ) -> tuple[Examination, ...]:
        """Return what each test says, in the order of ``CHECKS``; the tests are sealed, and not looked at.

        It is the same on any number of threads; with more than one, some of the tests are made beside the others.
        """
        from mlsys_assets.features.leakage.examiner import Examiner  # the tests are loaded where they are made

        require_train(train, what="the detective")
        require_validation(validation, what="the detective")
        examiner = Examiner(self, train, validation, around, seed, threads)
        return tuple(one.accepting(self.accepts) for one in examiner.all())
