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


def copy_of(manifest_sha256: str) -> RunPlace:
    """Return where the copy of the model whose manifest has that hash lies, among local files."""
    return RunPlace(KEPT, manifest_sha256)


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
    copy = copy_of(saved.manifest_sha256)
    try:
        with failing_clearly(uri, f"the model at {saved.source} could not be read"):
            manifest, found = read_verified(files, saved.source, saved.manifest_sha256)
    except ModelStoreError:
        if kept is None or MANIFEST_NAME not in kept.sizes(kept.source(copy, "")):
            raise
        manifest, found = read_verified(kept, kept.source(copy, ""), saved.manifest_sha256)
        LOGGER.warning(
            "%s does not answer: the model at %s was read from the copy kept here, which is the one on record",
            shown(uri), saved.source,
        )  # fmt: skip
    else:
        if kept is not None:
            _keep(kept, copy, manifest, found)
    if manifest.content_hash != saved.content_hash:
        raise TamperedArtifact(MANIFEST_NAME, f"its content is not {saved.content_hash}, as the record says")
    return manifest, found


def _keep(kept: LocalFiles, copy: RunPlace, manifest: Manifest, files: dict[str, bytes]) -> None:
    """Keep a copy, its manifest last; one that is not whole, as a kill leaves it, is made anew.

    A disk that takes no copy stops nobody who has the original.
    """
    source, whole = kept.source(copy, ""), {**files, MANIFEST_NAME: manifest.to_bytes()}
    try:
        if kept.sizes(source) != {name: len(content) for name, content in whole.items()}:
            kept.discard(source)
            kept.save(copy, "", whole)
    except (OSError, TamperedArtifact) as error:
        LOGGER.warning("no copy of the model at %s could be kept here, for when its server is away: %s", source, error)
