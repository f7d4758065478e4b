"""Models that are trained on from where they stand, each row once."""
