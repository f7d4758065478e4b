"""The read ledger: every opening of a sealed test split."""

from mlsys_resources.names import identifier
from mlsys_resources.operations_checks import LONGEST_TEXT, check_text
from mlsys_resources.operations_records import Records, row_of, values_of
from mlsys_resources.operations_rows import TestRead
from mlsys_resources.operations_tables import TEST_READS


class ReadLedger(Records):
    """Which sealed tests were opened, for which models and why."""

    def record_test_read(self, read: TestRead) -> bool:
        """Append one opening of a sealed test; return False if the identical one is on record."""
        identifier(read.system)
        check_text(LONGEST_TEXT, split=read.split, content_hash=read.content_hash)
        check_text(LONGEST_TEXT, models=read.models, reason=read.reason)
        row = values_of(read, key=read.key, at=self._clock())
        with self._database.write() as connection:
            return self._database.insert_if_absent(connection, TEST_READS, row)

    def test_reads(self, system: str, *, content_hash: str | None = None) -> tuple[TestRead, ...]:
        """Return the openings of a system's sealed tests, or of the one with that hash, oldest as-of first."""
        conditions = [TEST_READS.c.system == identifier(system)]
        if content_hash is not None:
            conditions.append(TEST_READS.c.content_hash == content_hash)
        found = [row_of(TestRead, row) for row in self._rows(TEST_READS, *conditions)]
        return tuple(sorted(found, key=lambda read: (read.as_of, read.split, read.key)))
