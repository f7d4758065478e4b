"""Promotion: a gate's verdict becomes a move of the champion alias, or does not, and either is on record."""

from dataclasses import dataclass

from mlsys_assets.ledger import PROMOTED


@dataclass(frozen=True)
class Promotion:
    """What to do with a challenger."""

    promote: bool
    verdict: str
    reason: str


def decide_promotion(
    *, gate_passed: bool, gate_reason: str, challenger: str | None, champion: str | None, later: str | None = None
) -> Promotion:
    """Return whether a challenger becomes champion.

    Parameters
    ----------
    gate_passed, gate_reason
        The gate's verdict on the recipe.
    challenger, champion
        Content hashes of the refitted challenger (None if there is none) and of the champion (None if
        there is none yet).
    later
        What a later decision made champion meanwhile, in words; None if there was none.
    """
    if not gate_passed:
        return Promotion(False, "held", f"the gate did not pass: {gate_reason}")
    if challenger is None:
        return Promotion(False, "held", "the gate passed, but no refitted model is on record")
    if challenger == champion:
        return Promotion(False, "unchanged", "the challenger is the champion, byte for byte")
    if later is not None:
        return Promotion(False, "held", f"too late: {later} stands by a later decision, which this one does not undo")
    return Promotion(True, PROMOTED, gate_reason)
