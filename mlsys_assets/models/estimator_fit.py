"""One fit of a scikit-learn estimator: by a seed, within its threads, and whatever goes wrong has a reason."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.candidate import FitError, failures_told
from mlsys_assets.models.estimator_file import write_estimator
from mlsys_assets.models.estimator_predictor import Output
from mlsys_assets.models.task import Classification, MultiClass, PlainRegression

REPEATED: Final = 500
"""Rows that it is fitted twice on, to see whether that gives the same model."""
SEEDS: Final = ("random_state", "seed")
"""Parameters that chance comes from."""
LARGEST_SEED: Final = 2**32 - 1
"""That NumPy's older generator takes."""


@dataclass(frozen=True)
class Labels:
    """What labels a task has."""

    task: Classification | MultiClass | PlainRegression
    what: str

    @property
    def output(self) -> Output:
        """What a predictor gives."""
        if isinstance(self.task, PlainRegression):
            return "number"
        return "probability" if isinstance(self.task, Classification) else "probabilities"

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.task.classes) if isinstance(self.task, MultiClass) else 2

    def check(self, label: NDArray[np.float64], *, part: str) -> None:
        """Raise FitError unless there are rows, and each has a label of the task."""
        if len(label) == 0:
            raise FitError(f"{self.what} needs {part} rows, got none")
        if self.output == "number":
            if odd := int((~np.isfinite(label)).sum()):
                raise FitError(f"{self.what} takes finite numbers, and {odd} of {len(label)} {part} rows have none")
            return
        other = label[~np.isin(label, np.arange(self.classes))]
        if len(other):
            allowed = "0 and 1" if self.classes == 2 else f"0 to {self.classes - 1}"  # noqa: PLR2004 - two of them
            raise FitError(f"{self.what} takes labels {allowed}, got {other[0]:g} ({len(other)} such {part} rows)")

    def check_train(self, label: NDArray[np.float64]) -> NDArray[Any]:
        """Return training labels as the estimator takes them; raises FitError if they cannot teach it."""
        self.check(label, part="training")
        if self.output == "number":
            if np.ptp(label) == 0:
                raise FitError(f"{self.what}: all {len(label)} training rows have the target {label[0]:g}")
            return label
        counts = np.bincount(label.astype(np.intp), minlength=self.classes)
        if (counts > 0).all():
            return label.astype(np.intp)
        if isinstance(self.task, Classification):
            raise FitError(f"{self.what} needs both classes, all {len(label)} training rows have label {label[0]:g}")
        absent = [name for name, count in zip(self.task.classes, counts, strict=True) if not count]  # type: ignore[union-attr]
        raise FitError(f"{self.what} needs every class, and no training row is of {', '.join(absent)}")


@dataclass(frozen=True)
class Fitting:
    """How an estimator is fitted.

    Parameters
    ----------
    make
        Gives a new one, not fitted, that nothing else holds.
    what
        Whose it is, for messages.
    seed, threads
        As given to the candidate.
    """

    make: Callable[[], Any]
    what: str
    seed: int
    threads: int

    def fitted(self, matrix: NDArray[np.float32], label: NDArray[Any]) -> Any:
        """Return an estimator fitted on (n, d) rows and their (n,) labels; raises FitError for whatever it raises.

        That it did not converge is no warning but a failure.
        """
        from sklearn.exceptions import ConvergenceWarning

        with failures_told(self.what):
            try:
                return self._fit(matrix, label, converges=True)
            except ConvergenceWarning as warning:
                told = next(iter(str(warning).splitlines()), "")
                raise FitError(
                    f"{self.what} did not converge: {told}; allow more iterations, or regularize more"
                ) from warning

    def repeats(self, fitted: Any, matrix: NDArray[np.float32], label: NDArray[Any]) -> bool:
        """Return whether two fits on the same few rows are equal to the last bit.

        Where so few cannot be fitted on, all are, once more, and compared with what was fitted on them.
        """
        few = _few(label)
        try:
            one, two = (self._fit(matrix[few], label[few], converges=False) for _ in range(2))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - few rows may be too few for it, in any words
            one, two = fitted, self.fitted(matrix, label)
        try:
            return write_estimator(one) == write_estimator(two)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - that it cannot be stored, in any words, is said where it is
            return True

    def _fit(self, matrix: NDArray[np.float32], label: NDArray[Any], *, converges: bool) -> Any:
        """Return one fit; its jobs are threads, since processes would be given all rows."""
        import joblib  # type: ignore[import-untyped]
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        made = self.make()
        chance = [n for n, v in made.get_params().items() if n.rpartition("__")[2] in SEEDS and v is None]
        made.set_params(**dict.fromkeys(chance, self.seed % LARGEST_SEED))
        with (
            threadpool_limits(limits=self.threads),
            joblib.parallel_config(backend="threading", n_jobs=self.threads),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            if converges:
                warnings.simplefilter("error", ConvergenceWarning)
            return made.fit(matrix, label)


def _few(label: NDArray[Any]) -> NDArray[np.intp]:
    """Return places of rows of every class, or of the whole range of numbers, in their order."""
    by_label = np.argsort(label, kind="stable")
    return np.sort(by_label[np.unique(np.linspace(0, len(label) - 1, REPEATED).astype(np.intp))])
