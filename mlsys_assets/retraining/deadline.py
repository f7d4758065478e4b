"""A call that may never return, waited for no longer than is said."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LATE: dict[int, threading.Thread] = {}
"""The threads whose call was waited for in vain, by what it was called for, which they keep alive."""


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
        Whose call it is. Several at once are no matter, as long as none is late.

    Raises NoAnswer if it did not return in time, or has not returned from the last time yet.
    """
    before = _LATE.get(id(of))
    if before is not None and before.is_alive():
        raise NoAnswer("has not answered yet what it was asked before")
    returned: list[T] = []
    raised: list[BaseException] = []
    ending = threading.Lock()

    def run() -> None:
        try:
            returned.append(call())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the answer is wanted
            raised.append(error)
        with ending:
            pass  # who stops it must not stop what ended meanwhile: the next thread may have its number

    thread = threading.Thread(target=run, daemon=True, name="asked with a deadline")
    thread.start()
    thread.join(within_s)
    with ending:
        if not (returned or raised):
            _LATE[id(of)] = thread
            _stop(thread)
            raise NoAnswer(f"did not answer within {within_s:g} s")
    if raised:
        raise raised[0]
    return returned[0]


def _stop(thread: threading.Thread) -> None:
    import ctypes  # it is needed where something hangs, and nowhere else

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_TooLate))
