"""The database's one table, and the version of its form."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)

#: The form that this code reads and writes.
VERSION = 1
#: Version → the statements that lead to it from the one before. This is the place to change a
#: table; a new database is made in its newest form at once.
UPGRADES: dict[int, Sequence[str]] = {}

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    # Submission order; never given twice, so a cursor into the list stays true.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("dialect", String(40), nullable=False),
    Column("model", Text, nullable=False),
    Column("request", JSON, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("sample_rate", Integer, nullable=False),
    Column("channels", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("progress", Double, nullable=False),
    # Seconds since 1970.
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("expires_at", Double),
    Column("forgotten_at", Double),
    Column("expired", Integer, nullable=False),
    Column("error_code", String(40)),
    Column("error_message", Text),
    Column("warnings", JSON, nullable=False),
    Column("outputs", JSON, nullable=False),
    Column("num_events", Integer, nullable=False),
    Column("idempotency_key", String(255)),
    Column("list_index", Integer, nullable=False),
    Column("body_digest", String(64)),
    UniqueConstraint("idempotency_key", "list_index"),
    Index("jobs_by_turn", "model", "state", "number"),
    Index("jobs_by_state", "state", "number"),
    Index("jobs_by_expiry", "expires_at"),
    sqlite_autoincrement=True,
)

schema = Table("schema_version", metadata, Column("version", Integer, nullable=False))


class NewerSchema(Exception):
    """The database was written by a newer version of this program."""


def bring_up_to_date(connection: Connection) -> None:
    """Make the tables, or lead them to the form of this code. Raises `NewerSchema`."""
    if not inspect(connection).has_table(schema.name):
        metadata.create_all(connection)
        connection.execute(insert(schema).values(version=VERSION))
        return
    found: int = connection.scalar(select(func.max(schema.c.version))) or 0
    if found > VERSION:
        raise NewerSchema(f"its tables have version {found}, and this program knows {VERSION}")
    for version in range(found + 1, VERSION + 1):
        for statement in UPGRADES[version]:
            connection.execute(text(statement))
        connection.execute(update(schema).values(version=version))
