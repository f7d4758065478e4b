import hashlib
import sys
from dataclasses import replace
from importlib.metadata import distributions

from mlsys_assets.models.passport.environment import (
    Dependencies,
    architecture,
    cpu_flags,
    installed,
    lock_hash,
    python_series,
)

MADE = Dependencies({"lightgbm": "4.6.0", "numpy": "2.4.6"}, "l", "3.11.7", "x86_64 linux avx2")


def test_the_lock_hash_knows_no_order_and_no_spelling():
    assert lock_hash([("NumPy", "2.4"), ("a_b", "1")]) == lock_hash([("a-b", "1"), ("numpy", "2.4"), ("numpy", "2.4")])
    assert lock_hash([("numpy", "2.4")]) != lock_hash([("numpy", "2.5")])
    assert lock_hash([("numpy", "2.4")]) == hashlib.sha256(b"numpy==2.4").hexdigest()


def test_the_environment_is_this_one_and_stays_the_same():
    one, two = Dependencies.observed(), Dependencies.observed()
    assert one == two
    assert one.python == ".".join(map(str, sys.version_info[:3]))
    assert one.architecture == architecture()


def test_instruction_sets_are_read_where_they_are_told(tmp_path):
    x86, arm = tmp_path / "x86", tmp_path / "arm"
    x86.write_text("processor\t: 0\nflags\t\t: fpu avx2 fma ssse3 avx\n")
    arm.write_text("Features\t: fp asimd crc32\n")
    assert cpu_flags(x86) == ["avx", "avx2", "fma"]
    assert cpu_flags(arm) == ["asimd"]
    assert cpu_flags(tmp_path / "none") == []


def test_what_is_installed_is_what_the_library_says():
    assert installed.__wrapped__() == [(d.metadata["Name"], d.version) for d in distributions()]  # as the path is now


def test_each_difference_is_named_with_what_was_and_what_is():
    now = Dependencies({"numpy": "2.5.0", "skops": "0.16"}, "m", "3.12.1", "aarch64 linux")
    assert MADE.differences(now) == [
        "Python: was 3.11.7, is 3.12.1", "architecture: was x86_64 linux avx2, is aarch64 linux",
        "lightgbm: was 4.6.0, is not there", "numpy: was 2.4.6, is 2.5.0", "skops: was not there, is 0.16",
    ]  # fmt: skip
    assert MADE.differences(replace(MADE, distributions=dict(reversed(MADE.distributions.items())))) == []
    assert MADE.differences(replace(MADE, lock="m")) == ["lock: was l, is m"]


def test_the_lock_is_that_of_the_distributions_and_the_series_that_of_the_version():
    found = Dependencies.observed()
    assert found.lock == lock_hash(found.distributions.items())
    assert found.distributions["lightgbm"]
    assert found.python.startswith(f"{python_series()}.")
