"""Is it better, and is it worth it: against every baseline, the champion, and what it costs."""

from collections.abc import Callable

import numpy as np

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.measures.cost_metric import ExpectedCost
from mlsys_assets.measures.intervals import Estimate, estimate
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.measures.pareto import Better
from mlsys_assets.measures.power import Power
from mlsys_assets.models.bundle import to_files
from mlsys_assets.offline_evaluation.champion_gate import RECENT
from mlsys_assets.offline_evaluation.choices.confusion import confusion_table
from mlsys_assets.offline_evaluation.choices.trade_offs import Option, TradeOffs, interpretability, trade_offs
from mlsys_assets.offline_evaluation.choices.worth import worth_it
from mlsys_assets.offline_evaluation.confidence.confidence import Abstention
from mlsys_assets.offline_evaluation.curves import curves_plot
from mlsys_assets.offline_evaluation.report.exhibit import BETTER, COSTS, Exhibit, findings_table, table
from mlsys_assets.offline_evaluation.report.subject import Asked, Subject
from mlsys_assets.offline_evaluation.studies.ladder import Ladder, Rung, five_baselines, ladder
from mlsys_assets.types import CHAMPION

LATENCY_ROWS = 2_000
MICROSECONDS = 1e6


def is_it_better(subject: Subject, asked: Asked) -> Exhibit:
    """Return the comparisons with every other model, the ladder, and what the days could show at all."""
    name = asked.metric.name
    rows = [(c.other, c.split, metric, e) for c in subject.comparisons for metric, e in c.differences.items()]
    steps = ladder(
        subject.scored[RECENT], [c.name for c in subject.candidates], metric=asked.metric, seed=asked.seed,
        support=asked.support,
    )  # fmt: skip
    findings = [five_baselines([c.kind for c in subject.candidates], champion=CHAMPION in subject.predictors)]
    if asked.worth is not None and subject.baselines:
        findings.append(
            worth_it(asked.worth, subject.scored[RECENT], subject.baselines, seed=asked.seed, support=asked.support)
        )
    answer = f"{_against(subject, asked)} Of all candidates: {steps.text()}."
    parts = (
        table(("against", "test", "metric", f"{subject.challenger} minus it"), rows),
        f"<h3>From simple to complex</h3>{steps.plot()}",
        table(
            ("model", name, "gain over the one before", "chance of it (Holm)", "within noise of the best"),
            [(r.name, r.found, r.gain, None if r.gain is None else r.gain_p, _near(steps, r)) for r in steps.rungs],
        ),
        findings_table(findings),
    )
    return Exhibit(BETTER, answer, parts, findings, {"from simple to complex": steps.thumbnail()})


def _near(steps: Ladder, rung: Rung) -> str | None:
    if steps.best is None:
        return None
    return "yes" if rung.within_noise else "no"


def _against(subject: Subject, asked: Asked) -> str:
    """Return in words how it stands to its rival, and what so many days can show."""
    metric, rival = asked.metric, subject.rival(asked)
    found = {c.split: c.differences.get(metric.name) for c in subject.comparisons if c.other == rival}
    told = [f"{_word(metric, e)} on the {split.replace('_', ' ')}" for split, e in found.items() if e is not None]
    numbers = ", ".join(str(e) for e in found.values() if e is not None)
    said = f"Against {rival}: {' and '.join(told) or 'not compared'} ({metric.name} differs by {numbers})."
    recent = found.get(RECENT)
    if recent is None or not recent.sufficient:
        return said
    least = Power(recent.error * float(np.sqrt(recent.blocks))).least_gain(recent.blocks)
    return f"{said} Days like these {recent.blocks} show a difference of {least:.4f} four times of five."


def _word(metric: Metric, difference: Estimate) -> str:
    if not difference.sufficient:
        return "too little data"
    if difference.low <= 0 <= difference.high:
        return "no difference shown"
    return "better" if (difference.value > 0) == metric.higher_is_better else "worse"


def what_it_costs(subject: Subject, asked: Asked, meter: Callable[[], float]) -> Exhibit:
    """Return the trade-offs of quality, cost, latency, size and legibility, and the decisions at the threshold.

    ``meter`` tells the processor time used so far, in seconds.
    """
    options = trade_options(subject, asked, meter)
    better: Better = "higher" if asked.metric.higher_is_better else "lower"
    found = trade_offs(options, quality=(asked.metric.name, better), unit=asked.costs.unit if asked.costs else None)
    weights = subject.weights(asked)
    confusion = confusion_table(
        subject.recent.label, subject.score(), threshold=subject.threshold, weights=weights, support=asked.support
    )
    answer = f"On the Pareto front: {', '.join(found.front) or 'none can be told'}."
    mine = {o.model: o for o in options}[subject.challenger]
    if mine.cost is not None and asked.costs is not None:
        answer += f" A request costs {mine.cost} {asked.costs.unit} where one acts from {subject.threshold:.3f} on."
    said = [(f"said 1, is {c}", n) for c, n in ((1, confusion.true_positive), (0, confusion.false_positive))]
    said += [(f"said 0, is {c}", n) for c, n in ((1, confusion.false_negative), (0, confusion.true_negative))]
    by_class = [(f"class {c}", *e.values()) for c, e in confusion.by_class.items()]
    parts = [
        _trade_table(found),
        f"<h3>Decisions from {subject.threshold:.3f} on</h3>",
        table(("decision", "rows"), said),
        table(("", "precision", "recall", "F1"), by_class),
    ]
    if asked.abstention is not None:
        told, shown = _left_to_others(subject, asked, asked.abstention)
        answer, parts = f"{answer} {told}", [*parts, shown]
    return Exhibit(COSTS, answer, parts)


def _left_to_others(subject: Subject, asked: Asked, abstention: Abstention) -> tuple[str, str]:
    """Return what leaving the least certain requests to others saves: in a sentence, and as a table."""
    valid = subject.validation
    band = abstention.band(valid.label, subject.predictor.predict(valid.features, threads=asked.threads))
    rows = subject.recent
    found = abstention.report(rows.label, subject.score(), rows.at, band=band, seed=asked.seed, support=asked.support)
    told = (
        f"Leaving scores from {band.low:.3f} to {band.high:.3f} to others, {found.share:.0%} of all at "
        f"{abstention.price:g} each, saves {found.saved} a request."
    )
    return told, table(
        ("left to others", "cost of a request", "saved"), [(f"{found.share:.1%}", found.cost, found.saved)]
    )


def trade_options(subject: Subject, asked: Asked, meter: Callable[[], float]) -> list[Option]:
    """Return every model with its quality and cost on recent rows, its time for a row and its size."""
    weights, label = subject.weights(asked), subject.recent.label
    few = subject.recent.features.slice(0, LATENCY_ROWS)
    options = []
    for name, predictor in subject.predictors.items():
        score = subject.score(model=name)
        begun = meter()
        predictor.predict(few, threads=1)
        spent = (meter() - begun) / max(len(few), 1) * MICROSECONDS
        cost = None
        if asked.costs is not None:
            cost = estimate(
                ExpectedCost(asked.costs, subject.threshold), label, score, weights=weights, support=asked.support
            )
        quality = estimate(asked.metric, label, score, weights=weights, support=asked.support)
        size = sum(map(len, to_files(predictor).values()))
        options.append(Option(name, quality, spent, size, interpretability(predictor), cost))
    return options


def _trade_table(found: TradeOffs) -> str:
    head = ("model", found.quality[0], f"cost of a request [{found.unit or '—'}]", "time of a row [µs]", "size [kB]",
            "legibility", "dominated by")  # fmt: skip
    rows = [
        (o.model, o.quality, o.cost, o.latency, o.size / 1000, o.interpretability.name.lower(), row.dominated_by)
        for row in found.rows
        for o in [row.option]
    ]
    return table(head, rows, grey=[n for n, row in enumerate(found.rows) if row.dominated_by])


def curves(subject: Subject, *, shown: int = 4) -> list[str]:
    """Return the calibration, ROC and precision–recall curves of each test, of the models that matter."""
    first = [subject.challenger, *([CHAMPION] if CHAMPION in subject.predictors else []), *subject.baselines]
    models = list(dict.fromkeys(first))[:shown]
    return [
        curves_plot({m: one.scores[m] for m in models}, one.label, title=name)
        for name, one in subject.scored.items()
        if len(one.label)
    ]


def spans(found: dict[str, Estimate], *, title: str) -> tuple[str, str]:
    """Return estimates by name as a forest plot, and as a thumbnail; those that are not told are left out."""
    told = {name: (e.value, e.low, e.high) for name, e in found.items() if e.sufficient}
    return forest({n: {title: v} for n, v in told.items()}, title=title), thumbnails.spans(told, title=title)
