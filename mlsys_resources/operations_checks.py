"""What the operations store takes: text and numbers that SQLite and PostgreSQL hold alike."""

LONGEST_NAME = 200
"""Characters of a candidate, a decision's kind or name: short enough for any index."""

LONGEST_TEXT = 10_000
"""Characters of a reason or a list of models."""

LARGEST_COUNT = 2**31 - 1
"""The largest version or revision that every backend holds."""


def check_text(longest: int, **values: object) -> None:
    """Raise ValueError, naming it, for a value that is no text that every backend holds."""
    for name, value in values.items():
        if not isinstance(value, str) or len(value) > longest or "\x00" in value or not _encodable(value):
            raise ValueError(f"{name} is {_start(value)}; allowed is text without NUL of at most {longest} characters")


def check_count(**values: object) -> None:
    """Raise ValueError, naming it, for a value that is no number that every backend holds."""
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
            raise ValueError(f"{name} is {_start(value)}; allowed is a whole number from 0 to {LARGEST_COUNT}")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _start(value: object) -> str:
    return f"{value!r:.80}"
