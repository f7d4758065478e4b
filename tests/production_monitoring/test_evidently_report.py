"""An Evidently report is a page and its values, or a reason; nothing that Evidently does stops who asks for it."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import wasserstein_distance

from mlsys_assets.production_monitoring import evidently_child, evidently_report as module
from mlsys_assets.production_monitoring.evidently_report import EvidentlyLimits, EvidentlyReport, evidently_report
from mlsys_assets.types import DeclarationError, utc

AT = utc("2013-12-23")
NASTY = "</script><script>alert(1)</script>"


def side(seed: int, *, rows: int = 400, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    score = rng.random(rows)
    label = np.where(rng.random(rows) < 0.1, np.nan, rng.random(rows) < score)
    return pa.table(
        {
            "moved": rng.normal(size=rows) + shift,
            "steady": rng.normal(size=rows),
            "constant": np.ones(rows),
            "few": np.where(np.arange(rows) < rows - 1, np.nan, 1.5),
            "rain": rng.random(rows) < 0.5,
            "kind": rng.choice(["a", NASTY], rows),
            NASTY: rng.normal(size=rows),
            "empty": pa.nulls(rows, pa.float64()) if shift else np.zeros(rows),
            "tail": [f"N{seed}{i}" for i in range(rows)],
            "score": score,
            "label": pa.array(label, from_pandas=True),
        }
    )


def made(into: Path, before: pa.Table | None = None, now: pa.Table | None = None, **more: Any) -> EvidentlyReport:
    before, now = (side(0) if before is None else before), (side(1, shift=1.0) if now is None else now)
    return evidently_report(before, now, into=into, at=AT, seed=0, **more)


def test_the_report_is_a_page_of_its_own_and_its_values_are_scipys(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert (found.reason, found.rows) == ("", (400, 400))
    assert set(found.left_out) == {"empty", "tail"}
    told = json.loads((tmp_path / "evidently.json").read_text())
    assert told["left_out"] == dict(found.left_out)
    values = {one["metric"]: one["value"] for one in told["metrics"]}
    before, now = side(0), side(1, shift=1.0)
    for name in ("moved", "steady", "score"):
        (drift,) = (v for k, v in values.items() if k.startswith(f"ValueDrift(column={name},"))
        a, b = before[name].to_numpy(), now[name].to_numpy()
        assert drift == pytest.approx(wasserstein_distance(a, b) / a.std(), rel=0.01)
    assert any("RocAuc" in name for name in values)  # labels are known of most
    html = (tmp_path / "evidently.html").read_text()
    assert re.findall(r"<(?:link|img|iframe)\b[^>]*(?:href|src)=", html.split("<body", 1)[0]) == []
    assert not re.search(r"<script[^>]+src=", html)
    assert NASTY not in html
    assert not re.search(r"N[01]\d{2}\b", html.split("var metric_")[1].split("</script>")[0])  # no identifier


@pytest.mark.prove
@pytest.mark.prove
def test_the_same_rows_give_the_same_page_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert made(tmp_path / name).made
    for file in ("evidently.html", "evidently.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (side(0), side(1).slice(0, 0), "insufficient data: 400 rows of the reference and 0 of now"),
        (side(0), side(1).slice(0, 1), "insufficient data"),
        (side(0).slice(0, 0), side(1), "insufficient data"),
        (side(0).select(["tail"]), side(1).select(["tail"]), "no column that Evidently can take"),
        (pa.table({"a": pa.nulls(50)}), pa.table({"a": pa.nulls(50)}), "no column that Evidently can take"),
        (side(0).select(["kind"]), side(1).select(["steady"]), "no column that Evidently can take"),
    ],
)
def test_what_cannot_be_reported_is_a_reason_without_a_child(
    before: pa.Table, now: pa.Table, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHILD", Path("/nowhere"))
    (tmp_path / "evidently.html").write_text("of last week")
    found = made(tmp_path, before, now)
    assert reason in found.reason
    assert (found.page, found.values, list(tmp_path.iterdir())) == (None, None, [])


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import time; time.sleep(60)", "Evidently took more than 1 s, and was ended"),
        ("import os; os.kill(os.getpid(), 9)", "Evidently failed: exit -9"),
        ("raise SystemExit(3)", "Evidently failed: exit 3"),
        ("pass", "Evidently failed: exit 0"),
        (
            "import sys, pathlib\n(pathlib.Path(sys.argv[1]) / 'error.txt').write_text('E: oh')\nsys.exit(1)",
            "Evidently failed: E: oh",
        ),
    ],
)
def test_a_child_that_hangs_dies_or_fails_is_a_reason(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child.py").write_text(script)
    monkeypatch.setattr(module, "CHILD", tmp_path / "child.py")
    found = made(tmp_path / "out", limits=EvidentlyLimits(seconds=1))
    assert (found.reason, found.made) == (reason, False)
    assert list((tmp_path / "out").iterdir()) == []


ASK = """
import json, pathlib, sys
place = pathlib.Path(sys.argv[1])
import os
task = json.loads((place / "task.json").read_text())
rows = {}
import pyarrow as pa
for name in task["tables"]:
    with pa.memory_map(str(place / (name + ".arrow"))) as source:
        rows[name] = pa.ipc.open_file(source).read_all()
(place / "report.html").write_text("page")
told = {"environment": dict(os.environ), "rows": {n: len(t) for n, t in rows.items()},
        "first": rows["current"]["x"][0].as_py(),
        "columns": rows["current"].column_names}
(place / "values.json").write_text(json.dumps({"failed": {"x": "why"}, "notes": {}, "metrics": told}))
"""


def test_the_child_gets_a_bounded_sample_and_a_bare_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child.py").write_text(ASK)
    monkeypatch.setattr(module, "CHILD", tmp_path / "child.py")
    monkeypatch.setenv("SECRET", "x")
    table = pa.table({"x": np.arange(2000) / 3, "score": np.full(2000, 0.5), "label": np.arange(2000) % 2.0})
    limits = EvidentlyLimits(rows=100)
    first, again = (made(tmp_path / name, table, table, limits=limits) for name in ("one", "two"))
    told = [json.loads(Path(str(one.values)).read_text()) for one in (first, again)]
    assert told[0]["metrics"]["first"] == told[1]["metrics"]["first"]
    found = told[0]["metrics"]
    assert found["rows"] == dict.fromkeys(("reference", "current", "labelled_reference", "labelled_current"), 100)
    assert found["columns"] == ["x", "score"]
    environment = found["environment"]
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["PYTHONHASHSEED"] == "0"
    assert "SECRET" not in environment
    assert not Path(environment["HOME"]).exists()  # it was the temporary folder
    assert first.left_out == {"x": "why"}
    assert first.rows == (100, 100)


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (np.zeros(400), "30 labels of each class needed"),
        (np.full(400, np.nan), "30 labels of each class needed"),
        (["late"] * 400, "not numbers"),
        (None, "no labels, or no scores"),
    ],
)
def test_without_labels_the_rest_still_comes(
    label: Any, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child.py").write_text(ASK)
    monkeypatch.setattr(module, "CHILD", tmp_path / "child.py")
    table = pa.table({"x": np.arange(400) / 3, "score": np.full(400, 0.5)})
    table = table if label is None else table.append_column("label", pa.array(label))
    found = made(tmp_path / "out", table, table)
    assert found.made
    assert reason in found.left_out["classification"]


def test_limits_tell_their_mistakes(tmp_path: Path) -> None:
    assert EvidentlyLimits().mistakes() == []
    bad = EvidentlyLimits(rows=1, seconds=0, memory=1, nice=20)
    assert len(bad.mistakes()) == 4
    with pytest.raises(DeclarationError):
        made(tmp_path, limits=bad)


def test_the_child_reaches_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        task = {"nice": 0, "seconds": 20, "memory": 8 * 1024**3, "seed": 0}
        code = (
            f"import sys; sys.path.insert(0, {str(Path(evidently_child.__file__).parent)!r})\n"
            f"import evidently_child, socket\nevidently_child._confine({task!r})\n"
            f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        )
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PermissionError" in child.stderr
    assert "has nothing to ask for" in child.stderr


def test_one_column_that_evidently_chokes_on_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setitem(sys.modules, "evidently", types.SimpleNamespace(DataDefinition=nothing, Report=nothing))
    presets = types.SimpleNamespace(DataDriftPreset=nothing, DataSummaryPreset=nothing)
    monkeypatch.setitem(sys.modules, "evidently.presets", presets)

    class Frame(list):  # type: ignore[type-arg]
        def __getitem__(self, chosen: Any) -> Any:
            return chosen

    def run(report: Any, before: Any, now: Any, definition: Any, task: Any) -> Any:
        if "bad" in now:
            raise ValueError("an \n odd column " + "x" * 500)
        return now

    monkeypatch.setattr(evidently_child, "_run", run)
    took, failed = evidently_child.drift_and_summary(Frame(), Frame(), ["a", "bad", "c"], {"texts": []})
    assert took == ["a", "c"]
    assert failed["bad"].startswith("ValueError: an odd column")
    assert len(failed["bad"]) < 220
    with pytest.raises(RuntimeError, match="no part of it can be made"):
        evidently_child.drift_and_summary(Frame(), Frame(), ["bad"], {"texts": []})


def test_a_full_disk_is_a_reason_and_leaves_no_half_of_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_in_child", full)
    rows = pa.table({"x": np.arange(50.0)})
    found = evidently_report(rows, rows, into=tmp_path, at=AT, seed=0)
    assert (found.made, found.reason) == (False, "its files cannot be written: No space left on device")
    assert list(tmp_path.iterdir()) == []
