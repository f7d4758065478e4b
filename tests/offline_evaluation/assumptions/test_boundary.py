"""Decisions that hang on noise, counted where theory gives their share."""

import numpy as np
import pytest
from scipy.stats import norm

from mlsys_assets.offline_evaluation.assumptions.boundary import boundary


def test_shares_are_those_of_theory():
    """Scores uniform, noise normal: a share of 2 σ / √(2π) flips, and 2 σ lie within σ of the threshold."""
    random, sigma = np.random.default_rng(1), 0.05
    score = random.random(200_000)
    found = boundary(score, score + random.normal(scale=sigma, size=len(score)), threshold=0.4)
    assert found.band == pytest.approx(sigma, rel=0.02)
    assert found.within == pytest.approx(2 * sigma, rel=0.03)
    assert found.flips == pytest.approx(2 * sigma * norm.pdf(0), rel=0.05)


def test_firm_decisions_and_others():
    score = np.array([0.1, 0.2, 0.6, 0.7] * 10)
    assert boundary(score, score + 0.1, threshold=0.4).finding.passed
    shaken = boundary(score, score - 0.25, threshold=0.4)
    assert shaken.flips == 0.25
    assert not shaken.finding.passed
    assert "left to a person" in shaken.finding.summary
    assert boundary(score, score, threshold=0.2).within == 0.25  # no noise: those exactly on it


def test_no_rows_tell_nothing_and_other_rows_are_refused():
    assert boundary(np.empty(0), np.empty(0), threshold=0.4).finding.summary == "insufficient data: no rows"
    with pytest.raises(ValueError, match="need as many with noise"):
        boundary(np.ones(3), np.ones(2), threshold=0.4)
