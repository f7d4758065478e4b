"""What a run says is checked before MLflow hears of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlsys_resources.run_log import PARENT_TAG, RunLog, keys, write


@pytest.mark.parametrize(("name", "key"), [
    ("log_loss", "log_loss"), ("auc[origin=EWR]", "auc_origin_EWR_"), ("test/auc", "test/auc"), ("a–b", "a_b"),
])  # fmt: skip
def test_a_name_becomes_a_key_that_mlflow_allows(name: str, key: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    assert keys([name]) == {name: key}
    _validate_metric_name(key)


def test_names_that_would_share_a_key_are_told_apart() -> None:
    found = keys(["grade=A+ auc", "grade=A* auc", "grade_A_ auc", "plain"])
    assert len(set(found.values())) == 4
    assert all(key.startswith("grade_A_ auc") for name, key in found.items() if name != "plain")
    assert (found["grade_A_ auc"], found["plain"]) == ("grade_A_ auc", "plain")
    assert keys(list(found)[::-1]) == found


def test_a_name_that_stands_twice_is_refused_before_a_run_exists() -> None:
    with pytest.raises(ValueError, match="loss would be logged twice"):
        RunLog("e", "r", metrics={"loss": 1.0}, curves={"loss": [1.0]})


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a\\b", ""])
def test_an_artifact_that_would_lie_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        RunLog("e", "r", artifacts={path: b""})


def test_a_trial_names_its_parent() -> None:
    assert RunLog("e", "r", tags={"seed": "1"}, parent_run_id="p").all_tags == {"seed": "1", PARENT_TAG: "p"}


def test_few_calls_are_made(clock: Any) -> None:
    calls: list[tuple[str, int]] = []
    client = SimpleNamespace(
        log_batch=lambda run_id, params=(), metrics=(): calls.append(("batch", len(params) + len(metrics))),
        log_inputs=lambda run_id, inputs: calls.append(("inputs", len(inputs))),
    )
    run = RunLog(
        "e", "r", params={f"p{n}": n for n in range(101)}, metrics={f"m{n}": 0.5 for n in range(10)},
        curves={"loss": [0.1] * 1001},
    )  # fmt: skip
    write(client, "r", run, at=clock())
    assert calls == [("batch", 100), ("batch", 1), ("batch", 10), ("batch", 1000), ("batch", 1)]
