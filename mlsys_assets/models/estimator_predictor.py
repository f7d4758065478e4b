"""A scikit-learn estimator as files: fitted preprocessing, a skops file, and in what way its rows are scored."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.estimator_file import read_estimator
from mlsys_assets.models.estimator_soundness import check_sound, held_by
from mlsys_assets.models.predictor import BundleError, Rows, decode, encode

Floats = NDArray[np.float64]
Output = Literal["probability", "probabilities", "number"]
Scored = Literal["table", "blocks", "rows"]

BLOCK: Final = 256
"""Rows scored at a time where BLAS is in it, never more or fewer: it adds in another order for other shapes."""
PROBES: Final = 8
"""Rows that it is tried with whether a row's score depends on where it stands."""
BY_ROW: Final = frozenset({
    "DecisionTreeClassifier", "DecisionTreeRegressor", "DummyClassifier", "DummyRegressor", "ExtraTreeClassifier",
    "ExtraTreeRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor", "GradientBoostingClassifier",
    "GradientBoostingRegressor", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "LabelEncoder",
    "RandomForestClassifier", "RandomForestRegressor", "_BinMapper",
})  # fmt: skip
"""Estimators that go through their trees row by row: a table of any length may be scored at once."""


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of estimator.json.

    Parameters
    ----------
    scikit_learn
        The version that it was fitted with; another reads the same file otherwise.
    output
        The probability of a label of 1, that of each class, or a number.
    outputs
        How many it gives a row.
    scored
        At once, in blocks of one size, or row by row.
    """

    scikit_learn: str
    output: Output
    outputs: int
    scored: Scored


@dataclass(frozen=True, eq=False)
class EstimatorPredictor:
    """What an estimator says of the rows as the preprocessing gives them.

    A row's score is the same, to the last bit, alone and in any table. Trees give that by themselves. Where an
    estimator multiplies matrices, rows go in blocks of 256, the last filled up, and it was tried at the fit that
    a place in a block changes nothing; where it does, rows go one by one, at a tenth of a millisecond or more each.
    One row of a block costs as much as 256. scikit-learn is loaded with the model; one thread is used.
    """

    preprocessing: Preprocessing
    data: bytes
    form: Form
    kind: str = "estimator"

    @classmethod
    def of(cls, preprocessing: Preprocessing, data: bytes, *, output: Output, probes: NDArray[np.float32]) -> Self:
        """Return the model in a fitted estimator's file, scored as fast as ``probes``, (m, d) rows, show to be sound.

        Raises BundleError for a file that cannot be read.
        """
        model = cls(preprocessing, data, Form(version("scikit-learn"), output, 1, "rows"))
        outputs = 1 if output != "probabilities" else len(model.estimator.classes_)
        scored = _fastest(model._raw, model.estimator, probes)
        found = cls(preprocessing, data, Form(version("scikit-learn"), output, outputs, scored))
        found.__dict__["estimator"] = model.estimator
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        """The preprocessing's input columns."""
        return self.preprocessing.columns

    def predict(self, rows: Rows, *, threads: int = 1) -> Floats:
        """Return (n,) probabilities or numbers, or (n, k) probabilities of each class."""
        return self.scores(self.preprocessing.transform(rows))

    def scores(self, matrix: NDArray[np.float32]) -> Floats:
        """Return what the estimator says of (n, d) prepared rows."""
        if not len(matrix):
            return np.empty(0 if self.form.output != "probabilities" else (0, self.form.outputs))
        with ONE_THREAD:
            if self.form.scored == "table":
                return self._raw(matrix)
            if self.form.scored == "blocks":
                return _in_blocks(self._raw, matrix)
            return np.concatenate([self._raw(matrix[i : i + 1]) for i in range(len(matrix))])

    def _raw(self, matrix: NDArray[np.float32]) -> Floats:
        """Return what the estimator says of prepared rows, given to it as they are."""
        if self.form.output == "number":
            return np.asarray(self.estimator.predict(matrix), dtype=np.float64).reshape(len(matrix))
        found = np.asarray(self.estimator.predict_proba(matrix), dtype=np.float64)
        if self.form.output == "probability":
            return np.ascontiguousarray(found[:, 1])
        return np.ascontiguousarray(found)

    @cached_property
    def estimator(self) -> Any:
        """The estimator; BundleError unless it is what was written."""
        found = read_estimator(self.data)
        check_sound(found)
        return found

    def contents(self) -> dict[str, bytes]:
        """Return the preprocessing, the estimator's file and its form."""
        own = {"preprocessing.json": self.preprocessing.to_json(), "estimator.skops": self.data}
        return own | {"estimator.json": encode(self.form)}

    @classmethod
    def from_contents(cls, files: Mapping[str, bytes]) -> "EstimatorPredictor":
        """Read what ``contents`` wrote, and score a row with it; raises BundleError.

        So does another version of scikit-learn than the one that it was fitted with.
        """
        form = decode(files, "estimator.json", Form)
        preprocessing = decode(files, "preprocessing.json", Preprocessing)
        if "estimator.skops" not in files:
            raise BundleError(f"the bundle lacks estimator.skops; it has {sorted(files)}")
        if form.scikit_learn != (own := version("scikit-learn")):
            raise BundleError(
                f"the estimator was fitted with scikit-learn {form.scikit_learn}, and {own} is installed: install "
                f"{form.scikit_learn}, or fit the model anew"
            )
        found = cls(preprocessing, files["estimator.skops"], form)
        found._try()
        return found

    def _try(self) -> None:
        """Raise BundleError unless a row of zeros is scored."""
        features = getattr(self.estimator, "n_features_in_", None)
        if features != len(self.preprocessing.names):
            raise BundleError(f"the estimator takes {features} outputs of {len(self.preprocessing.names)}")
        expected = (1, self.form.outputs) if self.form.output == "probabilities" else (1,)
        try:
            score = self.scores(np.zeros((1, features), dtype=np.float32))
        except Exception as error:
            raise BundleError(f"the estimator scores no row: {type(error).__name__}: {error}") from error
        if score.shape != expected or not np.isfinite(score).all():
            raise BundleError(f"the estimator gives {score} for a row, of shape {score.shape}; it must be {expected}")
        if self.form.output != "number" and not ((score >= 0) & (score <= 1)).all():
            raise BundleError(f"the estimator gives {score} for a row, which is no probability")


def _in_blocks(raw: Callable[[NDArray[np.float32]], Floats], matrix: NDArray[np.float32]) -> Floats:
    """Return the scores of rows in blocks of one size, the last filled up with copies of its last row."""
    parts = []
    for start in range(0, len(matrix), BLOCK):
        part = matrix[start : start + BLOCK]
        short = BLOCK - len(part)
        filled = np.concatenate([part, np.repeat(part[-1:], short, axis=0)]) if short else part
        parts.append(raw(filled)[: len(part)])
    return np.concatenate(parts)


def _fastest(raw: Callable[[NDArray[np.float32]], Floats], estimator: Any, probes: NDArray[np.float32]) -> Scored:
    """Return the fastest way in which no row's score depends on its neighbours or its place, as tried on probes."""
    with ONE_THREAD:
        singles = np.concatenate([raw(probes[i : i + 1]) for i in range(len(probes))])
        parts = {type(one).__name__ for one in held_by(estimator) if hasattr(one, "get_params")}
        turned = probes[::-1]
        if parts <= BY_ROW and np.array_equal(raw(probes), singles) and np.array_equal(raw(turned), singles[::-1]):
            return "table"
        alone = [raw(np.repeat(probes[i : i + 1], BLOCK, axis=0)) for i in range(len(probes))]
        among = np.arange(BLOCK) % len(probes)
        mixed = raw(np.ascontiguousarray(probes[among]))
        same = all((one == one[:1]).all() for one in alone)
        if same and np.array_equal(mixed, np.stack([one[0] for one in alone])[among]):
            return "blocks"
    return "rows"


class _OneThread:
    """While anything is scored, BLAS and OpenMP have one thread: with more, sums may be in another order.

    The limit is the process's; the first who scores sets it, and the last takes it back.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._controller: Any = None
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                if self._controller is None:
                    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

                    self._controller = ThreadpoolController()
                self._limit = self._controller.limit(limits=1)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


ONE_THREAD: Final = _OneThread()
