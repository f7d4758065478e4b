"""The page is whole in itself, says the verdict and every answer first, and shows whatever names it is given."""

import re

import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.offline_evaluation.report.exhibit import Exhibit, findings_table, sentence, table
from mlsys_assets.offline_evaluation.report.page import evaluation_page
from mlsys_assets.types import Finding

ODD = '<script>alert("x")</script>'
EXHIBITS = [
    Exhibit("Is it better?", f"Better than {ODD}.", (table(("model", "value"), [(ODD, 0.123456), ("b", None)]),)),
    Exhibit("How sure is it?", "Hardly.", (findings_table([Finding("a_check", False, ODD)]),)),
]


def page(verdict: str = "pass") -> str:
    return evaluation_page(f"rain {ODD}", verdict=verdict, reason=ODD, exhibits=EXHIBITS, record="model abc")


def test_every_question_is_answered_before_it_is_shown() -> None:
    text = page()
    answers, rest = text.split("</dl>")
    for exhibit in EXHIBITS:
        assert exhibit.question in answers
        assert exhibit.question in rest
    assert "Hardly." in answers
    links, anchors = re.findall(r'href="#(\w+)"', answers), re.findall(r'<h2 id="(\w+)"', rest)
    assert links == anchors == ["e0", "e1"]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("pass", "may become champion"), ("fail", "does not become champion"), ("insufficient data", "cannot be judged")],
)
def test_the_verdict_is_told_in_words(verdict: str, words: str) -> None:
    assert words in page(verdict)


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text = page()
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 7  # title twice, reason, an answer twice, a cell and a check
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)


def test_cells_are_numbers_to_four_digits_estimates_in_full_and_dashes() -> None:
    found = Estimate(0.5, 0.4, 0.6, 10, 5, 7)
    shown = table(("a", "b"), [(0.123456, found), (None, Estimate.untold(found_labels(), 3))], grey=[1])
    assert "<td>0.1235</td><td>0.5000 [0.4000, 0.6000]</td>" in shown
    assert "<td>—</td><td>insufficient data (4 rows, 2 positive, 3 days)</td>" in shown
    assert shown.count("<tr class=pale>") == 1


def found_labels():
    import numpy as np

    return np.array([0.0, 1.0, 0.0, 1.0])


def test_words_become_a_sentence() -> None:
    assert sentence("none was found") == "None was found."
    assert sentence("It holds.") == "It holds."
