"""What a process of ours must be told before it loads anything: settings that libraries read once, at their import."""

import gc
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

COLLECTED_AFTER = 20_000
"""So many more objects make Python look for cycles; its own 700 took a sixth of a week of flights."""


def prepare(environment: MutableMapping[str, str]) -> None:
    """Set what nobody has set."""
    if 0 < gc.get_threshold()[0] < COLLECTED_AFTER:  # 0: somebody turned it off
        gc.set_threshold(COLLECTED_AFTER)
    for name, value in SETTINGS.items():
        environment.setdefault(name, value)
