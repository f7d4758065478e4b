"""Signals to stop, when they come while other code has the handlers."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def never_lost() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end if a signal to stop came meanwhile, whatever became of it; keep its handlers.

    What a handler raises appears wherever the main thread happens to be. In a callback from C or in a finalizer it is
    printed and dropped, in a Dagster step it is one step's failure. And Dagster, when it is done with the handlers,
    gives SIGTERM that of SIGINT: none, where a shell started the process in the background.

    In another thread than the main one, where no signal arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {stop: signal.getsignal(stop) for stop in STOPS}
    told, tell = os.pipe()
    for end in (told, tell):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)  # written to before any handler is called
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for stop, handler in handlers.items():
            signal.signal(stop, handler)
        os.close(tell)
        with os.fdopen(told, "rb") as file:
            came = set(file.read() or b"")
        if came & set(STOPS):
            raise KeyboardInterrupt
