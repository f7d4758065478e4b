"""Odd rows and high losses make four quadrants, and only where both meet there is an edge case."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.production_monitoring.edge_cases import Isolation, Quadrant, high_loss, quadrants


def table(rows: int, seed: int, *, odd: int = 0) -> pa.Table:
    """Rows of twelve columns, the first of them far from all others."""
    rng = np.random.default_rng(seed)
    values = rng.normal(50, 1, size=(rows, 12))
    values[:odd] += rng.choice([-6, 6], size=(odd, 12))
    return pa.table({f"x{j}": values[:, j] for j in range(12)} | {"c": ["a"] * rows})


REFERENCE = table(3_000, 0)


def test_four_quadrants_as_planted() -> None:
    isolation = Isolation.of(REFERENCE, seed=0)
    loss = np.random.default_rng(1).uniform(0, 1, 1_000)
    loss[:50], loss[50:100], loss[100:300] = 3, 0.1, 3
    ids = pa.array([f"r{i}" for i in range(1_000)])
    found = quadrants(isolation, table(1_000, 2, odd=100), loss, ids=ids, failed=2)
    assert set(found.quadrant[:50]) == {Quadrant.EDGE_CASE}
    assert set(found.quadrant[50:100]) == {Quadrant.OUTLIER}
    assert (found.quadrant[100:300] == Quadrant.HARD).mean() > 0.9  # of others 5 of 100 are odd
    assert (found.quadrant[300:] == Quadrant.ORDINARY).mean() > 0.9
    assert sum(found.counts.values()) == 1_000
    assert set(found.examples[Quadrant.EDGE_CASE]) <= {f"r{i}" for i in range(50)}
    assert len(found.examples[Quadrant.HARD]) == 5
    assert found.share(np.arange(1_000) < 100) == 0.5


def test_the_forest_is_that_of_scikit_learn() -> None:
    from sklearn.ensemble import IsolationForest

    isolation = Isolation.of(REFERENCE, seed=7)
    assert isolation is not None
    matrix = np.column_stack([REFERENCE[f"x{j}"].to_numpy() for j in range(12)])
    forest = IsolationForest(n_estimators=50, max_samples=256, random_state=7).fit(matrix)
    assert isolation.scores(REFERENCE) == pytest.approx(-forest.score_samples(matrix))
    assert (isolation.scores(REFERENCE) > isolation.odd).mean() == pytest.approx(0.05, abs=0.01)


def test_it_is_repeatable_and_missing_values_isolate_nobody() -> None:
    first, second = (Isolation.of(REFERENCE, seed=3) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.scores(REFERENCE) == second.scores(REFERENCE)).all()
    null = pa.table({name: pa.nulls(10, pa.float64()) for name in REFERENCE.column_names})
    assert (first.scores(null) < first.odd).all()
    assert len(first.scores(REFERENCE.slice(0, 0))) == 0


def test_rows_without_a_label_are_in_no_quadrant() -> None:
    loss = np.where(np.arange(100) < 40, np.nan, 0.5)
    ids = pa.array(map(str, range(100)))
    found = quadrants(Isolation.of(REFERENCE, seed=0), table(100, 3), loss, ids=ids, failed=1)
    assert sum(found.counts.values()) == 60
    assert np.isnan(found.share(np.arange(100) < 40))


@pytest.mark.parametrize(
    "reference",
    [REFERENCE.slice(0, 0), REFERENCE.slice(0, 50), REFERENCE.select(["c"]), pa.table({"x0": np.ones(500)}),
     pa.table({"x0": pa.nulls(500, pa.float64())})],
)  # fmt: skip
def test_a_reference_that_teaches_nothing(reference: pa.Table) -> None:
    isolation = Isolation.of(reference, seed=0)
    assert isolation is None
    found = quadrants(isolation, table(5, 1), np.ones(5), ids=pa.array(list("abcde")), failed=1)
    assert found.reason == "the reference is too small"
    assert set(found.counts.values()) == {0}


def test_no_label_and_unequal_lengths() -> None:
    isolation = Isolation.of(REFERENCE, seed=0)
    ids = pa.array(list("abcde"))
    assert quadrants(isolation, table(5, 1), np.full(5, np.nan), ids=ids, failed=1).reason == "no label is known"
    with pytest.raises(ValueError, match="5 rows, 4 losses"):
        quadrants(isolation, table(5, 1), np.ones(4), ids=ids, failed=1)


def test_a_high_loss_is_one_of_ten() -> None:
    assert high_loss(np.append(np.arange(1_001.0), np.nan)) == 900
    assert np.isnan(high_loss(np.ones(20)))
