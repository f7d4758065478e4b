"""A long job says what it is at: on a terminal as it goes, elsewhere a line a tick."""

import io
import re

import pytest

from mlsys_assets.commands.progress import WIDTH, Progress


class Terminal(io.StringIO):
    """Shows what a person would see: the last line overwritten, what was printed above."""

    def isatty(self) -> bool:
        return True

    @property
    def seen(self) -> list[str]:
        lines = self.getvalue().split("\n")
        return [line.split("\r\033[K")[-1] for line in lines]


def test_in_a_file_each_tick_is_one_line_with_the_time_its_jobs_took() -> None:
    out = io.StringIO()
    say = Progress(out)
    with say.doing("tick"):
        say.step("schedule")
    with say.doing("training"):
        say.step("candidates")
    say.settled("2013-07-08", "train: enough labels; gate pass")
    said = out.getvalue()
    assert re.fullmatch(r"2013-07-08  tick \d+\.\d s, training \d+\.\d s +train: enough labels; gate pass\n", said), (
        said
    )
    assert "\r" not in said
    assert "\033" not in said


def test_the_times_of_one_tick_are_not_told_of_the_next() -> None:
    out = io.StringIO()
    say = Progress(out)
    with say.doing("training"):
        pass
    say.settled("2013-07-01", "train")
    with say.doing("tick"):
        pass
    say.settled("2013-07-08", "hold")
    first, second = out.getvalue().splitlines()
    assert "training" in first
    assert "training" not in second


def test_on_a_terminal_the_step_under_way_is_seen_and_then_overwritten() -> None:
    out = Terminal()
    say = Progress(out)
    with say.doing("tick"):
        assert out.seen == ["tick"]
        say.step("schedule")
        assert out.seen == ["tick schedule"]
        say.step("labels")
        assert out.seen == ["tick labels"]
    with say.doing("training"):
        say.step("candidates")
        (seen,) = out.seen
        assert re.fullmatch(r"tick \d+\.\d s · training candidates", seen)
    say.settled("2013-07-08", "train")
    told, rest = out.seen
    assert told.startswith("2013-07-08  tick")
    assert rest == ""


def test_a_line_never_wraps_so_that_it_can_be_overwritten() -> None:
    out = Terminal()
    say = Progress(out)
    with say.doing("tick"):
        say.step("x" * 3 * WIDTH)
    assert all(len(line) <= WIDTH for line in out.seen)


def test_a_job_that_fails_lets_its_error_through() -> None:
    say = Progress(io.StringIO())
    with pytest.raises(RuntimeError, match="no such file"), say.doing("tick"):
        raise RuntimeError("no such file")
