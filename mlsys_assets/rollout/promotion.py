"""Promotion: a gate's verdict becomes a move of the champion alias, or does not, and either is on record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlsys_assets.ledger import PROMOTED

ROWS: Final = " rows"
"""How the gate's evidence of the rows of a test is named, after that test."""


class WrongModel(RuntimeError):
    """What is to be promoted is not what the gate passed: another model, other rows, or another gate."""


@dataclass(frozen=True)
class Promotion:
    """What to do with a challenger."""

    promote: bool
    verdict: str
    reason: str


def objection(*, retired: bool, lacks: str, later: str | None) -> str:
    """Return what is held against a refitted challenger since the gate passed its recipe; empty if nothing.

    Parameters
    ----------
    retired
        Whether rows that it learned from were erased since it was registered.
    lacks
        What it lacks on the static test beside the champion; empty if nothing.
    later
        What a later decision made champion meanwhile, in words; None if there was none.
    """
    if retired:
        return "the challenger is retired: rows that it learned from were erased meanwhile"
    if lacks:
        return f"the recipe passed, and its refit on the latest rows does not: {lacks}"
    return "" if later is None else f"too late: {later} stands by a later decision, which this one does not undo"


def decide_promotion(
    *,
    gate_passed: bool,
    gate_reason: str,
    challenger: str | None,
    champion: str | None,
    objection: str = "",
) -> Promotion:
    """Return whether a challenger becomes champion.

    Parameters
    ----------
    gate_passed, gate_reason
        The gate's verdict on the recipe.
    challenger, champion
        Content hashes of the refitted challenger (None if there is none) and of the champion (None if
        there is none yet).
    objection
        What is held against the refitted challenger since the gate, as ``objection`` tells it; empty if nothing.
    """
    if not gate_passed:
        return Promotion(False, "held", f"the gate did not pass: {gate_reason}")
    if challenger is None:
        return Promotion(False, "held", "the gate passed, but no refitted model is on record")
    if challenger == champion:
        return Promotion(False, "unchanged", "the challenger is the champion, byte for byte")
    if objection:
        return Promotion(False, "held", objection)
    return Promotion(True, PROMOTED, gate_reason)


@dataclass(frozen=True)
class Proof:
    """What must fit together before a model is promoted, as the ledger and the model's own passport say it.

    Parameters
    ----------
    training_set, candidate, evaluation, gate, refit
        The evidence of each record.
    gate_hash
        The gate record's own.
    registered
        The content hash, the gate's hash and the rows' hash that the passport of the version to be promoted names.
    """

    training_set: Mapping[str, Any]
    candidate: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    gate: Mapping[str, Any]
    refit: Mapping[str, Any]
    gate_hash: str
    registered: tuple[str, str, str]


def require_same(proof: Proof) -> None:
    """Raise WrongModel unless one model, evaluated on the rows of this training, passed the gate and was refitted.

    A promotion rests on a chain: these rows were split; on their tests this model was evaluated; of it and of them the
    gate spoke; by its word the recipe was refitted; and that is what was registered. Each link names the next by hash.
    """
    broken = [
        f"{what}: {found or 'not told'}, and must be {wanted or 'told'}"
        for what, found, wanted in _links(proof)
        if not wanted or found != wanted
    ]
    if broken:
        raise WrongModel(
            f"nothing was promoted: {'; '.join(broken)}; the records of this training do not belong together: see who "
            "wrote there, and train again as of another tick"
        )


def _links(proof: Proof) -> Iterator[tuple[str, object, object]]:
    """Yield what each link is, what it names, and what it must."""
    gate = proof.gate
    yield "the model that the gate passed", gate.get("model"), proof.candidate.get("model")
    judged = {name.removesuffix(ROWS) for name in gate if name.endswith(ROWS)}
    for split in sorted(judged | proof.evaluation.keys()) or ("any test",):
        told, rows = proof.evaluation.get(split, {}), gate.get(f"{split}{ROWS}")
        yield f"the model evaluated on {split}", told.get("model_hash"), gate.get("model")
        yield f"the rows of {split} evaluated on", told.get("data_hash"), rows
        yield f"the rows of {split} that the gate passed", rows, proof.training_set.get(f"{split} hash")
    if proof.refit.get("evaluated") is not None:
        yield "the model that goes on as it was evaluated", proof.refit.get("model"), gate.get("model")
    content_hash, gate_hash, rows_hash = proof.registered
    yield "the gate that was refitted for", proof.refit.get("gate"), proof.gate_hash
    yield "the model of the version", content_hash, proof.refit.get("model")
    yield "the gate in the version's passport", gate_hash, proof.gate_hash
    yield "the rows in the version's passport", rows_hash, proof.training_set.get("rows")
