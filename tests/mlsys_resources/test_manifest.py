"""The manifest names every byte of a model, and whatever differs is refused before a parse."""

import json

import pytest
from hypothesis import given, strategies as st

from mlsys_resources.canonical import sha256
from mlsys_resources.manifest import Manifest, TamperedArtifact, check_listing, verify

CONTENT = {
    "model.txt": b"tree\nversion=v4\n" * 20,
    "preprocessing.json": b'{"mean": 0.25}',
    "onnx/mlp.onnx": b"\x08\x0a",
}
RECORD = {"passport.json": b'{"lake": 3}', "plots/loss.svg": b"<svg/>"}
FILES = {**CONTENT, **RECORD}


def test_a_manifest_survives_its_bytes() -> None:
    manifest = Manifest.of(CONTENT, RECORD)
    data = manifest.to_bytes()
    assert Manifest.parse(data, expected_sha256=sha256(data)) == manifest
    assert manifest.sha256 == sha256(data)
    assert json.loads(data)["content"]["preprocessing.json"] == {
        "sha256": sha256(CONTENT["preprocessing.json"]),
        "size": 14,
    }
    verify(manifest, FILES)


def test_what_the_model_is_does_not_depend_on_order_or_on_what_is_known_of_it() -> None:
    manifest = Manifest.of(CONTENT, RECORD)
    assert Manifest.of(dict(reversed(CONTENT.items())), {}).content_hash == manifest.content_hash
    assert Manifest.of(dict(reversed(CONTENT.items())), RECORD).to_bytes() == manifest.to_bytes()
    assert Manifest.of(CONTENT, {}).sha256 != manifest.sha256


def test_the_content_hash_is_the_one_that_coreutils_gives() -> None:
    # h() { printf $1 | sha256sum | cut -c-64; }; printf "a.txt\n$(h 1)\nb.txt\n$(h 2)\n" | sha256sum
    expected = "f4b7af729e56a2fb8d8dc3877a64046a1c9f2ceac6b040fbd0724955caa9fbd6"
    assert Manifest.of({"b.txt": b"2", "a.txt": b"1"}, {}).content_hash == expected


@given(st.dictionaries(st.sampled_from(sorted(CONTENT)), st.binary(max_size=20), min_size=1))
def test_another_content_has_another_hash(files: dict[str, bytes]) -> None:
    assert (Manifest.of(files, {}).content_hash == Manifest.of(CONTENT, {}).content_hash) == (files == CONTENT)


@pytest.mark.parametrize("name", sorted(FILES))
@given(data=st.data())
def test_any_flipped_bit_and_any_truncation_is_found(name: str, data: st.DataObject) -> None:
    """Faults 33 and 34."""
    manifest, good = Manifest.of(CONTENT, RECORD), FILES[name]
    where, bit = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 7))
    flipped = good[:where] + bytes([good[where] ^ (1 << bit)]) + good[where + 1 :]
    for bad in (flipped, good[:where], good + b"\n"):
        with pytest.raises(TamperedArtifact, match=name) as refused:
            verify(manifest, {**FILES, name: bad})
        assert refused.value.file == name


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_found(name: str) -> None:
    left = {other: data for other, data in FILES.items() if other != name}
    with pytest.raises(TamperedArtifact, match=f"{name}: it is in the manifest but not there"):
        verify(Manifest.of(CONTENT, RECORD), left)


@pytest.mark.parametrize("name", ["MLmodel", "code/loader.py", "model.pkl", "x.txt", "../x.txt", "\x00"])
def test_an_extra_file_is_found(name: str) -> None:
    with pytest.raises(TamperedArtifact, match="there but not in the manifest"):
        verify(Manifest.of(CONTENT, RECORD), {**FILES, name: b""})


def test_swapped_files_are_found() -> None:
    same_length = {"a.txt": b"one", "b.txt": b"two"}
    with pytest.raises(TamperedArtifact, match=r"a\.txt: its SHA-256"):
        verify(Manifest.of(same_length, {}), {"a.txt": b"two", "b.txt": b"one"})


def test_a_listing_is_checked_without_the_bytes() -> None:
    manifest = Manifest.of(CONTENT, RECORD)
    check_listing(manifest, {name: len(data) for name, data in FILES.items()})
    check_listing(manifest, dict.fromkeys(FILES))
    with pytest.raises(TamperedArtifact, match=r"model\.txt: it has 10000000000 bytes"):
        check_listing(manifest, {**{name: len(data) for name, data in FILES.items()}, "model.txt": 10**10})


def test_a_manifest_other_than_the_one_on_record_is_not_parsed() -> None:
    good = Manifest.of(CONTENT, RECORD).to_bytes()
    for bad in (good.replace(b"0.", b"1.") + b" ", b"", b"{" * 10_000, good[:-1], Manifest.of(CONTENT, {}).to_bytes()):
        with pytest.raises(TamperedArtifact, match=r"manifest\.json: its SHA-256"):
            Manifest.parse(bad, expected_sha256=sha256(good))


def test_a_manifest_of_a_later_layout_says_so() -> None:
    later = Manifest.of(CONTENT, RECORD).to_bytes().replace(b'"format":1', b'"format":2')
    with pytest.raises(ValueError, match="has format 2; this version of mlsys reads 1"):
        Manifest.parse(later, expected_sha256=sha256(later))


@pytest.mark.parametrize("name", [
    "model.pkl", "model.joblib", "model.cbm", "MLmodel", "MLmodel.txt/MLmodel", "code/loader.py", "lib.so", "model",
    "manifest.json", "sub/manifest.json", "../model.txt", "/model.txt", "a\\b.txt", "a/../b.txt", ".txt", "con.txt",
    "a\x00.txt", "x" * 200 + ".txt", "model.txt ", "conda.yaml", "%2e%2e/x.txt", "https://h/x.txt",
])  # fmt: skip
def test_a_name_or_kind_that_is_not_allowed_is_refused(name: str) -> None:
    """Faults 35, 36 and 44: nothing that some loader would run has a place in a model."""
    for content, record in (({name: b""}, {}), ({"a.txt": b""}, {name: b""})):
        with pytest.raises(ValueError, match="allowed"):
            Manifest.of(content, record)


def test_a_manifest_that_allows_more_than_we_do_is_refused() -> None:
    """Whoever could write the record too still gets no pickle past the allow-list."""
    bad = Manifest.of({"model.txt": b"x"}, {}).to_bytes().replace(b"model.txt", b"model.pkl")
    with pytest.raises(TamperedArtifact, match=r"model\.pkl"):
        verify(Manifest.parse(bad, expected_sha256=sha256(bad)), {"model.pkl": b"x"})


@pytest.mark.parametrize(
    ("content", "record"),
    [({}, RECORD), ({"a.txt": b""}, {"a.txt": b""}), ({"a.txt": b"", "A.txt": b""}, {}),
     ({f"{n}.txt": b"" for n in range(201)}, {})],
)  # fmt: skip
def test_no_file_too_many_and_names_twice_are_refused(content: dict[str, bytes], record: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"at least one|twice|at most 200"):
        Manifest.of(content, record)


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlsys_resources.manifest.LARGEST_FILE", 10)
    with pytest.raises(ValueError, match=r"model\.txt has 11 bytes; at most 10"):
        Manifest.of({"model.txt": b"x" * 11}, {})
