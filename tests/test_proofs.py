"""The table of proofs names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
ROWS = re.findall(r"^\| (?!Promise|---)(.+?) \|(.*)\|$", (TESTS / "PROOFS.md").read_text(), flags=re.MULTILINE)


def test_every_promise_has_a_proof() -> None:
    assert len(ROWS) > 20
    assert [promise for promise, proof in ROWS if not proof.strip()] == []


def test_every_proof_exists() -> None:
    named = {name for _, proof in ROWS for name in re.findall(r"`([^` ]+\.py(?:::\w+)?)`", proof)}
    missing = []
    for name in sorted(named):
        file, _, test = name.partition("::")
        path = TESTS / file
        if not path.exists() or (test and f"def {test}(" not in path.read_text()):
            missing.append(name)
    assert missing == []
