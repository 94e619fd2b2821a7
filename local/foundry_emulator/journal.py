"""The file in which an emulator keeps what it remembers: one row per object, one transaction per answered request.

SQLite with a write-ahead log. Whatever moment a process is killed at, a transaction is there as a whole or not at
all, and what a client has an answer for is there. Only a power cut may take the last transactions back.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_APPLICATION_ID = 0x464D5531  # tells our files from other databases
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE objects (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL)",
    "CREATE TABLE clock (began REAL NOT NULL, now REAL NOT NULL)",
    "INSERT INTO clock VALUES (0, 0)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)


class JournalError(ValueError):
    """The file cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Row:
    """One object: its kind, its id, and everything else as JSON."""

    kind: str
    id: str
    body: str


class Journal:
    """An open file, which no other emulator can open meanwhile. Not thread-safe: callers hold `State.lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"the file {path} cannot be opened: {error}") from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            if "locked" in str(error):
                message = f"the file {path} is in use by another emulator: stop it, or name another file"
                raise JournalError(message) from error
            raise JournalError(f"the file {path} cannot be used: {error}") from error
        except JournalError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")  # from here on nobody else gets in, until this process ends
        is_new = self._one("SELECT count(*) FROM sqlite_master") == 0
        if not is_new:
            self._refuse_foreign()
        self._db.execute("COMMIT")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        if is_new:
            with self._transaction():
                for statement in _SCHEMA:
                    self._db.execute(statement)

    def _refuse_foreign(self) -> None:
        if self._one("PRAGMA application_id") != _APPLICATION_ID:
            raise JournalError(f"the file {self.path} belongs to another program: name another file")
        if (found := self._one("PRAGMA user_version")) != _VERSION:
            raise JournalError(
                f"the file {self.path} has version {found:.0f}, this emulator writes {_VERSION}: "
                "delete it (its threads are lost), or name another file"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _one(self, query: str) -> float:
        return float(self._db.execute(query).fetchone()[0])

    @property
    def began(self) -> float:
        """The service's time when the file was new; 0 in a new one."""
        return self._one("SELECT began FROM clock")

    @property
    def now(self) -> float:
        """The service's time at the last answer; 0 in a new file."""
        return self._one("SELECT now FROM clock")

    def rows(self) -> list[Row]:
        """Return all objects in the order of their creation."""
        return [Row(*found) for found in self._db.execute("SELECT kind, id, body FROM objects ORDER BY seq")]

    def write(self, rows: Iterable[Row], *, gone: Iterable[str], now: float) -> None:
        """Keep new and changed objects, forget those that are gone, and note the time: all of it or nothing."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO objects (kind, id, body) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET body = excluded.body",  # an object keeps its place in the order
                [(row.kind, row.id, row.body) for row in rows],
            )
            self._db.executemany("DELETE FROM objects WHERE id = ?", [(one,) for one in gone])
            self._db.execute("UPDATE clock SET now = ?", (now,))

    def clear(self, now: float) -> None:
        """Forget all objects and begin anew."""
        with self._transaction():
            self._db.execute("DELETE FROM objects")
            self._db.execute("UPDATE clock SET began = ?, now = ?", (now, now))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
