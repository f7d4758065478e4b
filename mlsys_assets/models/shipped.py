"""A fitted candidate on its way to another process: as files, since a predictor may hold what no other can have."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import Fitted


@dataclass(frozen=True, eq=False)
class Shipped:
    """A fitted candidate as plain data; its files are read, and parsed, only where the model is asked for.

    Parameters
    ----------
    files
        Its predictor's.
    record
        The rest of what was fitted.
    """

    files: Mapping[str, bytes]
    record: Mapping[str, Any]

    @classmethod
    def of(cls, fitted: Fitted) -> Self:
        """Return what is sent."""
        record = {f.name: getattr(fitted, f.name) for f in fields(Fitted) if f.name != "predictor"}
        return cls(to_files(fitted.predictor), record)

    def fitted(self) -> Fitted:
        """Return the fitted candidate."""
        return Fitted(predictor=from_files(self.files), **self.record)
