"""What goes wrong with data and triggers is on record, capped, and promotes nothing worse."""

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import Answer, Drift, History, LogLoss, Retraining, TriggerVerdict, days, utc
from mlsys_assets.measures.metrics import value
from mlsys_assets.models.bundle import from_files

AHEAD = ("precip_1", "precip_2", "precip_3")
SINCE = "2013-03-05"
MOST_WORSE = 0.01
"""Log loss that a promoted model may have more than the first; those refused here have two and more of it."""


def since(raw: pa.Table, day: str = SINCE) -> pa.ChunkedArray:
    return pc.greater_equal(raw["time_hour"], f"{day}T00:00:00Z")


def drawn(raw: pa.Table, every: int) -> pa.ChunkedArray:
    """Draw one row of so many, the same whatever order they come in."""
    named = pc.binary_join_element_wise(raw["origin"], raw["time_hour"], " ").to_pylist()
    return pa.chunked_array([pa.array([sum(name.encode()) % every == 0 for name in named], pa.bool_())])


def set_ahead(raw: pa.Table, values: pa.ChunkedArray, where: pa.ChunkedArray) -> pa.Table:
    for name in AHEAD:
        at = raw.schema.get_field_index(name)
        raw = raw.set_column(at, name, pc.if_else(pc.and_(where, pc.is_valid(raw[name])), values, raw[name]))
    return raw


def test_always_on_drift_is_capped(grown, rain) -> None:
    always = (Drift(share=1e-9, over=1),)
    policy = Retraining(cooldown=days(14), at_most=2, within=days(28))
    life = grown(replace(rain, triggers=always, retraining=policy)).live("2013-04-16")
    assert list(life.said("trigger", "drift").values())[1:] == ["yes"] * 6
    trained = [day for day, verdict in life.said("retraining", "arbiter").items() if verdict == "train"]
    assert trained == ["03-05", "03-19", "04-02", "04-16"]


def test_flipped_labels_promote_no_worse_model(grown, rain, change) -> None:
    """One label in five is wrong from the first champion on; the clean labels judge."""

    def flipped(raw: pa.Table) -> pa.Table:
        wet = pc.greater(pc.max_element_wise(*(pc.cast(raw[n], pa.float64()) for n in AHEAD)), 0)
        return set_ahead(raw, pc.if_else(wet, "0.0", "1.0"), pc.and_(since(raw), drawn(raw, 5)))

    life = grown(change(rain, flipped, "outcomes", "unobserved")).live("2013-04-30")
    lake, models = life.stores.lake, life.stores.operations.models("rain")
    rates = lake.read(
        "rain", "labels", columns=["label", "known_at"], window=("known_at", utc(SINCE), utc("2013-04-30"))
    )
    assert pc.mean(rates["label"]).as_py() > 0.2  # a tenth and less without: they are flipped
    assert "train" in list(life.said("retraining", "arbiter").values())[1:]
    test = lake.read("rain", "test_scores", ticks=[utc(SINCE)])
    trusted = test.filter(pc.and_(pc.equal(test["split"], "static_test"), pc.equal(test["model"], "lightgbm")))
    rows = lake.read("rain", "features", window=("predict_at", utc("2013-01-14"), utc("2013-01-24")))
    rows = rows.filter(pc.is_in(rows["observation"], trusted["observation"].combine_chunks()))
    label = trusted["label"].take(pc.index_in(rows["observation"], trusted["observation"].combine_chunks())).to_numpy()
    losses = [
        value(LogLoss(), label, from_files(life.stores.models.load("rain", m.version).content).predict(rows))
        for m in models
    ]
    promoted = {m.version for m in models for a in life.stores.operations.attempts("rain") if a.version == m.version}
    assert all(
        loss <= losses[0] + MOST_WORSE for m, loss in zip(models, losses, strict=True) if m.version in promoted
    ), losses
    assert list(life.said("gate", "champion").values()) == ["pass", "fail", "fail", "fail"]


def test_labels_that_stop_are_insufficient_data_and_train_nothing(grown, rain, change) -> None:
    stopped = change(rain, lambda raw: raw.filter(pc.invert(since(raw, "2013-03-12"))), "outcomes", "unobserved")
    life = grown(stopped).live("2013-04-16")
    assert list(life.said("monitoring", "performance").values())[-4:] == ["insufficient data"] * 4
    assert list(life.said("trigger", "label_volume").values())[2:] == ["no"] * 5
    gates = life.said("gate", "champion")
    assert all(verdict == "insufficient data" for day, verdict in gates.items() if day > "03-26"), gates


def test_a_week_of_one_class_or_without_rows_is_insufficient_data(grown, rain, change) -> None:
    def dry(raw: pa.Table) -> pa.Table:
        here = pc.and_(since(raw), pc.invert(since(raw, "2013-03-20")))
        return set_ahead(raw, pa.repeat("0.0", len(raw)), here)

    life = grown(change(rain, dry, "outcomes", "unobserved")).live("2013-03-19")
    assert life.said("monitoring", "performance")["03-12"] == "insufficient data"


@dataclass(frozen=True)
class Broken:
    """A trigger that does not work."""

    name: str = "broken"
    by_clock: bool = False

    def mistakes(self) -> list[str]:
        return []

    def verdict(self, history: History) -> TriggerVerdict:
        raise KeyError("no such thing")


def test_a_trigger_that_raises_is_on_record_and_stops_nobody(grown, rain) -> None:
    life = grown(replace(rain, triggers=(Broken(), *rain.triggers))).live("2013-03-19")
    (first, *_) = [d for d in life.decisions("trigger", since=utc("2013-03-12")) if d.name == "broken"]
    assert (first.verdict, first.reason) == (Answer.ERROR, "it raised KeyError: 'no such thing'")
    assert life.said("retraining", "arbiter") == {"03-05": "train", "03-12": "hold", "03-19": "train"}
