"""Several objectives at once: quality, cost, latency, size and how well a model can be read, with the Pareto front."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.pareto import BETTER, UNDOMINATED, Better, dominators
from mlsys_assets.mistakes import alike
from mlsys_assets.models.blend import BlendPredictor
from mlsys_assets.models.calibrated_predictor import CalibratedPredictor
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.stack_predictor import StackPredictor


class Interpretability(IntEnum):
    """How well people can read why a row got its score: a declared rank, the higher the better."""

    OPAQUE = 0
    """A network, a graph, anybody's estimator: methods that approximate it may explain it, none of them here."""
    TREES = 1
    """Hundreds of trees: only explained by methods that approximate them."""
    LINEAR = 2
    """One weight an output."""
    RATES = 3
    """A table to be looked up."""
    CONSTANT = 4
    """One number."""


RANKS: Final[Mapping[str, Interpretability]] = {
    "zero_rule": Interpretability.CONSTANT,
    "random": Interpretability.CONSTANT,
    "group_rate": Interpretability.RATES,
    "human_rule": Interpretability.RATES,
    "linear": Interpretability.LINEAR,
    "compact_linear": Interpretability.LINEAR,
    "sgd": Interpretability.LINEAR,
    "lightgbm": Interpretability.TREES,
    "lightgbm_margin": Interpretability.TREES,
    "lightgbm_exceedance": Interpretability.TREES,
    "estimator": Interpretability.OPAQUE,
    "mlp": Interpretability.OPAQUE,
    "onnx": Interpretability.OPAQUE,
}
"""The rank of each kind of predictor."""
COST: Final[tuple[str, Better]] = ("cost", "lower")
COLUMNS: Final[tuple[tuple[str, Better], ...]] = (
    ("latency", "lower"),
    ("size", "lower"),
    ("interpretability", "higher"),
)
"""The objectives beside quality and cost, and which of their values are better."""


def interpretability(predictor: Predictor) -> Interpretability:
    """Return the rank of a model; one of several parts as its worst part, a calibrated one as the inner."""
    if isinstance(predictor, CalibratedPredictor):
        return interpretability(predictor.within)
    if isinstance(predictor, BlendPredictor | StackPredictor):
        return min(interpretability(part) for _, part in predictor.parts)
    return RANKS[predictor.kind]


@dataclass(frozen=True)
class Option:
    """One model with all that is wanted of it.

    Parameters
    ----------
    model
        Its name.
    quality
        Its metric on rows it never saw.
    latency
        Processor time of one row [µs], as the caller measured it: alike for all models.
    size
        Bytes of its bundle.
    interpretability
        Its rank.
    cost
        Mean cost of a request on the same rows; None where no costs are declared.
    """

    model: str
    quality: Estimate
    latency: float
    size: int
    interpretability: Interpretability
    cost: Estimate | None = None

    @property
    def told(self) -> bool:
        """Whether quality and cost rest on enough rows."""
        return self.quality.sufficient and (self.cost is None or self.cost.sufficient)


@dataclass(frozen=True)
class TradeOff:
    """An option and its place: ``dominated_by`` names a model as good in every respect and better in one.

    An option of insufficient data is compared with none.
    """

    option: Option
    dominated_by: str | None = None

    @property
    def on_front(self) -> bool:
        """Whether choosing it gives up something for something."""
        return self.option.told and self.dominated_by is None


@dataclass(frozen=True)
class TradeOffs:
    """All options with their places, in the order they were given.

    Parameters
    ----------
    quality
        The metric's name, and which of its values are better.
    unit
        What cost is counted in; None where it is not compared.
    rows
        The options.
    """

    quality: tuple[str, Better]
    rows: Sequence[TradeOff] = field(default_factory=tuple)
    unit: str | None = None

    @property
    def front(self) -> tuple[str, ...]:
        """The models that no other dominates."""
        return tuple(row.option.model for row in self.rows if row.on_front)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"quality": list(self.quality), "unit": self.unit, "rows": [_as_dict(row) for row in self.rows]}


def trade_offs(options: Sequence[Option], *, quality: tuple[str, Better], unit: str | None = None) -> TradeOffs:
    """Return the options with their places on the Pareto front of all their objectives.

    Values are compared as they are, not by their intervals: what lies within chance of each other may
    dominate. So the table greys and does not decide; gates do.

    Parameters
    ----------
    options
        The models, measured on the same rows and by the same clock.
    quality
        The metric's name, and which of its values are better.
    unit
        What cost is counted in.

    Raises ValueError for a name that stands twice, where only some options have a cost, and for a latency or
    size that is none.
    """
    if quality[1] not in BETTER:
        raise ValueError(f"{quality[0]!r} is better when {quality[1]!r}; it must be one of {', '.join(BETTER)}")
    if mistakes := alike("option", [option.model for option in options]):
        raise ValueError("; ".join(mistakes))
    costed = {option.cost is not None for option in options}
    if len(costed) > 1:
        without = [option.model for option in options if option.cost is None]
        raise ValueError(f"{without} have no cost and others have; measure it of all models, or of none")
    if odd := [o.model for o in options if not (np.isfinite(o.latency) and o.latency >= 0 and o.size >= 0)]:
        raise ValueError(f"{odd} have a latency or a size that is no number from 0 on; measure them anew")
    told = [option for option in options if option.told]
    beside = (*((COST,) if True in costed else ()), *COLUMNS)
    better = (quality[1], *(way for _, way in beside))
    points = np.array([_values(option) for option in told]).reshape(len(told), len(better))
    by = dominators(points, better).tolist()
    named = {o.model: None if b == UNDOMINATED else told[b].model for o, b in zip(told, by, strict=True)}
    return TradeOffs(quality, tuple(TradeOff(o, named.get(o.model)) for o in options), unit)


def _values(option: Option) -> list[float]:
    cost = [] if option.cost is None else [option.cost.value]
    return [option.quality.value, *cost, *(float(getattr(option, name)) for name, _ in COLUMNS)]


def _as_dict(row: TradeOff) -> dict[str, Any]:
    own = asdict(row.option) | {"interpretability": row.option.interpretability.name.lower()}
    own["quality"] = row.option.quality.as_dict()
    own["cost"] = None if row.option.cost is None else row.option.cost.as_dict()
    return own | {"dominated_by": row.dominated_by, "on_front": row.on_front}
