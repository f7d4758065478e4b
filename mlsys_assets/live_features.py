"""Online features as they live: in memory, stored tick by tick, and rebuilt from the lake where the two do not meet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
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
from mlsys_assets.types import EPOCH, TimeWindow, microseconds


class StateMoved(RuntimeError):
    """Another process stored the online state while this one was building it."""


@dataclass(frozen=True, eq=False)
class _Held:
    """The state in memory: the stored position that it goes on from, and the versions of the tables it read whole.

    ``whole`` tells that it is not what is stored with some changes, but to be stored in its place.
    """

    online: OnlineFeatures
    position: Any
    snapshots: Mapping[str, int]
    whole: bool = False


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
        self._held: _Held | None = None

    def serve(self, tick: TimeWindow) -> pa.Table:
        """Live through a tick: return what each of its requests is served, and store the state as of its end.

        Raises UnknownRequest for a request that nobody knew of in time.
        """
        system, requests = self._system, self._system.requests
        asked = self._read(requests.source.name, window=(requests.predict_at, tick.start, tick.end))
        require_known(asked, predict_at=requests.predict_at, what=f"requests from {requests.source.name}")
        held = self._as_of(tick.start)
        events = {
            name: self._read(name, window=(KNOWN_AT, tick.start, tick.end))
            for name in held.online.sources
            if name not in held.snapshots
        }
        served = serve(
            held.online, events, asked, key=requests.key, schema=system.feature_schema, predict_at=requests.predict_at
        )
        before = held.position
        if before is None or before.at <= tick.end or before.signature != self.signature:
            self._store(held, tick.end)  # a tick that is done again moves no later state back
        return served

    def rebuild(self, at: datetime) -> int:
        """Build the state as of a moment from the lake, store it, and return how many entities it has.

        Raises StateMoved if another process stored the state meanwhile.
        """
        held = self._from_lake(at, self._operations.online_position(self._system.name))
        if not self._store(held, at):
            raise StateMoved(
                f"{self._system.name}: another process stored the online state meanwhile, and that one stands; "
                "run `mlsys online --rebuild` again"
            )
        return sum(len(state.by_entity) for state in held.online.states())

    def _as_of(self, at: datetime) -> _Held:
        """Return the state as of a moment: that in memory, or as it was stored, or built anew.

        What is in memory is given away: a tick that fails leaves it half changed.
        """
        held, self._held = self._held, None
        position = self._operations.online_position(self._system.name)
        if position is None or position.at != at or position.signature != self.signature:
            return self._from_lake(at, position)
        if held is None or held.position != position:
            online = self._empty()
            restore(online, self._operations.online_rows(self._system.name), horizon=_us(at))
            if self._operations.online_position(self._system.name) != position:
                return self._as_of(at)  # its rows were replaced while they were read
            held = _Held(online, position, json.loads(position.snapshots))
        snapshots = self._snapshots(held.online)
        for name, version in snapshots.items():
            if held.snapshots.get(name) != version:
                held.online.reset(name)
                held.online.load({name: self._read(name, version=version)})
        return _Held(held.online, position, snapshots)

    def _from_lake(self, at: datetime, position: Any) -> _Held:
        online, reach = self._empty(), reads(self._system.features)
        snapshots = self._snapshots(online)
        for name in online.sources:
            back = reach[name]
            window = None if back is None else (KNOWN_AT, at - back, at)
            online.load({name: self._read(name, window=window, version=snapshots.get(name))})
        online.forget(_us(at))
        return _Held(online, position, snapshots, whole=True)

    def _empty(self) -> OnlineFeatures:
        return OnlineFeatures(self._system.features, self._system.requests.columns)

    def _store(self, held: _Held, at: datetime) -> bool:
        """Store the state as of a moment; return False where another process moved what is stored: its state stands."""
        held.online.forget(_us(at))
        changed = changes(held.online)
        position = self._operations.save_online(
            self._system.name, signature=self.signature, at=at, snapshots=json.dumps(held.snapshots, sort_keys=True),
            put=changed.put, gone=changed.gone, after=held.position, whole=held.whole,
        )  # fmt: skip
        if position is None:
            return False
        stored(held.online)
        self._held = _Held(held.online, position, held.snapshots)
        return True

    def _read(
        self, table: str, *, window: tuple[str, datetime, datetime] | None = None, version: int | None = None
    ) -> pa.Table:
        return self._lake.read(self._system.home(table), table, window=window, version=version)

    def _snapshots(self, online: OnlineFeatures) -> dict[str, int]:
        return {n: self._lake.version(self._system.home(n), n) for n in online.sources if self._is_snapshot(n)}

    def _is_snapshot(self, name: str) -> bool:
        return any(s.name == name and s.snapshot for s in self._system.sources)


def _us(at: datetime) -> int:
    return microseconds(at - EPOCH)
