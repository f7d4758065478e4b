"""An archive of arrays: NumPy reads it, equal arrays are equal bytes, and nothing unexpected is taken from one."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlsys_assets.models.npz import Expected, from_npz, to_npz
from mlsys_assets.models.predictor import BundleError

DTYPES = st.sampled_from(["<f8", "<f4", "<f2", "|i1", "|u1"])
SOUND = {"0.bias": np.arange(3.0), "0.0.weights": np.ones((2, 3), np.float32)}
EXPECTED = {"0.bias": Expected("<f8", (3,)), "0.0.weights": Expected("<f4", (2, 3))}


def read(data, expected=EXPECTED):
    return from_npz({"weights.npz": data}, "weights.npz", expected)


@given(st.lists(DTYPES.flatmap(lambda d: arrays(d, array_shapes(min_dims=1, max_dims=2, min_side=0))), max_size=4))
def test_numpy_reads_what_is_written_and_so_do_we(found):
    named = {f"{i}.x": array for i, array in enumerate(found)}
    data = to_npz(named)
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        assert archive.files == list(named)
        for name, array in named.items():
            assert archive[name].dtype == array.dtype
            assert archive[name].tobytes() == array.tobytes()
    ours = read(data, {n: Expected(a.dtype.str, a.shape) for n, a in named.items()})
    assert all(ours[n].tobytes() == a.tobytes() and ours[n].shape == a.shape for n, a in named.items())


def test_equal_arrays_are_equal_bytes_whatever_their_layout_and_the_time():
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    alike = (np.asfortranarray(weights), weights.astype(">f4"), np.repeat(weights, 2, axis=1)[:, ::2])
    assert {to_npz({"w": one}) for one in alike} == {to_npz({"w": weights})}
    with zipfile.ZipFile(io.BytesIO(to_npz(SOUND))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_is_read_cannot_be_written_to():
    assert not any(array.flags.writeable for array in read(to_npz(SOUND)).values())


def zipped(files, compression=zipfile.ZIP_STORED, comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.comment = comment
        for name, content in files:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *_, **__: None)  # of a name that stands twice
                archive.writestr(name, content)
    return out.getvalue()


def saved(array, **how):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, **how)
    return out.getvalue()


BIAS = ("0.bias.npy", saved(np.arange(3.0)))
WEIGHTS = ("0.0.weights.npy", saved(np.ones((2, 3), np.float32)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped([BIAS]), "expected"),
        (zipped([WEIGHTS, BIAS]), "expected"),
        (zipped([BIAS, BIAS, WEIGHTS]), "expected"),
        (zipped([BIAS, WEIGHTS, ("run.py", b"")]), "expected"),
        (zipped([BIAS, WEIGHTS], zipfile.ZIP_DEFLATED), "compressed"),
        (zipped([BIAS, ("0.0.weights.npy", b"\0" * 50_000_000)], zipfile.ZIP_DEFLATED), "compressed"),
        (zipped([BIAS, WEIGHTS], comment=b"read me"), "bytes"),
        (zipped([BIAS, WEIGHTS]) + b"more", "bytes|zip"),
        (b"before" + zipped([BIAS, WEIGHTS]), "bytes"),
        (zipped([BIAS, ("0.0.weights.npy", saved(np.ones((2, 3))))]), "expected"),
        (zipped([BIAS, ("0.0.weights.npy", saved(np.ones((3, 2), np.float32)))]), "expected"),
        (zipped([BIAS, ("0.0.weights.npy", saved(np.asfortranarray(np.ones((2, 3), np.float32))))]), "expected"),
        (zipped([BIAS, ("0.0.weights.npy", saved(np.ones((2, 3), ">f4")))]), "expected"),
        (zipped([BIAS, ("0.0.weights.npy", saved(np.array([[None] * 3] * 2), allow_pickle=True))]), "expected"),
        (zipped([BIAS, ("0.0.weights.npy", saved(np.ones((2, 3), np.float32), version=(2, 0)))]), "begin"),
        (zipped([BIAS, ("0.0.weights.npy", WEIGHTS[1][:-1])]), "has 23 bytes, expected 24"),
        (zipped([BIAS, ("0.0.weights.npy", WEIGHTS[1] + b"\0")]), "has 25 bytes, expected 24"),
        (zipped([BIAS, ("0.0.weights.npy", WEIGHTS[1].replace(b"(2, 3)", b"(2**9)"))]), "expected"),
        (zipped([BIAS, ("0.0.weights.npy", b"")]), "begin"),
        (zipped([BIAS, ("0.0.weights.npy", b"\x93NUMPY\x01\x00")]), "begin"),
        (b"", "zip"),
        (b"PK\x05\x06" + b"\0" * 18, "expected"),
        (saved(np.arange(3.0)), "zip"),
    ],
)
def test_anything_else_is_refused(data, reason):
    with pytest.raises(BundleError, match=f"weights.npz is not what was written: .*({reason})"):
        read(data)


def test_the_sound_ones_of_those_are_read():
    assert read(zipped([BIAS, WEIGHTS]))["0.bias"].tolist() == [0, 1, 2]


def test_every_truncation_is_refused():
    data = to_npz(SOUND)
    for length in range(len(data)):
        with pytest.raises(BundleError):
            read(data[:length])


def test_a_flipped_bit_is_refused_or_changes_nothing():
    data, sound = to_npz(SOUND), {n: a.tobytes() for n, a in SOUND.items()}
    for place in range(len(data)):
        for bit in range(8):
            broken = bytearray(data)
            broken[place] ^= 1 << bit
            try:
                assert {n: a.tobytes() for n, a in read(bytes(broken)).items()} == sound
            except BundleError:
                continue


def test_a_missing_archive_is_named():
    with pytest.raises(BundleError, match=r"lacks weights.npz"):
        from_npz({}, "weights.npz", EXPECTED)
