"""The ladder: models from simple to complex, what each rung brings, and the simplest that is as good as any."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.measures.intervals import Estimate, Support
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.offline_evaluation.studies.repeats import Repeats, TestRows
from mlsys_assets.types import CHAMPION, Finding, Scalar, Severity

LEVEL = 0.05
"""The chance that the simplest of models as good as the best is passed over for one that is not so simple."""
EXISTING: Final = "existing"
FIVE: Final[Mapping[str, str]] = {
    "random": "random",
    "zero_rule": "zero rule",
    "group_rate": "heuristic",
    "human_rule": "human",
    CHAMPION: EXISTING,
}
"""The baselines that every report holds, by the kind of their predictor (Huyen 2022, ch. 6)."""
BASELINES = "five_baselines"


@dataclass(frozen=True)
class Rung:
    """A model of the ladder.

    Parameters
    ----------
    name
        The model.
    found
        The deciding metric.
    gain
        By how much it is better than the rung before, in the metric's unit; None of the first.
    gain_p
        The chance of such a gain or loss where there is none, corrected for all rungs (Holm 1979).
    behind
        By how much it is worse than the best; None of the best itself.
    behind_p
        The chance that noise alone puts it so far behind, corrected for all rungs.
    """

    name: str
    found: Estimate
    gain: Estimate | None
    gain_p: float
    behind: Estimate | None
    behind_p: float
    level: float = LEVEL

    @property
    def within_noise(self) -> bool:
        """Whether it is the best, or so near that noise may be all there is between them."""
        return self.behind is None or self.behind_p > self.level


@dataclass(frozen=True)
class Ladder:
    """Models from simple to complex on the same rows of one test.

    Parameters
    ----------
    metric
        The deciding metric.
    rungs
        The models, the simplest first.
    beside
        Models that stand on no rung, such as the champion, and what the recommended model gains over each.
    best
        The best rung's name; None where the rows cannot tell.
    recommended
        The simplest rung within noise of the best; None where the rows cannot tell.
    """

    metric: str
    split: str
    rungs: tuple[Rung, ...]
    beside: Mapping[str, tuple[Estimate, Estimate | None]]
    best: str | None
    recommended: str | None

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        rungs = [
            {
                "name": rung.name,
                "found": rung.found.as_dict(),
                "gain": rung.gain.as_dict() if rung.gain else None,
                "gain_p": None if rung.gain_p != rung.gain_p else rung.gain_p,
                "within_noise": rung.within_noise if self.best else None,
            }
            for rung in self.rungs
        ]
        return {"metric": self.metric, "split": self.split, "rungs": rungs, "recommended": self.recommended}

    def table(self) -> str:
        """Return the ladder as a Markdown table."""
        lines = [
            f"| model | {self.metric} on {self.split} | gain over the one before | p (Holm) | within noise of best |",
            "|---|---|---|---|---|",
        ]
        for rung in self.rungs:
            p = "" if rung.gain is None else f"{rung.gain_p:.3f}"
            near = "best" if rung.name == self.best else ("yes" if rung.within_noise else "no")
            lines.append(f"| {rung.name} | {rung.found} | {rung.gain or ''} | {p} | {near if self.best else ''} |")
        lines += [f"| {name} (beside) | {found} | | | |" for name, (found, _) in self.beside.items()]
        return "\n".join(lines)

    def text(self) -> str:
        """Return in words which model to take."""
        if self.best is None or self.recommended is None:
            return f"insufficient data on {self.split}: no rung can be recommended"
        if self.recommended == self.best:
            chosen = f"take {self.best}, the best: every simpler model is behind it by more than noise"
        else:
            chosen = f"take {self.recommended}, the simplest within noise of {self.best}, the best"
        over = [f"over {name} it gains {gain}" for name, (_, gain) in self.beside.items() if gain is not None]
        return "; ".join([chosen, *over])

    def plot(self) -> str:
        """Return the rungs as SVG, each with its interval."""
        return forest(
            {name: {self.metric: span} for name, span in self._spans().items()}, title="from simple to complex"
        )

    def thumbnail(self) -> str:
        """Return the rungs as Markdown that is seen at once, the most complex first."""
        return thumbnails.spans(dict(reversed(self._spans().items())), title=f"{self.metric} on {self.split}")

    def _spans(self) -> dict[str, tuple[float, float, float]]:
        return {r.name: (r.found.value, r.found.low, r.found.high) for r in self.rungs if r.found.sufficient}


def ladder(
    scored: Scored,
    order: Sequence[str],
    *,
    metric: Metric,
    seed: int = 0,
    support: Support | None = None,
    level: float = LEVEL,
) -> Ladder:
    """Return the ladder of the models named by ``order``, from simple to complex.

    The simplest model is recommended that noise alone may have put behind the best: a rule like that
    of one standard error (Breiman et al. 1984, ch. 3), but paired on the same days, and held against
    all rungs at once. Raises ValueError for a model without scores and for an order without models.
    """
    unknown = [name for name in order if name not in scored.scores]
    if unknown or not order or len(set(order)) < len(order):
        raise ValueError(
            f"order must name each model of the ladder once, of {sorted(scored.scores)}; got {list(order)}"
        )
    rows = TestRows.of(scored.label, scored.at, seed=seed, support=support)
    found = {name: rows.measure(metric, [score]) for name, score in scored.scores.items()}
    best = _best(metric, {name: found[name].estimate for name in order})
    gains: dict[str, _Step] = {b: _Step.of(found[b], found[a]) for a, b in pairwise(order)}
    behind = {name: _Step.of(found[best], found[name], one_sided=True) for name in order if best and name != best}
    gain_p, behind_p = _adjusted(gains), _adjusted(behind)
    rungs = tuple(
        Rung(
            name,
            found[name].estimate,
            gains[name].gain if name in gains else None,
            gain_p.get(name, float("nan")),
            behind[name].gain if name in behind else None,
            behind_p.get(name, float("nan")),
            level,
        )
        for name in order
    )
    recommended = next((rung.name for rung in rungs if rung.within_noise), None) if best else None
    beside = {
        name: (one.estimate, found[recommended].gain_over(one) if recommended else None)
        for name, one in found.items()
        if name not in order
    }
    return Ladder(metric.name, scored.split, rungs, beside, best, recommended)


def five_baselines(kinds: Iterable[str], *, champion: bool) -> Finding:
    """Find a baseline that a report lacks: random, zero rule, heuristic, human, existing, once there is a champion.

    Parameters
    ----------
    kinds
        The kinds of the candidates' predictors.
    champion
        Whether the champion is among the models; before the first there is none.
    """
    there = {*kinds, *([CHAMPION] if champion else [])}
    missing = [f"{role} ({kind})" for kind, role in FIVE.items() if kind not in there]
    held = [role for kind, role in FIVE.items() if kind in there]
    summary = f"the report holds {len(held)} of five baselines: {', '.join(held) or 'none'}"
    if missing:
        summary += f"; it lacks {', '.join(missing)}"
    if undeclared := [kind for kind in FIVE if kind not in there and kind != CHAMPION]:
        summary += f": declare candidates of the kinds {', '.join(undeclared)}"
    evidence: dict[str, Scalar] = {role: kind in there for kind, role in FIVE.items()}
    return Finding(BASELINES, not undeclared, summary, Severity.WARN, evidence)


@dataclass(frozen=True, eq=False)
class _Step:
    """From one model to another: the gain, and its chance where there is none."""

    gain: Estimate
    p: float

    @classmethod
    def of(cls, to: Repeats, start: Repeats, *, one_sided: bool = False) -> "_Step":
        gain = to.gain_over(start)
        return cls(gain, gain.p_above(0.0) if one_sided else gain.p_zero)


def _adjusted(steps: Mapping[str, _Step]) -> dict[str, float]:
    return dict(zip(steps, holm([step.p for step in steps.values()]).tolist(), strict=True))


def _best(metric: Metric, found: Mapping[str, Estimate]) -> str | None:
    """Return the best model, of equals the simplest; None where the rows tell of any too little."""
    if not all(one.sufficient for one in found.values()):
        return None
    sign = 1.0 if metric.higher_is_better else -1.0
    return max(found, key=lambda name: sign * found[name].value)
