"""The jobs in a database: SQLite beside the outputs, or any that SQLAlchemy reaches by its URL."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loguru import logger
from sqlalchemy import ColumnElement, and_, event, func, insert, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from server.errors import StoreUnreachable
from server.events import State
from server.stores.lock import InUse, Lock, UnusableStore
from server.stores.stored_job import (
    Ending,
    IdempotencyKey,
    NewJob,
    StoredJob,
    from_row,
    request_to_json,
)
from server.stores.tables import NewerSchema, bring_up_to_date, jobs

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
#: One number that all servers lock in a PostgreSQL database: "continuo" in letters' places.
ADVISORY_LOCK = 0x636F6E74696E756F
UNFINISHED = (State.QUEUED, State.RUNNING)


def database_url(url: str, folder: Path) -> URL:
    """`url` with the driver that we use; where it is empty, SQLite in `folder`."""
    try:
        given = make_url(url or f"sqlite:///{folder / 'jobs.sqlite'}")
        driver = DRIVERS.get(given.drivername, given.drivername)
        return given.set(drivername=driver)
    except ArgumentError:  # its own message would show a password
        raise UnusableStore(
            "DATABASE_URL is wrong: must be such as sqlite:///jobs.sqlite or "
            "postgresql://user:password@host/database"
        ) from None


class JobStore:
    """Every job until retention removes it. One server at a time uses it.

    What a job may become is decided by the database: each change says from which states it leads,
    and tells whether it was made.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        options: dict[str, Any] = {"pool_pre_ping": True}
        if url.get_backend_name() == "sqlite":  # which has one writer at a time anyway
            options = {"pool_size": 1, "max_overflow": 0} if url.database else {}
        try:
            self._engine = create_async_engine(url, **options)
        except (ArgumentError, ImportError) as error:
            raise UnusableStore(f"DATABASE_URL cannot be used: {error}") from None
        if url.get_backend_name() == "sqlite":
            event.listen(self._engine.sync_engine, "connect", _configure_sqlite)
        self._lock: Lock | None = None
        self._session: AsyncConnection | None = None

    # ── life of the store ────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Lock it for this server and bring its tables up to date. Raises `UnusableStore`."""
        try:
            await self._take_for_us()
            async with self._engine.begin() as connection:
                await connection.run_sync(bring_up_to_date)
        except (SQLAlchemyError, OSError, NewerSchema, InUse) as error:
            await self.close()
            shown = self._url.render_as_string(hide_password=True)
            reason = str(getattr(error, "orig", error))
            raise UnusableStore(f"the database {shown} cannot be used: {reason}") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._engine.dispose()
        if self._lock is not None:
            self._lock.release()
        self._session = self._lock = None

    async def _take_for_us(self) -> None:
        backend = self._url.get_backend_name()
        if backend == "sqlite" and self._url.database:
            database = Path(self._url.database)
            database.parent.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(database.with_name(database.name + ".lock"))
        elif backend == "postgresql":
            self._session = await self._engine.connect()
            await self._session.execution_options(isolation_level="AUTOCOMMIT")
            ours = select(func.pg_try_advisory_lock(ADVISORY_LOCK))
            if not await self._session.scalar(ours):
                raise InUse

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        with _reachable():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """All that is done with the connection is done, or none of it."""
        with _reachable():
            async with self._engine.begin() as connection:
                yield connection

    # ── coming and going ─────────────────────────────────────────────────────────────────────

    async def add(
        self, new: Sequence[NewJob], key: IdempotencyKey | None = None
    ) -> list[StoredJob]:
        """Store them all, queued, in this order, or none. `key` must not be known yet."""
        rows = [_row(job) | {"list_index": index} | _keyed(key) for index, job in enumerate(new)]
        ids = [job.id for job in new]
        async with self._writing() as connection:
            for row in rows:  # one by one: the order of the numbers is the order of the list
                await connection.execute(insert(jobs).values(row))
        return await self._select(jobs.c.id.in_(ids))

    async def of_key(self, key: str) -> tuple[str, list[StoredJob]] | None:
        """What was stored under an idempotency key: the digest of the body, and the jobs."""
        same = jobs.c.idempotency_key == key
        async with self._reading() as connection:
            digest = await connection.scalar(select(jobs.c.body_digest).where(same).limit(1))
        return None if digest is None else (digest, await self._select(same))

    async def delete(self, id: str) -> bool:
        """Forget it; False if it was not there."""
        async with self._writing() as connection:
            done = await connection.execute(delete_from(jobs).where(jobs.c.id == id))
        return done.rowcount == 1

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def get(self, id: str) -> StoredJob | None:
        found = await self._select(jobs.c.id == id)
        return found[0] if found else None

    async def page(self, state: State | None, before: int | None, limit: int) -> list[StoredJob]:
        """The newest first, from below number `before`; expired ones are not listed."""
        wanted = [jobs.c.expired == 0]
        if state is not None:
            wanted.append(jobs.c.state == state.value)
        if before is not None:
            wanted.append(jobs.c.number < before)
        newest = select(jobs).where(and_(*wanted)).order_by(jobs.c.number.desc()).limit(limit)
        async with self._reading() as connection:
            return [from_row(row) for row in (await connection.execute(newest)).mappings()]

    async def num_queued(self, model: str, before: int | None = None) -> int:
        """How many wait for the model, those from number `before` on not counted."""
        wanted = _queued(model)
        if before is not None:
            wanted = and_(wanted, jobs.c.number < before)
        async with self._reading() as connection:
            return await connection.scalar(select(func.count()).where(wanted)) or 0

    async def next_queued(self, model: str) -> StoredJob | None:
        found = await self._select(_queued(model), limit=1)
        return found[0] if found else None

    async def waited_for(self) -> list[str]:
        """The models that jobs wait for."""
        models = select(jobs.c.model).where(jobs.c.state == State.QUEUED.value).distinct()
        async with self._reading() as connection:
            return list(await connection.scalars(models))

    async def cancelled(self) -> list[str]:
        """The ids of those that were cancelled, until they expire."""
        state = State.CANCELLED.value
        wanted = select(jobs.c.id).where(jobs.c.state == state, jobs.c.expired == 0)
        async with self._reading() as connection:
            return list(await connection.scalars(wanted))

    async def running(self) -> list[StoredJob]:
        return await self._select(jobs.c.state == State.RUNNING.value)

    async def due(self, now: float) -> list[StoredJob]:
        """Those whose time is over and whose files are still there."""
        return await self._select(jobs.c.expires_at <= now, jobs.c.expired == 0)

    async def kept(self, limit: int) -> list[StoredJob]:
        """The finished ones whose files are still there, the oldest first."""
        return await self._select(
            jobs.c.state == State.COMPLETED.value, jobs.c.expired == 0, limit=limit
        )

    async def with_files(self, ids: Sequence[str]) -> set[str]:
        """Which of the ids are of jobs that have not expired."""
        wanted = select(jobs.c.id).where(jobs.c.id.in_(ids), jobs.c.expired == 0)
        async with self._reading() as connection:
            return set(await connection.scalars(wanted))

    # ── changing ─────────────────────────────────────────────────────────────────────────────

    async def start(self, id: str, attempt: int, sample_rate: int, channels: int) -> bool:
        """Its model has begun, and is known now that it is loaded."""
        values = {
            "state": State.RUNNING.value,
            "attempt": attempt,
            "started_at": time.time(),
            "sample_rate": sample_rate,
            "channels": channels,
        }
        return await self._update(id, (State.QUEUED,), values)

    async def requeue(self, id: str) -> bool:
        """It is to be begun anew."""
        return await self._update(id, (State.RUNNING,), {"state": State.QUEUED.value})

    async def finish(self, id: str, ending: Ending, retention_seconds: float) -> bool:
        """End it, if it had not ended. Its files are kept for `retention_seconds`, and its id for
        as long again."""
        now = time.time()
        values = asdict(ending) | {
            "state": ending.state.value,
            "ended_at": now,
            "expires_at": now + retention_seconds,
            "forgotten_at": now + 2 * retention_seconds,
        }
        return await self._update(id, UNFINISHED, values)

    async def count_events(self, id: str, num_events: int) -> None:
        """Say how long the log became of a job that was ended while it ran."""
        await self._update(id, (State.CANCELLED,), {"num_events": num_events})

    async def expire(self, id: str) -> None:
        """Its files are gone; the id is known until it is forgotten."""
        async with self._writing() as connection:
            gone = update(jobs).where(jobs.c.id == id).values(expired=1, outputs=[])
            await connection.execute(gone)

    async def forget(self, now: float) -> None:
        """Delete what expired long ago."""
        async with self._writing() as connection:
            await connection.execute(delete_from(jobs).where(jobs.c.forgotten_at <= now))

    async def _select(
        self, *wanted: ColumnElement[bool], limit: int | None = None
    ) -> list[StoredJob]:
        rows = select(jobs).where(and_(*wanted)).order_by(jobs.c.number).limit(limit)
        async with self._reading() as connection:
            return [from_row(row) for row in (await connection.execute(rows)).mappings()]

    async def _update(self, id: str, states: Sequence[State], values: dict[str, Any]) -> bool:
        allowed = jobs.c.state.in_([state.value for state in states])
        change = update(jobs).where(jobs.c.id == id, allowed).values(values)
        async with self._writing() as connection:
            return (await connection.execute(change)).rowcount == 1


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        logger.error("The job store: {}", error)
        raise StoreUnreachable("the job store cannot be reached; try again", 5) from error


def _queued(model: str) -> ColumnElement[bool]:
    return and_(jobs.c.model == model, jobs.c.state == State.QUEUED.value)


def _keyed(key: IdempotencyKey | None) -> dict[str, str]:
    return {} if key is None else {"idempotency_key": key.name, "body_digest": key.digest}


def _row(job: NewJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "dialect": job.dialect,
        "model": job.request.model,
        "request": request_to_json(job.request),
        "request_id": job.request_id,
        "sample_rate": job.sample_rate,
        "channels": job.channels,
        "state": State.QUEUED.value,
        "attempt": 0,
        "progress": 0.0,
        "created_at": time.time(),
        "expired": 0,
        "warnings": [],
        "outputs": [],
        "num_events": 0,
    }


def _configure_sqlite(connection: Any, _: object) -> None:
    """Readers beside the writer, and a commit that outlives a loss of power."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
