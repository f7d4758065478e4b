"""A life in the browser: what Dagster's and MLflow's pages show of it, without an error and without the network."""

import re

import pytest
from chromium import NoBrowser, Seen, find
from dagster_pages import KINDS, words
from playwright.sync_api import expect
from served import ROOT

from mlsys_assets.definitions import BUILDERS
from mlsys_assets.tables import PREDICT_AT

try:
    find()
except NoBrowser as none:
    pytest.skip(str(none), allow_module_level=True)  # once, not for each test

WHOLE = 120
"""Characters of a description that a list shows at least."""

README = (ROOT / "README.md").read_text()


@pytest.fixture(autouse=True)
def clean(seen: Seen):
    """Hold after each test that its pages asked for nothing elsewhere, and complained of nothing."""
    yield
    outside, errors = list(seen.outside), list(seen.errors)
    seen.outside.clear()
    seen.errors.clear()
    assert (outside, errors) == ([], [])


# -- Dagster --------------------------------------------------------------------------------------


def test_the_graph_has_its_groups_in_the_order_of_the_life_cycle(lived, dagster) -> None:
    groups = [f"{lived.system.name}_{stage}" for stage in BUILDERS]
    assert dagster.graph(until=groups[0]) == groups
    assert {spec.group_name for spec in lived.assets.values()} == set(groups)  # none is empty


def test_each_group_shows_its_assets(lived, dagster, thorough) -> None:
    for group in sorted({spec.group_name for spec in lived.assets.values()})[:: 1 if thorough else 5]:
        mine = [name for name, spec in lived.assets.items() if spec.group_name == group]
        said = dagster.group(group, until=mine[0])
        assert [name for name in mine if name not in said.split()] == []
        assert "Failed" not in said.replace("Failed (0)", "")


def test_the_catalogue_tells_of_each_asset_what_it_is_and_that_it_is_there(lived, dagster) -> None:
    said = dagster.open("/assets", until=max(spec.group_name for spec in lived.assets.values()))
    for name, spec in lived.assets.items():
        assert f"{lived.system.name} / {name}" in said
        assert words(spec.description)[:WHOLE] in said, name
    assert said.count("Never materialized") == 0


def test_an_asset_says_what_it_is_whose_it_is_and_what_its_columns_mean(lived, dagster, thorough) -> None:
    every = lived.assets
    for name in every if thorough else ("features", "performance"):
        spec = every[name]
        dagster.asset(spec.key.to_user_string(), until="Definition")
        dagster.text(f"system: {lived.system.name}").wait_for()
        expect(dagster.page.locator("body")).to_contain_text(words(spec.description), use_inner_text=True)
        said = dagster.words()
        for told in (*(KINDS[kind] for kind in spec.kinds), *(words(o).removeprefix("team:") for o in spec.owners)):
            assert told in said, (name, told)
        assert f"stage: {spec.group_name.removeprefix(lived.system.name + '_')}" in said
        if schema := spec.metadata.get("dagster/column_schema"):
            dagster.text("Column name").wait_for()
            told = {column.name: words(column.description) for column in schema.columns}
            assert dagster.columns() == told, name


def test_every_plot_is_a_picture_small_at_once_and_large_after_a_click(lived, dagster, thorough) -> None:
    for name in lived.assets if thorough else ("evaluation", "drift"):
        dagster.asset(lived.assets[name].key.to_user_string(), until="View in graph")
        small, large = dagster.thumbnails(), dagster.pictures()
        for width, height in [*small, *(size for sizes in large.values() for size in sizes)]:
            assert (width > 200, height > 20) == (True, True), (name, small, large)
        if name == "evaluation":
            pictures = {text for text in large if large[text]}
            assert pictures == {"recent_test curves, large", "static_test curves, large", "slices, large"}
            assert len(small) == len(pictures)


def test_each_check_says_what_it_holds_and_what_it_found(lived, dagster, thorough) -> None:
    for asset, checks in lived.checks.items() if thorough else [("evaluation", lived.checks["evaluation"])]:
        key = lived.assets[asset].key.to_user_string()
        for name, description in checks.items():
            dagster.asset(key, "checks", until="Latest execution", more=f"&checkDetail={name}")
            assert dagster.says(f"Checks ({len(checks)})")
            assert dagster.says(description), name
            assert dagster.says("Evaluation result"), name


def test_a_tick_shows_its_rows_its_content_and_the_run_that_made_it(lived, dagster) -> None:
    key = lived.system.calendar.key(lived.system.simulated_from)
    dagster.asset(f"{lived.system.name}/features", "partitions", until="lake_version", more=f"&partition={key}")
    said = dagster.words()
    rows = lived.stores.lake.read(lived.system.name, "features", columns=[PREDICT_AT, "tick"]).column("tick")
    count = sum(tick == lived.system.simulated_from for tick in rows.to_pylist())
    assert f"dagster/partition_row_count {count:,}".replace(",", "") in said.replace(",", "")
    assert f"{lived.system.name}_tick" in said


def test_schedules_sensors_and_jobs_stand_by_name(lived, dagster) -> None:
    name = lived.system.name
    on = dagster.automations(until=f"{name}_arbiter")
    assert on == {
        f"{name}_{what}": what not in {"clock", "data_report"}
        for what in ("alerts", "arbiter", "catch_up", "clock", "data_report", "retrain_by_drift",
                     "retrain_by_label_volume", "retrain_by_performance_drop", "tick")
    } | {"reaper": True}  # fmt: skip
    said = dagster.open("/jobs", until=f"{name}_train")
    assert [job for job in ("ingest", "predict", "tick", "train") if f"{name}_{job}" not in said] == []


def test_the_first_page_shows_the_runs_that_were_lived_through(lived, dagster) -> None:
    dagster.open("/", until=f"{lived.system.name}_train")  # no schedule starts it: it is there for its runs alone


def test_what_was_decided_leads_to_the_run_in_mlflow(lived, dagster, mlflow) -> None:
    dagster.asset(f"{lived.system.name}/champion_decision", until="View in graph")
    (link,) = dagster.links("MLflow run")
    # Links are written down when a run ends, with the address that MLflow's pages had then.
    path = link.partition("#")[2]
    assert re.fullmatch(r"/experiments/\d+/runs/[0-9a-f]{32}\?workflowType=machine_learning", path)
    assert "challenger" in mlflow.open(path, until="Run ID")


# -- MLflow ---------------------------------------------------------------------------------------


def test_the_readmes_filters_find_the_runs_by_their_names(lived, mlflow) -> None:
    name, decisions = lived.system.name, lived.stores.operations.decisions
    trained = [d for d in decisions(lived.system.name, "gate") if d.name == "champion"]
    promoted = [d for d in decisions(name, "promotion") if d.name == "champion" and d.verdict == "promoted"]
    days = [f"{d.as_of:%Y-%m-%d}" for d in trained]
    filters = re.findall(r"^\| .+ \| `(tags\..+)` \|$", README, flags=re.MULTILINE)
    champions, challengers, candidates = (
        next(f for f in filters if word in f) for word in ("'champion'", "'challenger'", "tags.as_of")
    )
    metric = f"metrics.`recent_test {lived.system.metrics[0].name}`"
    mlflow.runs(mlflow.experiment(name), until="Run Name", sort=metric)
    found = mlflow.search(challengers, matching=len(trained))
    assert sorted(run.split()[0] for run in found) == days
    found = mlflow.search(re.sub(r"\d{4}-\d\d-\d\d", days[0], candidates), matching=len(lived.system.candidates))
    assert found == {f"{days[0]} {candidate.name}" for candidate in lived.system.candidates}
    found = mlflow.search(champions, matching=len(promoted))
    assert sorted(run.split()[0] for run in found) == [f"{d.as_of:%Y-%m-%d}" for d in promoted]


def test_the_runs_are_compared_in_charts(lived, mlflow) -> None:
    metric = f"recent_test {lived.system.metrics[0].name}"
    mlflow.runs(mlflow.experiment(lived.system.name), until="Run Name", sort=f"metrics.`{metric}`", charts=True)
    expect(mlflow.page.locator("body")).to_contain_text("Model metrics")
    mlflow.page.locator(".js-plotly-plot .bars .point").first.wait_for()


def test_the_registered_model_has_its_versions_and_the_champion(lived, mlflow) -> None:
    name = lived.system.name
    promoted = [d for d in lived.stores.operations.decisions(name, "promotion") if d.verdict == "promoted"]
    said = mlflow.open(f"/models/{name}", until="Version 1")
    assert re.findall(r"\bVersion (\d+)", said) == [str(n) for n in range(len(promoted), 0, -1)]
    current = lived.stores.operations.alias(name, "champion").version
    assert said.index(f"Version {current}") < said.index("@ champion")
