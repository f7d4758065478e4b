"""What the tests of the pages rest on: a browser that is there, and that nothing it comes across is missed."""

from pathlib import Path

import pytest
from chromium import NoBrowser, chromium
from dagster_pages import HIDDEN, DagsterPages


def test_what_a_page_asks_for_elsewhere_and_complains_of_is_found(tab, seen) -> None:
    tab.goto("about:blank")
    tab.set_content(
        "<img src='http://pictures.example/1.png'><script>console.error('oh'); throw new Error('no')</script>"
    )
    tab.wait_for_function("document.images[0].complete")
    outside, errors = list(seen.outside), " ".join(seen.errors)
    seen.outside.clear()
    seen.errors.clear()
    assert outside == ["http://pictures.example/1.png"]
    assert all(part in errors for part in ("oh", "no", "ERR_NAME_NOT_RESOLVED"))


def test_a_broken_plot_is_found(tab) -> None:
    tab.set_content(
        f"<table><tr><td>plot</td><td onclick=\"box.className='dagster-dialog'\">{HIDDEN}</td></tr></table>"
        "<div id=box><div class=dagster-markdown>plot <img src='data:image/png;base64,AAAA'></div></div>"
    )
    with pytest.raises(Exception, match="cannot be decoded"):
        DagsterPages(tab, "", "").pictures()


@pytest.mark.parametrize("there", [False, True])
def test_without_a_chromium_one_line_says_what_is_needed(playwright, monkeypatch, tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "chromium").write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / "chromium").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBrowser) as none, chromium(playwright):
        pass
    (line,) = str(none.value).splitlines()
    assert line.startswith(f"{tmp_path}/chromium does not start" if there else "none of chromium, chromium-browser")
    assert line.endswith("install Chromium with the system's own package manager (on Debian: apt-get install chromium)")
