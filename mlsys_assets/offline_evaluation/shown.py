"""What of an evaluation is seen in Dagster: curves, metrics and slices, at once and in full."""

from collections.abc import Mapping
from datetime import datetime

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.offline_evaluation.champion_gate import RECENT
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.offline_evaluation.curves import curves_plot, thumbnail_of_curves
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.offline_evaluation.slicing.slice_plot import slice_plot, thumbnail_of_slices
from mlsys_assets.offline_evaluation.verdict import Case
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION

Shown = dict[str, dg.MarkdownMetadataValue]


def curves(scored: Mapping[str, Scored], *, best: str, as_of: datetime) -> tuple[dict[str, str], Shown]:
    """Return each test's curves as a picture, and as metadata that is seen at once."""
    plots, shown = dict[str, str](), Shown()
    for name, one in scored.items():
        if len(one.label):
            plots[name] = curves_plot(one.scores, one.label, title=f"{name} as of {as_of:%Y-%m-%d}")
            first = {model: one.scores[model] for model in (best, CHAMPION) if model in one.scores}
            small = thumbnail_of_curves(first, one.label, title=f"{name} curves")
            shown |= adapter.pictures(f"{name} curves", small, plots[name])
    return plots, shown


def metric_table(system: MLSystem, found: list[Evaluation], split: str) -> dg.MarkdownMetadataValue:
    """Return every model's metrics on a test."""
    names = [m.name for m in system.metrics]
    rows = [(e.model, *(str(e.whole[n]) for n in names)) for e in found if e.split == split]
    return adapter.markdown_table(("model", *names), rows)


def slices(system: MLSystem, found: list[Evaluation], model: str) -> Shown:
    """Return a model's metric by slice as a picture."""
    metric = system.metrics[0].name
    small = thumbnail_of_slices(found, metric, split=RECENT, model=model)
    return adapter.pictures("slices", small, slice_plot(found, metric, split=RECENT))


def slice_table(system: MLSystem, found: list[Evaluation]) -> dg.MarkdownMetadataValue:
    """Return the deciding metric by slice and model."""
    name = system.metrics[0].name
    recent = [e for e in found if e.split == RECENT]
    groups = sorted({g for e in recent for g in e.slices})
    rows = [(g, *(str(e.slices[g][name]) for e in recent)) for g in groups]
    return adapter.markdown_table((f"{name} on {RECENT}", *(e.model for e in recent)), rows)


def difference_table(case: Case) -> dg.MarkdownMetadataValue:
    """Return every difference that the gate looked at."""
    rows = [
        (c.split, c.other, name, str(e)) for c in (*case.baselines, *case.champion) for name, e in c.differences.items()
    ]
    return adapter.markdown_table(("test", f"{case.challenger} minus", "metric", "difference"), rows)
