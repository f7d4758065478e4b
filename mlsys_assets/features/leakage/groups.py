"""Group leakage: a model that knows rows by their group was told the answer of their brothers, and learned no reason.

Groups are dealt out to two halves, and a probe is fitted on each, on as many rows. Rows of other days, of validation
and of training, are scored twice: by the probe that saw their group, and by the one that never did. That one of the two
probes is the better falls out, since each is asked of both halves: what is left is what knowing the group is worth to a
probe. A probe makes nothing of groups of a few rows, whatever they share. So the one that never saw a group scores its
rows of the days that are learned of too, and what it missed in them is added to its scores of the other ones: what the
group is worth to whoever knows its past.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.features.leakage.group_offsets import group_offsets, log_odds
from mlsys_assets.features.leakage.group_rows import Codes, asked_days, drawn_rows, halves, past_rows, scored_rows
from mlsys_assets.features.leakage.known_group import KnownGroup, WithinHalves
from mlsys_assets.features.leakage.learner import Learner, Scorer
from mlsys_assets.features.leakage.probe import joined
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.named_columns import is_category
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.types import Finding

FINDING: Final = "no_group_is_known_by_its_label"
LEAST_TRAINED_ON: Final = 200
"""With fewer, a probe knows nothing that a group could be told from."""
WATCHED: Final = 300
"""Later rows that a probe may stop by."""

GroupIds = tuple[pa.Array | pa.ChunkedArray, pa.Array | pa.ChunkedArray]
"""The groups of training's rows, and of validation's."""


@dataclass(frozen=True)
class GroupLeakage:
    """What knowing each group is worth, the most first."""

    found: tuple[KnownGroup, ...]

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """The groups that rows are known by."""
        return tuple(one for group in self.found for one in group.suspicions)

    @property
    def finding(self) -> Finding:
        """Whether no group is known by its label."""
        told = [group for group in self.found if group.sufficient]
        evidence = {f"gap of {group.name}": group.gap.value for group in told}
        evidence |= {f"gain of {group.name}": group.gain.value for group in told}
        gaps = ", ".join(f"{group.name} {group.gap}, {group.gain}" for group in told)
        clean = f"what a probe that saw none of a row's group would gain of AUC by training on it, by its past: {gaps}"
        if not told:
            clean = f"insufficient data: of {len(self.found)} groupings none can be told" if self.found else "no groups"
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=evidence)

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Header and rows."""
        header = ("group", "groups", "known later", "AUC where seen", "where left out", "gap", "past known", "gain")
        rows: list[tuple[object, ...]] = [
            (g.name, g.groups, f"{g.straddling:.0%}", *map(str, (g.seen, g.unseen, g.gap, g.known, g.gain)))
            for g in self.found
        ]
        return header, rows

    def thumbnail(self) -> str:
        """Return the gaps as Markdown that is seen at once."""
        spans = {g.name: (g.worth.value, g.worth.low, g.worth.high) for g in self.found if g.sufficient}
        return thumbnails.spans(spans, title="AUC gained where a row's group is known")

    def plot(self) -> str:
        """Draw the AUC of rows of other days by what is known of their group."""
        kinds = {"group seen": "seen", "left out": "unseen", "its past known": "known"}
        rows: dict[str, dict[str, tuple[float, float, float]]] = {}
        for group in self.found:
            told: dict[str, Estimate] = {said: getattr(group, name) for said, name in kinds.items()}
            if group.sufficient:
                rows[group.name] = {said: (e.value, e.low, e.high) for said, e in told.items()}
        return forest(rows, title="AUC of rows of other days by what is known of their group")


def group_leakage(
    train: Train,
    validation: Validation,
    learner: Learner,
    *,
    groups: Mapping[str, GroupIds] | None = None,
    seed: int,
    threads: int = 1,
) -> GroupLeakage:
    """Return what knowing the group of a row is worth, for each column of categories and each grouping handed in.

    Parameters
    ----------
    train, validation
        Rows with labels 0 and 1.
    learner
        The probe, as ``LightGBM(rounds=30, leaves=15)``: two fits a grouping.
    groups
        Names of further groupings, with the groups of each row of both parts; a null is of no group.
    seed
        Of the rows that are drawn, of the fits and of the intervals.
    threads
        As many as it may be fitted with.

    Raises ValueError for groupings that are not of the rows.
    """
    require_train(train, what="a probe of groups")
    require_validation(validation, what="a probe of groups")
    found = [
        _known((name, name in (groups or {})), _coded(ids), (train, validation), learner, seed=seed, threads=threads)
        for name, ids in _groupings(train, validation, groups or {}).items()
    ]
    return GroupLeakage(tuple(sorted(found, key=lambda g: (not g.sufficient, -g.worth.value, g.name))))


def _groupings(train: Train, validation: Validation, more: Mapping[str, GroupIds]) -> dict[str, GroupIds]:
    columns = [field.name for field in train.features.schema if is_category(field.type)]
    found = {name: (train.features[name], validation.features[name]) for name in columns} | dict(more)
    for name, (first, second) in found.items():
        if (len(first), len(second)) != (len(train), len(validation)):
            raise ValueError(
                f"grouping {name!r} is of {len(first)} and {len(second)} rows; there are {len(train)} in training and "
                f"{len(validation)} in validation: give one group, or null, for each row"
            )
    return found


def _coded(ids: GroupIds) -> tuple[Codes, Codes]:
    """Return the number of each row's group, -1 for none, in both parts."""
    first, second = (pa.chunked_array([i]) if isinstance(i, pa.Array) else i for i in ids)
    plain = first.type.value_type if pa.types.is_dictionary(first.type) else first.type
    both = pa.chunked_array([*first.cast(plain).chunks, *second.cast(plain).chunks], plain)
    codes = pc.fill_null(both.combine_chunks().dictionary_encode().indices, -1)
    found = np.asarray(codes).astype(np.intp)
    return found[: len(first)], found[len(first) :]


def _known(
    named: tuple[str, bool],
    codes: tuple[Codes, Codes],
    parts: tuple[Train, Validation],
    learner: Learner,
    *,
    seed: int,
    threads: int,
) -> KnownGroup:
    (code, later_code), (train, validation) = codes, parts
    number = max(int(c.max(initial=-1)) for c in codes) + 1
    size, later_size = (np.bincount(c[c >= 0], minlength=max(number, 1)) for c in codes)
    half, random, asked = halves(size), np.random.default_rng(seed), asked_days(train.at)
    learned, kept_back = np.where(asked, -1, code), np.where(asked, code, -1)  # a day is learned of, or scored
    drawn = [drawn_rows(learned, half == k, later_size > 0, random) for k in (0, 1)]
    rows = min(map(len, drawn))
    fitted_on = [np.sort(one[:rows]) for one in drawn]
    known = np.zeros(len(size), dtype=bool)
    known[code[np.concatenate(fitted_on)]] = True
    scored, scored_later = (scored_rows(own, known, random) for own in (kept_back, later_code))
    other = joined(train.take(scored), validation.take(scored_later))
    there = later_code[(later_code >= 0) & (size[later_code] > 0)]
    each = float(np.median(size[there])) if len(there) else 0.0
    name, declared = named
    what = name, int((size > 0).sum()), len(there) / max(len(later_code), 1), each, declared
    if rows < LEAST_TRAINED_ON or not len(scored_later) or any(np.ptp(train.label[one]) == 0 for one in fitted_on):
        return KnownGroup(*what, *[Estimate.untold(other.label, len(np.unique(day_blocks(other.at))))] * 5)
    watched = validation.take(np.linspace(0, len(validation) - 1, min(WATCHED, len(validation))).astype(np.intp))
    fits = [learner.fit(train.take(one), watched, seed=seed, threads=threads) for one in fitted_on]
    scores = np.array([fit.predict(other.features, threads=threads) for fit in fits])
    own, place = np.concatenate([code[scored], later_code[scored_later]]), np.arange(len(other))
    past = past_rows((learned, own), (train.at, other.at), random)
    offsets = _offsets(train.take(past), code[past], half, fits, threads=threads)
    seen, unseen = scores[half[own], place], scores[1 - half[own], place]
    return _measured(what, other, half[own], (seen, unseen, log_odds(unseen) + offsets[own]), seed=seed)


def _offsets(past: Train, code: Codes, half: Codes, fits: list[Scorer], *, threads: int) -> Floats:
    """Return (g,) each group's offset by its past, which the other half's probe scores."""
    found, day = np.zeros(len(half)), day_blocks(past.at)
    for k in (0, 1):
        mine = half[code] == k
        rows = past.take(mine)
        score = fits[1 - k].predict(rows.features, threads=threads) if len(rows) else np.empty(0)
        found += group_offsets(code[mine], day[mine], rows.label, score, number=len(half))
    return found


def _measured(
    what: tuple[str, int, float, float, bool],
    other: Validation,
    half: Codes,
    scores: tuple[Floats, Floats, Floats],
    *,
    seed: int,
) -> KnownGroup:
    """Return the measures of scores by a probe that knew the group, by one that did not, and with its past beside."""
    seen, unseen, known = scores
    metric, label, weights = WithinHalves(half), other.label, bootstrap(day_blocks(other.at), seed=seed)
    return KnownGroup(
        *what,
        seen=estimate(metric, label, seen, weights=weights),
        unseen=estimate(metric, label, unseen, weights=weights),
        gap=difference(metric, label, (seen, unseen), weights=weights),
        known=estimate(metric, label, known, weights=weights),
        gain=difference(metric, label, (known, unseen), weights=weights),
    )
