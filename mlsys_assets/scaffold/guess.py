"""From what is seen of a file to what a system declares: each guess with its reason, each to be changed by a word."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import LEAST_OF_EACH_CLASS
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.scaffold.look import Seen, UnusableFile
from mlsys_assets.types import days, hours

WEEKS, DAYS = days(26 * 7), days(40)
"""The shortest spans that are lived through by week, and by day."""
LIVED = 0.4
"""The share of the data, its end, that is lived through; the first champion learns from what is before."""
LABEL_NAMES = (
    "label",
    "target",
    "y",
    "outcome",
    "converted",
    "churned",
    "churn",
    "late",
    "default",
    "fraud",
    "clicked",
)
MOST_CATEGORIES = 200
MOST_FEATURES = 60
SHOWN = 5
TWO = 2
"""Values of an outcome that happens, or not."""
GIVEN_AWAY = 0.999
"""The AUC from which on a single column is taken to tell the outcome, not to foretell it."""
OUTCOMES = (
    "it has two values", "it has two values, and no other column is more of an outcome",
    "it has two values, yes and no", "it has two values, and the name of an outcome",
)  # fmt: skip
"""Why a column is taken for the outcome, from the weakest reason on."""
TRUTH = {"1", "0", "true", "false", "yes", "no", "y", "n", "t", "f", "nan"}
POSITIVES = {"1", "true", "yes", "y", "t"}


@dataclass(frozen=True)
class Guess:
    """Something that was not said: what was taken, why, and how to say otherwise."""

    what: str
    why: str
    how: str


@dataclass(frozen=True)
class Timing:
    """When things happen: the calendar, where the lived-through part begins, how long parts and labels take.

    Parameters
    ----------
    step, start, end
        The calendar's.
    simulated_from
        As of when the first champion is trained.
    part
        The length of validation and of test.
    delay
        When a label is known, after its row.
    """

    step: timedelta
    start: datetime
    end: datetime
    simulated_from: datetime
    part: timedelta
    delay: timedelta


@dataclass(frozen=True, eq=False)
class Plan:
    """What the system will declare.

    Parameters
    ----------
    time, key, label
        Columns; ``key`` is None where rows are named by their place.
    positive
        What the label is compared with, as code on the column's values: ``> 3.5``, or ``== "yes"``.
    features, later
        The columns that are known when a row happens, and those taken to be known with the label only.
    groups
        Columns of few categories.
    least
        Rows of either outcome without which a test tells nothing.
    key_name
        What the key is called in tables.
    """

    time: Seen
    key: Seen | None
    label: Seen
    positive: str
    features: tuple[Seen, ...]
    later: tuple[Seen, ...]
    groups: tuple[Seen, ...]
    timing: Timing
    least: int
    key_name: str
    guesses: tuple[Guess, ...] = field(default=())


def plan(seen: Sequence[Seen], *, time: str = "", key: str = "", label: str = "") -> Plan:
    """Return what a system on these columns declares; raises UnusableFile, with the way out.

    Parameters
    ----------
    time, key, label
        The columns as the file calls them, where they were said.
    """
    guesses: list[Guess] = []
    at = _time(seen, time, guesses)
    rest = [c for c in seen if c is not at]
    named = _key(rest, key, guesses)
    rest = [c for c in rest if c is not named]
    target, positive, truth = _label(rest, label, guesses)
    rest = [c for c in rest if c is not target]
    later = [c for c in rest if _gives_away(c, truth)]
    guesses += [
        Guess(
            f"{c.raw!r} is known with the outcome", "it tells it almost perfectly", "move it to the requests' columns"
        )
        for c in later
    ]
    features = _features([c for c in rest if c not in later], guesses)
    taken = {c.name for c in seen}
    key_name = next(n for n in ("row", "row_number", "line") if n not in taken) if named is None else named.name
    timing = _timing(at)
    least = _least(truth, timing)
    groups = tuple(c for c in features if c.kind == "string" and TWO <= c.distinct <= MOST_CATEGORIES)
    return Plan(
        at, named, target, positive, tuple(features), tuple(later), groups[:3], timing, least, key_name, tuple(guesses)
    )


def _asked(seen: Sequence[Seen], name: str, option: str) -> Seen:
    for column in seen:
        if name in (column.raw, column.name):
            return column
    raise UnusableFile(f"{option} {name!r} is no column that is left; columns: {', '.join(c.raw for c in seen)}")


def _time(seen: Sequence[Seen], name: str, guesses: list[Guess]) -> Seen:
    if name:
        found = _asked(seen, name, "--time")
        if found.kind != "timestamp":
            raise UnusableFile(
                f"--time {name!r} holds {_example(found)!r}, which is no time; write times as 2024-05-01 or "
                "2024-05-01T12:30:00, with a zone (Z or +02:00) or else meant as UTC"
            )
        return found
    times = [c for c in seen if c.kind == "timestamp"]
    if not times:
        shown = ", ".join(f"{c.raw} ({_example(c)})" for c in seen[:6])
        raise UnusableFile(
            f"no column tells when a row happened, and nothing can be learned in order of time without; columns: "
            f"{shown}; write times as 2024-05-01 or 2024-05-01T12:30:00"
        )
    found = min(times, key=lambda c: c.missing)
    why = "the only time there is" if len(times) == 1 else "the first of the times that are least often missing"
    guesses.append(Guess(f"a row happens at {found.raw!r}, read as UTC", why, "--time COLUMN"))
    return found


def _key(seen: Sequence[Seen], name: str, guesses: list[Guess]) -> Seen | None:
    unique = [c for c in seen if c.kind in ("string", "int64") and not c.missing and c.distinct == len(c.values)]
    if name:
        found = _asked(seen, name, "--key")
        if found not in unique:
            raise UnusableFile(
                f"--key {name!r} has {found.distinct:,} values in {len(found.values):,} rows, {found.missing:,} empty; "
                "a key names each row once: leave it out, and rows are named by their place in the file"
            )
        return found
    if unique:
        guesses.append(Guess(f"{unique[0].raw!r} names a row", "each of its values stands once", "--key COLUMN"))
        return unique[0]
    guesses.append(Guess("a row is named by its line in the file", "no column has each value once", "--key COLUMN"))
    return None


def _label(seen: Sequence[Seen], name: str, guesses: list[Guess]) -> tuple[Seen, str, NDArray[np.bool_]]:
    found = _asked(seen, name, "--label") if name else None
    two = [c for c in seen if c.distinct == TWO and c.kind in ("string", "int64", "float64", "bool")]
    if found is None and two:
        found = max(reversed(two), key=_like_an_outcome)
        guesses.append(Guess(f"{found.raw!r} is to be predicted", OUTCOMES[_like_an_outcome(found)], "--label COLUMN"))
    if found is None:
        numbers = [c for c in seen if c.is_number and c.distinct > TWO]
        if not numbers:
            raise UnusableFile(
                "no column can be an outcome: none has two values, none holds numbers; say --label COLUMN"
            )
        found = numbers[-1]
        guesses.append(Guess(f"{found.raw!r} is to be predicted", "the last that holds numbers", "--label COLUMN"))
    return found, *_positive(found, guesses)


def _like_an_outcome(column: Seen) -> int:
    """Return how much a column of two values is like an outcome: the place in OUTCOMES of why."""
    if column.name in LABEL_NAMES or column.name.startswith("is_"):
        return 3
    said = {str(v).lower().removesuffix(".0") for v in column.values.tolist()[:1000] if v is not None}
    return 2 if said <= TRUTH else int(column.kind == "string")


def _positive(label: Seen, guesses: list[Guess]) -> tuple[str, NDArray[np.bool_]]:
    values = [v for v in dict.fromkeys(label.values.tolist()) if v is not None and v == v]  # noqa: PLR0124 - NaN
    if len(values) < TWO:
        raise UnusableFile(
            f"{label.raw!r} is {values[0] if values else 'empty'} in every row: there is nothing to learn"
        )
    if label.is_number and len(values) > TWO:
        middle = float(np.nanmedian(label.values[: int(len(label.values) * (1 - LIVED))].astype(float)))
        guesses.append(Guess(f"a row counts if {label.raw!r} is above {middle:g}", "its median", "the file label.py"))
        return f"> {middle:g}", np.asarray(label.values.astype(float) > middle)
    if label.is_number:
        return f"> {min(values):g}", np.asarray(label.values.astype(float) > min(values))
    if len(values) > TWO:
        shown = ", ".join(map(repr, values[:4]))
        raise UnusableFile(
            f"--label {label.raw!r} has {len(values)} different texts ({shown} …); name a column of two values"
        )
    said = [v for v in values if str(v).lower() in POSITIVES]
    rare = min(values, key=lambda v: int((label.values == v).sum()))
    chosen = said[0] if len(said) == 1 else rare
    why = "it says so" if len(said) == 1 else "the rarer of the two"
    guesses.append(Guess(f"a row counts if {label.raw!r} is {chosen!r}", why, "the file label.py"))
    return f"== {chosen!r}", np.asarray(label.values == chosen)


def _features(rest: Sequence[Seen], guesses: list[Guess]) -> list[Seen]:
    usable = [c for c in rest if c.kind != "timestamp" and not (c.kind == "string" and c.distinct > MOST_CATEGORIES)]
    left = [c.raw for c in rest if c not in usable]
    if left:
        guesses.append(
            Guess(
                f"{', '.join(map(repr, left))} are no features",
                "they are times, or texts of many values",
                "features.py",
            )
        )
    if usable:
        many = f"{', '.join(repr(c.raw) for c in usable[:SHOWN])}{' …' if len(usable) > SHOWN else ''}"
        guesses.append(
            Guess(
                f"{many} are known when a row happens",
                "nothing says otherwise: look at each",
                "sources.py, features.py",
            )
        )
    return list(usable[:MOST_FEATURES])


def _gives_away(column: Seen, truth: NDArray[np.bool_]) -> bool:
    """Return whether a column alone tells the outcome: by rank, or by the majority of each category."""
    if column.is_number:
        values = column.values.astype(float)
        known = np.isfinite(values)
        return known.any() and _auc(values[known], truth[known]) >= GIVEN_AWAY
    if column.kind != "string" or column.distinct > len(truth) / 10:
        return False
    _, group = np.unique(column.values.astype(str), return_inverse=True)
    ones, all_ = np.bincount(group, weights=truth), np.bincount(group)
    right = np.maximum(ones, all_ - ones).sum() / len(truth)
    return bool(right >= GIVEN_AWAY > max(truth.mean(), 1 - truth.mean()))


def _auc(values: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of a column or of its opposite (Hanley & McNeil 1982)."""
    ones, zeros = np.sort(values[truth]), np.sort(values[~truth])
    if not len(ones) or not len(zeros):
        return 0.5
    won = (np.searchsorted(zeros, ones, "left") + np.searchsorted(zeros, ones, "right")).sum() / 2
    area = float(won / (len(ones) * len(zeros)))
    return max(area, 1 - area)


def _timing(at: Seen) -> Timing:
    moments = at.values[~np.isnat(at.values)].astype("datetime64[us]")
    first, last = (m.astype(datetime).replace(tzinfo=UTC) for m in (moments.min(), moments.max()))
    if last - first < DAYS:
        raise UnusableFile(
            f"{at.raw!r} spans {(last - first).days} days, {first:%Y-%m-%d} to {last:%Y-%m-%d}; at least {DAYS.days} "
            "are needed, for a model to be trained on what came first and tested on what came then"
        )
    step = days(7) if last - first >= WEEKS else days(1)
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    start -= days(start.weekday()) if step == days(7) else timedelta(0)
    delay = days(1) if step == days(7) else hours(12)
    ticks = (last + delay - start) // step + 1
    lived = round(ticks * (1 - LIVED))
    part = max(days(7), days(14) if step == days(7) else days(7), step * round(ticks * 0.1))
    return Timing(step, start, start + ticks * step, start + lived * step, part, delay)


def _least(truth: NDArray[np.bool_], timing: Timing) -> int:
    """Return half of the rarer outcomes that a test will hold, within what is sensible."""
    share = min(truth.mean(), 1 - truth.mean()) * (timing.part / (timing.end - timing.start))
    return int(np.clip(len(truth) * share / 2, LEAST_OF_EACH_CLASS, Gates().support.least_of_each_class))


def _example(column: Seen) -> object:
    return next((v for v in column.values.tolist() if v is not None and v == v), "")  # noqa: PLR0124 - NaN
