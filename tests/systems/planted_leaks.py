"""Leaks planted in the flights' rows, one function each, and the rows of days drawn anew.

Each takes rows and the tables as ingested, and returns the rows with what it planted behind their columns.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.views import View
from mlsys_assets.measures.intervals import day_blocks

Tables = Mapping[str, pa.Table]
Floats = NDArray[np.float64]
R = TypeVar("R", LabelledRows, View)

A_DAY = 1440
WINDOW = np.timedelta64(28, "D")
CREW = 6
"""Rows of a crew."""
APART = 1.5
"""How many standard deviations of the noise lie between late flights and others, where crews are dealt out."""


def with_column(rows: LabelledRows, name: str, values: Floats | pa.Array) -> LabelledRows:
    """Return the rows with one column more: text as it is, numbers as float32, NaN as null."""
    column = values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True).cast(pa.float32())
    return replace(rows, features=rows.features.append_column(name, column))


def looked_up(rows: LabelledRows, table: pa.Table, name: str) -> Floats:
    """Return (n,) a table's column of the rows' flights; NaN where the table has none."""
    found = pc.index_in(rows.ids, value_set=table["flight_id"].combine_chunks())
    taken: Floats = table[name].take(found).cast(pa.float64()).to_numpy()
    return taken


def keys(rows: LabelledRows | View, tables: Tables, *names: str) -> pa.Table:
    """Return (n, k) columns of the schedule, as text, for the rows' flights."""
    found = pc.index_in(rows.ids, value_set=tables["schedule"]["flight_id"].combine_chunks())
    return pa.table({name: tables["schedule"][name].take(found).cast(pa.string()) for name in names})


def group_codes(rows: LabelledRows, tables: Tables, *names: str) -> NDArray[np.intp]:
    """Return (n,) the number of each row's group by columns of the schedule."""
    table = keys(rows, tables, *names)
    joined = pc.binary_join_element_wise(*(table[name] for name in names), "/", null_handling="replace")
    return np.asarray(joined.combine_chunks().dictionary_encode(null_encoding="encode").indices).astype(np.intp)


def with_arr_time(rows: LabelledRows, tables: Tables, *, planned: bool = False) -> LabelledRows:
    """Plant the clock time of arrival, local, as HHMM; ``planned`` adds the scheduled one in the same unit."""
    due = np.round(looked_up(rows, tables["schedule"], "sched_arr_hour") * 60)
    late = looked_up(rows, tables["arrivals"], "arr_delay")
    found = with_column(rows, "arr_time", _clock(due + late))
    return with_column(found, "sched_arr_time", _clock(due)) if planned else found


def with_air_time(rows: LabelledRows, tables: Tables) -> LabelledRows:
    """Plant the minutes in the air, known when the flight has landed."""
    return with_column(rows, "air_time", looked_up(rows, tables["arrivals"], "air_time"))


def with_dep_delay(rows: LabelledRows, tables: Tables) -> LabelledRows:
    """Plant the flight's own departure delay, known when it has left."""
    return with_column(rows, "dep_delay", looked_up(rows, tables["arrivals"], "dep_delay"))


def with_target_encoding(
    rows: LabelledRows, tables: Tables, *, by: tuple[str, ...] = ("tailnum",), known: NDArray[np.bool_] | None = None
) -> LabelledRows:
    """Plant the mean label of all rows of a key, the row itself among them.

    ``known`` says whose labels count: those of the training rows, for an encoding fitted on them and carried on.
    """
    code = group_codes(rows, tables, *by)
    counts = ~np.isnan(rows.label) if known is None else known & ~np.isnan(rows.label)
    label = np.where(counts, rows.label, 0.0)
    size = np.bincount(code, weights=counts)
    mean = np.bincount(code, weights=label)[code] / np.maximum(size[code], 1)
    return with_column(rows, "_".join(by) + "_mean_label", np.where(size[code] > 0, mean, label.sum() / counts.sum()))


def with_own_window(rows: LabelledRows, tables: Tables, *, by: tuple[str, ...] = ("carrier", "dest")) -> LabelledRows:
    """Plant the mean label of a key's rows of the last 28 days, up to the row and with it."""
    code = group_codes(rows, tables, *by)
    order = np.lexsort((rows.at, code))
    label = np.nan_to_num(rows.label[order])
    sums, counts = (np.concatenate([[0.0], np.cumsum(of)]) for of in (label, ~np.isnan(rows.label[order])))
    # Times of one key after another on one axis, so that a search never leaves the key.
    span = np.int64(1) << 46  # two years of microseconds
    place = code[order] * span + (rows.at[order] - rows.at.min()).astype(np.int64)
    first = np.maximum(
        np.searchsorted(place, place - WINDOW.astype("timedelta64[us]").astype(np.int64), side="right"),
        np.searchsorted(place, code[order] * span, side="left"),
    )
    last = np.arange(len(order)) + 1
    found = np.empty(len(order))
    found[order] = (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1)
    return with_column(rows, "_".join(by) + "_late_28d_own", found)


def with_ordered_id(rows: LabelledRows, tables: Tables) -> LabelledRows:
    """Plant a row number of a file that was sorted by its label."""
    number = np.empty(len(rows))
    number[np.lexsort((rows.at, rows.label))] = np.arange(len(rows))
    return with_column(rows, "row_number", number)


def with_crew(rows: LabelledRows, tables: Tables, *, size: int = CREW, seed: int = 0) -> LabelledRows:
    """Plant the text id of a group of about ``size`` rows, anywhere in the year, whose labels are alike.

    A row's crew is that of its neighbours in a noisy order of lateness: some crews get more late flights than others.
    """
    random = np.random.default_rng(seed)
    n = len(rows)
    liking = np.nan_to_num(rows.label) * APART + random.normal(size=n)
    crew = np.empty(n, dtype=np.intp)
    crew[np.argsort(liking)] = np.arange(n) // size
    renamed = random.permutation(n // size + 1)[crew]
    return with_column(rows, "crew", pa.array([f"crew-{c}" for c in renamed]))


def resampled(rows: R, seed: int) -> R:
    """Return as many whole days, drawn with replacement; a day drawn again has its number in its rows' identifiers."""
    block = day_blocks(rows.at)
    size = np.bincount(block)
    first = np.concatenate([[0], np.cumsum(size)])
    order = np.argsort(block, kind="stable")
    drawn = np.sort(np.random.default_rng(seed).integers(len(size), size=len(size)))
    index = np.concatenate([order[first[day] : first[day + 1]] for day in drawn])
    again = np.arange(len(drawn)) - np.searchsorted(drawn, drawn)
    draw = pa.array(["" if k == 0 else f"#{k + 1}" for k in again.tolist()])
    draw = draw.take(pa.array(np.repeat(np.arange(len(drawn)), size[drawn])))
    ids = pc.binary_join_element_wise(rows.ids.take(pa.array(index)).cast(pa.string()), draw, "")
    if isinstance(rows, View):
        return replace(rows.take(index), ids=ids)
    sorted_index = index[np.argsort(rows.at[index], kind="stable")]
    ids = ids.take(pa.array(np.argsort(rows.at[index], kind="stable")))
    picked = pa.array(sorted_index)
    return replace(
        rows,
        ids=ids,
        at=rows.at[sorted_index],
        features=rows.features.take(picked),
        label=rows.label[sorted_index],
        known_at=rows.known_at[sorted_index],
        state=rows.state.take(picked),
    )


def _clock(minutes: Floats) -> Floats:
    """Return minutes of the day as a clock shows them: 8:19 as 819."""
    of_day = minutes % A_DAY
    return of_day // 60 * 100 + of_day % 60
