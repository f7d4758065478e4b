"""What is said of a training set before anything is fitted on it: leaks, copies, and what its columns are like."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.copies import COPIES, NEAR_COPIES, copies_across, near_copies_across
from mlsys_assets.data_sampling.duplicates import duplicate_content, duplicate_keys, keys_across
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import PARTS, Split
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.leakage.detective import CHECKS as LEAKS, Surroundings
from mlsys_assets.features.leakage.examination import Examination
from mlsys_assets.features.quality import bad_columns, coverage, missingness as missing, mostly_missing, overlap, spikes
from mlsys_assets.features.quality.column_quality import ColumnQuality, column_quality
from mlsys_assets.ledger import ADEQUATE, INSUFFICIENT, LEAKS as LEAKING
from mlsys_assets.system import MLSystem
from mlsys_assets.types import Finding, Severity

ENOUGH, UNIQUE, REPEATS, APART = (
    "split_is_adequate", "no_entity_stands_twice", "few_rows_repeat_another", "no_entity_in_two_parts",
)  # fmt: skip
SPLIT: Final = {
    ENOUGH: "Every part has enough rows, and both classes to fit on.",
    UNIQUE: "No entity stands twice.",
    REPEATS: "Few rows repeat another's features.",
    APART: "No entity stands in two parts of the split.",
    COPIES: "No row of a later part has its copy in one that is learned from, beyond coincidence.",
    NEAR_COPIES: "No row of a later part is nearly one that is learned from, beyond coincidence.",
}
COLUMNS: Final = {
    bad_columns.FINDING: "Each column has values that vary; one that is required has any.",
    spikes.FINDING: "No number stands for a missing value without being declared so.",
    missing.FINDING: "Nothing says that values are missing for what they are.",
    mostly_missing.FINDING: "No column is missing in most rows.",
    coverage.FINDING: "Columns are there in all groups and months alike.",
    overlap.FINDING: "Later rows have the values that were trained on.",
}
CHECKS: Final = {name: (text, True) for name, text in {**SPLIT, **LEAKS, **COLUMNS}.items()}
"""Every check; an ERROR of any keeps a training set from being trained on, a WARN of none."""
THIN: Final = (ENOUGH, bad_columns.FINDING)
"""Whose errors say that data is lacking; those of the others, that it tells too much."""
LONGEST_TABLE: Final = 100
"""Rows of a table that are shown."""


@dataclass(frozen=True)
class TrainingReport:
    """The report on a training set.

    Parameters
    ----------
    findings
        One for each of ``CHECKS``, in their order.
    examinations
        The detective's, with what shows them; none where the split was not adequate.
    columns
        What the columns are like; None where the split was not adequate.
    """

    findings: tuple[Finding, ...]
    examinations: tuple[Examination, ...] = ()
    columns: ColumnQuality | None = None

    @property
    def errors(self) -> list[Finding]:
        """What keeps the set from being trained on."""
        return [f for f in self.findings if not f.passed and f.severity is Severity.ERROR]

    @property
    def verdict(self) -> str:
        """What the ledger calls the set."""
        if not self.errors:
            return ADEQUATE
        return INSUFFICIENT if any(f.name in THIN for f in self.errors) else LEAKING

    @property
    def reason(self) -> str:
        """Why."""
        return "; ".join(f.summary for f in self.errors) or self.findings[0].summary

    @property
    def said(self) -> dict[str, str]:
        """What each check said, in a word: for the record."""
        return {f.name: "passed" if f.passed else str(f.severity) for f in self.findings}

    def metadata(self) -> dict[str, Any]:
        """Return what Dagster shows of it: pictures that are seen at once, and tables."""
        shown: dict[str, Any] = {}
        for one in self.examinations:
            if one.thumbnail:
                shown[_words(one.name)] = dg.MetadataValue.md(one.thumbnail)
            if one.suspicions and one.plot:
                shown[f"{_words(one.name)}, large"] = adapter.image(one.plot, one.name)
            header, rows = one.table
            if rows and (one.suspicions or not one.thumbnail):
                shown[f"{_words(one.name)}, in numbers"] = adapter.markdown_table(header, rows[:LONGEST_TABLE])
        if (q := self.columns) is not None:
            shown |= adapter.pictures("missing values", q.missing.thumbnail(), q.missing.plot())
            shown["why they are missing"] = _table(q.missing.table())
            for by in dict.fromkeys(one.by for one in q.coverage.uneven):
                shown |= adapter.pictures(f"coverage by {by}", q.coverage.thumbnail(), q.coverage.plot(by))
            shown |= adapter.pictures("values seen before", q.overlap.thumbnail(), q.overlap.plot())
            if q.deletion is not None:
                shown["if rows without a value were deleted"] = q.deletion.finding.summary
                shown |= adapter.pictures("whom that would delete", q.deletion.thumbnail(), q.deletion.plot())
        return shown


def training_report(
    system: MLSystem,
    rows: LabelledRows,
    split: Split,
    *,
    around: Callable[[], Surroundings],
    refit: Train | None = None,
) -> TrainingReport:
    """Return the report; ``around`` reads what the set is held against, if it comes to that.

    ``refit`` is what the winner will be refitted on, where that need not hold all of train.
    """
    adequate = split.adequate(refit=refit)
    with ThreadPoolExecutor(1) as beside:
        copies = beside.submit(_duplicates, rows, split)
        if not adequate.passed:
            untold = "not looked at: the split is not adequate"
            others = (Finding(name, True, untold, Severity.WARN) for name in (*LEAKS, *COLUMNS))
            return TrainingReport((adequate, *copies.result(), *others))
        if system.threads == 1:
            copies.result()  # one after the other
        examined = system.detective.examine(
            split.train, split.validation, around(), seed=system.seed, threads=system.threads
        )
        columns = column_quality(
            split.train, split.validation, seed=system.seed, required=_required(system), by=system.slices or None
        )
        leaks = (one.finding for one in examined)
        return TrainingReport((adequate, *copies.result(), *leaks, *columns.findings), examined, columns)


def _duplicates(rows: LabelledRows, split: Split) -> list[Finding]:
    return [
        duplicate_keys(rows.ids),
        duplicate_content(rows.features, rows.label),
        keys_across({name: getattr(split, name).ids for name in PARTS}),
        copies_across(split),
        near_copies_across(split),
    ]


def _required(system: MLSystem) -> list[str]:
    """Return the features that a request tells of itself, and must."""
    told = {c.name for c in system.requests.columns if not c.nullable}
    return [c.name for c in system.feature_columns if c.name in told]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _table(rows: Iterable[Mapping[str, object]]) -> dg.MarkdownMetadataValue | str:
    listed = list(rows)[:LONGEST_TABLE]
    return adapter.markdown_table(list(listed[0]), [list(row.values()) for row in listed]) if listed else "none"
