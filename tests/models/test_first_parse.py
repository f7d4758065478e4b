import subprocess
import sys

import pytest

from mlsys_assets.models import first_parse
from mlsys_assets.models.booster import library_path
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.first_parse import ParseError, check_text, parse_in_child
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.predictor import BundleError


@pytest.fixture(scope="module")
def files(train, validation):
    return to_files(LightGBM(rounds=12).fit(train, validation, seed=1, threads=1).predictor)


@pytest.fixture(scope="module")
def text(files):
    return files["model.txt"]


def test_a_whole_text_passes(text):
    check_text(text)
    parse_in_child(text, library=library_path(), features=5)


@pytest.mark.parametrize("twentieth", range(20))
def test_a_truncated_text_is_refused(files, text, twentieth):
    cut = text[: len(text) * twentieth // 20]
    with pytest.raises(ParseError):
        check_text(cut)
    with pytest.raises(BundleError, match=r"model\.txt"):
        from_files({**files, "model.txt": cut})


def test_the_child_dies_of_what_the_library_dies_of_and_this_process_does_not(text, monkeypatch):
    """Without the first check, some truncated text must abort the child: else the child proves nothing."""
    monkeypatch.setattr("mlsys_assets.models.first_parse.check_text", lambda text: None)
    codes = []
    for share in (0.3, 0.5, 0.7, 0.9):
        with pytest.raises(ParseError) as caught:
            parse_in_child(text[: int(len(text) * share)], library=library_path(), features=5)
        codes.append(int(str(caught.value).rpartition("exit ")[2].rstrip(")")))
    assert min(codes) < 0  # ended by a signal


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Tree=3\n", b"Tree=9\n"),
        (b"\ntree_sizes=", b"\ntree_sizes=1 "),
        (b"end of trees", b"end of forest"),
        (b"\nend of parameters\n", b"\n"),
        (b"tree\nversion", b"code\nversion"),
    ],
)
def test_an_edited_structure_is_refused_as_text(text, old, new):
    assert old in text
    with pytest.raises(ParseError):
        check_text(text.replace(old, new, 1))


def test_a_tree_more_or_less_is_refused(text):
    start, end = text.index(b"Tree=11\n"), text.index(b"end of trees\n")
    with pytest.raises(ParseError):
        check_text(text[:start] + text[end:])
    with pytest.raises(ParseError):
        check_text(text[:end] + text[start:])


def test_a_model_of_another_shape_is_refused(text):
    with pytest.raises(ParseError, match="6 features"):
        parse_in_child(text, library=library_path(), features=6)


def test_a_model_whose_scores_are_no_probabilities_is_refused(text):
    margin = text.replace(b"\nobjective=binary sigmoid:1\n", b"\nobjective=regression\n", 1)
    assert margin != text
    with pytest.raises(ParseError):
        parse_in_child(margin, library=library_path(), features=5)


def test_a_child_that_hangs_is_ended(text, monkeypatch):
    monkeypatch.setattr("mlsys_assets.models.first_parse.SECONDS", 0.001)
    with pytest.raises(ParseError, match="not parsed within"):
        parse_in_child(text, library=library_path(), features=5)


def test_nothing_the_library_says_of_a_broken_text_is_shown(text):
    cut = text[: text.index(b"leaf_value=")]
    alone = [sys.executable, "-I", "-S", first_parse.__file__, library_path(), "5"]
    said = subprocess.run(alone, input=cut, capture_output=True, check=False)
    assert said.stdout
    assert said.stderr
    program = (
        "import sys\nfrom mlsys_assets.models import first_parse\n"
        "from mlsys_assets.models.booster import library_path\n"
        "first_parse.check_text = lambda text: None\n"
        "try:\n    first_parse.parse_in_child(sys.stdin.buffer.read(), library=library_path(), features=5)\n"
        "except first_parse.ParseError:\n    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=cut, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
