"""Runs and models in MLflow, trusted only as far as the operations store vouches for them."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from mlsys_resources.artifact_files import (
    ArtifactFiles,
    LocalFiles,
    RemoteFiles,
    RunPlace,
    SavedArtifacts,
    read_verified,
)
from mlsys_resources.canonical import sha256
from mlsys_resources.database_urls import shown
from mlsys_resources.manifest import MANIFEST_NAME, Manifest
from mlsys_resources.mlflow_connection import HttpBounds, connect, failing_clearly, is_http, pages
from mlsys_resources.model_files import copy_of, read_model
from mlsys_resources.names import identifier
from mlsys_resources.operations_rows import ModelVersion
from mlsys_resources.operations_store import OperationsStore, RetiredModel, UnknownModel
from mlsys_resources.orphans import GRACE, Orphan, Sweeper, every_page
from mlsys_resources.run_log import RunLog, log_metrics, milliseconds, write

MACHINE_LEARNING = "workflowType=machine_learning"
"""What MLflow's pages must be told, or they open as for language models, and empty."""
DEFAULT_UI = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` listens when it is told nothing else."""

FOLDER_DIGITS = 16
"""Hexadecimal digits of the manifest's hash in the name of a model's folder."""

MIRROR_ATTEMPTS = 5
"""How often an alias is copied again because it moved meanwhile."""

NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow calls a model, or an alias of one, that it does not have."""

EVERY_VIEW = 3
"""MLflow's number for runs that are there and runs that people deleted, whose files are there still."""

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedArtifacts:
    """A model's files, every byte verified against the trusted record, none of them parsed yet."""

    version: ModelVersion
    manifest: Manifest
    files: Mapping[str, bytes]

    @property
    def content(self) -> dict[str, bytes]:
        """The files that are the model, without what is known about it."""
        return {name: self.files[name] for name in self.manifest.content}

    @property
    def record(self) -> dict[str, bytes]:
        """The files that tell what is known about it."""
        return {name: self.files[name] for name in self.manifest.record}


class ModelStore:
    """Logs runs to MLflow, registers models there, and gives back only what was registered.

    ``tracking_uri`` is an MLflow server (``http://…``) or database (``sqlite:///…``, ``postgresql://…``);
    with a database the files lie below ``artifact_root``, and reading them needs no MLflow. MLflow is
    imported and reached on first use. What it says is never trusted: a version exists once the operations
    store has its record, which is written last, and is loaded by the hashes in that record.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        operations: OperationsStore,
        artifact_root: Path,
        clock: Callable[[], datetime],
        bounds: HttpBounds | None = None,
        ui: str | None = None,
    ) -> None:
        self._uri = tracking_uri
        self._operations = operations
        self._root = Path(artifact_root)
        self._clock = clock
        self._bounds = bounds or HttpBounds()
        self._kept = LocalFiles(self._root) if is_http(tracking_uri) else None
        self._ui = pages(ui or (tracking_uri if is_http(tracking_uri) else DEFAULT_UI))

    def __repr__(self) -> str:
        return f"ModelStore({shown(self._uri)!r})"

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

    def save(self, run_id: str, *, content: Mapping[str, bytes], record: Mapping[str, bytes]) -> SavedArtifacts:
        """Save a model under a finished run without registering it: a candidate that may be compared.

        Raises ModelStoreError or ValueError.
        """
        manifest = Manifest.of(content, record)
        with failing_clearly(self._uri, f"a model could not be saved under run {run_id}"):
            return self._save(run_id, manifest, {**content, **record})

    def read(self, saved: SavedArtifacts) -> dict[str, bytes]:
        """Return a saved model's content files, every byte verified; raises TamperedArtifact if any differs."""
        manifest, files = self._read(saved)
        return {name: files[name] for name in manifest.content}

    def read_record(self, saved: SavedArtifacts) -> dict[str, bytes]:
        """Return what is known about a saved model, verified as its content is; raises TamperedArtifact."""
        manifest, files = self._read(saved)
        return {name: files[name] for name in manifest.record}

    def run_hashes(self, run_id: str, folder: str) -> dict[str, str]:
        """Return the SHA-256 of each file that lies in a folder of a run now, by name; raises ModelStoreError."""
        with failing_clearly(self._uri, f"the files of run {run_id} could not be read"):
            source = self._files.source(self._place(self._client.get_run(run_id)), folder)
            return {name: sha256(self._files.read(source, name)) for name in sorted(self._files.sizes(source))}

    def register(  # noqa: PLR0913 - what a model is, and what is known of it
        self,
        system: str,
        name: str,
        *,
        run_id: str,
        content: Mapping[str, bytes],
        record: Mapping[str, bytes],
        as_of: datetime,
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Save a model under a finished run, register it, and put it on record; return its version.

        ``content`` is what the model is, ``record`` what is known about it (the passport, say). The same
        content of the same candidate and as-of time is the version that is on record already. Raises
        ModelStoreError or ValueError with nothing on record.
        """
        manifest = Manifest.of(content, record)
        standing = self._operations.find_model(system, name, content_hash=manifest.content_hash, as_of=as_of)
        if standing is not None:
            return standing
        with failing_clearly(self._uri, f"{system} model {name!r} could not be registered, and is not on record"):
            saved = self._save(run_id, manifest, {**content, **record})
            labels = {"candidate": name, "content_hash": saved.content_hash, "as_of": as_of.isoformat()}
            made = self._new_version(identifier(system), run_id, source=saved.source, tags={**(tags or {}), **labels})
        wanted = ModelVersion(
            system, made, name, saved.content_hash, saved.manifest_sha256, run_id, as_of, saved.source
        )  # fmt: skip
        try:
            found = self._operations.record_model(wanted)
        except BaseException:
            self._forget(system, made)
            raise
        if found.version != made:  # another process registered the same model meanwhile
            self._forget(system, made)
        return found

    def load(self, system: str, version: int) -> LoadedArtifacts:
        """Return a registered model's files, verified.

        Raises UnknownModel if the version has no trusted record, RetiredModel if it serves no more, wherever its files
        may still lie, and TamperedArtifact if any byte differs.
        """
        trusted = self._operations.model(system, version)
        if trusted is None:
            raise UnknownModel(
                f"{system} version {version} has no trusted record, whatever MLflow shows; known are"
                f" {[model.version for model in self._operations.models(system)]}"
            )
        if self._operations.retirement(system, version) is not None:
            raise RetiredModel(system, version)
        manifest, files = self._read(SavedArtifacts(trusted.source, trusted.manifest_sha256, trusted.content_hash))
        return LoadedArtifacts(trusted, manifest, files)

    def sweep(self, system: str, *, grace: timedelta = GRACE) -> list[Orphan]:
        """Mark what no record vouches for, and remove what was marked longer ago than ``grace``; return both.

        Registrations that were killed leave such versions, files and runs. Raises ModelStoreError.
        """
        with failing_clearly(self._uri, f"what is left of killed registrations of {system} could not be swept"):
            return Sweeper(self._client, self._files, self._operations, self._clock(), grace).sweep(identifier(system))

    def discard(self, source: str, *, manifest_sha256: str | None = None) -> bool:
        """Delete a folder of a run's files for good, and return whether any were there.

        Of a model, whose manifest has that hash, the copy kept here is deleted too. Its record stands, and reading it
        raises TamperedArtifact from then on. Raises ModelStoreError, and NotImplementedError where a server's files lie
        at a place that it does not serve.
        """
        kept = LocalFiles(self._root)
        copied = manifest_sha256 is not None and kept.discard(kept.source(copy_of(manifest_sha256), ""))
        with failing_clearly(self._uri, f"the files at {source} could not be deleted"):
            return self._files.discard(source) or copied

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

    def mirror_alias(self, system: str, alias: str) -> None:
        """Set MLflow's alias to what the operations store says, for people who look there."""
        with failing_clearly(self._uri, f"{system}@{alias} could not be shown in MLflow (it stands as it was decided)"):
            for _ in range(MIRROR_ATTEMPTS):
                decided = self._operations.alias(system, alias)
                if decided is None:
                    return
                self._client.set_registered_model_alias(system, alias, str(decided.version))
                if self._operations.alias(system, alias) == decided:
                    return

    def mirrored_alias(self, system: str, alias: str) -> int | None:
        """Return the version that MLflow shows under an alias, or None; raises ModelStoreError."""
        from mlflow.exceptions import MlflowException

        with failing_clearly(self._uri, f"{system}@{alias} could not be looked up in MLflow"):
            try:
                return int(self._client.get_model_version_by_alias(system, alias).version)
            except MlflowException as error:
                if error.error_code not in NOT_THERE:
                    raise
                return None

    def run_url(self, run_id: str, *, artifact: str = "") -> str:
        """Return the address of a run, or of a file of it, in MLflow's web pages."""
        with failing_clearly(self._uri, f"run {run_id!r} could not be found"):
            experiment = self._client.get_run(run_id).info.experiment_id
        file = f"/artifacts/{artifact}" if artifact else ""
        return f"{self._ui}/#/experiments/{experiment}/runs/{run_id}{file}?{MACHINE_LEARNING}"

    # -------------------------------------------------------------------------------------------

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

    def _read(self, saved: SavedArtifacts) -> tuple[Manifest, dict[str, bytes]]:
        return read_model(self._files, saved, uri=self._uri, kept=self._kept)

    def _save(self, run_id: str, manifest: Manifest, files: Mapping[str, bytes]) -> SavedArtifacts:
        run = self._client.get_run(run_id)
        if run.info.status != "FINISHED":
            raise ValueError(f"run {run_id} is {run.info.status}; a model is registered from a FINISHED run only")
        checksum = manifest.sha256
        folder = f"model-{checksum[:FOLDER_DIGITS]}"  # its own, so that no other attempt's file can lie in it
        source = self._files.save(self._place(run), folder, {**files, MANIFEST_NAME: manifest.to_bytes()})
        read_verified(self._files, source, checksum)  # what the disk kept, not what it was given
        return SavedArtifacts(source, checksum, manifest.content_hash)

    def _place(self, run: Any) -> RunPlace:
        return RunPlace(self._client.get_experiment(run.info.experiment_id).name, run.info.run_id)

    def _new_version(self, system: str, run_id: str, *, source: str, tags: Mapping[str, str]) -> int:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(system)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        place = f"runs:/{run_id}/{source.rsplit('/', 1)[-1]}"
        made = self._client.create_model_version(system, place, run_id, tags=dict(tags), await_creation_for=0)
        return int(made.version)

    def _forget(self, system: str, version: int) -> None:
        with contextlib.suppress(Exception):  # it is not on record, so nothing depends on its going
            self._client.delete_model_version(system, str(version))

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
