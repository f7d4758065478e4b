"""What must stand in a process's environment before it loads the libraries that read it, once, at their import."""

from collections.abc import MutableMapping

SETTINGS = {
    # Threads that wait by spinning slow identical trainings fourfold and more where a core is taken, and threads that
    # sleep at once make them twice as long where none is: they spin for a fraction of a millisecond, then sleep ...
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "10000",
    # ... and cost a tenth of a second at every start: after 2**4 cycles they sleep.
    "OPENBLAS_THREAD_TIMEOUT": "4",
    # Products of matrices take one thread, as far as nobody asks for more: two wait for each other where a core is
    # taken, and add up in another order on every number of cores.
    "OPENBLAS_NUM_THREADS": "1",
    # Dagster writes the events of a range's partitions together.
    "DAGSTER_EVENT_BATCH_SIZE": "1000",
}


def prepare(environment: MutableMapping[str, str]) -> None:
    """Set what nobody has set."""
    for name, value in SETTINGS.items():
        environment.setdefault(name, value)
