"""Drift: whether what comes in now is as what came in before, by column and by all columns together."""
