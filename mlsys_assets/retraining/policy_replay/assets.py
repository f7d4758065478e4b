"""The policies held against each other, in the graph: made when somebody asks."""

from datetime import datetime

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.replayed_policies import Asked, Replayed, page_of, replay
from mlsys_assets.retraining.policy_replay.fidelity import FAITHFUL
from mlsys_assets.retraining.policy_replay.policy_study import PolicyStudy
from mlsys_assets.retraining.policy_replay.recommendation import MARGIN
from mlsys_assets.retraining.policy_replay.standard_policies import asked_policies
from mlsys_assets.retraining.policy_replay.study_pictures import picture, small_timeline, thumbnail, timeline
from mlsys_assets.retraining.policy_replay.study_table import basis, computing, header, rows
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, LABELS
from mlsys_assets.types import utc
from mlsys_resources.resources import Resources

STAGE = "retraining"
POLICY_FRONTIER = "policy_frontier"
CHECKS = {
    FAITHFUL: (
        "The declared policy, lived once more, decides what the ledger says: then the others are believed.",
        False,
    )
}


class PolicyReplayConfig(dg.Config):
    """Which policies are lived, when, and how one is chosen."""

    policies: str = ""
    """Names with commas between them, or ``all``; if not given, those that the system declares, else the standard."""
    since: str = ""
    """As of when the first champion is trained: the system's own, if not given."""
    until: str = ""
    """The last decision: the system's own, if not given."""
    judge_since: str = ""
    """From when on requests judge the choice: of the last third of the ticks, if not given."""
    margin: float = MARGIN
    """How much worse than the reference a policy may be, in the unit of the deciding metric."""


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the frontier of policies, for a system that decides by one; it belongs to no tick and to no training."""
    if not system.triggers:
        return []
    asset = adapter.key(system, POLICY_FRONTIER)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, name) for name in (FEATURES, LABELS)],
        check_specs=adapter.check_specs(asset, CHECKS),
        description="What if it had been trained otherwise: the past lived once more under other policies, each "
        "decided as it would have been then; their quality against trainings and computing, and which to live by. "
        "Chosen on earlier requests, judged on later ones. Asked for by hand: it trains many times.",
        **adapter.common(system, STAGE, kinds=("lightgbm", "numpy")),
    )
    def policy_frontier(
        context: dg.AssetExecutionContext, config: PolicyReplayConfig, stores: dg.ResourceParam[Resources]
    ) -> dg.MaterializeResult:
        since, until, judged = (
            utc(text) if text else None for text in (config.since, config.until, config.judge_since)
        )
        asked = Asked(asked_policies(system, config.policies or None), since, until, judged, config.margin)

        def told(as_of: datetime) -> None:
            context.log.info("all policies have been lived up to %s", system.calendar.key(as_of))

        found = replay(system, stores, asked, told=told)
        page = page_of(system, stores.home)
        page.write_text(found.page, encoding="utf-8")
        return dg.MaterializeResult(
            metadata={**_told(found), "page": dg.MetadataValue.url(page.as_uri())},
            check_results=[adapter.check_result(found.believed, asset)],
        )

    return [policy_frontier]


def _told(found: Replayed) -> dict[str, object]:
    study = found.study
    saved = study.saved_cpu_s
    return {
        "recommendation": str(study.recommendation),
        "rests on": basis(study),
        **_pictures(study),
        **adapter.pictures("trainings", small_timeline(study, found.ticks), timeline(study, found.ticks)),
        "policies": adapter.markdown_table(header(study, unit=found.unit), rows(study)),
        "computing": computing(study),
        **({} if saved is None else {"CPU s saved by sharing": round(saved, 1)}),
        "in full": dg.MetadataValue.json(study.as_dict()),
    }


def _pictures(study: PolicyStudy) -> dict[str, dg.MarkdownMetadataValue]:
    by_trainings = adapter.pictures("by trainings", thumbnail(study, "trainings"), picture(study, "trainings"))
    return by_trainings | adapter.pictures("by computing", thumbnail(study, "cpu_s"), picture(study, "cpu_s"))
