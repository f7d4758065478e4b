"""Where is it worse, and how does it behave: slices, found and declared, groups, edge cases, declared tests."""

from mlsys_assets import thumbnails
from mlsys_assets.charts import bars
from mlsys_assets.models.explanation import Explainable, explain
from mlsys_assets.offline_evaluation.champion_gate import RECENT
from mlsys_assets.offline_evaluation.report.exhibit import BEHAVES, WHY, WORSE, Exhibit, findings_table, sentence, table
from mlsys_assets.offline_evaluation.report.quality import spans
from mlsys_assets.offline_evaluation.report.subject import Asked, Subject
from mlsys_assets.offline_evaluation.slicing.decision_rates import decisions
from mlsys_assets.offline_evaluation.slicing.error_analysis import Quadrants, worst_rows
from mlsys_assets.offline_evaluation.slicing.excess_loss import surprise
from mlsys_assets.offline_evaluation.slicing.isolation import Isolation
from mlsys_assets.offline_evaluation.slicing.simpson import models_by_group
from mlsys_assets.offline_evaluation.slicing.slice_plot import slice_plot
from mlsys_assets.types import CHAMPION, Finding

MOST_ROWS = 5
MOST_COLUMNS = 15
"""Columns shown by importance."""


def where_is_it_worse(subject: Subject, asked: Asked) -> Exhibit:
    """Return the slices that lose more than foretold, those worse than the champion's, and whether groups agree."""
    name, rows = asked.metric.name, subject.recent
    findings, parts, words = list[Finding](), list[str](), list[str]()
    if asked.finder is not None:
        search = asked.finder.find(rows.features, surprise(rows.label, subject.score()), rows.at)
        findings.append(search.finding())
        words.append(findings[-1].summary)
        if search.found:
            parts.append(table(("slices that lose more than foretold",), [(str(one),) for one in search.found]))
    held = [c for c in subject.comparisons if (c.other, c.split) == (CHAMPION, RECENT)]
    versus = {group: e for c in held for group, e in c.slices.items()}
    small = ""
    if versus:
        drawn, small = spans(versus, title=f"{asked.compared.name} minus the champion's")
        parts.append(drawn)
        sign = -1 if asked.compared.higher_is_better else 1
        worse = [n for n, e in versus.items() if e.sufficient and min(sign * e.low, sign * e.high) > 0]
        words.append(f"worse than the champion's, each by its own interval: {', '.join(worse) or 'no slice'}")
    if asked.slices:
        rival = subject.rival(asked)
        shown = [e for e in subject.evaluations if e.model in {subject.challenger, rival}]
        parts.append(slice_plot(shown, name, split=RECENT))
        if rival is not None:
            findings.append(_agreement(subject, asked, rival))
            words.append(findings[-1].summary)
    pictures = {f"{asked.compared.name} minus the champion's by slice": small} if small else {}
    worst = worst_rows(rows, subject.score(), n=MOST_ROWS)
    parts.append("<h3>The rows that were foretold worst</h3>")
    shown_rows = [(r["id"], f"{r['at']:%Y-%m-%d %H:%M}", r["label"], r["score"]) for r in worst.to_pylist()]
    parts.append(table(("row", "predicted at", "label", "score"), shown_rows))
    answer = " ".join(map(sentence, words)) or "No slices are declared."
    parts.append(findings_table(findings))
    return Exhibit(WORSE, answer, parts, findings, pictures)


def _agreement(subject: Subject, asked: Asked, rival: str) -> Finding:
    """Return whether groups agree with the whole on who is better, the challenger or its rival (Simpson 1951)."""
    slicing = asked.slices[0]
    found = models_by_group(
        asked.metric, subject.recent.label, (subject.score(), subject.score(model=rival)),
        list(slicing.groups(subject.recent.features)), weights=subject.weights(asked), support=asked.support,
    )  # fmt: skip
    return found.finding(what=f"{asked.metric.name} minus that of {rival}", by=slicing.name)


def how_does_it_behave(subject: Subject, asked: Asked) -> Exhibit:
    """Return what the declared tests of behaviour and fairness found, and how unusual rows fare."""
    decided = decisions(subject.recent.label, subject.score(), threshold=subject.threshold)
    failed = [f.name for f in subject.findings if not f.passed]
    answer = f"{len(subject.findings)} declared tests, failed: {', '.join(failed) or 'none'}."
    try:
        isolation = Isolation.fit(subject.train, seed=asked.seed)
    except ValueError as error:  # too few rows, or no numbers
        return Exhibit(BEHAVES, f"{answer} Unusual rows cannot be told: {error}", (findings_table(subject.findings),))
    quadrants = Quadrants.of(isolation.unusual(subject.recent.features), decided)
    apart = quadrants.excess_error(weights=subject.weights(asked), support=asked.support)
    answer += (
        f" Unusual rows are decided wrongly more often than others by {apart}."
        if apart.sufficient
        else f" Whether unusual rows are decided wrongly more often than others: {apart}."
    )
    counted = table(("rows", "how many"), [(q.value.replace("_", " "), n) for q, n in quadrants.counts().items()])
    return Exhibit(BEHAVES, answer, (findings_table(subject.findings), counted))


def why_does_it_say_so(subject: Subject, asked: Asked) -> Exhibit:
    """Return which columns move the scores, and the reasons of the highest one."""
    predictor = subject.predictor
    if not isinstance(predictor, Explainable):
        return Exhibit(WHY, f"a {predictor.kind} does not say what each column adds to a score")
    told = explain(predictor, subject.recent.features, seed=asked.seed, threads=asked.threads)
    ranked = dict(told.importance()[:MOST_COLUMNS])
    title = f"mean size of what a column adds to the {told.link}"
    highest = subject.recent.features.slice(int(subject.score().argmax()), 1)
    reasons = predictor.contributions(highest).reasons(0, highest)
    answer = f"First of all by {', '.join(list(ranked)[:3])}. The highest score, since {'; '.join(reasons)}."
    return Exhibit(WHY, answer, (bars(ranked, title=title),),
                   thumbnails={"importance": thumbnails.bars(ranked, title=title)})  # fmt: skip
