"""A model's files, read and verified; of what a server gave, a copy stands in while the server is away."""

import logging
from typing import Final

from mlsys_resources.artifact_files import ArtifactFiles, LocalFiles, RunPlace, SavedArtifacts, read_verified
from mlsys_resources.database_urls import shown
from mlsys_resources.manifest import MANIFEST_NAME, Manifest, TamperedArtifact
from mlsys_resources.mlflow_connection import ModelStoreError, failing_clearly

KEPT: Final = "verified"
"""The folder of the copies of what a server gave."""

LOGGER = logging.getLogger(__name__)


def read_model(
    files: ArtifactFiles, saved: SavedArtifacts, *, uri: str, kept: LocalFiles | None
) -> tuple[Manifest, dict[str, bytes]]:
    """Return a model's manifest and files, each byte as on record.

    Parameters
    ----------
    files
        Where they lie.
    saved
        What is on record of them.
    uri
        The model store, for messages.
    kept
        Where copies of what a server gave are kept, each under the hash of its manifest, by which it is verified
        like the original; None: none is kept.

    Raises ModelStoreError where they cannot be reached and no copy is kept, TamperedArtifact if any byte differs.
    """
    place = RunPlace(KEPT, saved.manifest_sha256)
    try:
        with failing_clearly(uri, f"the model at {saved.source} could not be read"):
            manifest, found = read_verified(files, saved.source, saved.manifest_sha256)
    except ModelStoreError:
        if kept is None or not kept.sizes(kept.source(place, "")):
            raise
        manifest, found = read_verified(kept, kept.source(place, ""), saved.manifest_sha256)
        LOGGER.warning(
            "%s does not answer: the model at %s was read from the copy kept here, which is the one on record",
            shown(uri), saved.source,
        )  # fmt: skip
    else:
        if kept is not None and not kept.sizes(kept.source(place, "")):
            kept.save(place, "", {**found, MANIFEST_NAME: manifest.to_bytes()})
    if manifest.content_hash != saved.content_hash:
        raise TamperedArtifact(MANIFEST_NAME, f"its content is not {saved.content_hash}, as the record says")
    return manifest, found
