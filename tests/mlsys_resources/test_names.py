"""Names are identifiers or refused; no name leads out of its root."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from mlsys_resources.names import identifier, inside

HOSTILE_IDENTIFIERS = [
    'x"; DROP TABLE t; --', "x'; drop table t; --", "x;y", "a b", "a-b", "a.b", "a/b", "", " ", "1a", "é", "naïve",
    "a\n", "\na", "a\x00b", "a" * 64, "*", "a%20", "a`b", "[a]", "a\\b", "ａ", "x) OR (1=1", "/* */", "..", "\u202ea",
]  # fmt: skip
HOSTILE_PATHS = [
    "..", ".", "", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "a//b", "a/", "./a", "a\\..\\b", "..\\x",
    "%2e%2e/x", "%2e%2e%2fx", "..%2f", "..;/x", "a\x00b", "a\nb", "C:/x", "C:x", "\\\\host\\share", "~/x", "$HOME",
    "a" * 129, "/".join(["abcdefgh"] * 200), "CON", "nul.txt", "com1", "LPT9.log", "a.", "a ", " a", ".hidden",
    "file:x", "․․/x", "a|b", "a?b", "a*b", "a#b", "-rf",
]  # fmt: skip


@pytest.mark.parametrize("name", ["flights", "_x", "A1", "a" * 63])
def test_an_identifier_is_returned_as_it_is(name: str) -> None:
    assert identifier(name) == name


@pytest.mark.parametrize("name", HOSTILE_IDENTIFIERS)
def test_a_hostile_identifier_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(ValueError, match=r"\^\[A-Za-z_\]\[A-Za-z0-9_\]\{0,62\}\$"):
        identifier(name)


@pytest.mark.parametrize("name", [None, 3, b"flights"])
def test_what_is_no_text_is_no_identifier(name: object) -> None:
    with pytest.raises(ValueError, match="not an allowed name"):
        identifier(name)  # type: ignore[arg-type]


def test_a_long_name_is_not_repeated_whole() -> None:
    with pytest.raises(ValueError, match="100002 characters") as refused:
        identifier("x" * 100_000)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("part", HOSTILE_PATHS)
def test_a_hostile_path_is_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(ValueError, match=r"rename it|shorten it"):
        inside(tmp_path, "system", part)


@given(st.text(max_size=30))
def test_whatever_is_not_refused_is_below_the_root(part: str) -> None:
    root = Path("/srv/lake")
    try:
        path = inside(root, part)
    except ValueError:
        return
    assert path.resolve().is_relative_to(root)
    assert path != root


def test_parts_and_slashes_give_the_same_path(tmp_path: Path) -> None:
    assert inside(tmp_path, "a", "b=2013-01", "c.txt") == inside(tmp_path, "a/b=2013-01/c.txt")
    assert inside(tmp_path) == tmp_path.resolve()


@pytest.mark.parametrize("target", ["/etc", "."])
def test_a_link_below_the_root_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ValueError, match="symbolic link"):
        inside(tmp_path, "link", "passwd")


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert inside(tmp_path / "link", "a") == tmp_path / "real" / "a"
