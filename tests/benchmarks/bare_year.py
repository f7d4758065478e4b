"""Half a year of weeks without any tool: the product's own functions, called one after the other.

What `mlsys run` is measured against over a year of data: a first training on what is known as of 2013-07-01; then each
week its rows read, its features, labels and predictions, the champion and the baselines measured, the drift and what
decisions cost; and a training at the as-ofs handed over, which are those of the product's ledger. No graph, no tables
that keep versions, no ledger, no MLflow, no checks, nothing verified when it is read again.

Prints the seconds of its parts and each predicted week's log loss, as it was last known, as JSON.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import bare_chain  # sets, before NumPy is loaded, how threads wait
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.filing import reach
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.data_labeling.natural_labels import natural_labels
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.feature import reads
from mlsys_assets.features.profile import profile
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.prediction.batch import predict_batch
from mlsys_assets.production_monitoring.drift.profile_drift import beyond_chance, drift, psi_of_scores
from mlsys_assets.production_monitoring.performance import affected, matured
from mlsys_assets.systems.flights.system import flights
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, LABEL, MODEL, PREDICT_AT, SCORE
from mlsys_assets.types import TimeWindow, utc
from mlsys_assets.value_analysis.decided import decided
from mlsys_assets.value_analysis.monthly import monthly

KEY, CALENDAR, METRICS = flights.requests.key, flights.calendar, flights.metrics
CHALLENGER, CHAMPION = "lightgbm", "champion"
EARLIER_WEEKS = 4
"""As the product holds a week's scores against those of so many before."""


@dataclass
class Life:
    """All that is known, and the models that serve."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    serving: dict[str, Fitted] = field(default_factory=dict)
    profile: pa.Table | None = None
    log_loss: dict[str, float] = field(default_factory=dict)
    seconds: Counter = field(default_factory=Counter)
    last: float = field(default_factory=time.monotonic)

    def done(self, part: str) -> None:
        """Count the time since the last part to this one."""
        now = time.monotonic()
        self.seconds[part], self.last = self.seconds[part] + now - self.last, now

    def add(self, name: str, rows: pa.Table) -> pa.Table:
        """Add a week's rows to a table, and return them."""
        self.tables[name] = pa.concat_tables([self.tables[name], rows]) if name in self.tables else rows
        return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trained", nargs="*", default=[], help="as-ofs of trainings after the first")
    parser.add_argument("--held", nargs="*", default=[], help="those of them whose challenger was not let through")
    parser.add_argument("--until", help="the end of the last week (default: that of the data's last whole tick)")
    options = parser.parse_args()
    end = CALENDAR.end - CALENDAR.step if options.until is None else utc(options.until)
    trained, held = {utc(day) for day in options.trained}, {utc(day) for day in options.held}
    start, life = flights.simulated_from, Life()
    bring_in(life, TimeWindow(CALENDAR.start, start))
    train(life, start)
    for week in CALENDAR.ticks(TimeWindow(start, end)):
        new = bring_in(life, week)
        predict(life, new["features"])
        monitor(life, new, week)
        if week.end in trained:
            train(life, week.end, held=week.end in held)
    print(json.dumps({"seconds": life.seconds, "log_loss": life.log_loss}))


def bring_in(life: Life, window: TimeWindow) -> dict[str, pa.Table]:
    """Read what became known in a window, and return its rows by table."""
    known, new = life.tables, {}
    for source in flights.sources:
        raw = source.read(reach(source, window, CALENDAR))
        standing = known[source.name].select(source.key) if source.name in known and not source.snapshot else None
        rows = ingest(source, raw, window=window, calendar=CALENDAR, known=known, standing=standing).accepted
        if source.snapshot:
            known[source.name] = rows
        else:
            new[source.name] = life.add(source.name, rows)
    life.done("read")
    near = {
        name: known[name] if length is None else inside(known[name], KNOWN_AT, window.start - length, window.end)
        for name, length in reads(flights.features).items()
    }
    asked = inside(known[flights.requests.source.name], flights.requests.predict_at, window.start, window.end)
    new["features"] = life.add("features", compute(flights.features, asked, near, key=KEY))
    life.done("features")
    new["labels"] = life.add("labels", natural_labels(flights.label, new, key=KEY))
    life.done("labels")
    return new


def predict(life: Life, rows: pa.Table) -> None:
    """Add what the champion says of a week's rows, and what the baselines would have."""
    for name, model in life.serving.items():
        made = predict_batch(rows, model.predict, key=KEY, at=PREDICT_AT, model_hash=name)
        life.add("predictions", made.add_column(0, MODEL, pa.repeat(name, len(made))))
    life.done("predict")


def monitor(life: Life, new: Mapping[str, pa.Table], week: TimeWindow) -> None:
    """Measure every week of which something became known, the drift, and what the months' decisions cost."""
    tables = life.tables
    made = {name: tables["predictions"].filter(pc.equal(tables["predictions"][MODEL], name)) for name in life.serving}
    champion, labels = made[CHAMPION], tables["labels"]
    told = new["labels"].select([KEY, EVENT_TIME])
    weeks = [t.start for t in affected(champion, told, key=KEY, calendar=CALENDAR)] + [week.start]
    known = inside(labels, KNOWN_AT, min(weeks), week.end)
    for name, rows in made.items():
        parts = pa.concat_tables([inside(rows, PREDICT_AT, t, CALENDAR.tick_of(t).end) for t in sorted(set(weeks))])
        cost = flights.costs.realised
        found = matured(parts, known, key=KEY, calendar=CALENDAR, metrics=METRICS, cost=cost).rows.to_pylist()
        if name == CHAMPION:
            life.log_loss |= {f"{r['tick']:%Y-%m-%d}": r["log_loss"] for r in found if r["log_loss"] is not None}
    beyond_chance(drift(life.profile, new["features"].drop_columns([KEY, PREDICT_AT])))
    before = inside(champion, PREDICT_AT, week.start - EARLIER_WEEKS * CALENDAR.step, week.start)[SCORE].to_numpy()
    if len(before):
        psi_of_scores(before, inside(champion, PREDICT_AT, week.start, week.end)[SCORE].to_numpy())
    month = (week.start - flights.label.window).replace(day=1, hour=0)
    since = inside(tables["predictions"], PREDICT_AT, month, week.end)
    mine = pc.equal(since[MODEL], CHAMPION)
    months = (since.filter(mine).drop_columns([MODEL]), since.filter(pc.invert(mine)))
    rows = decided(*months, inside(labels, KNOWN_AT, month, week.end).select([KEY, LABEL]), key=KEY)
    monthly(rows.at, rows.label, rows.score, rows.model, cost=flights.costs)
    life.done("monitor")


def train(life: Life, as_of: object, *, held: bool = False) -> None:
    """Fit every candidate and measure it beside the champion; refit the challenger on all, unless it was held."""
    parts = bare_chain.split(life.tables["features"], life.tables["labels"], as_of)
    life.done("split")
    seed, threads = flights.seed, flights.threads
    fitted = {
        c.name: c.fit(parts["train"], parts["validation"], seed=seed, threads=threads) for c in flights.candidates
    }
    life.done("fit")
    before = {CHAMPION: life.serving[CHAMPION]} if life.serving else {}
    bare_chain.evaluate(fitted | before, parts)
    life.done("evaluate")
    if not held:
        (candidate,) = [c for c in flights.candidates if c.name == CHALLENGER]
        refitted = candidate.refit(parts["all"], recipe=fitted[CHALLENGER].recipe, seed=seed, threads=threads)
        baselines = {c.name: fitted[c.name] for c in flights.candidates if c.baseline}
        life.serving, life.profile = {CHAMPION: refitted, **baselines}, profile(parts["all"].features)
    life.done("refit")


def inside(table: pa.Table, column: str, start: object, end: object) -> pa.Table:
    """Return the rows whose time is in [start, end)."""
    first, after = (pa.scalar(moment, bare_chain.MOMENT) for moment in (start, end))
    return table.filter(pc.and_(pc.greater_equal(table[column], first), pc.less(table[column], after)))


if __name__ == "__main__":
    main()
