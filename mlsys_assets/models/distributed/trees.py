"""LightGBM's data-parallel trees: every worker bins its own rows, and their histograms are added over the network."""

import gc
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.preprocessor import Prepared
from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.candidate import (
    FitError,
    Fitted,
    LossCurve,
    Recipe,
    check_train,
    check_validation,
    prepare,
    prepared_record,
)
from mlsys_assets.models.distributed.newton import Block
from mlsys_assets.models.distributed.placement import Placement, dealt, placed
from mlsys_assets.models.distributed.watched import TrainingLost, require_idle, watched
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.lightgbm_calls import plain_names, stop_early
from mlsys_assets.types import Scalar

OF_THE_NETWORK: Final = re.compile(rb"\[(local_listen_port|machines): .*\]")
"""What the text of a model tells of where it was trained: ports, which are others each time."""
MACHINES: Final = re.compile(rb"\[num_machines: ([0-9]+)\]")
"""What it tells of how many trained it."""

NETWORK: Final = re.compile(r"\b(socket|port|rank|connect\w*)\b", re.IGNORECASE)
"""What LightGBM names where its workers do not reach each other."""


@dataclass(frozen=True)
class DataParallelTrees:
    """A LightGBM candidate, fitted by all workers together.

    Rows are dealt to the workers in turn, like cards. LightGBM finds the bins of a column on one worker's rows alone;
    in order of time, one of them would have the winter, and a column that began in May would be empty for it.

    Parameters
    ----------
    candidate
        What is fitted; its objective is log loss.
    client
        The cluster's client.
    workers
        How many workers hold rows.
    """

    candidate: LightGBM
    client: Any
    workers: int

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; each worker measures all of validation, so that all stop after the same round.

        Each worker has as many threads as the cluster says, not ``threads``.
        """
        check_train(train, what=self.candidate.name)
        check_validation(validation, what=self.candidate.name)
        return self._fitted(train, validation, self.candidate.rounds, seed=seed)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on all rows with the number of rounds in the recipe."""
        check_train(train, what=self.candidate.name)
        rounds = recipe.get("rounds")
        if not isinstance(rounds, int) or rounds < 1:
            raise ValueError(f"{self.candidate.name} is refitted by a recipe with a number of rounds, got {recipe}")
        return self._fitted(train, None, rounds, seed=seed)

    def _fitted(self, train: Train, validation: Validation | None, rounds: int, *, seed: int) -> Fitted:
        candidate = self.candidate
        prepared = prepare(candidate.preprocessor, train, what=candidate.name)
        params = candidate.lightgbm_params(seed, 1)
        blocks = [(prepared.matrix[part], train.label[part]) for part in dealt(len(train), self.workers)]
        self._check_classes([label for _, label in blocks])
        place = placed(blocks, client=self.client, what=candidate.name)
        watch = None
        if validation is not None:
            watch = (prepared.preprocessing.transform(validation.features), validation.label)
        booster, losses = self._trained(place, watch, prepared, params | {"n_estimators": rounds})
        used = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        text = booster.model_to_string(num_iteration=used).encode()
        if (machines := _machines(text)) != len(place.workers):
            raise TrainingLost(
                f"{candidate.name} was trained by {machines} workers; {len(place.workers)} hold its rows"
            )
        return Fitted(
            candidate.name,
            BoosterPredictor(prepared.preprocessing, OF_THE_NETWORK.sub(rb"[\1: ]", text)),
            params={
                **params, **prepared_record(candidate.preprocessor, prepared), **place.record, "rounds": used,
            },
            recipe={"rounds": used},
            loss_curve=LossCurve(validation=losses),
        )  # fmt: skip

    def _trained(
        self, place: Placement, watch: Block | None, prepared: Prepared, params: Mapping[str, Scalar]
    ) -> tuple[Any, tuple[float, ...]]:
        """Return the Booster and its losses on what is watched."""
        import lightgbm
        from lightgbm.dask import DaskLGBMRegressor

        name, client = self.candidate.name, self.client
        told = {name: value for name, value in params.items() if name != "num_threads"}  # the workers' own
        # The classifier would number each worker's own classes anew; the objective is log loss all the same.
        model = DaskLGBMRegressor(client=_InOrder(client), **told)
        fit = partial(
            model.fit,
            *_arrays(place),
            feature_name=plain_names(prepared.preprocessing.names),
            categorical_feature=list(prepared.preprocessing.code_outputs),
            **self._watching(place, watch),
        )
        try:
            watched(partial(_quietly, fit, client), client, place.workers, what=name)
        except lightgbm.basic.LightGBMError as error:
            require_idle(client, place.workers, what=name)
            client.gather([client.submit(_disconnect, workers=[one], pure=False) for one in place.workers])
            if NETWORK.search(str(error)):
                raise TrainingLost(f"{name}: the workers lost each other ({error}); start it again") from error
            raise FitError(f"{name}: {error}") from error
        losses = model.evals_result_["validation"]["binary_logloss"] if watch is not None else ()
        return model.booster_, tuple(map(float, losses))

    def _watching(self, place: Placement, watch: Block | None) -> dict[str, Any]:
        """Return what makes each worker measure the same rows, and stop where all do."""
        if watch is None:
            return {}
        copies = placed([watch] * len(place.workers), client=self.client, what=self.candidate.name)
        matrix, label = _arrays(copies)
        stop = [] if self.candidate.patience is None else [stop_early(self.candidate.patience)]
        return {"eval_X": matrix, "eval_y": label, "eval_names": ["validation"], "callbacks": stop}

    def _check_classes(self, labels: Sequence[NDArray[np.float64]]) -> None:
        for i, label in enumerate(labels):
            if not 0 < label.sum() < len(label):
                raise FitError(
                    f"{self.candidate.name}: of {len(label)} rows of worker {i + 1} of {len(labels)}, "
                    f"{int(label.sum())} are positive; each worker needs both classes: use fewer workers"
                )


@dataclass(frozen=True)
class _InOrder:
    """A client that tells where futures are in the order in which it is asked.

    LightGBM ranks the workers by it, and by their ranks it shares out what is summed; Dask's order is that of a set of
    random names, and each training would be another.
    """

    client: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def who_has(self, futures: Sequence[Any]) -> dict[str, Sequence[str]]:
        """Return the workers of each future by its key."""
        found = self.client.who_has(futures)
        return {one.key: found[one.key] for one in futures}


def _arrays(place: Placement) -> tuple[Any, Any]:
    """Return the blocks as Dask's arrays: a chunk is a block, and stays where it is."""
    from dask import array, delayed

    matrices = [
        array.from_delayed(delayed(matrix), shape, np.float32)
        for (matrix, _), shape in zip(place.parts, place.shapes, strict=True)
    ]
    labels = [
        array.from_delayed(delayed(label), shape[:1], np.float64)
        for (_, label), shape in zip(place.parts, place.shapes, strict=True)
    ]
    return array.concatenate(matrices), array.concatenate(labels)


def _quietly(fit: Callable[[], Any], client: Any) -> None:
    """Fit without what LightGBM's learner says to people: that it sets the threads, and looks for ports."""
    with client.as_current(), redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")
        fit()


def _disconnect() -> None:
    """Close the connections of Boosters that failed.

    Each would do so when Python collects it, and take those of the training with it that is under way then.
    """
    import lightgbm

    for one in gc.get_objects():
        if type(one) is lightgbm.Booster:
            one.free_network()


def _machines(text: bytes) -> int:
    """Return by how many workers a model was trained, as its text tells."""
    found = MACHINES.search(text)
    return int(found[1]) if found else 1
