"""The trusted models: what is on record of each registered version."""

from datetime import datetime

from mlsys_resources.names import identifier
from mlsys_resources.operations_checks import LONGEST_NAME, LONGEST_TEXT, check_count, check_text
from mlsys_resources.operations_records import Conflict, Records, row_of, values_of
from mlsys_resources.operations_rows import ModelVersion
from mlsys_resources.operations_tables import MODELS


class TrustedModels(Records):
    """Every model that may be loaded; a version is never given to another model."""

    def record_model(self, model: ModelVersion) -> ModelVersion:
        """Put a model on record and return it, or return the one that stands for the same content and as-of.

        Raises Conflict if the version number is on record for another model.
        """
        identifier(model.system)
        check_count(version=model.version)
        check_text(LONGEST_NAME, name=model.name, content_hash=model.content_hash, run_id=model.run_id)
        check_text(LONGEST_TEXT, manifest_sha256=model.manifest_sha256, source=model.source)
        row = values_of(model, registered_at=self._clock())
        with self._database.write() as connection:
            self._database.insert_if_absent(connection, MODELS, row)
        standing = self.find_model(model.system, model.name, content_hash=model.content_hash, as_of=model.as_of)
        if standing is not None:
            return standing
        raise Conflict(
            f"{model.system} version {model.version} is already on record for another model than"
            f" {model.name} {model.content_hash}: the model registry and this store do not belong together;"
            " point both to stores that have grown together, or start both anew"
        )

    def model(self, system: str, version: int) -> ModelVersion | None:
        """Return the trusted record of a version, or None."""
        check_count(version=version)
        found = self._rows(MODELS, MODELS.c.system == identifier(system), MODELS.c.version == version)
        return row_of(ModelVersion, found[0]) if found else None

    def find_model(self, system: str, name: str, *, content_hash: str, as_of: datetime) -> ModelVersion | None:
        """Return the version that holds this content of this candidate as of that time, or None."""
        found = self._rows(
            MODELS,
            MODELS.c.system == identifier(system),
            MODELS.c.name == name,
            MODELS.c.content_hash == content_hash,
            MODELS.c.as_of == as_of,
        )
        return row_of(ModelVersion, found[0]) if found else None

    def models(self, system: str) -> tuple[ModelVersion, ...]:
        """Return all versions of a system, oldest first."""
        found = self._rows(MODELS, MODELS.c.system == identifier(system), order=MODELS.c.version)
        return tuple(row_of(ModelVersion, row) for row in found)
