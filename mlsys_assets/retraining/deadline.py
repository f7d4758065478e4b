"""A call that may never return, waited for no longer than is said."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_BUSY: dict[int, threading.Thread] = {}
"""The threads whose call has not returned, by what it was called for: no second one is begun for the same."""
_GUARD = threading.Lock()


class NoAnswer(Exception):
    """A call did not return in time; the message says of which."""


class _TooLate(SystemExit):
    """Thrown into the thread of a call that nobody waits for any more: a thread ends by it without a word."""


def answer(call: Callable[[], T], *, within_s: float, of: object) -> T:
    """Return what ``call`` returns, or raise what it raises.

    It runs in a thread of its own, which works wherever it is called from: a signal's timer would serve the main
    thread alone, and sensors run in others. A call that comes too late is stopped at its next line of Python. One that
    waits inside C code is left to itself, and until it ends no other is begun for the same object.

    Parameters
    ----------
    within_s
        Seconds that are waited.
    of
        Whose call it is.

    Raises NoAnswer if it did not return in time, or has not returned from the last time yet.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            returned.append(call())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the answer is wanted
            raised.append(error)

    thread = _begin(run, of)
    thread.join(within_s)
    if thread.is_alive():
        _stop(thread)
        raise NoAnswer(f"did not answer within {within_s:g} s")
    _forget(thread, of)
    if raised:
        raise raised[0]
    return returned[0]


def _begin(run: Callable[[], None], of: object) -> threading.Thread:
    with _GUARD:
        before = _BUSY.get(id(of))
        if before is not None and before.is_alive():
            raise NoAnswer("has not answered yet what it was asked before")
        thread = threading.Thread(target=run, daemon=True, name="asked with a deadline")
        thread.start()
        _BUSY[id(of)] = thread
    return thread


def _forget(thread: threading.Thread, of: object) -> None:
    with _GUARD:
        if _BUSY.get(id(of)) is thread:
            del _BUSY[id(of)]


def _stop(thread: threading.Thread) -> None:
    import ctypes  # it is needed where something hangs, and nowhere else

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_TooLate))
