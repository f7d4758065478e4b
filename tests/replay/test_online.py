"""Features in other ways than the usual: stored online and built anew, or computed by a database."""

import shutil
from dataclasses import replace

import pytest

from mlsys_assets import utc


def test_what_is_stored_is_told_and_built_anew_from_the_lake(six_weeks, mlsys, tmp_path) -> None:
    home = shutil.copytree(six_weeks.folder, tmp_path / "home")
    operations = replace(six_weeks, folder=home).stores.operations
    nothing = "rain: no online features are stored; they are when first predicted, or with --rebuild\n"
    (tmp_path / "new").mkdir()
    assert said(mlsys, tmp_path / "new") == nothing
    before, position = sorted(operations.online_rows("rain")), operations.online_position("rain")
    told = f"rain: online features as of 2013-04-16 00:00 UTC, {len(before):,} entities in 0.0 MB\n"
    assert said(mlsys, home) == told
    assert position is not None
    other = {"signature": "another", "at": position.at, "snapshots": "{}"}
    assert operations.save_online("rain", put={}, after=position, whole=True, **other) is not None
    assert said(mlsys, home) == (
        "rain: online features as of 2013-04-16 00:00 UTC, 0 entities in 0.0 MB; of other code or features, so that "
        "they are built anew\n"
    )
    assert said(mlsys, home, "--rebuild") == (
        "rain: building the online features as of 2013-04-16 00:00 UTC from the lake ...\n" + told
    )
    assert sorted(operations.online_rows("rain")) == before
    assert operations.online_position("rain") == replace(position, edition=position.edition + 2)
    assert position.at == utc("2013-04-16")


@pytest.mark.prove
def test_a_life_whose_features_a_database_computes_has_the_same_ledger(six_weeks, mlsys, tmp_path) -> None:
    environment = {"MLSYS_ENGINE": "duckdb", "MLSYS_ENGINE_MEMORY": "1GB", "MLSYS_ENGINE_THREADS": "1"}
    with mlsys(tmp_path, "run", "rain", "--until", "2013-04-16", environment=environment) as process:
        told, wrong = process.communicate()
    assert process.returncode == 0, told + wrong
    assert replace(six_weeks, folder=tmp_path).hash == six_weeks.hash


def said(mlsys, home, *more: str) -> str:
    with mlsys(home, "online", "rain", *more) as process:
        told, wrong = process.communicate()
    assert process.returncode == 0, wrong
    return told
