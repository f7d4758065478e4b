"""Which methods are worth a try on a model: by what it is made of."""

from functools import singledispatch

from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.compact_linear_predictor import CompactLinearPredictor
from mlsys_assets.models.compression.low_rank import LowRank
from mlsys_assets.models.compression.magnitude_pruning import MagnitudePruning
from mlsys_assets.models.compression.method import CompressionMethod
from mlsys_assets.models.compression.onnx_export import OnnxExport
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.compression.tree_pruning import TreePruning
from mlsys_assets.models.compression.truncation import Truncation
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.margin_predictor import MarginPredictor
from mlsys_assets.models.mlp_predictor import MlpPredictor
from mlsys_assets.models.predictor import Predictor

Methods = tuple[CompressionMethod, ...]

OF_TREES: Methods = (Truncation(share=0.5), TreePruning(0.5), OnnxExport(), OnnxExport(double=False))
OF_LINES: Methods = (Quantization(8), Quantization(16), MagnitudePruning(), OnnxExport())
OF_NETWORKS: Methods = (Quantization(8), Quantization(16), MagnitudePruning(), LowRank(energy=0.8), OnnxExport())
"""Of boosted trees, of linear models, and of networks."""


@singledispatch
def methods_for(_: Predictor) -> Methods:
    """Return the methods worth a try on a model: none for a kind that no function is registered for.

    A kind is added by ``@methods_for.register``. One that holds another model, as a calibrated one, has none:
    compress what is within, and calibrate that.

    >>> from mlsys_assets.models.baselines import ZeroRulePredictor
    >>> methods_for(ZeroRulePredictor(0.5))
    ()
    """
    return ()


@methods_for.register(BoosterPredictor)
@methods_for.register(MarginPredictor)
def _trees(_: Predictor) -> Methods:
    return OF_TREES


@methods_for.register(LinearPredictor)
@methods_for.register(CompactLinearPredictor)
def _line(_: Predictor) -> Methods:
    return OF_LINES


@methods_for.register(MlpPredictor)
def _network(_: Predictor) -> Methods:
    return OF_NETWORKS
