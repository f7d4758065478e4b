"""Lets the tests of drift share their worlds."""
"""Lets these tests share the worlds of the stages that a diagnosis is composed of."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
for _name in ("drift", "shift_kind"):
    sys.path.insert(0, str(Path(__file__).parent.parent / _name))
