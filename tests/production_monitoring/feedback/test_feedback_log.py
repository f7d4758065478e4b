"""The list that predictions make equals one sorted by hand, whatever order the rows come in."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import Weekly, utc
from mlsys_assets.production_monitoring.feedback.degeneration import degenerate
from mlsys_assets.production_monitoring.feedback.feedback_log import FeedbackLog, Listed, listed
from mlsys_assets.tables import TIMESTAMP
from mlsys_assets.types import days

START, CALENDAR = utc("2013-01-07"), Weekly("2012-12-31")


def world(n: int, *, seed: int, span: int = 14) -> dict[str, pa.Table]:
    """Return predictions, requests and labels of n requests over some days, half of them labelled."""
    rng = np.random.default_rng(seed)
    ids = [f"r{i:05}" for i in range(n)]
    at = pa.array([START + days(float(d)) for d in rng.random(n) * span], TIMESTAMP)
    told = rng.random(n) < 0.5
    return {
        "predictions": pa.table({"id": ids, "predict_at": at, "score": np.round(rng.random(n), 2)}),
        "requests": pa.table({"id": ids, "carrier": rng.choice(["A", "B"], n), "dest": rng.integers(0, 9, n)}),
        "labels": pa.table({"id": np.array(ids)[told], "label": (rng.random(n)[told] < 0.3).astype(float)}),
    }


def of(tables: dict[str, pa.Table], shown: int = 5, item: tuple[str, ...] = ("carrier", "dest")) -> Listed:
    return listed(FeedbackLog(item, shown), **tables, key="id")


@pytest.mark.parametrize("seed", range(5))
def test_the_highest_of_each_day_are_shown(seed: int) -> None:
    tables = world(400, seed=seed)
    found = of(tables)
    rows = tables["predictions"].join(tables["requests"], "id").join(tables["labels"], "id").to_pylist()
    for day in range(14):
        that = [r for r in rows if (r["predict_at"] - START).days == day]
        scores = sorted((r["score"] for r in that), reverse=True)[:5]
        here = (found.log.at - np.datetime64("2013-01-07", "us")) // np.timedelta64(1, "D") == day
        assert found.log.score is not None
        assert found.log.position is not None
        assert found.log.score[here].tolist() == scores
        assert found.log.position[here].tolist() == [1, 2, 3, 4, 5]
        surely = {f"{r['carrier']}|{r['dest']}" for r in that if r["score"] > scores[-1]}
        assert surely <= {found.log.catalogue[i] for i in found.log.item[here]}
    by_moment = {(r["predict_at"], r["score"]): r for r in rows}
    assert found.log.outcome is not None
    for at, score, outcome, item in zip(
        found.log.at.tolist(), found.log.score, found.log.outcome, found.log.item, strict=True
    ):
        row = by_moment[utc(at), score]
        assert found.log.catalogue[item] == f"{row['carrier']}|{row['dest']}"
        assert (row["label"] is None and np.isnan(outcome)) or row["label"] == outcome


def test_the_order_of_the_rows_changes_nothing_even_if_all_scores_are_alike() -> None:
    tables = world(400, seed=0)
    flat = pa.array(np.full(400, 0.3))
    tables["predictions"] = tables["predictions"].set_column(2, "score", flat)
    rng = np.random.default_rng(1)
    mixed = {name: table.take(pa.array(rng.permutation(len(table)))) for name, table in tables.items()}
    first, again = of(tables), of(mixed)
    assert (first.log.item == again.log.item).all()
    assert (first.log.at == again.log.at).all()
    # those shown are no matter of the key's own order, in which they came in
    ids = np.array(sorted(range(400), key=lambda i: tables["predictions"]["predict_at"][i].value))
    assert len(first.log) == 70 < len(ids)
    assert first.log.item.tolist() != first.item[np.sort(ids)[:70]].tolist()


def test_ticks_count_what_was_offered_and_what_is_learned_of() -> None:
    tables = world(60, seed=2)
    found = of(tables, shown=2)
    names = {r["id"]: (r["carrier"], r["dest"]) for r in tables["requests"].to_pylist()}
    known = set(tables["labels"]["id"].to_pylist())
    for start, told in found.by_tick(CALENDAR).items():
        of_tick = [
            r["id"]
            for r in tables["predictions"].to_pylist()
            if CALENDAR.tick_of(r["predict_at"]).start == utc(str(start))
        ]
        assert told.catalogue == len({names[i] for i in of_tick})
        assert told.reached == len({names[i] for i in of_tick if i in known})
        assert told.shown == 14
    unlabelled = of({**tables, "labels": tables["labels"][:0]}, shown=2).by_tick(CALENDAR)
    assert [np.isnan(w.reached) for w in unlabelled.values()] == [True, True]


def test_a_list_whose_rest_gets_no_labels_trips_as_it_narrows_and_no_other() -> None:
    """Twenty weeks, each of which favours fewer items; labels of all, or of what was shown alone."""
    rng, n = np.random.default_rng(0), 140 * 40
    ids, item = [f"r{i:05}" for i in range(n)], rng.integers(0, 100, n)
    day = np.repeat(np.arange(140), 40)
    favour = 0.5 * (item < 100 * 0.85 ** (day // 7))
    at = pa.array([START + days(int(d)) for d in day], TIMESTAMP)
    tables = {
        "predictions": pa.table({"id": ids, "predict_at": at, "score": rng.random(n) / 2 + favour}),
        "requests": pa.table({"id": ids, "item": item}),
        "labels": pa.table({"id": ids, "label": np.ones(n)}),
    }
    everything = of(tables, item=("item",))
    assert degenerate(list(everything.by_tick(CALENDAR).values())).passed
    shown = np.isin(np.arange(n), np.flatnonzero(np.isin(tables["predictions"]["score"], everything.log.score)))
    alone = of({**tables, "labels": tables["labels"].filter(pa.array(shown))}, item=("item",))
    found = degenerate(list(alone.by_tick(CALENDAR).values()))
    assert not found.passed
    assert found.evidence["catalogue now"] > 90


def test_short_days_nameless_requests_scores_that_are_none_and_nothing_at_all() -> None:
    tables = world(30, seed=3)
    assert len(of(tables, shown=1_000).log) == 30
    carrier = pa.array([None, *tables["requests"]["carrier"].to_pylist()[1:]], pa.string())
    holed = tables["requests"].set_column(1, "carrier", carrier)[:-2]
    found = of({**tables, "requests": holed}, shown=1_000)
    assert (len(found.log), found.nameless) == (27, 3)
    nan = pa.array([np.nan] * 29 + [0.1])
    first = of({**tables, "predictions": tables["predictions"].set_column(2, "score", nan)}, shown=1)
    assert first.log.score is not None
    assert (first.log.score == 0.1).sum() == 1
    empty = of({name: table[:0] for name, table in tables.items()})
    assert (len(empty.log), empty.by_tick(CALENDAR)) == (0, {})
    assert degenerate(list(empty.by_tick(CALENDAR).values())).summary.startswith("insufficient data")


def test_what_does_not_fit_is_refused() -> None:
    tables = world(30, seed=3)
    with pytest.raises(ValueError, match="the requests lack the columns"):
        of(tables, item=("origin",))
    with pytest.raises(ValueError, match="repeat a key"):
        of({**tables, "labels": pa.concat_tables([tables["labels"]] * 2)})


def test_a_declaration_lists_its_mistakes() -> None:
    columns = ["flight_id", "carrier", "dest"]
    assert FeedbackLog(("carrier", "dest"), 20).mistakes(columns) == []
    assert FeedbackLog(("carier",), 20).mistakes(columns) == [
        "feedback log: item is 'carier'; allowed: flight_id, carrier, dest. Did you mean 'carrier'?"
    ]
    assert "was a comma forgotten" in FeedbackLog("carrier", 20).mistakes(columns)[0]  # type: ignore[arg-type]
    assert len(FeedbackLog(("dest", "dest"), 0).mistakes(columns)) == 2
    assert FeedbackLog((), 5).mistakes(columns) == ["feedback log: item is (); give one column or more, each once"]
