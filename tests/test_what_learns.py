"""Whatever learns refuses what it must not learn from: every such function of the package is found and tried."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

import mlsys_assets
from mlsys_assets.data_sampling.grouped_folds import GroupedFolds, LeaveGroupOut
from mlsys_assets.data_sampling.oversampling import oversample
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.time_folds import BlockedFolds, WalkForward
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation, View
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Categorical, Hashed, OneHot
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.features.preprocessing.sklearn_transformer import PreprocessingTransformer
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.compression.compressed import Compressed
from mlsys_assets.models.compression.distillation import Distillation
from mlsys_assets.models.compression.truncation import Truncation
from mlsys_assets.models.distributed.dask_training import DaskTraining
from mlsys_assets.models.distributed.lines import DataParallelLine
from mlsys_assets.models.distributed.one_task import OneTask
from mlsys_assets.models.distributed.placed_candidate import Placed
from mlsys_assets.models.distributed.trees import DataParallelTrees
from mlsys_assets.models.ensembles.bagging import Bagging
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.estimator import Estimator
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.human_rule import HumanRule, When
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.regression import RegressedLightGBM
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.task import Regression
from mlsys_assets.models.tuning.automl import AutoML, Family
from mlsys_assets.models.tuning.search import SearchContext
from mlsys_assets.models.tuning.space import Reals
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.offline_evaluation.choices.thresholds import ByCost, ByPrecision, ByShare
from mlsys_assets.types import TimeWindow, days, hours

LEARNS = re.compile(r"(re)?fit(_\w+)?|go_on|choose|folds|(over|under|re)sample")
"""What a function is called that fits, goes on, chooses or cuts."""
DAGSTER_SIDE = re.compile(r"\.(assets|fitting|logbook|passport_writer|sensors|controller|shown)$")


def bayes() -> object:
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


MADE = {
    "AutoML": AutoML((Family(GroupRate(by=("c",)), {"strength": Reals(1, 9)}),), trials=1),
    "Bagging": Bagging(ZeroRule(), n=2),
    "BlockedFolds": BlockedFolds(2, hours(1)),
    "ByCost": ByCost(CostMatrix(false_positive=1, false_negative=5, unit="min")),
    "ByPrecision": ByPrecision(0.5),
    "ByShare": ByShare(0.5),
    "Calibrated": Calibrated(ZeroRule()),
    "Compressed": Compressed(ZeroRule(), Truncation(rounds=1)),
    "Cross": Cross(("c", "d"), OneHot()),
    "DaskTraining": DaskTraining(client=None),
    "DataParallelLine": DataParallelLine(LogisticRegression(), client=None, workers=2),
    "DataParallelTrees": DataParallelTrees(LightGBM(), client=None, workers=2),
    "Distillation": Distillation(ZeroRule(), LightGBM()),
    "Estimator": Estimator(bayes, name="bayes"),
    "GroupRate": GroupRate(by=("c",)),
    "GroupedFolds": GroupedFolds(2, ("c",)),
    "Hashed": Hashed(8),
    "HumanRule": HumanRule((When("x", ">", 1.0),)),
    "LeaveGroupOut": LeaveGroupOut(("c",)),
    "OneTask": OneTask(ZeroRule(), client=None),
    "Placed": Placed(ZeroRule(), by=ZeroRule()),
    "PreprocessingTransformer": PreprocessingTransformer(Preprocessor()),
    "Stacking": Stacking((ZeroRule(), GroupRate(by=("c",))), WalkForward(1, days(1), hours(1))),
    "RegressedLightGBM": RegressedLightGBM(Regression("label", cut=0.5)),
    "Tuned": Tuned(GroupRate(by=("c",)), {"strength": Reals(1, 9)}, trials=1),
    "WalkForward": WalkForward(1, days(1), hours(1)),
}
"""How to make what cannot be made without being told something."""
WINDOW = TimeWindow.of("2013-03-01", "2013-03-11")


def found() -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield every function of the pure side that is called so and takes a Train or a Validation view."""
    for module in pkgutil.walk_packages(mlsys_assets.__path__, "mlsys_assets."):
        stage = module.name.count(".") > 1 and not module.ispkg
        if not stage or DAGSTER_SIDE.search(module.name) or re.search(r"\.(systems|commands)\.", module.name):
            continue
        for name, one in vars(importlib.import_module(module.name)).items():
            if getattr(one, "__module__", "") != module.name or getattr(one, "_is_protocol", False):
                continue
            parts = [name] if inspect.isfunction(one) else []
            if inspect.isclass(one):
                parts = [f"{name}.{own}" for own, f in vars(one).items() if inspect.isfunction(f) or _shared(f)]
            for part in parts:
                called = inspect.unwrap(_function(one, part))
                if LEARNS.fullmatch(part.rsplit(".", 1)[-1]) and _views(called):
                    yield f"{module.name.removeprefix('mlsys_assets.')}.{part}", called


def _shared(member: object) -> bool:
    return isinstance(member, classmethod | staticmethod)


def _function(one: object, part: str) -> Callable[..., object]:
    """Return the function, or the method of an object that can be made without being told anything, or is in MADE."""
    if "." not in part:
        return one
    owner, own = part.split(".")
    if not LEARNS.fullmatch(own) or _shared(inspect.getattr_static(one, own)):
        return getattr(one, own)
    views = [p.annotation for p in inspect.signature(getattr(one, own)).parameters.values()]
    if Train not in views and Validation not in views:
        return getattr(one, own)
    needs = [p.name for p in inspect.signature(one).parameters.values() if p.default is inspect.Parameter.empty]
    assert owner in MADE or not needs, f"say in MADE how a {owner} is made: it needs {needs}"
    return getattr(MADE[owner] if owner in MADE else one(), own)


def _views(function: Callable[..., object]) -> dict[str, type[View]]:
    parameters = inspect.signature(function).parameters
    return {n: p.annotation for n, p in parameters.items() if p.annotation in {Train, Validation}}


ALL = dict(found())


def view(kind: type[View]) -> View:
    n = 240
    at = np.datetime64("2013-03-01", "us") + np.arange(n) * np.timedelta64(1, "h")
    columns = {"x": np.arange(n, dtype=np.float32), "c": ["ab"[i % 2] for i in range(n)]}
    return kind(pa.array([f"r{i}" for i in range(n)]), at, pa.table(columns), (np.arange(n) % 3 == 0) * 1.0, WINDOW)


def asked(function: Callable[..., object]) -> dict[str, object]:
    """Return an argument for each parameter that has no default."""
    column = Categorical.read(view(Train).features, ("c",))
    known = {
        "candidate": ZeroRule(),
        "column": column,
        "seed": 0,
        "threads": 1,
        "share": 0.5,
        "recipe": {"rounds": 1},
        "preprocessor": Preprocessor(),
        "watch": lambda step, loss: False,
        "context": SearchContext(),
        "score": np.linspace(0, 1, 240),
        "soft": np.linspace(0, 1, 240),
        "by": Stateful(),
    }
    known["column"] = column
    views = {name: view(kind) for name, kind in _views(function).items()}
    empty = inspect.Parameter.empty
    if function.__name__ == "go_on":
        known["parent"] = function.__self__.refit(view(Train), recipe={"rounds": 1}, seed=0, threads=1).predictor
    needed = [n for n, p in inspect.signature(function).parameters.items() if p.default is empty and n not in views]
    assert set(needed) <= set(known), f"say here what {function.__qualname__} is given as {set(needed) - set(known)}"
    return views | {name: known[name] for name in needed}


def wrong(kind: type[View]) -> dict[str, object]:
    """Return everything that is no such view."""
    own, opened = view(Train), view(OpenedTest)
    state = pa.array(["labelled"] * len(own))
    others = {
        "train": own,
        "validation": view(Validation),
        "opened test": opened,
        "sealed test": Test(opened, name="recent_test", content_hash="0", as_of=WINDOW.end),
        "plain view": view(View),
        "unsplit rows": LabelledRows(own.ids, own.at, own.features, own.label, own.at, state, timedelta(days=1)),
        "table": own.features,
        "nothing": None,
    }
    return {name: one for name, one in others.items() if not isinstance(one, kind)}


@pytest.mark.parametrize("name", ALL)
def test_what_learns_refuses_every_other_view(name: str) -> None:
    function = ALL[name]
    for parameter, kind in _views(function).items():
        for other in wrong(kind).values():
            with pytest.raises(TypeError, match=f"a {kind.__name__} view only"):
                function(**{**asked(function), parameter: other})


def test_rows_drawn_anew_are_fitted_on_but_not_cut() -> None:
    drawn = oversample(view(Train), share=0.5, seed=0)
    cut = [name for name in ALL if re.search(r"folds$|sample$", name)]
    assert len(cut) >= 6
    for name in cut:
        with pytest.raises(TypeError, match="cut the Train view first"):
            ALL[name](**{**asked(ALL[name]), "train": drawn})
    assert ZeroRule().fit(drawn, view(Validation), seed=0, threads=1).predict(drawn.features)[0] == pytest.approx(0.5)


def test_what_is_known_to_learn_is_found() -> None:
    names = {name.split(".", 1)[1] for name in ALL}
    assert names >= {
        "baselines.ZeroRule.fit", "baselines.GroupRate.refit", "linear.LogisticRegression.fit",
        "gradient_boosting.LightGBM.refit", "mlp.Mlp.refit", "calibration.Calibrated.fit",
        "gradient_boosting.LightGBM.go_on", "sgd.Sgd.go_on",
        "regression.RegressedLightGBM.refit", "choices.thresholds.ByCost.choose",
        "choices.thresholds.ByShare.choose", "slicing.isolation.Isolation.fit",
        "oversampling.oversample", "time_folds.WalkForward.folds", "grouped_folds.LeaveGroupOut.folds",
    }  # fmt: skip
    assert any(name.startswith("features.preprocessing.") for name in ALL)
