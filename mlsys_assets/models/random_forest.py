"""A random forest, with leaves large enough that it is a file of megabytes."""

from dataclasses import dataclass
from typing import Any

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Preprocessor
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.candidate import Candidate, Fitted, Recipe, preprocessor_needs
from mlsys_assets.models.estimator import Estimator
from mlsys_assets.models.estimator_predictor import EstimatorPredictor
from mlsys_assets.models.task import Classification, MultiClass
from mlsys_assets.types import Scalar


@dataclass(frozen=True)
class RandomForest:
    """scikit-learn's random forest (Breiman 2001).

    A forest of whole trees holds a node for nearly every row it saw, in every tree. Large leaves and a share of the
    rows take a fraction of the bytes, the smaller the more rows there are: a sixth for 1,500 rows, a ninth for 10,000.
    On rows that are much alike they cost nothing of what it is worth.

    Parameters
    ----------
    trees
        How many; time and bytes grow with them.
    least_rows
        Rows in a leaf, at least.
    column_share
        The share of columns that each split chooses among; None: the square root of their number.
    row_share
        The share of rows, drawn with replacement, that each tree sees.
    preprocessor
        How rows become numbers.
    task
        Two classes or more.
    """

    trees: int = 50
    least_rows: int = 20
    column_share: float | None = None
    row_share: float = 0.25
    preprocessor: Preprocessor = FOR_TREES
    name: str = "random_forest"
    task: Classification | MultiClass = Classification()

    @property
    def baseline(self) -> bool:
        """It is a model."""
        return False

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that its preprocessor names."""
        return preprocessor_needs(self.preprocessor)

    @property
    def kind(self) -> str:
        """An estimator."""
        return EstimatorPredictor.kind

    def mistakes(self) -> list[str]:
        """Return the numbers that no fit can be made with."""
        what = f"candidate {self.name!r}"
        found = [
            *out_of_range(f"{what}: trees", self.trees, whole=True, least=1),
            *out_of_range(f"{what}: least_rows", self.least_rows, whole=True, least=1),
            *out_of_range(f"{what}: row_share", self.row_share, above=0, most=1),
        ]
        if self.column_share is not None:
            found += out_of_range(f"{what}: column_share", self.column_share, above=0, most=1)
        return found or self._declared.mistakes()

    @property
    def randomized(self) -> bool:
        """Each tree draws its rows, and each split its columns."""
        return True

    def unbounded(self) -> Candidate | None:
        """Return one of whole trees, each of all rows and columns."""
        return self._declared.unbounded()

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; on validation only the loss is told."""
        return self._declared.fit(train, validation, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on all rows."""
        return self._declared.refit(train, recipe=recipe, seed=seed, threads=threads)

    @property
    def _declared(self) -> Estimator:
        params: dict[str, Scalar] = {
            "n_estimators": self.trees,
            "min_samples_leaf": self.least_rows,
            "max_features": "sqrt" if self.column_share is None else float(self.column_share),
            "max_samples": float(self.row_share),
        }
        return Estimator(forest, name=self.name, task=self.task, params=params, preprocessor=self.preprocessor)


def forest() -> Any:
    """Return a forest as scikit-learn has it."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier()
