"""What is known as of a tick's start, split before anything is fitted."""

from functools import partial

import dagster as dg
import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.splits import PARTS, Split
from mlsys_assets.data_sampling.views import Test, View
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.home_data import require_home
from mlsys_assets.known import known_surroundings
from mlsys_assets.learned_rows import learned_from, window_told
from mlsys_assets.ledger import MANUAL, REFIT, RETRAINING, TRAIN, TRAINING_SET
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, LABELS, SERVED
from mlsys_assets.training_report import CHECKS, training_report
from mlsys_assets.types import EPOCH, TimeWindow
from mlsys_resources.resources import Resources

STAGE = "data_sampling"
TABLES = (FEATURES, LABELS)


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the training set: a record of which rows, by version and hash, not a copy of them."""
    asset = adapter.key(system, TRAINING_SET)

    @dg.asset(
        key=asset,
        deps=[
            *(
                dg.AssetDep(adapter.key(system, table), partition_mapping=adapter.earlier_ticks(system))
                for table in TABLES
            ),
            *([adapter.key(system, "retraining_decision")] if system.triggers else []),
        ],
        partitions_def=adapter.as_ofs(system),
        check_specs=adapter.check_specs(asset, CHECKS),
        description="The rows known as of the tick's start, split by time, purged and embargoed; the tests are sealed. "
        "Before anything is fitted on them, they are searched for leaks and copies, and their columns looked at.",
        **adapter.common(system, STAGE, kinds=("numpy", "lightgbm")),
    )
    def training_set(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        require_home(context.instance, system, TimeWindow(step.as_of - system.calendar.step, step.as_of))
        _decided(step)
        versions = _versions(step)
        rows = step.rows(versions)
        split = step.split(rows)
        against = _held_against(step)
        around = partial(known_surroundings, stores.lake, system, step.as_of, against)
        learned = learned_from(step, rows, split)
        report = training_report(system, rows, split, around=around, refit=learned.get(REFIT))
        step.record(
            TRAINING_SET,
            TRAINING_SET,
            verdict=report.verdict,
            reason=report.reason,
            evidence={
                "rows": rows.content_hash,
                "labelled": step.labels_known(versions),
                **_hashes(split),
                **split.fates,
                "checks": report.said,
                **window_told(step, learned),
            },
            context={"versions": versions, "held_against": against},
        )
        return dg.MaterializeResult(
            metadata={
                "where every row went": adapter.markdown_table(("part or reason", "rows"), split.fates.items()),
                "learns from": str(system.learning.window),
                "windows": adapter.markdown_table(("part", "prediction times"), _windows(split)),
                "dagster/row_count": len(rows),
                **report.metadata(),
            },
            check_results=[adapter.check_result(f, asset) for f in report.findings],
        )

    return [training_set]


def _decided(step: DecisionStep) -> None:
    """Put on record that a person started the training, where no decision did."""
    if not any(d.verdict == TRAIN for d in step.standing(RETRAINING)):
        step.record(RETRAINING, MANUAL, verdict=TRAIN, reason="started by hand", evidence={})


def _versions(step: DecisionStep) -> dict[str, int]:
    """Return the tables' versions: those on record, so that what arrived late since changes no earlier decision."""
    lake, system = step.stores.lake, step.system
    standing = step.standing(TRAINING_SET)
    versions = {t: lake.version(system.home(t), t) for t in TABLES} if not standing else standing[0].context["versions"]
    declared, stored = system.feature_schema, lake.schema(system.home(FEATURES), FEATURES, version=versions[FEATURES])
    if system.selected is not None:  # of a reused table's columns, those that are read
        stored = pa.schema([stored.field(name) for name in declared.names if name in stored.names])
    if stored != declared:
        added, gone = sorted(set(declared.names) - set(stored.names)), sorted(set(stored.names) - set(declared.names))
        raise ValueError(
            f"the features as of {step.as_of:%Y-%m-%d} (version {versions['features']}) are not those declared now: "
            f"{', '.join(added) or 'none'} added, {', '.join(gone) or 'none'} gone, or a type changed; bring the ticks "
            "in again, and train as of a tick for which no training set is on record"
        )
    return versions


def _held_against(step: DecisionStep) -> dict[str, int]:
    """Return the versions of the tables that the set is held against: those on record, where there is a record."""
    lake, system = step.stores.lake, step.system
    if standing := step.standing(TRAINING_SET):
        found: dict[str, int] = standing[0].context["held_against"]
        return found
    tables = [(system.home(s.name), s.name) for s in system.sources] + [(system.name, SERVED)]
    return {table: lake.version(home, table) for home, table in tables if lake.has(home, table)}


def _parts(split: Split) -> dict[str, View | Test]:
    return {name: getattr(split, name) for name in PARTS}


def _hashes(split: Split) -> dict[str, str]:
    tests = (split.recent_test, split.static_test)
    return {f"{test.name} hash": test.content_hash for test in tests}


def _windows(split: Split) -> list[tuple[str, str]]:
    return [
        (name, str(part.window).replace(f"{EPOCH:%Y-%m-%d %H:%M}", "the beginning"))
        for name, part in _parts(split).items()
    ]
