"""A table is what was declared or is refused, with everything that is wrong said at once."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from mlsys_resources.strict_schema import STORABLE, TIMESTAMP, SchemaMismatch, agree, conform, storable

DECLARED = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("share", pa.float32()),
        pa.field("at", TIMESTAMP, nullable=False),
    ]
)
NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


def rows(**changed: pa.Array) -> pa.Table:
    columns = {
        "id": pa.array([1, 2]),
        "name": pa.array(["a", None]),
        "share": pa.array([0.5, None], pa.float32()),
        "at": pa.array([NOON, NOON], TIMESTAMP),
    }
    return pa.table({**columns, **changed})


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = rows(id=pa.array([1, None]), share=pa.array([1, 2]), extra=pa.array([1, 2])).drop_columns("name")
    with pytest.raises(SchemaMismatch) as refused:
        conform("flights.arrivals", wrong, DECLARED)
    assert refused.value.missing == ("name",)
    assert refused.value.unexpected == ("extra",)
    assert refused.value.retyped == ("id", "share")
    assert len(refused.value.problems) == 4
    for part in ("flights.arrivals", "'name' is missing", "'extra' is not declared", "1 null(s) and may hold none",
                 "'share' has type int64; declared: float", "nothing was written"):  # fmt: skip
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": pa.array(["a", None]).dictionary_encode()},
        {"name": pa.array(["a", None], pa.large_string())},
        {"name": pa.array(["a", None], pa.string_view())},
        {"name": pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None]))},
        {"name": pa.array(["a", None], pa.large_string()).dictionary_encode()},
        {"at": pa.array([NOON, NOON], pa.timestamp("ns", "America/New_York"))},
        {"at": pa.array([NOON, NOON], pa.timestamp("s", "UTC"))},
        {"id": pa.chunked_array([[1], [], [2]], pa.int64())},
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,  # a repr holds addresses
)
def test_other_ways_to_hold_the_same_values_are_taken(changed: dict[str, pa.Array]) -> None:
    taken = conform("t", rows(**changed), DECLARED)
    assert taken.schema == DECLARED
    assert taken.to_pylist() == rows().to_pylist()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"at": pa.array([1, 2], pa.timestamp("ns", "UTC"))}, "loses by becoming"),
        ({"at": pa.array([NOON.replace(tzinfo=None)] * 2, pa.timestamp("us"))}, "declared: timestamp"),
        ({"id": pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([1, None]))}, "may hold none"),
        ({"id": pa.array([1, 2], pa.uint64())}, "has type uint64"),
        ({"id": pa.array([True, False])}, "has type bool"),
        ({"share": pa.array([0.5, 0.25])}, "has type double"),
        ({"name": pa.array([b"a", b"b"])}, "has type binary"),
        ({"name": pa.array([None, None])}, "has type null"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,  # a repr holds addresses
)
def test_other_values_are_not(changed: dict[str, pa.Array], message: str) -> None:
    with pytest.raises(SchemaMismatch, match=message):
        conform("t", rows(**changed), DECLARED)


def test_order_and_doubles_are_refused() -> None:
    with pytest.raises(SchemaMismatch, match="the order is name, id, share, at; declared: id, name, share, at"):
        conform("t", rows().select(["name", "id", "share", "at"]), DECLARED)
    with pytest.raises(SchemaMismatch, match="stands there twice"):
        conform("t", rows().append_column("id", pa.array([1, 2])), DECLARED)


def test_metadata_is_dropped() -> None:
    dressed = pa.schema([f.with_metadata({"unit": "m"}) for f in DECLARED], metadata={"by": "me"})
    plain = storable("t", dressed, reserved=())
    assert plain.equals(DECLARED, check_metadata=True)
    assert conform("t", rows().cast(dressed), plain).schema.equals(DECLARED, check_metadata=True)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (pa.field("tick", pa.int64()), "reserved"),
        (pa.field("Tick", pa.int64()), "reserved"),
        (pa.field("ID", pa.int64()), "twice"),
        (pa.field("a b", pa.int64()), "not an allowed name"),
        (pa.field("n", pa.uint8()), "type uint8; allowed: bool"),
        (pa.field("n", pa.timestamp("us")), "type timestamp"),
        (pa.field("n", pa.timestamp("ns", "UTC")), "type timestamp"),
        (pa.field("n", pa.list_(pa.int64())), "type list"),
        (pa.field("n", pa.dictionary(pa.int8(), pa.string())), "type dictionary"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,  # a repr holds addresses
)
def test_what_cannot_be_stored_cannot_be_declared(field: pa.Field, message: str) -> None:
    with pytest.raises(SchemaMismatch, match=message) as refused:
        storable("flights.t", DECLARED.append(field), reserved=("tick",))
    assert len(refused.value.problems) == 1


def test_a_table_has_columns() -> None:
    with pytest.raises(SchemaMismatch, match="no columns"):
        storable("t", pa.schema([]), reserved=())


def test_every_storable_type_can_be_declared() -> None:
    every = pa.schema([pa.field(f"c{i}", kind) for i, kind in enumerate(STORABLE)])
    assert storable("t", every, reserved=()) == every


def test_agree_names_what_differs() -> None:
    agree("t", DECLARED, DECLARED, advice="")
    other = pa.schema([DECLARED.field("id").with_nullable(True), DECLARED.field("at"), pa.field("new", pa.bool_())])
    with pytest.raises(SchemaMismatch, match="write it all again") as refused:
        agree("flights.t", other, DECLARED, advice="write it all again")
    assert refused.value.missing == ("name", "share")
    assert refused.value.unexpected == ("new",)
    assert refused.value.retyped == ("id",)
    assert "'id' is int64; stored: int64 not null" in str(refused.value)
    with pytest.raises(SchemaMismatch, match="the order is"):
        agree("t", pa.schema(list(reversed(list(DECLARED)))), DECLARED, advice="")
