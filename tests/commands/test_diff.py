"""What differs between two versions of a table, and between what two models learned from, is told row by row."""

import json
import os

import pytest

from mlsys_assets.cli import main
from mlsys_assets.commands.diff import between_models, between_versions, key_of
from mlsys_assets.tables import FEATURES, LABELS


def test_two_versions_list_the_rows_of_the_tick_between_them(life, said) -> None:
    found = between_versions(life.system, life.stores, "predictions", 1, 2).diff
    before, after = (life.stores.lake.read("rain", "predictions", version=v)["observation"].to_pylist() for v in (1, 2))
    assert set(found.added["observation"].to_pylist()) == set(after) - set(before)
    assert (found.counts.removed, found.counts.changed, len(found.by_tick())) == (0, 0, 1)
    text = said("diff", "rain", "predictions", "1", "2", "--limit", "2")
    assert f"{len(after) - len(before)} added, 0 removed, 0 changed" in text
    assert (text.count("\n  + "), "502 rows more" in text) == (2, True)


def test_two_models_are_compared_by_what_was_known_as_of_each(life, said) -> None:
    for told in between_models(life.system, life.stores, 1, 2):
        ours = {1: life.stores.operations.model("rain", 1).as_of, 2: life.stores.operations.model("rain", 2).as_of}
        moment = "predict_at" if told.table == FEATURES else "known_at"
        moments = told.diff.added[moment].to_pylist()
        assert ours[1] <= min(moments) <= max(moments) < ours[2]
        assert not told.diff.removed.num_rows
    (features, labels) = json.loads(said("diff", "rain@1", "rain@2", "--json"))
    assert (features["table"], labels["table"], features["key"]) == (FEATURES, LABELS, ["observation"])
    assert len(features["added_rows"]) == 10 < features["added"]
    assert len(json.loads(said("diff", "rain@1", "rain@2", "--json", "--all"))[0]["added_rows"]) == features["added"]


def test_a_version_does_not_differ_from_itself(said) -> None:
    assert "no row differs" in said("diff", "rain", "labels", "2", "2")


def test_each_table_is_named_by_its_own_key(life) -> None:
    schema = life.stores.lake.schema
    keys = {t: key_of(life.system, t, schema("rain", t)) for t in life.stores.lake.tables("rain")}
    assert keys["weather"] == keys["predictions"] == keys["served_features"] == ("observation",)
    assert keys["baseline_predictions"] == ("model", "observation")
    assert keys["weather_quarantine"] == ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rain", "labels", "1", "99"], "rain.labels has no version 99; it has 0 to 3"),
        (["rain", "label", "1", "2"], "rain has: baseline_predictions"),
        (["rain@1", "rain@9"], "rain has no model version 9; on record: 1, 2"),
        (["rain", "labels", "1"], "say SYSTEM TABLE VERSION VERSION"),
        (["rain", "labels", "one", "2"], "'one' is no version"),
        (["snow", "labels", "1", "2"], "no system 'snow'; it has: rain"),
        (["rain@1", "snow@2"], "two systems"),
        (["rain", "labels", "1", "2", "--limit", "-1"], "--limit is -1"),
    ],
)
def test_what_cannot_be_compared_says_what_there_is(
    said, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert main(["diff", *arguments]) == 1
    assert words in capsys.readouterr().err
