import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlsys_assets.data_sampling.views import OpenedTest, Validation
from mlsys_assets.features.preprocessing.encoding import OneHot
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.features.preprocessing.sklearn_transformer import PreprocessingTransformer
from mlsys_assets.features.preprocessing.target_rate import TargetRate

DECLARED = Preprocessor(categories=TargetRate(), columns={"d": OneHot(least=1)})


@pytest.fixture(scope="module")
def train(view_of):
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=300), "c": rng.choice(["a", "b"], 300), "d": rng.choice(["p", "q"], 300)})
    label = (table["x"].to_numpy() + rng.normal(size=300) > 0).astype(float)
    return view_of(table, label)


def test_it_is_a_step_of_a_pipeline_that_learns_out_of_the_fold(train):
    pipeline = make_pipeline(PreprocessingTransformer(DECLARED), LogisticRegression())
    pipeline.fit(train, train.label)
    prepared = DECLARED.fit(train)
    alone = LogisticRegression().fit(prepared.matrix, train.label)
    assert np.array_equal(pipeline[-1].coef_, alone.coef_)
    expected = alone.predict_proba(prepared.preprocessing.transform(train.features))
    assert np.array_equal(pipeline.predict_proba(train), expected)
    assert np.array_equal(pipeline.predict_proba(train.features), expected)
    assert pipeline[0].get_feature_names_out().tolist() == ["x", "d = p", "d = q", "c"]
    assert pipeline[:-1].get_feature_names_out().tolist() == ["x", "d = p", "d = q", "c"]


def test_it_is_cloned_unfitted_and_has_its_declaration_as_parameter(train):
    fitted = PreprocessingTransformer(DECLARED).fit(train)
    again = clone(fitted)
    assert again.get_params() == {"preprocessor": DECLARED}
    with pytest.raises(NotFittedError, match="call fit"):
        again.transform(train)
    with pytest.raises(NotFittedError):
        again.get_feature_names_out()
    assert again.set_params(preprocessor=Preprocessor()).preprocessor == Preprocessor()
    with pytest.raises(ValueError, match=r"has no \['other'\]"):
        again.set_params(other=1)
    assert repr(fitted) == (
        "PreprocessingTransformer(Preprocessor(categories=TargetRate(), columns={'d': OneHot(least=1)}))"
    )
    pipeline = clone(make_pipeline(fitted, LogisticRegression()))
    pipeline.set_params(preprocessingtransformer__preprocessor=Preprocessor()).fit(train, train.label)
    assert pipeline[0].preprocessor == Preprocessor()


def test_it_is_fitted_on_train_only(train, view_of):
    for other in (train.features, train.features.to_pandas(), view_of(train.features, kind=Validation)):
        for fit in ("fit", "fit_transform"):
            with pytest.raises(TypeError, match="Train view only"):
                getattr(PreprocessingTransformer(DECLARED), fit)(other)
    later = view_of(train.features, kind=OpenedTest)
    fitted = PreprocessingTransformer(DECLARED).fit(train)
    assert fitted.transform(later).tolist() == fitted.transform(train.features).tolist()
    row = train.features.slice(0, 1).to_pylist()[0]
    assert fitted.transform(row).tolist() == fitted.transform(train)[:1].tolist()
