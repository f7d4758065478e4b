"""What monitoring says of its numbers; none of it stops anything."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mlsys_assets.ledger import INSUFFICIENT
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.measures.stability_index import LARGE
from mlsys_assets.production_monitoring.diagnosis import BUGS, SHIFTS, Diagnosis
from mlsys_assets.production_monitoring.feedback.degeneration import NAME as DIVERSE
from mlsys_assets.production_monitoring.revisions import PREDICTED
from mlsys_assets.tables import MODEL
from mlsys_assets.types import CHAMPION, Finding, Severity

MOST_SHIFTED = 0.2
"""The share of feature columns with a large shift that is called unfamiliar."""
SMALL_EFFECT = 0.2
"""Cohen's h from which two rates are called apart (Cohen 1988)."""
LEAST_LABELS = 100
"""Fewer labels than this in a tick, and their rate says nothing."""
LEAST_ARRIVED = 0.9
"""The share of a tick's requests of which something must be known once their labels have had their time."""

NAMED = 3
"""Faults that a summary names."""

MEASURED = "measured"
ALERTED = "few_alerts_stand"

PERFORMANCE_CHECKS = {
    "label_rate_is_familiar": ("The share of positives is near that of all labels before.", False),
    "labels_arrive": ("Requests get their labels within the time that labels may take.", False),
    "beats_baselines": ("On the last tick with labels enough, no baseline did better than the champion.", False),
}
DRIFT_CHECKS = {
    "features_are_those_trained_on": ("The features are those that the champion was trained on.", False),
    "features_are_familiar": ("Few features lie far from what the champion was trained on.", False),
    "scores_are_familiar": ("Scores are distributed as in the four weeks before.", False),
}


DIAGNOSIS_CHECKS = {
    "data_is_sound": ("No bug of the data or of serving: schema, units, missing values, skew.", False),
    "no_change_costs": ("Nothing in the world changed that costs more than it did.", False),
    "dependencies_are_alive": ("No source has stopped, and what the champion learned is not too old.", False),
    DIVERSE: ("What is shown of the predictions does not narrow, or it is still learned of the rest.", False),
}


def measured(served: Mapping[str, Mapping[str, Any]], metrics: Sequence[Metric]) -> tuple[str, str]:
    """Return the verdict of a performance record and its reason."""
    name = metrics[0].name
    known = {tick: told for tick, told in sorted(served.items()) if told["metrics"].get(name) is not None}
    if not known:
        few = ", ".join(f"{told['labelled']} labels for {tick[:10]}" for tick, told in sorted(served.items()))
        return INSUFFICIENT, f"no tick with predictions and labels enough of both classes ({few or 'no predictions'})"
    return MEASURED, "; ".join(
        f"{tick[:10]}, revision {told['revision']}: {name} {told['metrics'][name]:.4f} on {told['labelled']:,} of "
        f"{told['requests']:,}"
        for tick, told in known.items()
    )


def shifted(columns: Mapping[str, float], scores: float | None) -> tuple[str, str]:
    """Return the verdict of a drift record and its reason."""
    if not columns:
        return INSUFFICIENT, "no champion to hold the tick against, or no requests in it"
    large = sum(psi >= LARGE for psi in columns.values())
    told = "not known" if scores is None else f"{scores:.3f}"
    return MEASURED, f"{large} of {len(columns)} columns shifted by {LARGE:g} or more; scores by {told}"


def label_rate(found: Mapping[str, Any]) -> Finding:
    """Hold a tick's label rate against that of all labels before."""
    name, now, before = "label_rate_is_familiar", found["label_rate"], found["label_rate_before"]
    if now is None or before is None or found["labels_now"] < LEAST_LABELS:
        return Finding(name, True, f"insufficient data: {found['labels_now']} labels", Severity.WARN)
    h = abs(2 * math.asin(math.sqrt(now)) - 2 * math.asin(math.sqrt(before)))
    told = f"{now:.1%} positive, {before:.1%} before (Cohen's h {h:.2f}, below {SMALL_EFFECT:g} is familiar)"
    advice = "" if h < SMALL_EFFECT else "; a season, or labels that are wrong: compare slices and the label's source"
    return Finding(name, h < SMALL_EFFECT, told + advice, Severity.WARN, {"now": now, "before": before, "h": h})


def labels_arrive(rows: Sequence[Mapping[str, Any]], *, step: timedelta, as_of: datetime) -> Finding:
    """Look at the last predicted tick all of whose labels should be known: it had ended by ``as_of``."""
    name = "labels_arrive"
    ripe = [row for row in rows if row[MODEL] == CHAMPION and row[PREDICTED] + step <= as_of]
    if not ripe:
        return Finding(name, True, "no tick whose labels had their time yet", Severity.WARN)
    row = ripe[-1]
    share = (row["labelled"] + row["never"]) / row["requests"]
    told = f"something is known of {share:.1%} of the {row['requests']:,} requests of {row[PREDICTED]:%Y-%m-%d}"
    enough = share >= LEAST_ARRIVED
    advice = (
        "" if enough else f"; at least {LEAST_ARRIVED:.0%} was expected: look whether the label's source has stopped"
    )
    return Finding(name, enough, told + advice, Severity.WARN, {"share": share})


def beats_baselines(rows: Sequence[Mapping[str, Any]], metric: Metric) -> Finding:
    """Hold the champion against the baselines on the last tick that can tell."""
    name = "beats_baselines"
    known = [row for row in rows if row[metric.name] is not None]
    ticks = [row[PREDICTED] for row in known if row[MODEL] == CHAMPION]
    if not ticks:
        return Finding(name, True, "no tick with labels enough", Severity.WARN)
    there = {row[MODEL]: row[metric.name] for row in known if row[PREDICTED] == ticks[-1]}
    sign = -1 if metric.higher_is_better else 1
    better = [n for n, v in there.items() if n != CHAMPION and sign * v < sign * there[CHAMPION]]
    told = f"{metric.name} of {ticks[-1]:%Y-%m-%d}: " + ", ".join(f"{n} {v:.4f}" for n, v in sorted(there.items()))
    advice = f"; {', '.join(better)} did better: roll back, or serve it" if better else ""
    return Finding(name, not better, told + advice, Severity.WARN, there)


def features_trained_on(new: Sequence[str], gone: Sequence[str]) -> Finding:
    """Return whether the features are those of the champion's training, given those that only one of the two has."""
    name = "features_are_those_trained_on"
    if not new and not gone:
        return Finding(name, True, "the same columns, or no champion yet", Severity.WARN)
    told = [f"{what}: {', '.join(columns)}" for what, columns in (("new", new), ("gone", gone)) if columns]
    return Finding(name, False, f"{'; '.join(told)}; train, so that the champion knows them", Severity.WARN)


def diagnosis_findings(found: Diagnosis) -> list[Finding]:
    """Return whether the data is sound, and whether a change of the world costs anything."""
    bugs = [s.told for s in found.symptoms if s.cause in BUGS]
    loss = None if found.price is None or not found.price.log_loss.sufficient else found.price.log_loss
    costs = found.cause in SHIFTS and loss is not None and loss.low > 0
    measures = {"log loss": None if loss is None else loss.value, "remedy": found.remedy.value}
    return [
        Finding("data_is_sound", not bugs, "; ".join(bugs) or "no bug is seen", Severity.WARN, {"bugs": len(bugs)}),
        Finding("no_change_costs", not costs, found.reason, Severity.WARN, measures),
    ]


def no_list() -> Finding:
    """Say that no list is watched."""
    return Finding(DIVERSE, True, "nothing of the predictions is declared to be shown, or none was made", Severity.WARN)


def drift_findings(columns: Mapping[str, float], scores: float | None) -> list[Finding]:
    """Return whether features and scores are familiar."""
    large = [name for name, psi in columns.items() if psi >= LARGE]
    share = len(large) / len(columns) if columns else 0.0
    told = f"{len(large)} of {len(columns)} columns shifted by {LARGE:g} or more" if columns else INSUFFICIENT
    advice = "" if share < MOST_SHIFTED else "; see which, and whether performance fell with them"
    score_told = INSUFFICIENT if scores is None else f"scores shifted by {scores:.3f}, {LARGE:g} is large"
    return [
        Finding("features_are_familiar", share < MOST_SHIFTED, told + advice, Severity.WARN, {"share": share}),
        Finding("scores_are_familiar", scores is None or scores < LARGE, score_told, Severity.WARN, {"psi": scores}),
    ]


def alerts_standing(standing: Mapping[str, object]) -> Finding:
    """Return whether faults stand."""
    told = f"{len(standing)} stand: {', '.join(sorted(standing)[:NAMED])}" if standing else "no fault stands"
    return Finding(ALERTED, not standing, told, Severity.WARN, {"standing": len(standing)})
