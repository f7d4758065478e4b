"""Categories that are spelled otherwise, or are others altogether."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.production_monitoring.pipeline.sides import LEAST_ROWS, is_text

SPELLING_TEST: Final = "spelling"
CODES_TEST: Final = "codes"
LEAST_RESPELLED: Final = 0.01
"""The share of rows with an old category in a new spelling that is a bug: there is hardly another reason."""
LEAST_UNSEEN: Final = 0.5
"""The share of rows with categories never seen from which on they are of another code."""
TIMES_USUAL: Final = 3.0
"""How many times what is new in the second half of the time before it must be: names of planes are always new."""
NAMED: Final = 3
APART: Final = "\0"
"""What stands between texts that are looked at together."""
PLAIN: Final = bytes(range(128)).lower()
"""What each ASCII letter is but for its case."""
LEFT_OUT: Final = bytes(code for code in range(128) if not chr(code).isalnum() and chr(code) != APART)
"""ASCII that is no letter and no digit."""


def category_bugs(before: pa.Table, now: pa.Table) -> Examined:
    """Return categories that equal old ones but for case, space, accents and punctuation, and codes that are new."""
    names = [name for name in now.column_names if name in before.column_names]
    found: list[Symptom] = []
    for name in names:
        if not (is_text(before[name].type) and is_text(now[name].type)):
            continue
        was, here = (pc.drop_null(table[name].cast(pa.string())) for table in (before, now))
        if min(len(was), len(here)) >= LEAST_ROWS:
            found += _of_column(name, was, here)
    return Examined(tuple(found))


def normalised(text: str) -> str:
    """Return what a category is called, whatever its case, spaces, accents and punctuation.

    >>> normalised(" New-York ") == normalised("NEW YORK")
    True
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def all_normalised(texts: Sequence[str]) -> list[str]:
    """Return what categories are called, as ``normalised`` does: all at once where they are ASCII, as most are.

    >>> all_normalised(["New-York", "Orly 3"])
    ['newyork', 'orly3']
    """
    joined = APART.join(texts)
    if not joined.isascii() or joined.count(APART) != len(texts) - 1:
        return [normalised(text) for text in texts]
    return joined.encode().translate(PLAIN + bytes(range(128, 256)), LEFT_OUT).decode().split(APART)


def _of_column(name: str, before: pa.ChunkedArray, now: pa.ChunkedArray) -> Iterator[Symptom]:
    known = pc.unique(before)
    counted = pc.value_counts(now)
    values = counted.field("values")
    new = np.flatnonzero(~np.asarray(pc.is_in(values, value_set=known)))
    if not len(new):
        return
    shares = counted.field("counts").to_numpy()[new] / len(now)
    if shares.sum() < LEAST_RESPELLED:
        return
    texts = values.take(pa.array(new)).to_pylist()
    old = known.to_pylist()
    plain = {called: text for called, text in zip(all_normalised(old), old, strict=True) if called}
    called = all_normalised(texts)
    of_old = np.array([each in plain for each in called])
    if (share := float(shares[of_old].sum())) >= LEAST_RESPELLED:
        ranked = [i for i in np.argsort(-shares, kind="stable") if of_old[i]]
        pairs = ", ".join(f"{texts[i]!r} for {plain[called[i]]!r}" for i in ranked[:NAMED])
        told = f"{share:.1%} of rows hold an old category of {name} in a new spelling: {pairs}"
        yield Symptom(
            Cause.PIPELINE, SPELLING_TEST, name, told, share, LEAST_RESPELLED, {"categories": int(of_old.sum())}
        )
        return
    yield from _of_other_codes(name, before, len(texts), float(shares.sum()))


def _of_other_codes(name: str, before: pa.ChunkedArray, categories: int, share: float) -> Iterator[Symptom]:
    half = len(before) // 2
    usual = 1 - float(pc.mean(pc.is_in(before[half:], value_set=pc.unique(before[:half])).cast(pa.float64())).as_py())
    if share >= max(LEAST_UNSEEN, TIMES_USUAL * usual):
        told = f"{share:.1%} of rows hold categories of {name} that were never there, {usual:.1%} usually"
        limit = max(LEAST_UNSEEN, TIMES_USUAL * usual)
        yield Symptom(Cause.PIPELINE, CODES_TEST, name, told, share, limit, {"categories": categories})
