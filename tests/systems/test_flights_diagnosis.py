"""Flights: six planted faults are named with their remedies by the whole diagnosis, at thresholds that leave it quiet.

The champion learned from every other week until September. Reference and window are drawn from the weeks between, no
row twice, so that nothing differs but what was planted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import LogisticRegression, MLSystem
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.views import Train, Validation, View
from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.prediction.skew import differences
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.seen import Seen, TablePair
from mlsys_assets.production_monitoring.diagnosis import BUGS, Cause, Diagnosis, Remedy
from mlsys_assets.production_monitoring.drift.columns import Reference
from mlsys_assets.production_monitoring.faults import of_diagnosis
from mlsys_assets.production_monitoring.monitoring import Monitoring
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows
from mlsys_assets.production_monitoring.skew_symptoms import skew_price, skew_symptoms
from mlsys_assets.tables import FEATURES
from mlsys_assets.types import EPOCH, TimeWindow

ROWS, HELD_OUT = 10_000, 20_000
AUTUMN = np.datetime64("2013-10-01T04:00", "us")
MONDAY, WEEK = np.datetime64("2013-01-07T05:00", "us"), np.timedelta64(7, "D")
LATER = np.timedelta64(300, "D")
"""Windows come after the time that they are held against, of another season or not."""
TILTED = "carrier_origin_hour_late_28d"
"""Important, and of no whole day: days that a tilt by the weather would draw are few."""
PROOF = range(10, 20)


@dataclass(frozen=True)
class World:
    """A champion, and rows that it did not learn from."""

    system: MLSystem
    champion: Predictor
    rows: ScoredRows

    def halves(self, random: np.random.Generator) -> tuple[ScoredRows, ScoredRows]:
        """Return the reference, and those that a window is drawn from."""
        order = random.permutation(len(self.rows))
        return in_order(self.rows.take(order[:HELD_OUT])), self.rows.take(order[HELD_OUT:])


@pytest.fixture(scope="module")
def world(flights_rows: LabelledRows, flights_system: MLSystem) -> World:
    """120,000 rows learned from, and as many not."""
    rows = flights_rows
    known = np.flatnonzero((rows.at < AUTUMN) & np.isfinite(rows.label))
    known = known[np.argsort(rows.at[known], kind="stable")]
    even = ((rows.at[known].astype("datetime64[us]") - MONDAY) // WEEK).astype(int) % 2 == 0
    learned, held = known[even], known[~even]
    cut = int(len(learned) * 0.9)
    candidate = next(one for one in flights_system.candidates if one.name == "lightgbm")
    views = [_view(kind, rows, part) for kind, part in ((Train, learned[:cut]), (Validation, learned[cut:]))]
    champion = candidate.fit(*views, seed=0, threads=1).predictor
    features = rows.features.take(pa.array(held)).combine_chunks()
    scored = ScoredRows(rows.at[held], features, champion.predict(features), rows.label[held])
    return World(flights_system, champion, scored)


def _view(kind: type[View], rows: LabelledRows, part: np.ndarray) -> View:
    features = rows.features.take(pa.array(part)).combine_chunks()
    return kind(rows.ids.take(pa.array(part)), rows.at[part], features, rows.label[part], TimeWindow(EPOCH, EPOCH))


def in_order(rows: ScoredRows) -> ScoredRows:
    return rows.take(np.argsort(rows.at, kind="stable"))


# ---------------------------------------------------------------------------------------------- plants


Plant = Callable[[World, ScoredRows, np.random.Generator], tuple[ScoredRows, dict[str, object]]]
"""Draws a window, and says what else is seen of it."""


def drawn(world: World, rows: ScoredRows, random: np.random.Generator) -> tuple[ScoredRows, dict[str, object]]:
    return in_order(rows.take(random.choice(len(rows), ROWS, replace=False))), {}


def put(rows: ScoredRows, world: World, name: str, values: np.ndarray) -> ScoredRows:
    """The rows with other values of a column, scored anew."""
    place = rows.features.schema.get_field_index(name)
    features = rows.features.set_column(place, name, pa.array(values.astype(np.float32)))
    return replace(rows, features=features, score=world.champion.predict(features))


def renamed(world: World, rows: ScoredRows, random: np.random.Generator) -> tuple[ScoredRows, dict[str, object]]:
    window, _ = drawn(world, rows, random)
    names = ["miles" if name == "distance" else name for name in window.features.column_names]
    return replace(window, features=window.features.rename_columns(names)), {}


def dropped(world: World, rows: ScoredRows, random: np.random.Generator) -> tuple[ScoredRows, dict[str, object]]:
    window, _ = drawn(world, rows, random)
    return replace(window, features=window.features.drop_columns(["all_dep_delay_3h"])), {}


def celsius(values: np.ndarray) -> np.ndarray:
    return (values - 32) / 1.8


def in_celsius(world: World, rows: ScoredRows, random: np.random.Generator) -> tuple[ScoredRows, dict[str, object]]:
    window, _ = drawn(world, rows, random)
    return put(window, world, "origin_temp", celsius(window.features["origin_temp"].to_numpy())), {}


def celsius_source(world: World, rows: ScoredRows, random: np.random.Generator) -> tuple[ScoredRows, dict[str, object]]:
    """In the source alone: the features were made before it."""
    window, _ = drawn(world, rows, random)
    source = world.rows.features.select(["origin_temp", "origin_dewp", "origin_humid"])
    halves = [in_place.combine_chunks() for in_place in (source.slice(0, 60_000), source.slice(60_000))]
    bad = halves[1].set_column(0, "origin_temp", pa.array(celsius(halves[1]["origin_temp"].to_numpy())))
    return window, {"raw": {"weather": TablePair(halves[0], bad)}}


def served_in_celsius(
    world: World, rows: ScoredRows, random: np.random.Generator
) -> tuple[ScoredRows, dict[str, object]]:
    """Online alone: what was known is in Fahrenheit, and the score is of what was served."""
    window, _ = drawn(world, rows, random)
    head = {"flight_id": pa.array([str(i) for i in range(ROWS)]), "predict_at": pa.array(window.at)}
    known, served = (
        pa.table(head | {name: table[name] for name in table.column_names})
        for table in (
            window.features,
            put(window, world, "origin_dewp", celsius(window.features["origin_dewp"].to_numpy())).features,
        )
    )
    found = skew_symptoms(differences(served, known, key="flight_id"), served, known, key="flight_id")
    price = skew_price(world.champion, served, known, key="flight_id", label=window.label, costs=world.system.costs)
    return replace(window, score=world.champion.predict(served)), {"skew": found, "skew_price": price}


def tilted(by: float, column: str = TILTED) -> Plant:
    """Rows drawn, none twice, so that the column's mean moves by so many standard deviations, and P(Y|X) stays.

    Each row is the likelier drawn the larger the column, by an exponential tilt (Efraimidis & Spirakis 2006).
    """

    def plant(world: World, rows: ScoredRows, random: np.random.Generator) -> tuple[ScoredRows, dict[str, object]]:
        x = read_numbers(rows.features, [column])[0].astype(np.float64)
        x = np.where(np.isfinite(x), x, np.nanmean(x))
        z, luck, low, high = (x - x.mean()) / x.std(), random.gumbel(size=len(x)), -10.0, 10.0
        for _ in range(50):
            taken = np.argpartition(-((low + high) / 2 * z + luck), ROWS)[:ROWS]
            low, high = ((low + high) / 2, high) if z[taken].mean() < by else (low, (low + high) / 2)
        return in_order(rows.take(taken)), {}

    return plant


def relabelled(points: float) -> Plant:
    """Rows of each class drawn, none twice, so that the share of positives moves, and P(X|Y) stays."""

    def plant(world: World, rows: ScoredRows, random: np.random.Generator) -> tuple[ScoredRows, dict[str, object]]:
        positives = round(ROWS * (rows.label.mean() + points))
        parts = ((rows.label > 0, positives), (rows.label == 0, ROWS - positives))
        taken = [random.choice(np.flatnonzero(own), n, replace=False) for own, n in parts]
        return in_order(rows.take(np.concatenate(taken))), {}

    return plant


def flipped(share: float) -> Plant:
    """Labels of so many rows, drawn at random, are the other one."""

    def plant(world: World, rows: ScoredRows, random: np.random.Generator) -> tuple[ScoredRows, dict[str, object]]:
        window, _ = drawn(world, rows, random)
        return replace(window, label=np.where(random.random(ROWS) < share, 1 - window.label, window.label)), {}

    return plant


BUG, COVARIATE = (Cause.PIPELINE, Remedy.FIX_DATA), (Cause.COVARIATE, Remedy.REWEIGHT)
LABEL, CONCEPT = (Cause.LABEL, Remedy.CORRECT_PRIOR), (Cause.CONCEPT, Remedy.RETRAIN)
PLANTS: dict[str, tuple[Plant, tuple[Cause, Remedy], str]] = {
    "a column renamed": (renamed, (Cause.SCHEMA, Remedy.FIX_DATA), "distance"),
    "a column dropped": (dropped, (Cause.SCHEMA, Remedy.FIX_DATA), "all_dep_delay_3h"),
    "a feature in celsius": (in_celsius, BUG, "origin_temp"),
    "a source in celsius": (celsius_source, BUG, "weather.origin_temp"),
    "served in celsius": (served_in_celsius, (Cause.SKEW, Remedy.FIX_SERVING), "origin_dewp"),
    "features by .5 SD": (tilted(0.5), COVARIATE, TILTED),
    "features by 1 SD": (tilted(1.0), COVARIATE, TILTED),
    "labels by 6 points": (relabelled(0.06), LABEL, "labels"),
    "labels by 11 points": (relabelled(0.11), LABEL, "labels"),
    "10% flipped": (flipped(0.1), CONCEPT, "scores"),
    "20% flipped": (flipped(0.2), CONCEPT, "scores"),
    "nothing": (drawn, (Cause.NOTHING, Remedy.NOTHING), ""),
}
LEAST = ("features by .5 SD", "labels by 6 points", "10% flipped", "nothing")
"""Those that are named hardest."""
WEAK = {
    "features by .25 SD": (tilted(0.25), COVARIATE),
    "labels by 3 points": (relabelled(0.03), LABEL),
    "5% flipped": (flipped(0.05), CONCEPT),
}
"""Of these none need be named: it is that, or nothing."""


def diagnosed(world: World, plant: Plant, *, seed: int, past: dict[str, np.ndarray] | None = None) -> Diagnosis:
    random = np.random.default_rng(seed)
    reference, pool = world.halves(random)
    window, known = plant(world, pool, random)
    usually: dict[str, object] = {
        "raw": {},
        "features": TablePair(reference.features, window.features, world.system.monitoring.bugs[FEATURES]),
        "predicted": replace(window, at=window.at + LATER),
        "ids": pa.array([str(i) for i in range(len(window))]),
        "held_out": reference,
        "recent": reference,
        "past": past,
        "costs": world.system.costs,
    }
    seen = Seen(TimeWindow.of("2013-09-01", "2013-09-08"), **(usually | known))  # type: ignore[arg-type]
    return Diagnosing(seen, world.system.monitoring, world.system.detective.learner, seed=seed).diagnosis()


def check(world: World, planted: str, *, seed: int, past: dict[str, np.ndarray] | None = None) -> None:
    plant, expected, where = PLANTS[planted]
    found = diagnosed(world, plant, seed=seed, past=past)
    assert (found.cause, found.remedy) == expected, found.reason
    faults = of_diagnosis(found)
    assert faults is not None
    assert bool(faults) == (found.cause is not Cause.NOTHING)
    if found.cause in BUGS:
        assert [fault.where for fault in faults] == [where]
    elif faults:
        assert found.symptoms[0].where == where
    if found.price is not None and found.cause in (Cause.COVARIATE, Cause.LABEL, Cause.CONCEPT):
        assert found.price.log_loss.low > 0
        assert found.price.money is not None


@pytest.mark.parametrize(
    ("planted", "seed"),
    [*((planted, 0) for planted in PLANTS), *((planted, 1) for planted in LEAST)],
)
def test_a_planted_fault_is_named_with_its_remedy(world: World, planted: str, seed: int) -> None:
    check(world, planted, seed=seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", PROOF)
@pytest.mark.parametrize("planted", PLANTS)
def test_a_planted_fault_is_named_in_ten_seeds(world: World, planted: str, seed: int) -> None:
    check(world, planted, seed=seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", PROOF)
@pytest.mark.parametrize("planted", WEAK)
def test_a_weak_fault_is_named_rightly_or_not_at_all(world: World, planted: str, seed: int) -> None:
    plant, expected = WEAK[planted]
    found = diagnosed(world, plant, seed=seed)
    assert (found.cause, found.remedy) in (expected, (Cause.NOTHING, Remedy.NOTHING))


@pytest.fixture(scope="module")
def past(flights_rows: LabelledRows) -> dict[str, np.ndarray]:
    """By column, the stability index of each week until September against the four before."""
    order = np.argsort(flights_rows.at, kind="stable")
    at, features = flights_rows.at[order], flights_rows.features.take(pa.array(order)).combine_chunks()
    found: dict[str, list[float]] = {}
    for week in range(4, 37):
        first, start, end = np.searchsorted(at, [MONDAY + k * WEEK for k in (week - 4, week, week + 1)])
        reference = Reference.of(features.slice(first, start - first))
        for name, one in reference.distances(features.slice(start, end - start)).items():
            found.setdefault(name, []).append(one.psi)
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.prove
@pytest.mark.parametrize("seed", PROOF)
@pytest.mark.parametrize("planted", [name for name, (_, (cause, _), _) in PLANTS.items() if cause in (
    Cause.COVARIATE, Cause.NOTHING)])  # fmt: skip
def test_what_is_usual_of_flights_hides_no_planted_fault(
    world: World, past: dict[str, np.ndarray], planted: str, seed: int
) -> None:
    check(world, planted, seed=seed, past=past)


def test_a_difference_of_many_rows_that_is_none_is_silent(world: World) -> None:
    """Significant beyond all doubt, and small: as ``distance`` from January to July."""
    random = np.random.default_rng(0)
    reference, pool = world.halves(random)
    window, _ = tilted(0.15, "distance")(world, pool, random)
    pair = TablePair(reference.features, window.features, world.system.monitoring.bugs[FEATURES])
    far = Reference.of(pair.before).distances(pair.now)["distance"]
    assert far.ks_p < 1e-13
    assert far.psi < 0.03
    found = diagnosed(world, tilted(0.15, "distance"), seed=0)
    assert (found.cause, of_diagnosis(found)) == (Cause.NOTHING, ())


def test_months_that_differ_in_distance_alone_are_silent(flights_rows: LabelledRows) -> None:
    """January against July, as they were: p = 1e-12, and a stability index of .02."""
    month, distance = flights_rows.at.astype("datetime64[M]"), flights_rows.features.select(["distance"])
    parts = [distance.filter(pa.array(month == np.datetime64(one))) for one in ("2013-01", "2013-07")]
    empty = ScoredRows(flights_rows.at[:0], parts[0].slice(0, 0), np.empty(0), np.empty(0))
    seen = Seen(TimeWindow.of("2013-07-01", "2013-08-01"), {}, TablePair(*parts), empty, pa.array([], pa.string()))
    making = Diagnosing(seen, Monitoring(), LogisticRegression())
    assert making.distances["distance"].ks_p < 1e-11
    assert making.distances["distance"].psi == pytest.approx(0.02, abs=0.01)
    assert making.diagnosis().cause is Cause.NOTHING
