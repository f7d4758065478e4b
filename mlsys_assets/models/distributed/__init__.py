"""Candidates fitted on the workers of a Dask cluster."""
