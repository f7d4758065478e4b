"""From declarations to Dagster: the stages in order, a line each."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG

from mlsys_assets.dagster_adapter import (
    data_job,
    data_report_job,
    group,
    key,
    policy_replay_job,
    prediction_job,
    study_job,
    tick_job,
    training_job,
)
from mlsys_assets.data_ingestion import assets as data_ingestion
from mlsys_assets.data_labeling import assets as data_labeling
from mlsys_assets.data_sampling import assets as data_sampling
from mlsys_assets.features import assets as features
from mlsys_assets.leased_runs import executor_of_runs, stores_of_runs
from mlsys_assets.mistakes import alike, none_of, not_all, sound
from mlsys_assets.models import assets as models
from mlsys_assets.offline_evaluation import assets as offline_evaluation
from mlsys_assets.prediction import assets as prediction
from mlsys_assets.production_monitoring import assets as production_monitoring, sensors as alerting
from mlsys_assets.production_monitoring.data_report.assets import DATA_REPORT
from mlsys_assets.reaper import build_reaper
from mlsys_assets.retraining import assets as retraining, sensors
from mlsys_assets.retraining.policy_replay.assets import POLICY_FRONTIER
from mlsys_assets.rollout import assets as rollout
from mlsys_assets.system import MLSystem
from mlsys_assets.types import DeclarationError
from mlsys_assets.value_analysis import assets as value_analysis
from mlsys_assets.value_analysis.studies.assets import STUDIES
from mlsys_resources.resources import STORES, Resources

DATA = ("data_ingestion", "data_labeling", "features")
TRAINING = ("data_sampling", "models", "offline_evaluation", "rollout")
PREDICTION = ("prediction",)
WATCHING = ("production_monitoring", "value_analysis")

LONGEST_RUN_S = 3600
"""Seconds a job's run may take before the daemon ends it: several times what the slowest takes."""


def build_definitions(
    *systems: MLSystem,
    resources: Resources,
    stages: "Mapping[str, Builder] | None" = None,
) -> dg.Definitions:
    """Return the Dagster definitions of one or more systems.

    Parameters
    ----------
    systems
        The declarations; no two of one name.
    resources
        The stores, built once for all of them.
    stages
        Stages to replace by others' ``build_assets``, by name; the keys that it gives must be
        those that later stages read.
    """
    replaced = dict(stages or {})
    if mistakes := [*_system_mistakes(systems), *_stage_mistakes(replaced)]:
        raise DeclarationError("build_definitions", mistakes)
    builders = BUILDERS | replaced
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # of what the graph is built on: no news to who declares one
        by_system = {s.name: [asset for build in builders.values() for asset in build(s)] for s in systems}
        assets = [asset for built in by_system.values() for asset in built]
        jobs = [job for system in systems for job in _jobs(system)]
    return dg.Definitions(
        assets=assets,
        jobs=jobs,
        schedules=[schedule for system in systems for schedule in sensors.build_schedules(system)],
        sensors=[
            sensor
            for system in systems
            for sensor in (
                *sensors.build_sensors(system),
                *alerting.build_sensors(system, system.alerting, alerting.checks_of(by_system[system.name])),
                alerting.data_report_sensor(system),
            )
        ]
        + [build_reaper()],
        resources={STORES: stores_of_runs(resources)},
        executor=executor_of_runs(resources),
    )


Builder = Callable[[MLSystem], Sequence[dg.AssetsDefinition | dg.AssetSpec]]

BUILDERS: dict[str, Builder] = {
    "data_ingestion": data_ingestion.build_assets,
    "data_labeling": data_labeling.build_assets,
    "data_sampling": data_sampling.build_assets,
    "features": features.build_assets,
    "models": models.build_assets,
    "offline_evaluation": offline_evaluation.build_assets,
    "prediction": prediction.build_assets,
    "production_monitoring": production_monitoring.build_assets,
    "retraining": retraining.build_assets,
    "rollout": rollout.build_assets,
    "value_analysis": value_analysis.build_assets,
}


def _jobs(system: MLSystem) -> list[Any]:
    data, training, prediction, watching = (
        dg.AssetSelection.groups(*(group(system, stage) for stage in stages))
        for stages in (DATA, TRAINING, PREDICTION, WATCHING)
    )
    after_training = dg.AssetSelection.assets(key(system, value_analysis.REPORT))
    asked_for = dg.AssetSelection.assets(*(key(system, name) for name in STUDIES))
    data_report = dg.AssetSelection.assets(key(system, DATA_REPORT))
    training, watching = training | after_training, watching - after_training - asked_for - data_report
    told = {
        data_job(system): (data, "Bring in a tick's data: sources, labels, features."),
        tick_job(system): (
            data | prediction | watching,
            "Bring in a tick's data, predict its requests with the champion of its start, and see how that went.",
        ),
        training_job(system): (
            training,
            "Train as of a tick's start, compare with the champion, promote if the gates say so, and report.",
        ),
        prediction_job(system): (prediction, "Predict for a tick's requests with the champion of its start."),
        study_job(system): (
            asked_for,
            "Study what more, fresher data and other models would bring.",
        ),
        data_report_job(system): (data_report, "Have Evidently report on a tick's data, beside the diagnosis."),
    }
    if system.triggers:
        told[policy_replay_job(system)] = (
            dg.AssetSelection.assets(key(system, POLICY_FRONTIER)),
            "Live the past under other policies, and say which of them to live by.",
        )
    return [
        dg.define_asset_job(
            name,
            selection=selection,
            description=text,
            tags={"system": system.name, MAX_RUNTIME_SECONDS_TAG: str(LONGEST_RUN_S)},
        )
        for name, (selection, text) in told.items()
    ]


def _system_mistakes(systems: tuple[MLSystem, ...]) -> list[str]:
    named = {s.name: s for s in sound(systems, MLSystem)}
    found = not_all("systems", systems, MLSystem) + alike("system", [s.name for s in sound(systems, MLSystem)])
    for system in named.values():
        home = system.reuses
        if home is not None and named.get(home.name) is not home:
            wrong = "another object than the system of that name here" if home.name in named else "which is not here"
            found.append(
                f"system {system.name!r} reuses {home.name!r}, {wrong}; here: {', '.join(named)}: pass the very system "
                "that its reuses= names beside it"
            )
    return found


def _stage_mistakes(replaced: Mapping[str, object]) -> list[str]:
    found = [mistake for name in replaced for mistake in none_of("a stage to replace", name, BUILDERS)]
    wrong = {name: build for name, build in replaced.items() if not callable(build)}
    return found + [
        f"stage {name!r} is {build!r}; it must be a function from a system to its assets"
        for name, build in wrong.items()
    ]
