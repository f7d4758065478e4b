"""What a killed registration left behind: told by a tag first, and taken away once nobody can still be at it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from mlsys_resources.artifact_files import ArtifactFiles
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.run_log import milliseconds
from mlsys_resources.tick_rows import utc

GRACE: Final = timedelta(hours=1)
"""How long what has no record is let be: a registration, whose waits are bounded, takes minutes at most."""
ORPHAN_TAG: Final = "orphan_since"
"""The tag of a version or a run that was seen without a record, with the time it was first seen so."""
FOLDER_TAG: Final = "orphan_since."
"""How the tags of a run begin that name a folder of it without a record."""
NO_RUN: Final = "RESOURCE_DOES_NOT_EXIST"
"""What MLflow says of a run that it does not have."""
ACTIVE: Final = "active"
"""What MLflow calls the stage of a run that nobody deleted."""
MODEL_FOLDER: Final = re.compile(r"model-[0-9a-f]{16}")

Kind = Literal["version", "files", "run"]


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something in the model store that no record vouches for.

    Parameters
    ----------
    kind
        A ``version`` that MLflow shows, the ``files`` of a model, or a ``run`` that never ended.
    name
        The version's number, the files' source, the run's id.
    since
        When it was first seen so.
    removed
        Whether it is gone by now: a version and files are deleted, a run is failed.
    """

    kind: Kind
    name: str
    since: datetime
    removed: bool = False


@dataclass(frozen=True)
class Sweeper:
    """Looks for orphans of one system, marks what it sees for the first time, and removes what it saw long ago."""

    client: Any
    files: ArtifactFiles
    operations: OperationsStore
    now: datetime
    grace: timedelta = GRACE

    def sweep(self, system: str) -> list[Orphan]:
        """Return what was found, removed or marked; a second sweep within the grace removes nothing more."""
        experiment = self.client.get_experiment_by_name(system)
        found = list(self._versions(system))
        if experiment is not None:
            found += [*self._files_of(system), *self._runs(str(experiment.experiment_id))]
        return found

    def _versions(self, system: str) -> Iterator[Orphan]:
        trusted = {model.version for model in self.operations.models(system)}
        for version in every_page(self.client.search_model_versions, f"name = '{system}'"):
            number = int(version.version)
            if number in trusted:
                continue
            orphan = self._seen("version", str(number), version.tags.get(ORPHAN_TAG))
            if orphan.removed:
                self.client.delete_model_version(system, str(number))
            elif orphan.since == self.now:
                self.client.set_model_version_tag(system, str(number), ORPHAN_TAG, orphan.since.isoformat())
            yield orphan

    def _files_of(self, system: str) -> Iterator[Orphan]:
        known = {model.source for model in self.operations.models(system)}
        known |= {str(d.context.get("source")) for d in self.operations.decisions(system)}
        for place, folder, source in self.files.folders(system):
            if source in known or not MODEL_FOLDER.fullmatch(folder):
                continue
            tags = self._tags(place.run_id)
            if tags is None:
                continue
            orphan = self._seen("files", source, tags.get(FOLDER_TAG + folder))
            if orphan.removed:
                self.files.discard(source)
                self.client.delete_tag(place.run_id, FOLDER_TAG + folder)
            elif orphan.since == self.now:
                self.client.set_tag(place.run_id, FOLDER_TAG + folder, orphan.since.isoformat())
            yield orphan

    def _runs(self, experiment: str) -> Iterator[Orphan]:
        for run in every_page(self.client.search_runs, [experiment], "attributes.status = 'RUNNING'"):
            orphan = self._seen("run", run.info.run_id, run.data.tags.get(ORPHAN_TAG))
            if orphan.removed:
                self.client.set_terminated(run.info.run_id, "FAILED", milliseconds(self.now))
            elif orphan.since == self.now:
                self.client.set_tag(run.info.run_id, ORPHAN_TAG, orphan.since.isoformat())
            yield orphan

    def _tags(self, run_id: str) -> Mapping[str, str] | None:
        """Return a run's tags; None for one that people deleted, which takes no more tags and whose files are theirs.

        So it is for a run that MLflow does not know, in whose place it was restored from a backup, say.
        """
        from mlflow.exceptions import MlflowException

        try:
            run = self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != NO_RUN:
                raise
            return None
        return run.data.tags if run.info.lifecycle_stage == ACTIVE else None

    def _seen(self, kind: Kind, name: str, since: str | None) -> Orphan:
        """Return an orphan with when it was first seen; a tag that tells no moment before now was not written here."""
        try:
            told = utc(datetime.fromisoformat(since)) if since else None
        except ValueError:
            told = None
        if told is None or told > self.now:
            return Orphan(kind, name, self.now)
        return Orphan(kind, name, told, removed=self.now - told >= self.grace)


def every_page(search: Any, *arguments: Any) -> Iterable[Any]:
    """Return what all pages of a search hold, read before any of it is changed."""
    found, token = [], None
    while True:
        page = search(*arguments, page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found
