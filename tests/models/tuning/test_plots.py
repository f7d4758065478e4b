import xml.etree.ElementTree as ET

from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.tuning.plots import search_plot, search_thumbnail
from mlsys_assets.models.tuning.trial import Trial
from mlsys_assets.thumbnails import LIMIT

TRIALS = [
    Trial(0, {}, "failed", reason="no <rows>"),
    Trial(1, {}, "complete", 0.5),
    Trial(2, {}, "pruned", losses=(0.9, 0.8)),
    Trial(3, {}, "complete", 0.6),
    Trial(4, {}, "complete", 0.4),
]


def heights(svg, colour):
    """The heights of a curve's dots: the lower, the larger."""
    root = ET.fromstring(svg)
    return [float(c.get("cy")) for c in root.iter("{http://www.w3.org/2000/svg}circle") if c.get("fill") == colour]


def test_the_best_so_far_never_gets_worse_and_each_complete_trial_is_a_dot():
    low = search_plot(TRIALS, LogLoss(), name="tuned")
    best, each = heights(low, "#1f77b4"), heights(low, "#d62728")
    assert len(each) == 3
    assert best == sorted(best) == [each[0], each[0], each[0], each[2]]
    high = heights(search_plot(TRIALS, RocAuc(), name="tuned"), "#1f77b4")
    assert high[0] == high[1] > high[2] == high[3]


def test_what_was_pruned_or_failed_is_marked_with_how_it_ended():
    svg = search_plot(TRIALS, LogLoss(), name="tuned")
    assert "trial 3 pruned after step 2" in svg
    assert "trial 1 failed: no &lt;rows&gt;" in svg


def test_a_search_without_a_complete_trial_or_of_many_is_drawn_too():
    assert "insufficient data" in search_plot(TRIALS[:1], LogLoss(), name="tuned")
    assert "insufficient data" in search_thumbnail([], LogLoss(), name="tuned")
    many = [Trial(n, {}, "complete", 0.4 + (n * 7 % 13) / 100) for n in range(400)]
    assert len(search_thumbnail(many, LogLoss(), name="tuned")) < LIMIT
    ET.fromstring(search_plot(many, LogLoss(), name="tuned"))
