"""A database URL is understood or refused, and is never shown with a password."""

import pytest

from mlsys_resources.database_urls import parsed_url, same_database, secrets_of, shown, told_to_look
from mlsys_resources.mlflow_connection import pages

SECRET = "canary-0d3a"


@pytest.mark.parametrize("url", [
    f"postgresql://me:{SECRET}@h/d", f"postgresql://me:a@{SECRET}@h/d", f"postgresql://me:{SECRET}@h:port/d",
    f"postgresql://me@h/d?password={SECRET}", f"postgresql://me@h/d?sslpassword={SECRET}", f"nonsense {SECRET}",
    f"mysql://me:{SECRET}@h/d", f"http://me:{SECRET}@h:5000",
])  # fmt: skip
def test_no_password_is_shown(url: str) -> None:
    assert SECRET not in shown(url)


def test_the_end_of_a_password_is_no_host() -> None:
    assert parsed_url(f"postgresql://me:a@{SECRET}@h/d") is None


@pytest.mark.parametrize(("url", "found"), [
    ("postgresql://me:p%40w@h/d", {"p@w", "p%40w"}), ("postgresql://me@h/d?password=pw", {"pw"}),
    ("postgresql://me@h/d", set()), ("nonsense", set()),
])  # fmt: skip
def test_passwords_are_found_as_they_are_and_as_they_are_written(url: str, found: set[str]) -> None:
    assert set(secrets_of(url)) == found


@pytest.mark.parametrize(("other", "same"), [
    ("postgres://you@h:5432/d", True), ("postgresql://h/e", False), ("postgresql://h:5433/d", False),
    ("sqlite:///d", False), ("", False),
])  # fmt: skip
def test_one_database_is_told_from_another(other: str, same: bool) -> None:
    assert same_database("postgresql+psycopg2://me:x@h/d", other) is same


def test_options_are_added_to_those_that_are_there() -> None:
    told = parsed_url(told_to_look("postgresql://h/d?options=-csearch_path%3Dx", "-c y=z"))
    assert told.query["options"] == "-csearch_path=x -c y=z"
    assert told_to_look("sqlite:///d", "-c y=z") == "sqlite:///d"
    assert told_to_look("http://h:5000", "-c y=z") == "http://h:5000"


def test_a_login_is_in_no_link() -> None:
    assert pages(f"http://me:{SECRET}@h:5000/") == "http://h:5000"
