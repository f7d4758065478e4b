"""How a model is trained on from its last state, in place of from scratch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stateful:
    """Candidates that can go on from the champion do so, on the rows that it has not seen; the others start anew."""

    def mistakes(self) -> list[str]:
        """Nothing can be wrong with it."""
        return []
