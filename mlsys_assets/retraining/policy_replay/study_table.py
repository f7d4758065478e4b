"""A study of policies in rows: what each took, what it lost, and how surely it is worth its price."""

from collections.abc import Sequence
from math import isnan

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.retraining.policy_replay.fronts import Front
from mlsys_assets.retraining.policy_replay.policy_study import PolicyStudy


def header(found: PolicyStudy, *, unit: str = "") -> list[str]:
    """Return the names of the columns."""
    shown = found.shown
    words = ["policy", "trainings", "promoted", "CPU s"]
    words += [f"compute [{unit}]"] if shown.points[0].price is not None else []
    words += [f"decisions [{unit} a request]"] if shown.points[0].money is not None else []
    words += [shown.metric, f"worse than {shown.reference}"]
    words += ["worse where chosen"] if found.judged is not None else []
    return [*words, "on the front by trainings", "by CPU"]


def rows(found: PolicyStudy) -> list[list[str]]:
    """Return a row for each policy, the cheapest first: of the later requests, where the choice was judged by any."""
    lines = []
    for point in sorted(found.shown.points, key=lambda one: one.cheapness):
        line = [point.name, f"{point.trainings}", f"{point.promotions}", f"{point.cpu_s:,.0f}"]
        line += [] if point.price is None else [f"{point.price:.3g}"]
        line += [] if point.money is None else [interval(point.money, "")]
        line += [interval(point.quality, ""), interval(point.loss, "+")]
        line += [] if found.judged is None else [interval(found.chosen[point.name].loss, "+")]
        lines.append([*line, _share(point.by_trainings), _share(point.by_cpu)])
    return lines


def text_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in lines for people, each column as wide as it needs to be."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *lines, strict=True)]
    return [
        "  " + "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in (head, *lines)
    ]


def basis(found: PolicyStudy) -> str:
    """Return in a sentence which requests all this rests on."""
    parts = [f"chosen on {found.chosen.rows:,} requests in {found.chosen.period}"]
    if found.judged is not None:
        parts.append(f"judged on {found.judged.rows:,} in {found.judged.period}")
    out = found.chosen.left_out + (0 if found.judged is None else found.judged.left_out)
    parts += [f"{out:,} without a label or a model were left out"] if out else []
    return "; ".join(parts)


def computing(found: PolicyStudy) -> str:
    """Return in a sentence what the replay took, and what sharing saved."""
    told = f"the trainings of {counted(len(found.timelines))} take {found.lived_cpu_s:,.0f} s of a processor"
    if found.spent is None or found.saved_cpu_s is None:
        return told
    alike = f", {found.spent.trainings_s:,.0f} s where what is alike is trained once ({found.saved_cpu_s:,.0f} s saved)"
    return f"{told}{alike}; the whole replay took {found.spent.all_s:,.0f} s"


def counted(policies: int) -> str:
    """Return how many policies there are."""
    return f"{policies} {'policy' if policies == 1 else 'policies'}"


def interval(found: Estimate, sign: str) -> str:
    """Return an estimate with its interval, or that it cannot be told."""
    if not found.sufficient:
        return "—"
    return f"{found.value:{sign}.4f} [{found.low:{sign}.4f}, {found.high:{sign}.4f}]"


def _share(found: Front) -> str:
    return "—" if isnan(found.share) else f"{'yes' if found.on else 'no'}, {found.share:.0%}"
