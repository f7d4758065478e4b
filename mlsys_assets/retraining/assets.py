"""The decision to train, or not, in the graph: no run makes it, the arbiter's sensor tells of it."""

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.charts import grid
from mlsys_assets.ledger import DIAGNOSIS, HOLD, PERFORMANCE, TRAIN
from mlsys_assets.retraining.controller import Controller
from mlsys_assets.retraining.policy_replay import assets as policy_replay
from mlsys_assets.retraining.trigger import Answer
from mlsys_assets.system import MLSystem
from mlsys_assets.thumbnails import marks

STAGE = "retraining"
DECISION = "retraining_decision"
WHAT = "decision"
"""The entry of what the graph is told that holds the decision in a word."""
SHOWN_TICKS = 26
COLOURS = {
    TRAIN: "#1f77b4",
    Answer.YES.value: "#ff7f0e",
    Answer.NO.value: "#dfe7df",
    HOLD: "#eeeeee",
    Answer.INSUFFICIENT_DATA.value: "#bbbbbb",
    Answer.ERROR.value: "#d62728",
}
"""Of the picture's words, in the order of its legend."""
LOUD = (Answer.YES.value, Answer.ERROR.value, TRAIN)
"""The words that are marked where there is room for few."""


def build_assets(system: MLSystem) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """Return the decision and what other policies would be worth, for a system that declares what it decides by."""
    if not system.triggers:
        return []
    tick_before = dg.TimeWindowPartitionMapping(
        start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
    )
    asked = ", ".join(str(trigger.name) for trigger in system.triggers)
    return [
        dg.AssetSpec(
            adapter.key(system, DECISION),
            deps=[dg.AssetDep(adapter.key(system, n), partition_mapping=tick_before) for n in (PERFORMANCE, DIAGNOSIS)],
            partitions_def=adapter.as_ofs(system),
            description=f"Whether to train as of each tick's end. Asked: {asked}. Decided by `{system.name}_arbiter` "
            f"from what monitoring found: {system.retraining}. No run makes it: the sensor tells of it as it decides.",
            **adapter.common(system, STAGE, kinds=("python",)),
        ),
        *policy_replay.build_assets(system),
    ]


def decided(controller: Controller) -> dg.AssetMaterialization:
    """Return what the graph is told of the last decision: what was asked, what was said, and how it was before."""
    decision = controller.decided
    if decision is None:
        raise RuntimeError(f"nothing was decided of {controller.system.name} yet")
    system, verdicts = controller.system, controller.verdicts(decision.as_of)
    return dg.AssetMaterialization(
        adapter.key(system, DECISION),
        partition=system.calendar.key(decision.as_of),
        metadata={
            WHAT: decision.verdict,
            "why": decision.reason,
            "verdicts": adapter.markdown_table(
                ("trigger", "said", "because"), [(n, v.verdict, v.reason) for n, v in verdicts.items()]
            ),
            **_pictures(controller),
        },
    )


def _pictures(controller: Controller) -> dict[str, dg.MarkdownMetadataValue]:
    said, title = controller.said(SHOWN_TICKS), "what was said as of each tick's end"
    names = list(dict.fromkeys(name for words in said.values() for name in words))
    rows = {name: [words.get(name, "") for words in said.values()] for name in names}
    small = marks(rows, title=title, colours={word: COLOURS[word] for word in LOUD})
    return adapter.pictures("policy", small, grid([f"{at:%m-%d}" for at in said], rows, title=title, colours=COLOURS))
