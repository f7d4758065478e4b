"""A suspicion: which columns may tell what could not be known, how sure that is, and what to do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlsys_assets.types import Finding, Scalar, Severity

NAMED = 5
"""How many suspicions a summary tells."""


@dataclass(frozen=True)
class Suspicion:
    """What one test says against some columns.

    Parameters
    ----------
    columns
        Whose values it is about: feature columns, or those that name a group.
    severity
        ERROR where nothing honest gives such numbers; WARN where somebody should look.
    seen
        What was seen, with its numbers, in a clause: "alone ranks labels with an AUC of 0.879 [0.871, 0.886]".
    because
        Why that is suspect, in a sentence.
    remedy
        What to do, in a sentence.
    evidence
        The numbers.
    """

    columns: tuple[str, ...]
    severity: Severity
    seen: str
    because: str
    remedy: str
    evidence: Mapping[str, Scalar] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{' with '.join(self.columns)} {self.seen}. {self.because} {self.remedy}"


def finding_of(name: str, found: Iterable[Suspicion], *, clean: str, evidence: Mapping[str, Scalar]) -> Finding:
    """Return one finding of all suspicions of a test, the gravest first; ``clean`` is said where there are none.

    Parameters
    ----------
    name
        The check's.
    found
        The suspicions, in order of their weight among those of a severity.
    evidence
        What was looked at; what is said against the first columns is added.
    """
    ranked = sorted(found, key=lambda one: one.severity is not Severity.ERROR)
    if not ranked:
        return Finding(name, True, clean, Severity.WARN, evidence)
    more = f" And {len(ranked) - NAMED} more." if len(ranked) > NAMED else ""
    told = " ".join(map(str, ranked[:NAMED])) + more
    accused = ", ".join(dict.fromkeys(column for one in ranked for column in one.columns))
    return Finding(name, False, told, ranked[0].severity, {**evidence, **ranked[0].evidence, "columns": accused})
