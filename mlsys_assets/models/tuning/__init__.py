"""Tuning: settings of a candidate are tried, and the best on validation is kept.

A good sampler proposes by nothing but the space, the seed and the trials that have finished, so that a search that
was killed goes on as if it had not been. A good pruner decides by losses on the way alone. Neither ever sees a row.
"""
