"""Models kept in memory, by what they are: the model store of lives that are lived once more."""

from collections.abc import Collection, Mapping

from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.policy_replay.memory_operations import MemoryOperations
from mlsys_resources.artifact_files import SavedArtifacts
from mlsys_resources.manifest import Manifest
from mlsys_resources.model_store import LoadedArtifacts


class KeptModels:
    """Every model that any life has fitted, once; shared by all lives."""

    def __init__(self) -> None:
        self._content: dict[str, dict[str, bytes]] = {}
        self._predictors: dict[str, Predictor] = {}

    def keep(self, content: Mapping[str, bytes]) -> str:
        """Keep a model's files; return its content hash, which is that of the model store."""
        content_hash = Manifest.of(content, {}).content_hash
        self._content[content_hash] = dict(content)
        return content_hash

    def read(self, saved: SavedArtifacts) -> dict[str, bytes]:
        """Return a model's files."""
        return self._content[saved.content_hash]

    def predictor(self, content_hash: str) -> Predictor:
        """Return what predicts, as it is read of the files; read once."""
        if content_hash not in self._predictors:
            self._predictors[content_hash] = from_files(self._content[content_hash])
        return self._predictors[content_hash]

    def forget_but(self, wanted: Collection[str]) -> None:
        """Forget every model but those: what no life has as its champion is not asked for again."""
        for kept in (self._content, self._predictors):
            for content_hash in kept.keys() - set(wanted):
                del kept[content_hash]


class LifesModels:
    """The versions that one life has registered."""

    def __init__(self, kept: KeptModels, operations: MemoryOperations) -> None:
        self.kept, self.operations = kept, operations

    def load(self, system: str, version: int) -> LoadedArtifacts:
        """Return a version's files; nothing is told of how it was made."""
        model = self.operations.model(system, version)
        if model is None:
            raise LookupError(f"{system} has no version {version}")
        content = self.kept.read(SavedArtifacts("", "", model.content_hash))
        return LoadedArtifacts(model, Manifest.of(content, {}), content)

    def read(self, saved: SavedArtifacts) -> dict[str, bytes]:
        """Return a model's files."""
        return self.kept.read(saved)
