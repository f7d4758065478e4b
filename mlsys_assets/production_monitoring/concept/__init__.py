"""Concept drift: whether labels still follow from features as they did, since when, and whether a refit would gain."""
