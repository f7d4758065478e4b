"""A model made again from its record: run as a process of its own, by the code of that record.

It reads the record in the form in which that code wrote it, and needs no workspace: what is read, how it is split and
what is fitted stand in the record as data.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

import mlsys_assets
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.data_sampling.training_window import EXPANDING
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.ledger import CANDIDATE
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.distributed.dask_training import training_on
from mlsys_assets.models.distributed.placement import WORKERS
from mlsys_assets.models.passport.declared import made
from mlsys_assets.models.passport.parts import Context, Data, Definition, Generation, Parameters, part_of
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.stateful.ancestry import Ancestry
from mlsys_assets.models.stateful.start import AS_OF, BY, FROM, Checkpoint, Start, by_known, go_on, learned_by, places
from mlsys_assets.process_environment import prepare
from mlsys_assets.types import Scalar, SystemClock
from mlsys_resources.artifact_files import SavedArtifacts
from mlsys_resources.canonical import sha256
from mlsys_resources.resources import Resources, build_resources
from mlsys_resources.training_cluster import DASK, TrainingCluster

if TYPE_CHECKING:
    from mlsys_assets.known import LabelledReading  # it loads the features' code, which may be broken by now

FOUND: Final = "found.json"
"""What was found on the way, beside the folder of the model's files."""
CONTENT: Final = "content"


class Gone(RuntimeError):
    """What the model was made from is not there any more, or is not what it was."""


class Parents(Protocol):
    """What is told of the candidates that models were gone on from."""

    def files(self, candidate: str, as_of: datetime, content_hash: str) -> Mapping[str, bytes]:
        """Return the files of a candidate's model as of a time, by its content hash."""
        ...

    def before(
        self, candidate: str, as_of: datetime, rows: LabelledRows, reading: "LabelledReading", split: TimeSplit
    ) -> NDArray[np.bool_]:
        """Return (n,) which rows that had learned from which the candidate itself was gone on."""
        ...


def refit(
    record: Mapping[str, bytes], lake: Any, parents: Parents | None = None
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of the model that a record tells of, fitted anew, and what was found on the way.

    Where it was gone on from another model, it is gone on from that one's bytes, which ``parents`` gives. Raises Gone
    if those, or the rows, cannot be read again as they were; FitError as a candidate does.
    """
    data, set_up = part_of(record, Data), part_of(record, Parameters)
    rows = _rows(data, part_of(record, Context).lake_versions, lake)
    generation = part_of(record, Generation)
    split, as_of = made(generation.split), datetime.fromisoformat(data.as_of)
    changes = tuple(map(datetime.fromisoformat, generation.changes))
    chosen = {"as_of": as_of, "window": made(generation.window) or EXPANDING, "changes": changes}
    parts = None if generation.refit else split.split(rows, **chosen)
    train = parts.train if parts is not None else split.refit_view(rows, **chosen)
    parent = _parent(set_up.params, part_of(record, Definition).candidate, parents)
    if parent is not None and parents is not None:
        seen = learned_by(split, rows, parent.as_of)
        seen |= parents.before(part_of(record, Definition).candidate, parent.as_of, rows, made(data.reading), split)
        here = train if parent.as_of == as_of else split.split(rows, as_of=as_of).train
        train = by_known(here.take(~seen[places(here.ids, rows)]), rows)
    if train.content_hash != data.training_hash:
        raise Gone(f"the {len(train)} rows to fit on hash to {train.content_hash}, recorded is {data.training_hash}")
    candidate = made(part_of(record, Definition).declaration)
    if parent is not None:
        by = made(msgspec.json.decode(str(set_up.params[BY])))
        begun = Start(train, rows, "", parent)
        return _found(go_on(candidate, begun, by=by, seed=set_up.seed, threads=set_up.threads), rows, train)
    workers = set_up.params.get(WORKERS)  # of a model that a cluster trained: as many give the same bytes
    cluster = TrainingCluster(DASK, int(workers)) if workers else TrainingCluster()
    with cluster.open() as client:
        training = training_on(client, cluster.workers)
        how = {"seed": set_up.seed, "threads": set_up.threads}
        if parts is not None:  # it was never refitted: it is fitted and chosen again as it was then
            fitted = training.fit(candidate, train, parts.validation, **how)
        else:
            fitted = training.refit(candidate, train, recipe=set_up.recipe, **how)
    return _found(fitted, rows, train)


def _found(fitted: Fitted, rows: LabelledRows, train: Train) -> tuple[dict[str, bytes], dict[str, Any]]:
    files = to_files(fitted.predictor)
    return files, {"rows": len(rows), "training_rows": len(train), "code": str(Path(mlsys_assets.__file__).parent)}


def _parent(params: Mapping[str, Scalar], candidate: str, parents: Parents | None) -> Checkpoint | None:
    """Return what a model was gone on from, None if from nothing; raises Gone, and names it, if it is not there."""
    if FROM not in params:
        return None
    wanted, at = str(params[FROM]), datetime.fromisoformat(str(params[AS_OF]))
    try:
        if parents is None:
            raise LookupError("no store of models was given")
        return Checkpoint(from_files(parents.files(candidate, at, wanted)), wanted, at)
    except (LookupError, OSError, RuntimeError, BundleError) as error:
        raise Gone(
            f"it was gone on from the {candidate} that was evaluated as of {at:%Y-%m-%d %H:%M}, {wanted}, whose bytes "
            f"it takes and which cannot be read ({error})"
        ) from error


@dataclass(frozen=True)
class StoredParents:
    """A system's candidates as its stores hold them, each byte verified."""

    stores: Resources
    system: str

    def files(self, candidate: str, as_of: datetime, content_hash: str) -> Mapping[str, bytes]:
        """Return the files of a candidate's model; raises LookupError for one that is not on record."""
        for fit in self.stores.operations.decisions(self.system, CANDIDATE, since=as_of, until=as_of):
            if fit.name == candidate and fit.evidence.get("model") == content_hash:
                saved = SavedArtifacts(fit.context["source"], fit.context["manifest_sha256"], content_hash)
                return self.stores.models.read(saved)
        raise LookupError("no such fit is on record")

    def before(
        self, candidate: str, as_of: datetime, rows: LabelledRows, reading: "LabelledReading", split: TimeSplit
    ) -> NDArray[np.bool_]:
        """Return (n,) which rows that had learned from which a candidate was gone on, as its ledger tells."""
        ancestry = Ancestry(self.stores.operations, self.stores.lake, self.system, reading, split)
        return ancestry.before(candidate, as_of, rows)


def _rows(data: Data, versions: Mapping[str, int], lake: Any) -> LabelledRows:
    """Return the rows of those versions; raises Gone unless they are what was recorded."""
    told = ", ".join(f"{table} version {version}" for table, version in versions.items())
    try:
        rows: LabelledRows = made(data.reading).rows(lake, datetime.fromisoformat(data.as_of), versions)
    except (LookupError, OSError, ValueError) as error:
        raise Gone(f"{told} cannot be read any more ({error}); what was erased cannot be learned from again") from error
    if rows.content_hash != data.rows_hash:
        changed = [table for table, one in rows.table_hashes.items() if one != data.tables[table]]
        raise Gone(
            f"the {len(rows)} rows of {told} are not the {data.rows} that were recorded: {', '.join(changed)} changed; "
            "rows were erased, or the lake was written to by another hand"
        )
    return rows


def main(record: Path, out: Path) -> int:
    """Refit from the record in one folder into another; return the exit code."""
    prepare(os.environ)
    named = {path.relative_to(record).as_posix(): path.read_bytes() for path in record.rglob("*") if path.is_file()}
    try:
        stores = build_resources(os.environ, clock=SystemClock().now)
        system = part_of(named, Definition).system
        files, found = refit(named, stores.lake, StoredParents(stores, system))
    except (LookupError, OSError, RuntimeError, ValueError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    (out / CONTENT).mkdir(parents=True)
    for name, content in files.items():
        path = out / CONTENT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    hashes = {name: sha256(content) for name, content in files.items()}
    (out / FOUND).write_bytes(msgspec.json.encode(found | {"content": hashes}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
