"""Benchmarks are programs, not tests: importing one would run half of it."""

collect_ignore_glob = ["*.py"]
