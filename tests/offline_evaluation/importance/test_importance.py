"""Three importances of one model: each is its outside truth, and the strong column leads in all."""

import lightgbm
import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.calibrated_predictor import StepMap, calibrated
from mlsys_assets.models.explanation import explained_rows
from mlsys_assets.offline_evaluation.importance.importance import WAYS, ImportanceStudy, ranked
from mlsys_assets.thumbnails import LIMIT


@pytest.fixture(scope="module")
def found(fitted, validation):
    return ImportanceStudy().measure(fitted.predictor, validation, groups={"twins": ("twin", "copy")})


def test_the_strong_column_leads_and_what_tells_nothing_is_last(found):
    for way in WAYS:
        assert found.top(way, 1) == ("strong",)
        assert set(found.top(way, 5)[-5:]) <= {"strong", "weak", "twin", "copy", "carrier"}
    assert found.columns[0].ranks == dict.fromkeys(WAYS, 1.0)
    assert found.told == "gain"
    assert sum(found.values("own").values()) == pytest.approx(1)
    assert found.groups["twins"].low > 0


def test_contributions_are_the_mean_of_lightgbms_pred_contrib(found, fitted, validation):
    predictor = fitted.predictor
    rows = validation.features.take(explained_rows(len(validation), seed=0))
    booster = lightgbm.Booster(model_str=predictor.text.decode())
    raw = booster.predict(predictor.preprocessing.transform(rows), pred_contrib=True)[:, :-1]
    expected = dict(zip(predictor.preprocessing.names, np.abs(raw).mean(axis=0), strict=True))
    assert found.values("contribution") == pytest.approx(expected)


def test_ranks_and_their_agreement_are_scipys(found):
    for way in WAYS:
        values = [one.value(way) for one in found.columns]
        assert [one.ranks[way] for one in found.columns] == rankdata([-v for v in values]).tolist()
    for (a, b), rho in found.agreement().items():
        pairs = [(one.value(a), one.value(b)) for one in found.columns]
        assert rho == pytest.approx(spearmanr(pairs).statistic)
    assert len(found.agreement()) == 3


def test_it_is_told_and_drawn(found):
    assert found.text().startswith("by gain: strong, ")
    assert "rank correlations: gain and log_loss lost when shuffled 0." in found.text()
    assert found.table().count("\n") == 1 + 7 + 1
    assert "| twins (together) |" in found.table()
    assert found.plot().startswith("<svg")
    assert found.thumbnail().startswith("![")
    assert len(found.thumbnail()) < LIMIT


def test_what_a_model_does_not_say_is_not_made_up(fitted, train, validation):
    curve = calibrated(fitted.predictor, StepMap((0.1, 0.9), (0.2, 0.8)))
    found = ImportanceStudy().measure(curve, validation)
    assert found.top("contribution") == ()
    assert found.top("own", 1) == ("strong",)
    assert "by contribution: insufficient data" in found.text()
    nothing = ImportanceStudy().measure(ZeroRule().fit(train, validation, seed=0, threads=1).predictor, validation)
    assert nothing.top("own") == ()
    assert {one.fall.value for one in nothing.columns} == {0.0}
    assert all(np.isnan(rho) for rho in nothing.agreement().values())
    assert "rank correlations" not in nothing.text()


def test_too_few_rows_have_no_ranks_by_shuffling(fitted, validation):
    found = ImportanceStudy().measure(fitted.predictor, validation.take(np.arange(60)))
    assert found.top("permutation") == ()
    assert found.top("own", 1) == ("strong",)
    assert found.thumbnail().endswith("insufficient data")
    none = ImportanceStudy().measure(fitted.predictor, validation.take(np.arange(0)))
    assert none.top("contribution") == none.top("permutation") == ()
    assert np.isnan(list(none.values("contribution").values())).all()


def test_where_a_value_is_not_known_nothing_is_ranked():
    assert np.isnan(ranked([1.0, np.nan])).all()
    assert ranked([]).tolist() == []
