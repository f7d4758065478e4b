"""The replayed policies of the weekly rain system: the command's answer on six lived weeks, by the real engine."""

import json

import pytest


@pytest.fixture(scope="module")
def told(six_weeks, mlsys, tmp_path_factory):
    """What the command says of three policies, and where its page is."""
    page = tmp_path_factory.mktemp("page") / "page.html"
    arguments = ("replay", "rain", "--json", "--policies", "declared,never,every_tick", "--out", str(page))
    before = six_weeks.hash
    with mlsys(six_weeks.folder, *arguments) as process:
        said, wrong = process.communicate()
    assert process.returncode == 0, wrong
    assert six_weeks.hash == before
    return json.loads(said), page.read_text()


def test_each_policy_trains_as_it_says(told, six_weeks) -> None:
    lines = told[0]["timelines"]
    assert len(lines["never"]["trainings"]) <= 1  # the first champion alone
    assert len(lines["every_tick"]["trainings"]) == 7
    lived = [d.as_of.isoformat() for d in six_weeks.decisions("training_set")]
    assert lines["declared"]["trainings"] == lived


def test_all_are_judged_on_the_same_requests_and_one_is_recommended_or_cannot_be_told(told) -> None:
    found, page = told
    later = found["judged"]
    assert later["rows"] > 0
    assert {p["name"]: p["trainings"] for p in later["policies"]}["never"] == 0
    assert found["recommendation"]["policy"] in {"declared", "never", "every_tick"}
    assert found["recommendation"]["reason"] in page or "&" in found["recommendation"]["reason"]


def test_what_is_alike_is_trained_once(told) -> None:
    found, _ = told
    assert found["lived_cpu_s"] > 0
    assert 0 < found["spent_cpu_s"]["trainings_s"] < found["lived_cpu_s"]
    assert found["spent_cpu_s"]["trainings_s"] < found["spent_cpu_s"]["all_s"]
