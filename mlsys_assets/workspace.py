"""A workspace: the systems of one deployment, and the stores and definitions that they share."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlsys_assets.process_environment import prepare

prepare(os.environ)  # before anything that reads it is loaded

from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, LABELS
from mlsys_assets.types import SystemClock, TimeWindow
from mlsys_resources.resources import HOME, Resources, build_resources

if TYPE_CHECKING:
    import dagster as dg
    import pyarrow as pa

    from mlsys_assets.data_sampling.rows import LabelledRows
    from mlsys_assets.data_sampling.splits import Split
    from mlsys_assets.features.feature import Feature
    from mlsys_assets.training_report import TrainingReport


@dataclass(frozen=True, init=False)
class Workspace:
    """The systems of one deployment.

    A module that holds one, as ``workspace``, and its definitions, as ``defs``, is what ``MLSYS_WORKSPACE`` names and
    what Dagster loads as a code location::

        workspace = Workspace(rain, flights)
        defs = workspace.definitions

    Parameters
    ----------
    systems
        The declarations; no two of one name.
    environment
        Where the stores are, as of when the workspace is made; the environment of this process, if not given.
    """

    systems: tuple[MLSystem, ...]
    environment: Mapping[str, str] = field(repr=False, compare=False)

    def __init__(self, *systems: MLSystem, environment: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "systems", systems)
        object.__setattr__(self, "environment", dict(os.environ if environment is None else environment))

    @classmethod
    def nearest(cls, *systems: MLSystem) -> "Workspace":
        """Return the systems on the state folder of the environment, or else on the nearest ``.mlsys`` from here up.

        Raises FileNotFoundError if there is none: nothing was lived through yet.
        """
        here = Path.cwd()
        homes = [os.environ.get(HOME) or "", *(str(folder / ".mlsys") for folder in (here, *here.parents))]
        home = next((home for home in homes if home and Path(home).is_dir()), None)
        if home is None:
            raise FileNotFoundError(f"there is no state folder .mlsys in {here} or above it; `make run` makes one")
        return cls(*systems, environment={**os.environ, HOME: home})

    @cached_property
    def stores(self) -> Resources:
        """The tables, records and models of the workspace; each opened when it is first asked for."""
        return build_resources(self.environment, clock=SystemClock().now)

    @cached_property
    def definitions(self) -> "dg.Definitions":
        """What Dagster loads; raises DeclarationError if two systems are of one name."""
        from mlsys_assets.definitions import build_definitions

        return build_definitions(*self.systems, resources=self.stores)

    def split(self, name: str, as_of: datetime) -> "Split":
        """Return a system's labelled rows as known at a tick's start, split by time; its tests stay sealed."""
        from mlsys_assets.known import known_rows

        system, lake = self.system(name), self.stores.lake
        versions = self._versions(system, FEATURES, LABELS)
        return self._split(system, known_rows(lake, system, as_of, versions), as_of)

    def training_report(self, name: str, as_of: datetime, *, more: "pa.Table | None" = None) -> "TrainingReport":
        """Return what would be said of a training set as of a tick's start: leaks, copies, what its columns are like.

        Parameters
        ----------
        more
            Columns that are only thought of, by the requests' key, to be looked at beside the features.
        """
        import pyarrow.compute as pc

        from mlsys_assets.known import known_rows, known_surroundings
        from mlsys_assets.training_report import training_report

        system, lake = self.system(name), self.stores.lake
        rows = known_rows(lake, system, as_of, self._versions(system, FEATURES, LABELS))
        if more is not None:
            found = pc.index_in(rows.ids, value_set=more[system.requests.key].combine_chunks())
            features = rows.features
            for column in more.drop_columns([system.requests.key]).column_names:
                features = features.append_column(column, more[column].take(found))
            rows = replace(rows, features=features)
        versions = self._versions(system, *(source.name for source in system.sources))
        around = partial(known_surroundings, lake, system, as_of, versions)
        return training_report(system, rows, self._split(system, rows, as_of), around=around)

    def try_features(self, name: str, features: "Sequence[Feature]", window: TimeWindow) -> "pa.Table":
        """Return features, declared or only thought of, of the requests in a window: each as it was known then."""
        from mlsys_assets.known import known_features

        return known_features(self.stores.lake, self.system(name), features, window, engine=self.stores.engine)

    def _split(self, system: MLSystem, rows: "LabelledRows", as_of: datetime) -> "Split":
        """Return rows split, train by the system's window and what was diagnosed by then."""
        from mlsys_assets.ledger import MONITORING
        from mlsys_assets.production_monitoring.dated_changes import dated_changes

        diagnosed = self.stores.operations.decisions(system.name, MONITORING, until=as_of)
        changes = dated_changes(diagnosed, as_of=as_of)
        return system.time_split.split(rows, as_of=as_of, window=system.learning.window, changes=changes)

    def _versions(self, system: MLSystem, *tables: str) -> dict[str, int]:
        return {table: self.stores.lake.version(system.home(table), table) for table in tables}

    def system(self, name: str | None = None) -> MLSystem:
        """Return the system of that name, or the first; raises LookupError, naming those that there are."""
        named = {system.name: system for system in self.systems}
        if not named:
            raise LookupError("the workspace has no systems; name at least one: Workspace(mine)")
        if name is not None and name not in named:
            raise LookupError(f"the workspace has no system {name!r}; it has: {', '.join(named)}")
        return named[name or next(iter(named))]
