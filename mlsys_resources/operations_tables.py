"""The tables of the operations store."""

import sqlalchemy as sa

from mlsys_resources.database import UtcTime

METADATA = sa.MetaData()

FENCE = sa.Table(
    "mlsys_fence",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("taken_at", UtcTime, nullable=False),
)

RUN_LEASES = sa.Table(
    "mlsys_run_leases",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("host", sa.Text),  # this and the next two: nobody, of a run that was fenced and never began
    sa.Column("pid", sa.BigInteger),
    sa.Column("born", sa.Text),
    sa.Column("beats", sa.BigInteger, nullable=False),
    sa.Column("begun_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Column("fenced_at", UtcTime),
    sa.Column("reason", sa.Text),
    sa.Index("mlsys_run_leases_open", "ended_at", "fenced_at"),
)

RUN_CLAIMS = sa.Table(
    "mlsys_run_claims",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

MODELS = sa.Table(
    "mlsys_models",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("manifest_sha256", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("registered_at", UtcTime, nullable=False),
    # One candidate, one content, one as-of is one version, so that a step run again, or by two
    # processes, finds what is there. Equal content as of another time, or under another candidate's
    # name, is a version of its own: its passport says other things.
    sa.UniqueConstraint("system", "name", "content_hash", "as_of"),
)

ALIASES = sa.Table(
    "mlsys_aliases",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(["system", "version"], [MODELS.c.system, MODELS.c.version]),
)

ALIAS_ATTEMPTS = sa.Table(
    "mlsys_alias_attempts",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("alias", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("expected_revision", sa.Integer, nullable=False),
    sa.Column("found_revision", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index("mlsys_alias_attempts_by_as_of", "system", "alias", "outcome", "as_of"),
)

DECISIONS = sa.Table(
    "mlsys_decisions",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("as_of", UtcTime, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("context", sa.Text, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
)

TEST_READS = sa.Table(
    "mlsys_test_reads",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("split", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("models", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

CLOCKS = sa.Table(
    "mlsys_clocks",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("now", UtcTime, nullable=False),
)

ONLINE_POSITIONS = sa.Table(
    "mlsys_online_positions",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("snapshots", sa.Text, nullable=False),
    sa.Column("edition", sa.Integer, nullable=False),
)

ONLINE_ROWS = sa.Table(
    "mlsys_online_rows",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("entity", sa.LargeBinary, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

ERASURES = sa.Table(
    "mlsys_erasures",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("column", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("done_at", UtcTime),
)

TOMBSTONES = sa.Table(
    "mlsys_tombstones",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("column", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, primary_key=True),
)

ERASURE_KEYS = sa.Table(
    "mlsys_erasure_keys",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary, nullable=False),
)

RETIREMENTS = sa.Table(
    "mlsys_retirements",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("erasure", sa.Text, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
)

ALERTS = sa.Table(
    "mlsys_alerts",
    METADATA,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.UniqueConstraint("system", "id"),
)

ALERT_DELIVERIES = sa.Table(
    "mlsys_alert_deliveries",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("taken_until", UtcTime),
    sa.Column("delivered_at", UtcTime),
    sa.Index("mlsys_alert_deliveries_left", "system", "delivered_at"),
)

ALERT_CHECKPOINTS = sa.Table(
    "mlsys_alert_checkpoints",
    METADATA,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("watch", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
)
