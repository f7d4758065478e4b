"""Online features as they live: in memory, stored tick by tick, and rebuilt from the lake where the two do not meet."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from mlsys_assets.features.feature import reads
from mlsys_assets.features.online.engine import OnlineFeatures
from mlsys_assets.features.online.signature import signature
from mlsys_assets.features.online.snapshot import changes, restore, stored
from mlsys_assets.features.online.stream import serve
from mlsys_assets.features.request_table import require_known
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import KNOWN_AT
from mlsys_assets.types import TimeWindow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LiveFeatures:
    """A system's online features, as of a moment: all that became known before it is in them.

    Parameters
    ----------
    system
        Whose features.
    lake, operations
        Where events are read, and where the state is stored: one row an entity.
    code
        The version of the code: state that other code, or other declarations, stored is not read.
    """

    def __init__(self, system: MLSystem, lake: Any, operations: Any, code: str) -> None:
        self._system, self._lake, self._operations = system, lake, operations
        self.signature = signature(system.features, code=code)
        self._online: OnlineFeatures | None = None
        self._position: Any = None

    def serve(self, tick: TimeWindow) -> pa.Table:
        """Live through a tick: return what each of its requests is served, and store the state as of its end.

        Raises UnknownRequest for a request that nobody knew of in time.
        """
        system, requests = self._system, self._system.requests
        online = self._as_of(tick.start)
        asked = self._read(requests.source.name, window=(requests.predict_at, tick.start, tick.end))
        require_known(asked, predict_at=requests.predict_at, what=f"requests from {requests.source.name}")
        events = {
            name: self._read(name, window=(KNOWN_AT, tick.start, tick.end))
            for name in online.sources
            if not self._is_snapshot(name)
        }
        served = serve(
            online, events, asked, key=requests.key, schema=system.feature_schema, predict_at=requests.predict_at
        )
        self._store(online, tick.end)
        return served

    def rebuild(self, at: datetime) -> int:
        """Build the state as of a moment from the lake, store it, and return how many entities it has."""
        online = self._from_lake(at)
        self._operations.forget_online(self._system.name)
        self._store(online, at)
        return sum(len(state.by_entity) for state in online.states())

    def _as_of(self, at: datetime) -> OnlineFeatures:
        """Return the state as of a moment: that in memory, or as it was stored, or built anew."""
        position = self._operations.online_position(self._system.name)
        if position is None or position.at != at or position.signature != self.signature:
            return self._from_lake(at)
        if self._online is None or self._position != position:
            self._online, self._position = self._empty(), position
            restore(self._online, self._operations.online_rows(self._system.name), horizon=_us(at))
        before = json.loads(position.snapshots)
        for name, version in self._snapshots(self._online).items():
            if before.get(name) != version:
                self._online.reset(name)
                self._online.load({name: self._read(name)})
        return self._online

    def _from_lake(self, at: datetime) -> OnlineFeatures:
        online, reach = self._empty(), reads(self._system.features)
        for name in online.sources:
            back = reach[name]
            window = None if back is None else (KNOWN_AT, at - back, at)
            online.load({name: self._read(name, window=window)})
        online.forget(_us(at))
        self._online, self._position = online, None
        return online

    def _empty(self) -> OnlineFeatures:
        return OnlineFeatures(self._system.features, self._system.requests.columns)

    def _store(self, online: OnlineFeatures, at: datetime) -> None:
        """Store the state as of a moment, unless a later one is stored: a tick that is done again changes nothing.

        Where another process has moved the stored state meanwhile, its state stands.
        """
        online.forget(_us(at))
        found = self._operations.online_position(self._system.name)
        if found is not None and found.at > at and found.signature == self.signature:
            self._online = self._position = None
            return
        snapshots, changed = json.dumps(self._snapshots(online), sort_keys=True), changes(online)
        self._position = self._operations.save_online(
            self._system.name, signature=self.signature, at=at, snapshots=snapshots,
            put=changed.put, gone=changed.gone, after=self._position,
        )  # fmt: skip
        stored(online)
        self._online = None if self._position is None else online

    def _read(self, table: str, *, window: tuple[str, datetime, datetime] | None = None) -> pa.Table:
        return self._lake.read(self._system.home(table), table, window=window)

    def _snapshots(self, online: OnlineFeatures) -> dict[str, int]:
        return {n: self._lake.version(self._system.home(n), n) for n in online.sources if self._is_snapshot(n)}

    def _is_snapshot(self, name: str) -> bool:
        return any(s.name == name and s.snapshot for s in self._system.sources)


def _us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)
