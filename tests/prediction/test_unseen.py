import numpy as np
import pyarrow as pa

from mlsys_assets.features.preprocessing.category import Category
from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.blend import Blend
from mlsys_assets.models.calibrated_predictor import CalibratedPredictor, SigmoidMap
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.prediction.unseen import known_categories, unseen

FITTED = Preprocessing((Number("x"),), (Category("place", ("A", "B")), Category("kind", ("k",))))
MODEL = LinearPredictor(FITTED, 0.0, np.zeros(3))


def rows(places: list[str | None]) -> pa.Table:
    return pa.table({"place": places, "kind": ["k"] * len(places), "x": [0.0] * len(places)})


def test_categories_that_were_not_trained_on_are_counted_and_missing_ones_are_not() -> None:
    assert unseen(rows(["A", "C", None, "D"]), MODEL) == {"place": 2, "kind": 0}
    assert unseen(rows(["A", "C"]), ZeroRulePredictor(0.5)) == {}


def test_models_within_models_are_asked_too() -> None:
    """Two parts count a column's rows once, by the part that knows least; a column of one part is not lost."""
    wider = Preprocessing((), (Category("place", ("A", "B", "C")), Category("more", ())))
    other = LinearPredictor(wider, 0.0, np.zeros(len(wider.names)))
    table = rows(["A", "C", "D"]).append_column("more", pa.array(["m", None, None]))
    calibrated = CalibratedPredictor(MODEL, SigmoidMap(1.0, 0.0))
    assert unseen(table, calibrated) == {"place": 2, "kind": 0}
    for first, second in ((calibrated, other), (other, calibrated)):
        blend = Blend({"a": 1, "b": 1}).of({"a": first, "b": second})
        assert unseen(table, blend) == {"place": 2, "kind": 0, "more": 1}
    constant = Blend({"a": 1}).of({"a": ZeroRulePredictor(0.5)})
    assert unseen(table, constant) == {}


def test_a_few_are_told_and_many_turn_the_check_red() -> None:
    few, many = rows(["A"] * 97 + ["C"] * 3), rows(["A"] * 90 + ["C"] * 10)
    finding = known_categories([unseen(few, MODEL)], rows=100)
    assert finding.passed
    assert "place in 3 of 100 requests" in finding.summary
    finding = known_categories([unseen(few, MODEL), unseen(many, MODEL)], rows=200)
    assert not finding.passed
    assert finding.evidence == {"rows": 200, "unseen": 13, "column": "place", "share": 0.065}
    assert known_categories([], rows=0).summary == "nothing was served, so that no category was looked at"
    assert (
        known_categories([unseen(rows(["A"]), MODEL)], rows=1).summary
        == "no category of 1 requests was new to the model"
    )
