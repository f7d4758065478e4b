"""The committed instance and the one that the command line writes share one history."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def test_the_committed_instance_reads_what_the_command_line_wrote() -> None:
    from mlsys_assets.instance import settings

    written = yaml.safe_load(settings(Path(".mlsys"), server=False))
    committed = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert {section: committed.get(section) for section in written} == written


def test_the_committed_instance_opens_and_keeps_its_state_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterInstance
    from dagster._core.instance.ref import InstanceRef

    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path / "home"), config_dir=str(ROOT))) as instance:
        assert instance.get_runs() == []
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
    assert sorted(p.name for p in tmp_path.iterdir()) == [".mlsys", "home"]
    assert list((tmp_path / "home").iterdir()) == []
