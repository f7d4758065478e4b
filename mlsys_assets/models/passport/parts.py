"""The parts of a model's record: what the model is, by what it was made, from what, how good, and who asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from mlsys_assets.models.passport.declared import Json
from mlsys_assets.models.passport.environment import Dependencies
from mlsys_assets.models.passport.error import PassportError
from mlsys_assets.models.task import Classification
from mlsys_assets.types import Scalar

FOLDER: Final = "passport"
"""Where the parts lie beside a model's own files."""
CODE: Final = f"{FOLDER}/code.json"
"""The source text, which the part ``generation`` names by its hash."""
NONE_DECLARED: Final = "none declared"
"""Stands for an owner or a preprocessor that nobody declared: said, not left out."""


@dataclass(frozen=True)
class ColumnTold:
    """One column that the model may read."""

    name: str
    type: str
    unit: str


@dataclass(frozen=True)
class Definition:
    """What the model is: its task, its label, its columns and what it gives.

    Parameters
    ----------
    system, candidate
        Whose model, and by which candidate.
    declaration
        The candidate, as ``declared`` tells it.
    label
        What is predicted: its name, source, function, delay and window.
    columns
        Those of the features, in order.
    output
        What a score means.
    """

    system: str
    candidate: str
    declaration: Json
    label: Mapping[str, Scalar]
    columns: tuple[ColumnTold, ...]
    output: str = Classification().output


@dataclass(frozen=True)
class Parameters:
    """What was chosen before the fit, and what an earlier fit found; what was learned is the model's own files."""

    params: Mapping[str, Scalar]
    recipe: Mapping[str, Scalar]
    seed: int
    threads: int


@dataclass(frozen=True)
class FeatureTold:
    """What one feature column is, and the hash of all that computes it."""

    definition: str
    hash: str


@dataclass(frozen=True)
class FeaturizeAndPredict:
    """From a request to a score: the features, how they become numbers, and the files that score.

    Parameters
    ----------
    features
        By column.
    reads
        The columns that the model reads.
    preprocessing
        The declaration in words.
    kind, content_hash, content
        The bundle: its format, its hash, and that of each file.
    libraries
        The versions of what scores with it.
    """

    features: Mapping[str, FeatureTold]
    reads: tuple[str, ...]
    preprocessing: str
    kind: str
    content_hash: str
    content: Mapping[str, str]
    libraries: Mapping[str, str]


@dataclass(frozen=True)
class Data:
    """What it was made from.

    Parameters
    ----------
    as_of
        The moment it knew, ISO 8601.
    reading
        Which rows are read of the tables, as ``declared`` tells it.
    tables
        The content hash of what was read of each table.
    rows, rows_hash
        All that was known then.
    training_rows, training_hash
        What it was fitted on.
    """

    as_of: str
    reading: Json
    tables: Mapping[str, str]
    rows: int
    rows_hash: str
    training_rows: int
    training_hash: str


@dataclass(frozen=True)
class Attempt:
    """What one candidate of the decision was, and was given: its search space and budget stand in its declaration."""

    declaration: Json
    trials: int
    rows: int
    features: int


@dataclass(frozen=True)
class Generation:
    """How it was made.

    Parameters
    ----------
    code
        The hash of the source text beside this.
    split
        The split, with its embargo, as ``declared`` tells it.
    windows
        The prediction times of what it was fitted on and of each part that decided, as text.
    candidates
        All that competed, by name.
    window, changes
        The training window, as ``declared`` tells it, and since when the world was another, as it was told: ISO 8601.
        None is all that is known.
    refit
        Whether the recipe was fitted again, on all rows of the window; else it is the model that was evaluated.
    """

    code: str
    split: Json
    windows: Mapping[str, str]
    candidates: Mapping[str, Attempt] = field(default_factory=dict)
    window: Json = None
    changes: tuple[str, ...] = ()
    refit: bool = True


@dataclass(frozen=True)
class Experiment:
    """How good the recipe was, before it was refitted on the tests' rows too.

    Parameters
    ----------
    validation
        Each metric on the rows that chose.
    loss_curve
        Log loss by round, of each part; empty for what is not fitted in rounds.
    evaluations
        By model and test, the metrics with their intervals.
    comparisons
        By other model and test, the differences with their intervals.
    behavior
        By declared test, what it found.
    artifacts
        The hash of each picture that was made of it.
    """

    validation: Mapping[str, float]
    loss_curve: Mapping[str, tuple[float, ...]]
    evaluations: Mapping[str, Any] = field(default_factory=dict)
    comparisons: Mapping[str, Any] = field(default_factory=dict)
    behavior: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tags:
    """By what it is found."""

    owner: str
    task: str
    as_of: str
    candidate: str


@dataclass(frozen=True)
class Verdict:
    """One decision of the ledger."""

    kind: str
    name: str
    verdict: str
    reason: str
    content_hash: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """Who asked for it: the decision to train with the triggers' verdicts, and the gate that it passed."""

    retraining: tuple[Verdict, ...]
    triggers: tuple[Verdict, ...]
    gate: Verdict


@dataclass(frozen=True)
class Context:
    """What two equal trainings differ in: counters of the stores and ids of runs. Outside the passport's hash."""

    lake_versions: Mapping[str, int]
    dagster_run: str
    mlflow_run: str


Part = (
    Definition
    | Parameters
    | FeaturizeAndPredict
    | Dependencies
    | Data
    | Generation
    | Experiment
    | Tags
    | Asked
    | Context
)
P = TypeVar("P", bound=Part)
PARTS: Final[Mapping[str, tuple[type[Part], str]]] = {
    "definition": (Definition, "what the model is"),
    "parameters": (Parameters, "how it was set up"),
    "featurize_and_predict": (FeaturizeAndPredict, "how a request becomes a score"),
    "dependencies": (Dependencies, "what was installed"),
    "data": (Data, "which data it was made from"),
    "generation": (Generation, "how it was made"),
    "experiment": (Experiment, "how good it was found to be"),
    "tags": (Tags, "by what it is found"),
    "decision": (Asked, "who asked for it"),
    "context": (Context, "which runs and table versions"),
}
"""By the name of its file: each part, and what it answers."""


def files_of(*parts: Part) -> dict[str, bytes]:
    """Return parts as files by name; equal parts give equal bytes."""
    named = {kind: file_name(name) for name, (kind, _) in PARTS.items()}
    return {named[type(part)]: msgspec.json.encode(part, enc_hook=_plain, order="deterministic") for part in parts}


def part_of(files: Mapping[str, bytes], kind: type[P]) -> P:
    """Return one part of a record; raises PassportError if it is not there or not what was written."""
    (name,) = [name for name, (one, _) in PARTS.items() if one is kind]
    if file_name(name) not in files:
        raise PassportError(f"{name} ({PARTS[name][1]}) is missing: there is no {file_name(name)}")
    try:
        return msgspec.json.decode(files[file_name(name)], type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PassportError(f"{name} ({PARTS[name][1]}) is not what was written: {error}") from error


def _plain(value: object) -> object:
    """Return a number of NumPy as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be put on record")


def file_name(part: str) -> str:
    """Return the file of a part.

    >>> file_name("data")
    'passport/data.json'
    """
    return f"{FOLDER}/{part}.json"
