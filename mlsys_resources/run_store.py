"""Runs in MLflow: logged whole, added to, looked for."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from mlsys_resources.artifact_files import ArtifactFiles, LocalFiles, RemoteFiles, RunPlace
from mlsys_resources.canonical import sha256
from mlsys_resources.mlflow_connection import HttpBounds, connect, failing_clearly, is_http, pages
from mlsys_resources.names import identifier
from mlsys_resources.orphans import every_page
from mlsys_resources.run_log import RunLog, log_metrics, milliseconds, write

MACHINE_LEARNING = "workflowType=machine_learning"
"""What MLflow's pages must be told, or they open as for language models, and empty."""
DEFAULT_UI = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` listens when it is told nothing else."""
EVERY_VIEW = 3
"""MLflow's number for runs that are there and runs that people deleted, whose files are there still."""

LOGGER = logging.getLogger(__name__)


class RunStore:
    """Logs runs to MLflow, which is imported and reached on first use.

    ``tracking_uri`` is an MLflow server (``http://…``) or database (``sqlite:///…``, ``postgresql://…``); with a
    database the files lie below ``artifact_root``.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        artifact_root: Path,
        clock: Callable[[], datetime],
        bounds: HttpBounds | None = None,
        ui: str | None = None,
    ) -> None:
        self._uri = tracking_uri
        self._root = Path(artifact_root)
        self._clock = clock
        self._bounds = bounds or HttpBounds()
        self._ui = pages(ui or (tracking_uri if is_http(tracking_uri) else DEFAULT_UI))

    def log_run(self, run: RunLog) -> str:
        """Write a whole run to MLflow and return its id: FINISHED, or FAILED if writing it failed.

        Raises ModelStoreError where MLflow or the disk refuses; ValueError for a name not allowed.
        """
        started = run.started_at or self._clock()
        with failing_clearly(
            self._uri,
            f"run {run.name!r} of experiment {run.experiment!r} could not be logged, and nothing was registered",
        ):
            created = self._client.create_run(
                self._experiment(identifier(run.experiment)),
                start_time=milliseconds(started),
                tags=run.all_tags,
                run_name=run.name,
            )
            run_id: str = created.info.run_id
            with self._ending(run_id):
                write(self._client, run_id, run, at=self._clock())
                if run.artifacts:
                    self._files.save(RunPlace(run.experiment, run_id), "", run.artifacts)
        return run_id

    def has_run(self, experiment: str, tags: Mapping[str, str]) -> bool:
        """Return whether an experiment has a run with all these tags; raises ModelStoreError."""
        with failing_clearly(self._uri, f"the runs of {experiment} could not be looked through"):
            known = self._client.get_experiment_by_name(identifier(experiment))
            return known is not None and bool(
                self._client.search_runs([known.experiment_id], _having(tags), max_results=1)
            )

    def add_to_run(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        artifacts: Mapping[str, bytes] | None = None,
    ) -> None:
        """Add metrics, tags and files to a run that was logged before; raises ModelStoreError."""
        with failing_clearly(self._uri, f"nothing could be added to run {run_id}"):
            log_metrics(self._client, run_id, metrics or {}, at=self._clock())
            for name, value in (tags or {}).items():
                self._client.set_tag(run_id, name, value)
            if artifacts:
                self._files.save(self._place(self._client.get_run(run_id)), "", artifacts)

    def run_hashes(self, run_id: str, folder: str) -> dict[str, str]:
        """Return the SHA-256 of each file that lies in a folder of a run now, by name; raises ModelStoreError."""
        with failing_clearly(self._uri, f"the files of run {run_id} could not be read"):
            source = self._files.source(self._place(self._client.get_run(run_id)), folder)
            return {name: sha256(self._files.read(source, name)) for name in sorted(self._files.sizes(source))}

    def folders(self, system: str, run_id: str) -> list[tuple[str, str]]:
        """Return each folder of a run's files: its name, its source; raises ModelStoreError."""
        with failing_clearly(self._uri, f"the files of run {run_id} could not be listed"):
            return self._files.folders_of(RunPlace(identifier(system), run_id))

    def runs(self, system: str, tags: Mapping[str, str]) -> list[str]:
        """Return a system's runs with all these tags, those that people deleted included; raises ModelStoreError."""
        with failing_clearly(self._uri, f"the runs of {system} could not be looked through"):
            known = self._client.get_experiment_by_name(identifier(system))
            if known is None:
                return []
            return [
                run.info.run_id
                for run in every_page(self._client.search_runs, [known.experiment_id], _having(tags), EVERY_VIEW)
            ]

    def run_url(self, run_id: str, *, artifact: str = "") -> str:
        """Return the address of a run, or of a file of it, in MLflow's web pages."""
        with failing_clearly(self._uri, f"run {run_id!r} could not be found"):
            experiment = self._client.get_run(run_id).info.experiment_id
        file = f"/artifacts/{artifact}" if artifact else ""
        return f"{self._ui}/#/experiments/{experiment}/runs/{run_id}{file}?{MACHINE_LEARNING}"

    @cached_property
    def _client(self) -> Any:
        return connect(self._uri, self._bounds)

    @cached_property
    def _files(self) -> ArtifactFiles:
        return RemoteFiles(self._client) if is_http(self._uri) else LocalFiles(self._root)

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        location = self._files.location(name)
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, artifact_location=location))
            except MlflowException:
                found = self._client.get_experiment_by_name(name)  # another process may have made it meanwhile
                if found is None:
                    raise
        if location not in (None, found.artifact_location):
            LOGGER.warning(
                "MLflow looks for the files of experiment %s at %s, but they are written to %s: its pages will not"
                " show them (was the state folder moved?)", name, found.artifact_location, location,
            )  # fmt: skip
        return str(found.experiment_id)

    def _place(self, run: Any) -> RunPlace:
        return RunPlace(self._client.get_experiment(run.info.experiment_id).name, run.info.run_id)

    @contextlib.contextmanager
    def _ending(self, run_id: str) -> Iterator[None]:
        try:
            yield
            self._client.set_terminated(run_id, "FINISHED", milliseconds(self._clock()))
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is the one to hear of
                self._client.set_terminated(run_id, "FAILED", milliseconds(self._clock()))
            raise


def _having(tags: Mapping[str, str]) -> str:
    return " and ".join(f"tags.{name} = '{value}'" for name, value in tags.items())
