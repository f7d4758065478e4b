"""Splits by time, purged and embargoed: nothing is learned from a label that the next part could not have known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.data_sampling.training_window import EXPANDING, Known, TrainingWindow, chosen_rows
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation, View
from mlsys_assets.mistakes import not_all, not_long, sound
from mlsys_assets.types import EPOCH, Calendar, DeclarationError, Finding, Severity, TimeWindow

LEAST_ROWS: Final = 100
"""Fewer rows than this in a part, and no figure from it is worth its interval."""
EMBARGOED: Final = "embargoed"
PURGED: Final = "purged"
AFTER_AS_OF: Final = "after as-of"
OUTSIDE: Final = "outside the window"
"""The fate of a row that could have been trained on, had the training window chosen it."""
UNLABELLED: Final = "unlabelled: "
PARTS: Final = ("train", "validation", "recent_test", "static_test")

V = TypeVar("V", bound=View)


@dataclass(frozen=True, eq=False)
class Split:
    """Four disjoint parts of the labelled rows, and where every other row went.

    ``fates`` counts every row that was read: by part, or by why it stands in none.
    """

    train: Train
    validation: Validation
    recent_test: Test
    static_test: Test
    as_of: datetime
    fates: Mapping[str, int] = field(default_factory=dict)

    def adequate(self, *, least: int = LEAST_ROWS, refit: Train | None = None) -> Finding:
        """Return whether each part but the static test has ``least`` rows, and what is fitted on has both classes.

        ``refit`` is what the winner is refitted on, where that need not hold all of train.
        """
        sizes = {name: len(getattr(self, name)) for name in PARTS}
        fitted_on: dict[str, View] = {"train": self.train, "validation": self.validation}
        if refit is not None:
            fitted_on["refit"], sizes["refit"] = refit, len(refit)
        few = [
            f"{name} has {sizes[name]} rows" for name in dict.fromkeys([*PARTS[:3], *fitted_on]) if sizes[name] < least
        ]
        few += [
            f"{name} has a single class"
            for name, view in fitted_on.items()
            if sizes[name] >= least and np.ptp(view.label) == 0
        ]
        summary = "rows: " + ", ".join(f"{name} {size}" for name, size in sizes.items())
        if few:
            outside = f" ({self.fates[OUTSIDE]} rows stand {OUTSIDE})" if OUTSIDE in self.fates else ""
            told = f"{'; '.join(few)}{outside}; least {least}"
            summary = f"insufficient data as of {self.as_of:%Y-%m-%d}: {told}: wait for more"
        return Finding("split_is_adequate", not few, summary, evidence={**self.fates, "least": least})


@dataclass(frozen=True)
class TimeSplit:
    """Recent test = the last ``test`` before as-of, validation the time before it, train all that is earlier.

    A row stands in a part only if it was predicted ``embargo`` before the part's end, and its label
    was known by that end: the first keeps the part from holding only the labels that came quickly,
    the second (purging) holds even where a label came later than it should (López de Prado 2018, ch. 7).

    Parameters
    ----------
    validation, test
        The lengths of the parts.
    embargo
        The longest time a label may take; None until the system sets it from its label.
    static_test
        Windows of prediction time whose rows stand in the static test and nowhere else, ever.
    """

    validation: timedelta
    test: timedelta
    embargo: timedelta | None = None
    static_test: tuple[TimeWindow, ...] = ()

    def mistakes(self, *, delay: timedelta | None = None, calendar: Calendar | None = None) -> list[str]:
        """Return what is wrong with the declaration, for labels of this ``delay`` and ticks of this ``calendar``."""
        parts = {"validation": self.validation, "test": self.test}
        found = [m for name, length in parts.items() for m in not_long(f"the time split: {name}", length)]
        if self.embargo is not None:
            found += not_long("the time split: embargo", self.embargo, zero=True)
        found += self._embargo_mistakes(delay)
        found += not_all("the time split: static_test", self.static_test, TimeWindow)
        windows = sorted(sound(self.static_test, TimeWindow))
        found += [f"the time split: static windows {a} and {b} overlap" for a, b in pairwise(windows) if a.overlaps(b)]
        found += [f"the time split: static window {w} is empty" for w in windows if w.length == timedelta(0)]
        return found + [
            f"the time split: static window {w} is not within the calendar, which {reach(calendar)}"
            for w in windows
            if calendar is not None and not calendar.holds(w)
        ]

    def _embargo_mistakes(self, delay: timedelta | None) -> list[str]:
        embargo = delay if self.embargo is None else self.embargo
        if not isinstance(embargo, timedelta):
            return []
        found = [
            f"the time split: an embargo of {embargo} leaves nothing of the {name} part of {length}"
            for name, length in (("validation", self.validation), ("test", self.test))
            if isinstance(length, timedelta) and timedelta(0) < length <= embargo
        ]
        if delay is not None and embargo < delay:
            found.append(
                f"the time split: its embargo of {embargo} is shorter than the label delay of {delay}; "
                "give at least that, or none, to take the delay itself"
            )
        return found

    def with_embargo(self, label_delay: timedelta) -> "TimeSplit":
        """Return the split with an embargo of at least ``label_delay``; raises DeclarationError for mistakes."""
        self._require_sound(delay=label_delay)
        return replace(self, embargo=label_delay) if self.embargo is None else self

    def _require_sound(self, *, delay: timedelta | None = None) -> None:
        if mistakes := self.mistakes(delay=delay):
            raise DeclarationError("the time split", mistakes)

    def windows(self, as_of: datetime) -> dict[str, TimeWindow]:
        """Return the prediction times of train, validation and recent test as of then."""
        test = TimeWindow(as_of - self.test, as_of)
        validation = TimeWindow(test.start - self.validation, test.start)
        return {
            "train": TimeWindow(min(EPOCH, validation.start), validation.start),
            "validation": validation,
            "recent_test": test,
        }

    def split(
        self,
        rows: LabelledRows,
        *,
        as_of: datetime,
        window: TrainingWindow = EXPANDING,
        changes: Sequence[datetime] = (),
    ) -> Split:
        """Split what is labelled as of then; a part may come out empty, which ``Split.adequate`` reports.

        Of train, the rows stay that the window chooses as of its end, given the changes that were dated by ``as_of``;
        validation and tests are never thinned. Raises TypeError for what was split already.
        """
        _require_whole(rows)
        if self.embargo is None:
            raise ValueError("the time split has no embargo; set it to the label's delay by with_embargo(...)")
        self._require_sound()
        windows = self.windows(as_of)
        static = self._static(rows)
        ends = dict.fromkeys(PARTS, as_of) | {name: window.end for name, window in windows.items()}
        place = {name: _within(rows.at, window) & ~static for name, window in windows.items()}
        place["static_test"] = static & (rows.at < moment(as_of))
        fates = {AFTER_AS_OF: int((rows.at >= moment(as_of)).sum())}
        fates |= {UNLABELLED + s: n for s, n in rows.unlabelled_by_state(as_of).items()}
        chosen: dict[str, NDArray[np.bool_]] = {}
        for name, here in place.items():
            mine = here & rows.labelled(as_of)
            settled = rows.at < moment(ends[name] - self.embargo)
            known = rows.known_at <= moment(ends[name])
            fates[EMBARGOED] = fates.get(EMBARGOED, 0) + int((mine & ~settled).sum())
            fates[PURGED] = fates.get(PURGED, 0) + int((mine & settled & ~known).sum())
            chosen[name] = mine & settled & known
            fates[name] = int(chosen[name].sum())
        if window != EXPANDING:
            could = chosen["train"]
            chosen["train"] = could & chosen_rows(window, rows.at, Known(ends["train"], tuple(changes)))
            fates |= {"train": int(chosen["train"].sum()), OUTSIDE: int((could & ~chosen["train"]).sum())}
            windows["train"] = _extent(rows.at[chosen["train"]], windows["train"].end)
        windows["static_test"] = _hull(self.static_test, as_of)
        return _parts(rows, chosen, windows=windows, as_of=as_of, fates=fates)

    def refit_view(
        self,
        rows: LabelledRows,
        *,
        as_of: datetime,
        window: TrainingWindow = EXPANDING,
        changes: Sequence[datetime] = (),
    ) -> Train:
        """Return what a passed recipe is refitted on.

        These are all rows of the window with a label known as of then, save the static test.
        """
        usable = self.usable(rows, as_of=as_of)
        if window == EXPANDING:
            return _view(Train, rows, usable, TimeWindow(EPOCH, as_of))
        usable &= chosen_rows(window, rows.at, Known(as_of, tuple(changes)))
        return _view(Train, rows, usable, _extent(rows.at[usable], as_of))

    def usable(self, rows: LabelledRows, *, as_of: datetime) -> NDArray[np.bool_]:
        """Return (n,) whether a row has a label known as of then and stands outside the static test."""
        _require_whole(rows)
        return (rows.at < moment(as_of)) & rows.labelled(as_of) & ~self._static(rows)

    def _static(self, rows: LabelledRows) -> NDArray[np.bool_]:
        static = np.zeros(len(rows), dtype=bool)
        for window in self.static_test:
            static |= _within(rows.at, window)
        return static


def random_split(
    rows: LabelledRows, *, by: TimeSplit, as_of: datetime, seed: int, forced: str, record: Callable[[Finding], None]
) -> Split:
    """Split at random into parts as large as those of ``by``: the control that shows what a random split hides.

    Rows ordered in time share weather, crews and queues with their neighbours, so a random test
    row is half known already. Raises ValueError unless ``forced`` says why; the reason is recorded.
    """
    if not forced.strip():
        raise ValueError(
            "a random split of rows ordered in time leaks the future into training; split by time, "
            "or give the reason in forced=... and it will be recorded"
        )
    ordered = by.split(rows, as_of=as_of)
    sizes = [ordered.fates[name] for name in PARTS[:3]]
    record(
        Finding(
            "random_split",
            False,
            f"rows ordered in time were split at random: {forced}",
            Severity.WARN,
            {"seed": seed, "as_of": as_of.isoformat(), "rows": sum(sizes)},
        )
    )
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(by.usable(rows, as_of=as_of)))[: sum(sizes)]
    drawn_parts = np.split(shuffled, np.cumsum(sizes)[:2])
    chosen = {name: np.sort(part) for name, part in zip(PARTS[:3], drawn_parts, strict=True)}
    windows = dict.fromkeys(PARTS, TimeWindow(EPOCH, as_of))
    drawn = _parts(
        rows, chosen | {"static_test": np.array([], dtype=np.intp)}, windows=windows, as_of=as_of, fates=ordered.fates
    )
    return replace(drawn, static_test=ordered.static_test)


def _parts(
    rows: LabelledRows,
    chosen: Mapping[str, NDArray[np.bool_] | NDArray[np.intp]],
    *,
    windows: Mapping[str, TimeWindow],
    as_of: datetime,
    fates: Mapping[str, int],
) -> Split:
    sealed = {}
    for name in ("recent_test", "static_test"):
        view = _view(OpenedTest, rows, chosen[name], windows[name])
        sealed[name] = Test(view, name=name, content_hash=view.content_hash, as_of=as_of)
    return Split(
        train=_view(Train, rows, chosen["train"], windows["train"]),
        validation=_view(Validation, rows, chosen["validation"], windows["validation"]),
        as_of=as_of,
        fates=dict(fates),
        **sealed,
    )


def _view(kind: type[V], rows: LabelledRows, chosen: NDArray[np.bool_] | NDArray[np.intp], window: TimeWindow) -> V:
    return kind(rows.ids, rows.at, rows.features, rows.label, window).take(chosen)


def _require_whole(rows: object) -> None:
    if not isinstance(rows, LabelledRows):
        raise TypeError(
            f"a time split takes LabelledRows, got {type(rows).__name__}; a part of a split is not split again: "
            "cut a Train view into folds, such as BlockedFolds(...)"
        )


def _hull(windows: tuple[TimeWindow, ...], as_of: datetime) -> TimeWindow:
    past = [w for w in windows if w.start < as_of]
    return TimeWindow(min(w.start for w in past), max(w.end for w in past)) if past else TimeWindow(as_of, as_of)


def _extent(at: NDArray[np.datetime64], end: datetime) -> TimeWindow:
    """Return from the first of times to an end."""
    first = at.min().astype("datetime64[us]").astype(datetime).replace(tzinfo=UTC) if len(at) else end
    return TimeWindow(first, end)


def reach(calendar: Calendar) -> str:
    """Return in words when a calendar begins and ends."""
    return f"begins {calendar.start:%Y-%m-%d %H:%M}" + (
        f" and ends {calendar.end:%Y-%m-%d %H:%M}" if calendar.end else ""
    )


def _within(at: NDArray[np.datetime64], window: TimeWindow) -> NDArray[np.bool_]:
    return (at >= moment(window.start)) & (at < moment(window.end))
