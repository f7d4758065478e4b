"""Lets these tests share their worlds, and those of the stages that a diagnosis is composed of."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for _folder in (HERE, HERE.parent / "drift", HERE.parent / "shift_kind"):
    sys.path.insert(0, str(_folder))
