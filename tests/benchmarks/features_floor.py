"""The floor under the feature engine: the same columns in bare NumPy, written once, for full tables only.

One sort a key, prefix sums, ``searchsorted`` at t and t - window. It validates nothing, knows no
schema, settles no ties, sums floats as they come and repeats no search that a column before it made.
"""

import numpy as np
import pyarrow as pa

HOUR = 3_600_000_000


def floor(features, requests: pa.Table, tables: dict[str, pa.Table], at: str = "predict_at") -> dict[str, np.ndarray]:
    """Return the declared columns of all requests, numbers as float32 and texts as codes."""
    t = _time(requests[at])
    mine, found = _arrays(requests), {}
    columns = {name: _arrays(table) for name, table in tables.items()}
    codes: dict = {}
    sides: dict = {}
    sorts: dict = {}
    for feature in features:
        kind = type(feature).__name__
        names = iter(c.name for c in feature.outputs(_columns(requests)))
        if kind == "Request":
            for _, of in feature.values:
                found[next(names)] = _numbers(_read(of, mine))
            continue
        name, keys, table = feature.source.name, feature.keys, columns[feature.source.name]
        for key in keys:
            if (key, name) not in codes:
                codes[key, name] = _shared_codes(_read(key.request, mine), _read(key.in_source, table))
        request_code, code = _combined([codes[k, name] for k in keys], len(t), len(table["known_at"]))
        if keys not in sides:
            sides[keys] = np.lexsort((t, request_code))
        order = sides[keys]
        q_code, q_time = request_code[order], t[order]
        if kind == "Scheduled":
            _scheduled(feature, names, found, table, code, q_code, mine[feature.at][order], order)
            continue
        if (keys, name) not in sorts:
            known = table["known_at"]
            rows = np.lexsort((known, code))
            base = known.min()
            span = int(max(known.max(), t.max()) - base + 2)
            packed = code[rows] * span + (known[rows] - base)
            sorts[keys, name] = rows, base, span, packed, {}
        rows, base, span, packed, ends = sorts[keys, name]

        def end(back, q_code=q_code, q_time=q_time, packed=packed, base=base, span=span, ends=ends):
            if back not in ends:
                ends[back] = np.searchsorted(
                    packed, q_code * span + np.clip(q_time - back - base, -1, span - 2), "right"
                )
            return ends[back]

        if kind == "Lookup":
            last = end(0) - 1
            row = rows[last]
            good = (last >= 0) & (code[row] == q_code)
            if feature.max_age is not None:
                good &= table["event_time"][row] > q_time - _us(feature.max_age)
            for column in feature.columns:
                out = np.full(len(t), np.nan, np.float32)
                out[order[good]] = _numbers(table[column])[row[good]]
                found[next(names)] = out
            continue
        sums: dict = {}
        for window in feature.over:
            lo, hi = end(_us(window)), end(0)
            for _, aggregate in feature.aggregates:
                if aggregate.kind in {"last", "age"}:
                    row = rows[hi - 1]
                    if aggregate.kind == "last":
                        value = _numbers(_read(aggregate.of, table))[row]
                    else:
                        value = (q_time - table["known_at"][row]) / HOUR
                    value = np.where(hi > lo, value, np.nan)
                elif aggregate.of is None and aggregate.where is None:
                    value = hi - lo
                else:
                    value = _windowed(aggregate, table, rows, sums, lo, hi)
                value = np.where(q_code >= 0, value, np.nan)
                out = np.empty(len(t), np.float32)
                out[order] = value
                found[next(names)] = out
    return found


def _windowed(aggregate, table, rows, sums, lo, hi):
    if aggregate.of not in sums:
        values = _numbers(_read(aggregate.of, table), np.float64)[rows]
        known = ~np.isnan(values)
        total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
        sums[aggregate.of] = total, None if known.all() else np.concatenate([[0], np.cumsum(known)])
    total, known = sums[aggregate.of]
    value = total[hi] - total[lo]
    if aggregate.kind in ("count", "sum"):
        return value
    n = hi - lo if known is None else known[hi] - known[lo]
    return np.where(n > 0, value / np.maximum(n, 1), np.nan)


def _scheduled(feature, names, found, table, code, q_code, own, order):
    """Counts around a time; the plan is known far enough ahead for its known-at never to matter."""
    event = table["event_time"]
    rows = np.lexsort((event, code))
    base, span = event.min(), int(event.max() - event.min() + 10**12)
    packed = code[rows] * span + (event[rows] - base)
    for width in feature.around:
        w = _us(width)
        lo = np.searchsorted(packed, q_code * span + np.maximum(own - w - base, 0), "left")
        hi = np.searchsorted(packed, q_code * span + np.minimum(own + w - base, span - 1), "right")
        out = np.empty(len(order), np.float32)
        out[order] = np.where(q_code >= 0, hi - lo, np.nan)
        found[next(names)] = out


def _columns(table):
    from mlsys_assets.features.request_table import request_columns

    return request_columns(table.schema)


def _time(column):
    return column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()


def _arrays(table):
    found = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            found[name] = _time(column)
        elif pa.types.is_string(column.type):
            found[name] = column.combine_chunks().dictionary_encode()
        else:
            found[name] = column.to_numpy()
    return found


def _read(of, columns):
    return columns[of] if isinstance(of, str) else of(columns)


def _numbers(values, dtype=np.float32):
    if isinstance(values, pa.Array):
        return values.indices.to_numpy(zero_copy_only=False).astype(dtype)
    return values.astype(dtype)


def _shared_codes(mine, theirs):
    """Number the request's distinct values; -1 where missing, and where the source has another value."""
    if isinstance(mine, pa.Array):
        place = np.append(pa.compute.index_in(theirs.dictionary, mine.dictionary).fill_null(-1).to_numpy(), -1)
        other = place[theirs.indices.fill_null(-1).to_numpy()]
        return mine.indices.fill_null(-1).to_numpy().astype(np.int64), other.astype(np.int64), len(mine.dictionary)
    distinct, code = np.unique(mine, return_inverse=True)
    place = np.minimum(np.searchsorted(distinct, theirs), len(distinct) - 1)
    return code, np.where(distinct[place] == theirs, place, -1), len(distinct)


def _combined(codes, requests, rows):
    mine, theirs = np.zeros(requests, np.int64), np.zeros(rows, np.int64)
    for a, b, size in codes:
        mine = np.where((mine < 0) | (a < 0), -1, mine * size + a)
        theirs = np.where((theirs < 0) | (b < 0), -1, theirs * size + b)
    if np.prod([float(size) for _, _, size in codes]) > 2**17:  # a key and a time must fit in 63 bits
        distinct, mine = np.unique(mine, return_inverse=True)
        place = np.minimum(np.searchsorted(distinct, theirs), len(distinct) - 1)
        theirs = np.where(distinct[place] == theirs, place, -1)
        if distinct[0] < 0:
            mine, theirs = mine - 1, np.where(theirs <= 0, -1, theirs - 1)
    return mine, theirs


def _us(duration):
    return duration // duration.resolution
