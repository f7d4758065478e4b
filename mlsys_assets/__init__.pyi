"""The public names, and where each is defined; ``__init__.py`` reads this file to load them on first use."""

from mlsys_assets.data_ingestion.casting import read_moments as read_moments
from mlsys_assets.data_ingestion.csv_file import CsvFile as CsvFile
from mlsys_assets.data_ingestion.parquet_file import ParquetFile as ParquetFile
from mlsys_assets.data_ingestion.source import (
    DELIVERED_AT as DELIVERED_AT,
    MALFORMED as MALFORMED,
    Reader as Reader,
    Reference as Reference,
    Rule as Rule,
    Source as Source,
    SourceKind as SourceKind,
)
from mlsys_assets.data_ingestion.source_changed import SourceChanged as SourceChanged
from mlsys_assets.data_labeling.natural_labels import NaturalLabel as NaturalLabel
from mlsys_assets.data_sampling.folds import Fold as Fold, FoldError as FoldError
from mlsys_assets.data_sampling.grouped_folds import GroupedFolds as GroupedFolds, LeaveGroupOut as LeaveGroupOut
from mlsys_assets.data_sampling.merge import merge_duplicates as merge_duplicates
from mlsys_assets.data_sampling.oversampling import oversample as oversample, undersample as undersample
from mlsys_assets.data_sampling.splits import TimeSplit as TimeSplit
from mlsys_assets.data_sampling.time_folds import BlockedFolds as BlockedFolds, WalkForward as WalkForward
from mlsys_assets.data_sampling.training_window import (
    Expanding as Expanding,
    Known as Known,
    SeasonMatched as SeasonMatched,
    SinceChange as SinceChange,
    SlidingWindow as SlidingWindow,
    TrainingWindow as TrainingWindow,
)
from mlsys_assets.data_sampling.views import (
    Train as Train,
    Validation as Validation,
)
from mlsys_assets.definitions import build_definitions as build_definitions
from mlsys_assets.features.aggregate import (
    age as age,
    count as count,
    distinct as distinct,
    history as history,
    last as last,
    maximum as maximum,
    mean as mean,
    minimum as minimum,
    rate as rate,
    sum as sum,
    variance as variance,
)
from mlsys_assets.features.derived import Backoff as Backoff, Derived as Derived
from mlsys_assets.features.key import Key as Key
from mlsys_assets.features.leakage.detective import LeakageDetective as LeakageDetective
from mlsys_assets.features.leakage.examination import Accepted as Accepted
from mlsys_assets.features.lookup import Lookup as Lookup
from mlsys_assets.features.preprocessing.cross import Cross as Cross
from mlsys_assets.features.preprocessing.encoding import (
    Codes as Codes,
    Encoding as Encoding,
    Frequency as Frequency,
    Hashed as Hashed,
    OneHot as OneHot,
)
from mlsys_assets.features.preprocessing.imputation import (
    Constant as Constant,
    Imputation as Imputation,
    Leave as Leave,
    Mean as Mean,
    Median as Median,
    Mode as Mode,
)
from mlsys_assets.features.preprocessing.numeric import Numeric as Numeric
from mlsys_assets.features.preprocessing.preprocessor import (
    FOR_TREES as FOR_TREES,
    Drop as Drop,
    Prepared as Prepared,
    Preprocessor as Preprocessor,
)
from mlsys_assets.features.preprocessing.scaling import (
    MinMax as MinMax,
    Robust as Robust,
    Scaler as Scaler,
    Standard as Standard,
)
from mlsys_assets.features.preprocessing.sklearn_transformer import PreprocessingTransformer as PreprocessingTransformer
from mlsys_assets.features.preprocessing.target_rate import TargetRate as TargetRate
from mlsys_assets.features.request import Request as Request
from mlsys_assets.features.scheduled import Scheduled as Scheduled
from mlsys_assets.features.trailing import Trailing as Trailing
from mlsys_assets.measures.cost_metric import ExpectedCost as ExpectedCost
from mlsys_assets.measures.costs import CostMatrix as CostMatrix
from mlsys_assets.measures.decision_metrics import (
    F1 as F1,
    BalancedAccuracy as BalancedAccuracy,
    MatthewsCorrelation as MatthewsCorrelation,
    Precision as Precision,
    Recall as Recall,
)
from mlsys_assets.measures.intervals import Support as Support
from mlsys_assets.measures.metrics import (
    Accuracy as Accuracy,
    Brier as Brier,
    Ece as Ece,
    LogLoss as LogLoss,
    Metric as Metric,
    PrAuc as PrAuc,
    RocAuc as RocAuc,
    Weights as Weights,
)
from mlsys_assets.measures.prevalence import PrAucGain as PrAucGain
from mlsys_assets.measures.ranking_metrics import (
    MeanAveragePrecision as MeanAveragePrecision,
    MeanReciprocalRank as MeanReciprocalRank,
    Ndcg as Ndcg,
)
from mlsys_assets.measures.regression_metrics import (
    R2 as R2,
    MeanAbsoluteError as MeanAbsoluteError,
    PinballLoss as PinballLoss,
    RootMeanSquaredError as RootMeanSquaredError,
)
from mlsys_assets.models.baselines import (
    GroupRate as GroupRate,
    ZeroRule as ZeroRule,
)
from mlsys_assets.models.blend import Blend as Blend
from mlsys_assets.models.calibration import (
    Calibrated as Calibrated,
    CalibrationMethod as CalibrationMethod,
    Isotonic as Isotonic,
    Platt as Platt,
)
from mlsys_assets.models.candidate import (
    Candidate as Candidate,
    FitError as FitError,
    Fitted as Fitted,
    LossCurve as LossCurve,
)
from mlsys_assets.models.compression.compressed import Compressed as Compressed
from mlsys_assets.models.compression.distillation import Distillation as Distillation
from mlsys_assets.models.compression.low_rank import LowRank as LowRank
from mlsys_assets.models.compression.magnitude_pruning import MagnitudePruning as MagnitudePruning
from mlsys_assets.models.compression.method import CompressionMethod as CompressionMethod
from mlsys_assets.models.compression.onnx_export import OnnxExport as OnnxExport
from mlsys_assets.models.compression.quantization import Quantization as Quantization
from mlsys_assets.models.compression.tree_pruning import TreePruning as TreePruning
from mlsys_assets.models.compression.truncation import Truncation as Truncation
from mlsys_assets.models.ensembles.bagging import Bagging as Bagging
from mlsys_assets.models.ensembles.meta import LogisticMeta as LogisticMeta
from mlsys_assets.models.ensembles.stacking import Stacking as Stacking
from mlsys_assets.models.estimator import Estimator as Estimator
from mlsys_assets.models.explanation import (
    Contributions as Contributions,
    Explainable as Explainable,
)
from mlsys_assets.models.gradient_boosting import LightGBM as LightGBM
from mlsys_assets.models.human_rule import (
    HumanRule as HumanRule,
    When as When,
)
from mlsys_assets.models.linear import LogisticRegression as LogisticRegression
from mlsys_assets.models.mlp import Mlp as Mlp
from mlsys_assets.models.objectives import (
    Combined as Combined,
    Objective as Objective,
)
from mlsys_assets.models.predictor import Predictor as Predictor
from mlsys_assets.models.prior_correction import Trust as Trust
from mlsys_assets.models.random_baseline import RandomBaseline as RandomBaseline
from mlsys_assets.models.random_forest import RandomForest as RandomForest
from mlsys_assets.models.regression import RegressedLightGBM as RegressedLightGBM
from mlsys_assets.models.sgd import Sgd as Sgd
from mlsys_assets.models.stateful.stateful import Stateful as Stateful
from mlsys_assets.models.stateful.tree_updates import MoreTrees as MoreTrees, NewLeaves as NewLeaves
from mlsys_assets.models.task import (
    Classification as Classification,
    MultiClass as MultiClass,
    PlainRegression as PlainRegression,
    Regression as Regression,
    with_target as with_target,
)
from mlsys_assets.models.tuning.automl import AutoML as AutoML, Family as Family
from mlsys_assets.models.tuning.pruners import HalvingPruner as HalvingPruner, MedianPruner as MedianPruner
from mlsys_assets.models.tuning.samplers import GridSearch as GridSearch, RandomSearch as RandomSearch, Tpe as Tpe
from mlsys_assets.models.tuning.space import Choice as Choice, Integers as Integers, Reals as Reals
from mlsys_assets.models.tuning.tuned import Tuned as Tuned
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import BehavioralTest as BehavioralTest
from mlsys_assets.offline_evaluation.behavior.directional import Directional as Directional
from mlsys_assets.offline_evaluation.behavior.edge_cases import (
    Between as Between,
    EdgeCase as EdgeCase,
    Higher as Higher,
    Lower as Lower,
)
from mlsys_assets.offline_evaluation.behavior.invariance import (
    Invariant as Invariant,
    RowsAlone as RowsAlone,
)
from mlsys_assets.offline_evaluation.behavior.perturbation import Perturbed as Perturbed
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings as Readings
from mlsys_assets.offline_evaluation.challenger import (
    Best as Best,
    SimplestWithinNoise as SimplestWithinNoise,
)
from mlsys_assets.offline_evaluation.champion_gate import (
    NonInferiority as NonInferiority,
    Superiority as Superiority,
)
from mlsys_assets.offline_evaluation.choices.thresholds import (
    ByCost as ByCost,
    ByPrecision as ByPrecision,
    ByRecall as ByRecall,
    ByShare as ByShare,
    ThresholdPolicy as ThresholdPolicy,
)
from mlsys_assets.offline_evaluation.choices.worth import Worth as Worth
from mlsys_assets.offline_evaluation.confidence.confidence import Abstention as Abstention
from mlsys_assets.offline_evaluation.gates import Gates as Gates
from mlsys_assets.offline_evaluation.slicing.decision_rates import (
    DEMOGRAPHIC_PARITY as DEMOGRAPHIC_PARITY,
    EQUALIZED_ODDS as EQUALIZED_ODDS,
    FalsePositiveRate as FalsePositiveRate,
    PositivePredictiveValue as PositivePredictiveValue,
    Rate as Rate,
    RightlyDecided as RightlyDecided,
    SelectionRate as SelectionRate,
    TruePositiveRate as TruePositiveRate,
)
from mlsys_assets.offline_evaluation.slicing.fairness import Fairness as Fairness
from mlsys_assets.offline_evaluation.slicing.slice_finder import SliceFinder as SliceFinder
from mlsys_assets.offline_evaluation.slicing.slices import (
    Bands as Bands,
    Slice as Slice,
    Slicing as Slicing,
)
from mlsys_assets.offline_evaluation.studies.budgets import (
    Budget as Budget,
    BudgetLedger as BudgetLedger,
    Unequal as Unequal,
    comparable as comparable,
)
from mlsys_assets.offline_evaluation.studies.extrapolation import extrapolate as extrapolate
from mlsys_assets.offline_evaluation.studies.ladder import (
    five_baselines as five_baselines,
    ladder as ladder,
)
from mlsys_assets.offline_evaluation.studies.learning_curve import LearningCurveStudy as LearningCurveStudy
from mlsys_assets.production_monitoring.alerting import (
    Alerting as Alerting,
    Hold as Hold,
    Route as Route,
)
from mlsys_assets.production_monitoring.concept.detectors import (
    Adwin as Adwin,
    Ddm as Ddm,
    PageHinkley as PageHinkley,
)
from mlsys_assets.production_monitoring.declared_rules import (
    Matches as Matches,
    Ordered as Ordered,
    Within as Within,
)
from mlsys_assets.production_monitoring.diagnosis import (
    Cause as Cause,
    Diagnosis as Diagnosis,
    Remedy as Remedy,
)
from mlsys_assets.production_monitoring.drift.classifier_test import ClassifierTest as ClassifierTest
from mlsys_assets.production_monitoring.drift.kernel_test import KernelTest as KernelTest
from mlsys_assets.production_monitoring.drift.references import (
    Cumulative as Cumulative,
    SameSeason as SameSeason,
    Sliding as Sliding,
)
from mlsys_assets.production_monitoring.drift.shifted import ShiftLimits as ShiftLimits
from mlsys_assets.production_monitoring.drift.usual import Usual as Usual
from mlsys_assets.production_monitoring.feedback.degeneration import Degeneration as Degeneration
from mlsys_assets.production_monitoring.feedback.exploration import (
    EpsilonGreedy as EpsilonGreedy,
    Greedy as Greedy,
    Thompson as Thompson,
)
from mlsys_assets.production_monitoring.feedback.feedback_log import FeedbackLog as FeedbackLog
from mlsys_assets.production_monitoring.feedback.position import PositionFeature as PositionFeature
from mlsys_assets.production_monitoring.feedback.propensity import policy_value as policy_value
from mlsys_assets.production_monitoring.monitoring import Monitoring as Monitoring
from mlsys_assets.production_monitoring.pipeline.bugs import PipelineTests as PipelineTests
from mlsys_assets.production_monitoring.shift_kind.kinds import KindLimits as KindLimits
from mlsys_assets.production_monitoring.weekly.facts import Words as Words
from mlsys_assets.retraining.arbiter import Retraining as Retraining
from mlsys_assets.retraining.automation import decided_to_train as decided_to_train
from mlsys_assets.retraining.by_drift import Drift as Drift
from mlsys_assets.retraining.by_function import trigger as trigger
from mlsys_assets.retraining.by_performance import PerformanceDrop as PerformanceDrop
from mlsys_assets.retraining.by_time import Every as Every
from mlsys_assets.retraining.by_volume import LabelVolume as LabelVolume
from mlsys_assets.retraining.condition import (
    AllOf as AllOf,
    AnyOf as AnyOf,
    Combinable as Combinable,
)
from mlsys_assets.retraining.freshness import (
    FreshnessStudy as FreshnessStudy,
    windows_before as windows_before,
)
from mlsys_assets.retraining.history import History as History
from mlsys_assets.retraining.learning import Learning as Learning
from mlsys_assets.retraining.policy import Policy as Policy
from mlsys_assets.retraining.stage import Stage as Stage
from mlsys_assets.retraining.training_cost import TrainingCost as TrainingCost
from mlsys_assets.retraining.trigger import (
    Answer as Answer,
    Trigger as Trigger,
    TriggerVerdict as TriggerVerdict,
    said as said,
    unknown as unknown,
)
from mlsys_assets.retraining.worth_it import WorthIt as WorthIt
from mlsys_assets.system import (
    PROBE as PROBE,
    MLSystem as MLSystem,
    Requests as Requests,
)
from mlsys_assets.tables import (
    EVENT_TIME as EVENT_TIME,
    KNOWN_AT as KNOWN_AT,
    SOURCE_FILE as SOURCE_FILE,
    SOURCE_LINE as SOURCE_LINE,
    Column as Column,
)
from mlsys_assets.types import (
    Calendar as Calendar,
    Clock as Clock,
    Daily as Daily,
    DeclarationError as DeclarationError,
    Finding as Finding,
    FixedClock as FixedClock,
    Hourly as Hourly,
    Severity as Severity,
    SystemClock as SystemClock,
    TimeWindow as TimeWindow,
    Weekly as Weekly,
    days as days,
    hours as hours,
    minutes as minutes,
    utc as utc,
)
from mlsys_assets.value_analysis.gain_per_compute import (
    GainStudy as GainStudy,
    Step as Step,
)
from mlsys_assets.workspace import Workspace as Workspace
