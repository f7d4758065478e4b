"""A preprocessor as a step of scikit-learn's pipelines."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, View, require_train
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing


class PreprocessingTransformer:
    """A preprocessor that scikit-learn's ``Pipeline`` and ``clone`` take for a transformer, fitted on Train only.

    scikit-learn asks for methods, not for a base class; so this file does not import it.

    Parameters
    ----------
    preprocessor
        The declaration.
    """

    preprocessing_: Preprocessing
    notes_: tuple[str, ...]

    def __init__(self, preprocessor: Preprocessor) -> None:
        self.preprocessor = preprocessor

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the declaration by its parameter's name."""
        return {"preprocessor": self.preprocessor}

    def set_params(self, **params: Any) -> "PreprocessingTransformer":
        """Declare another preprocessor; raises ValueError for any other parameter."""
        if unknown := sorted(set(params) - {"preprocessor"}):
            raise ValueError(f"a PreprocessingTransformer has no {unknown}; it has ['preprocessor']")
        self.preprocessor = params.get("preprocessor", self.preprocessor)
        return self

    def fit(self, train: Train, y: object = None) -> "PreprocessingTransformer":
        """Learn from the training rows, whose own labels are used; raises TypeError for anything but a Train view."""
        self.fit_transform(train, y)
        return self

    def fit_transform(self, train: Train, y: object = None) -> NDArray[np.float32]:
        """Learn from the training rows and return their (n, d) matrix, out-of-fold where rates were learned."""
        require_train(train, what=type(self).__name__)
        prepared = self.preprocessor.fit(train)
        self.preprocessing_, self.notes_ = prepared.preprocessing, prepared.notes
        return prepared.matrix

    def transform(self, rows: View | pa.Table | Mapping[str, object]) -> NDArray[np.float32]:
        """Return the (n, d) matrix of a view, a table or a row; raises ColumnError."""
        return self._fitted.transform(rows.features if isinstance(rows, View) else rows)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return (d,) the outputs' names."""
        return np.array(self._fitted.names, dtype=object)

    @property
    def _fitted(self) -> Preprocessing:
        if not self.__sklearn_is_fitted__():
            from sklearn.exceptions import NotFittedError

            raise NotFittedError("this PreprocessingTransformer was not fitted yet; call fit(train) first")
        return self.preprocessing_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "preprocessing_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=False), transformer_tags=TransformerTags())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.preprocessor.described})"
