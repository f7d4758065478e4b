"""A prediction is traced to its features, its model, the code, its label and the decisions around it."""

import json
import os
from datetime import timedelta

from mlsys_assets.cli import main
from mlsys_assets.commands.trace import trace
from mlsys_assets.ledger import TRAINING
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_resources.lake import Lake
from mlsys_resources.resources import Resources

KEY = "observation"


def test_a_trace_is_what_the_tables_the_registry_and_the_ledger_hold(life) -> None:
    lake, operations = life.stores.lake, life.stores.operations
    row = lake.read("rain", "predictions").to_pylist()[100]
    (found,) = trace(life.system, life.stores, row[KEY])
    served, known, label = (
        next(r for r in lake.read("rain", table).to_pylist() if r[KEY] == row[KEY])
        for table in ("served_features", "features", "labels")
    )
    assert found.prediction == {name: row[name] for name in ("predict_at", "score", "model_hash")}
    assert (found.served, found.known) == (served, known)
    assert found.label == {name: label[name] for name in ("label", "state", "known_at")}
    assert (found.model.version, found.model.content_hash) == (1, row["model_hash"])
    loaded = life.stores.models.load("rain", 1)
    passport = CompletePassport.of(loaded.record, content_hash=loaded.version.content_hash)
    assert found.code == passport.generation.code
    said = {r["model"]: r["score"] for r in lake.read("rain", "baseline_predictions").to_pylist() if r[KEY] == row[KEY]}
    assert found.baselines == said
    assert len(said) == 2
    at = operations.decisions("rain", since=found.model.as_of, until=found.model.as_of)
    assert {d.kind for d in found.training} >= {"training_set", "candidate", "gate", "refit", "promotion"}
    assert set(map(repr, found.training)) <= set(map(repr, at))
    tick = life.system.calendar.tick_of(row["predict_at"])
    around = operations.decisions("rain", since=tick.start, until=tick.end)
    assert set(map(repr, found.decisions)) == {repr(d) for d in around if d.kind not in TRAINING}
    assert {(d.as_of, d.kind) for d in found.decisions} >= {
        (as_of, kind) for as_of in (tick.start, tick.end) for kind in ("monitoring", "trigger", "retraining")
    }


def test_of_all_ticks_no_more_than_the_keys_is_read(life, monkeypatch) -> None:
    key, read, real = life.stores.lake.read("rain", "predictions")[KEY][100].as_py(), [], Lake.read

    def recorded(lake, system, table, **how):
        read.append((how.get("ticks"), how.get("columns")))
        return real(lake, system, table, **how)

    monkeypatch.setattr(Lake, "read", recorded)
    assert trace(life.system, life.stores, key)
    assert {tuple(columns or ()) for ticks, columns in read if ticks is None} == {("tick", KEY)}
    assert max(len(ticks) for ticks, _ in read if ticks is not None) == 1


def test_it_is_told_in_words_and_for_programs(life, said) -> None:
    row = life.stores.lake.read("rain", "predictions").to_pylist()[100]
    text = said("trace", "rain", row[KEY])
    assert f"rain {row[KEY]}: {row['score']:.6g}, predicted as of" in text
    assert "  model      version 1, lightgbm, " in text
    assert "  decision   2013-03-05 00:00  promotion champion: promoted" in text
    assert f"  feature    {KEY} = {row[KEY]}\n" in text
    assert "was known" not in text  # what was served is what was known
    (values,) = json.loads(said("trace", "rain", row[KEY], "--json"))
    assert values["prediction"]["score"] == row["score"]
    assert values["served"] == values["known"]
    assert values["model"]["as_of"] == "2013-03-05T00:00:00+00:00"


def test_a_label_that_is_not_there_is_waited_for_or_given_up(life) -> None:
    lake, until = life.stores.lake, life.stores.clock()
    rows = lake.read("rain", "predictions").to_pylist()
    told = {r[KEY] for r in lake.read("rain", "labels").to_pylist()}
    waits = [row for row in rows if row[KEY] not in told]
    assert waits
    for row in (waits[0], waits[-1]):
        (found,) = trace(life.system, life.stores, row[KEY])
        late = row["predict_at"] < until - life.system.label.window
        assert found.label == {"label": None, "state": "never known" if late else "not known yet", "known_at": None}


def test_a_feature_that_was_served_otherwise_than_known_is_told(life, monkeypatch) -> None:
    from mlsys_assets.commands import trace as module

    key = life.stores.lake.read("rain", "predictions")[KEY][100].as_py()
    real = module._of

    def bent(lake, table, named, **how):
        rows = real(lake, table, named, **how)
        return [row | {"precip": 7.25} for row in rows] if table[1] == "served_features" else rows

    monkeypatch.setattr(module, "_of", bent)
    (found,) = trace(life.system, life.stores, key)
    assert [line for line in found.lines() if "was known" in line] == ["  feature    precip = 7.25, and 0.0 was known"]


def test_a_model_whose_files_are_gone_leaves_the_rest_of_the_trace(life, monkeypatch) -> None:
    key = life.stores.lake.read("rain", "predictions")[KEY][100].as_py()

    class Gone:
        def load(self, *_: object) -> None:
            raise FileNotFoundError("model.txt is not there")

    stores = Resources(life.stores.env, life.stores.clock)
    monkeypatch.setitem(stores.__dict__, "models", Gone())
    (found,) = trace(life.system, stores, key)
    assert found.code == "the model's record cannot be read: model.txt is not there"
    assert "  code       the model's record cannot be read: model.txt is not there" in list(found.lines())
    assert found.served is not None


def test_a_key_that_nobody_predicted_is_told_with_what_there_is(life, monkeypatch, capsys) -> None:
    from mlsys_assets.systems import workspace as module
    from mlsys_assets.workspace import Workspace

    rows = life.stores.lake.read("rain", "predictions").to_pylist()
    early = life.stores.lake.read("rain", "features", columns=[KEY])[KEY][0].as_py()
    monkeypatch.setattr(os, "environ", os.environ | {"MLSYS_HOME": str(life.stores.home)})
    monkeypatch.setattr(module, "workspace", Workspace(life.system))
    key = rows[100][KEY]
    for asked, words in (
        (key[:-1], f"it has {len(rows):,} from 2013-03-05 00:00 to"),
        (key[:-1], repr(key)),
        (early, f"did not predict '{early}', asked for as of"),
        ("", "has no prediction of ''"),
    ):
        assert main(["trace", "rain", asked]) == 1
        assert words in capsys.readouterr().err
    assert main(["trace", "snow", key]) == 1
    assert "no system 'snow'" in capsys.readouterr().err


def test_tracing_changes_nothing(life) -> None:
    key = life.stores.lake.read("rain", "predictions")[KEY][0].as_py()
    before = life.stores.lake.version("rain", "predictions"), life.stores.operations.ledger_hash("rain")
    trace(life.system, life.stores, key)
    assert (life.stores.lake.version("rain", "predictions"), life.stores.operations.ledger_hash("rain")) == before
    assert life.stores.operations.clock("rain") - life.system.simulated_from == timedelta(days=14)
