"""Runs and models in MLflow, trusted only as far as the operations store vouches for them."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mlsys_resources.artifact_files import (
    LocalFiles,
    SavedArtifacts,
    read_verified,
)
from mlsys_resources.database_urls import shown
from mlsys_resources.manifest import MANIFEST_NAME, Manifest
from mlsys_resources.mlflow_connection import HttpBounds, failing_clearly, is_http
from mlsys_resources.model_files import copy_of, read_model
from mlsys_resources.names import identifier
from mlsys_resources.operations_rows import ModelVersion
from mlsys_resources.operations_store import OperationsStore, RetiredModel, UnknownModel
from mlsys_resources.orphans import GRACE, Orphan, Sweeper
from mlsys_resources.run_store import RunStore

FOLDER_DIGITS = 16
"""Hexadecimal digits of the manifest's hash in the name of a model's folder."""

MIRROR_ATTEMPTS = 5
"""How often an alias is copied again because it moved meanwhile."""

NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow calls a model, or an alias of one, that it does not have."""


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


class ModelStore(RunStore):
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
        super().__init__(tracking_uri, artifact_root=artifact_root, clock=clock, bounds=bounds, ui=ui)
        self._operations = operations
        self._kept = LocalFiles(self._root) if is_http(tracking_uri) else None

    def __repr__(self) -> str:
        return f"ModelStore({shown(self._uri)!r})"

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
        raises TamperedArtifact from then on. Raises ModelStoreError, and ServedElsewhere where a server's files lie
        at a place that it does not serve.
        """
        kept = LocalFiles(self._root)
        copied = manifest_sha256 is not None and kept.discard(kept.source(copy_of(manifest_sha256), ""))
        with failing_clearly(self._uri, f"the files at {source} could not be deleted"):
            return self._files.discard(source) or copied

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
