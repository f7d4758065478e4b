"""Which rows a checkpoint has learned from: what each training of its ancestry knew then, back to one from scratch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.models.stateful.ancestry import Ancestry
from mlsys_assets.models.stateful.start import learned_by
from mlsys_resources.operations_rows import Decision

from .test_start import FIRST, SECOND, SPLIT, THIRD, labelled

TIMES = (FIRST, SECOND, THIRD)
ROWS = labelled(300)


@dataclass(frozen=True)
class Told:
    """Labels as each version of their table tells them: of some rows, in others nothing."""

    corrections: bool
    versions: Mapping[int, np.ndarray] = field(default_factory=dict)

    def then(self, rows: LabelledRows, lake: Any, as_of: datetime, version: int) -> LabelledRows:
        assert lake == "the lake"
        known = np.where(self.versions[version], rows.known_at, np.datetime64("NaT"))
        return replace(rows, known_at=known)


def ledger(came_from: Mapping[datetime, datetime]) -> Any:
    """Trainings as of three times, by versions 0, 1 and 2 of the labels, with a second candidate that went on too."""
    told = []
    for n, at in enumerate(TIMES):
        start = {"start": {"as of": came_from[at].isoformat()} if at in came_from else {"from": "scratch"}}
        other = {"start": {"as of": FIRST.isoformat()}}
        told += [
            Decision("s", at, "training_set", "training_set", "adequate", "", {}, {"versions": {"labels": n}}),
            Decision("s", at, "candidate", "second", "fitted", "", other, {"source": ""}),
            Decision("s", at, "candidate", "trees", "fitted", "", start, {"source": ""}),
            Decision("s", at, "candidate", "failed", "failed", "no", {}, {}),
        ]

    def decisions(system: str, kind: str, *, since: datetime, until: datetime) -> tuple[Decision, ...]:
        return tuple(d for d in told if (d.system, d.kind) == (system, kind) and since <= d.as_of <= until)

    return SimpleNamespace(decisions=decisions)


def knew(came_from: Mapping[datetime, datetime], *, corrections: bool) -> tuple[Ancestry, list[np.ndarray]]:
    """An ancestry in which each version tells of half of the rows, and what each training learned from by itself."""
    versions = {n: np.random.default_rng(n).random(len(ROWS)) < 0.5 for n in range(3)}
    ancestry = Ancestry(ledger(came_from), "the lake", "s", Told(corrections, versions), SPLIT)
    return ancestry, [learned_by(SPLIT, ROWS, at) & versions[n] for n, at in enumerate(TIMES)]


@pytest.mark.parametrize(
    ("came_from", "chain"),
    [({}, [2]), ({THIRD: SECOND}, [2, 1]), ({THIRD: SECOND, SECOND: FIRST}, [2, 1, 0]), ({THIRD: FIRST}, [2, 0])],
)
def test_each_training_counts_by_what_its_own_version_told(came_from, chain) -> None:
    ancestry, own = knew(came_from, corrections=True)
    np.testing.assert_array_equal(ancestry.learned("trees", THIRD, ROWS), np.any([own[n] for n in chain], axis=0))
    before = np.any([np.zeros(len(ROWS), bool), *(own[n] for n in chain[1:])], axis=0)
    np.testing.assert_array_equal(ancestry.before("trees", THIRD, ROWS), before)


def test_where_nothing_is_corrected_the_last_training_holds_the_rows_of_all_before() -> None:
    ancestry, own = knew({THIRD: SECOND, SECOND: FIRST}, corrections=False)
    np.testing.assert_array_equal(ancestry.learned("trees", THIRD, ROWS), own[2])
    np.testing.assert_array_equal(ancestry.before("trees", THIRD, ROWS), own[1])


def test_a_fit_is_that_of_its_name_and_time_that_was_saved() -> None:
    ancestry, _ = knew({}, corrections=False)
    found = ancestry.fit("trees", SECOND)
    assert (found.name, found.as_of) == ("trees", SECOND)
    assert ancestry.fit("trees", TIMES[0].replace(hour=1)) is None
    assert ancestry.fit("failed", SECOND) is None


def test_a_training_of_which_nothing_is_on_record_is_told() -> None:
    ancestry, _ = knew({}, corrections=False)
    with pytest.raises(LookupError, match="no training set of s as of 2013-01-20 01:00 is on record"):
        ancestry.learned("trees", FIRST.replace(hour=1), ROWS)
