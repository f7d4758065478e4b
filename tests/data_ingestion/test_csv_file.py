"""Every line of a file is read or accounted for."""

import zipfile

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_ingestion.csv_file import CsvFile, parse_csv
from mlsys_assets.types import TimeWindow

HEADER = b"a,b,c\n"
SPOILED = {
    "too few fields": b"1,2\n",
    "too many fields": b"1,2,3,4\n",
    "empty line": b"\n",
    "open quote": b'1,"2,3\n',
    "text after a quote": b'1,"2"x,3\n',
    "quote in the last field, never closed": b'1,2,"3\n',
    "not UTF-8": b"1,\xff\xfe,3\n",
    "NUL": b"1,\x00,3\n",
    "only blanks": b"   \n",
    "another separator": b"1;2;3\n",
}


@pytest.mark.parametrize("line", SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_spoiled_line_spoils_no_other(line: bytes, place: str) -> None:
    good = [f"{i},{i}x,{i}y\n".encode() for i in range(6)]
    at = {"first": 0, "middle": 3, "last": 6}[place]
    table = parse_csv(HEADER + b"".join([*good[:at], line, *good[at:]]))
    rows = table.to_pylist()
    assert len(rows) == 7
    assert [r["source_line"] for r in rows] == list(range(2, 9))
    assert rows[at]["malformed"], rows[at]
    assert [(r["a"], r["b"], r["c"]) for i, r in enumerate(rows) if i != at] == [
        (f"{i}", f"{i}x", f"{i}y") for i in range(6)
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa,b,c\n1,2,3\n",
        b"a,b,c\r\n1,2,3\r\n",
        b"a,b,c\n1,2,3",
        b'a,b,c\n1,"2",3\n',
    ],
    ids=["byte order mark", "carriage returns", "no newline at the end", "quotes"],
)
def test_what_is_only_unusual_is_read(content: bytes) -> None:
    assert parse_csv(content).select(["a", "b", "c", "malformed"]).to_pylist() == [
        {"a": "1", "b": "2", "c": "3", "malformed": None}
    ]


def test_a_truncated_last_line_is_told() -> None:
    (first, last) = parse_csv(HEADER + b"1,2,3\n4,5").to_pylist()
    assert first["malformed"] is None
    assert last["malformed"] == "expected 3 fields, found 2"


@given(st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b), max_size=30))
def test_as_many_records_as_lines_whatever_they_hold(lines: list[bytes]) -> None:
    table = parse_csv(HEADER + b"".join(line + b"\n" for line in lines))
    assert table.num_rows == len(lines)
    for line, row in zip(lines, table.to_pylist(), strict=True):
        plain = line.removesuffix(b"\r")
        if row["malformed"] is None:
            assert plain.count(b",") >= 2
        elif b'"' not in line:
            assert plain.count(b",") != 2 or b"\x00" in line or b"\r" in plain or not _is_text(line)


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_text_survives_as_text() -> None:
    table = parse_csv(b"a,b,c\n007,0.12345678901234567,NA\n")
    assert table.select(["a", "b", "c"]).to_pylist() == [{"a": "007", "b": "0.12345678901234567", "c": "NA"}]


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(ValueError, match="not even a header"):
        parse_csv(b"")


def test_a_zip_file_is_read_and_its_content_named(tmp_path) -> None:
    (tmp_path / "x.csv").write_bytes(HEADER + b"1,2,3\n")
    with zipfile.ZipFile(tmp_path / "x.csv.zip", "w") as archive:
        archive.write(tmp_path / "x.csv", "x.csv")
    window = TimeWindow.of("2013-01-01", "2013-01-02")
    plain, zipped = (CsvFile(tmp_path / name)(window) for name in ("x.csv", "x.csv.zip"))
    assert plain.equals(zipped)
    assert len(plain["source_file"][0].as_py()) == 16


def test_a_changed_file_is_read_again(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(HEADER + b"1,2,3\n")
    file = CsvFile(path)
    assert file.records().num_rows == 1
    path.write_bytes(HEADER + b"1,2,3\n4,5,6\n")
    assert file.records().num_rows == 2
