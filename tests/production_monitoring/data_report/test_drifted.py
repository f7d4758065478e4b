"""What Evidently calls drifted is read from the names that it gives its values."""

import pytest

from mlsys_assets.production_monitoring.data_report.drifted import drifted


def named(column: str, value: object, method: str = "wasserstein", limit: str = "0.1") -> dict[str, object]:
    return {"metric": f"ValueDrift(column={column},method={method},threshold={limit})", "value": value}


def test_columns_at_or_beyond_their_limit_are_drifted_the_farthest_first() -> None:
    metrics = [
        {"metric": "DriftedColumnsCount(drift_share=0.5)", "value": {"count": 3.0, "share": 0.375}},
        named("steady", 0.09), named("edge", 0.1), named("far", 2.0), named("texts", 0.3, "jensenshannon"),
        named("strict", 0.04, limit="1e-2"), named("a,method=b,threshold=9)", 0.5), named("untold", None),
        {"metric": "MeanValue(column=far)", "value": 7.0},
    ]  # fmt: skip
    assert list(drifted(metrics)) == ["far", "a,method=b,threshold=9)", "texts", "edge", "strict"]
    assert drifted(metrics)["far"] == 2.0


@pytest.mark.parametrize("metrics", [[], [{"metric": "", "value": 1.0}], [named("x", {"a": 1})]])
def test_no_drift_is_none(metrics: list[dict[str, object]]) -> None:
    assert drifted(metrics) == {}
