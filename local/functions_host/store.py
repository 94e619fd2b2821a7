"""The durable state: one SQLite file, one writer.

Four tables hold everything: instances, their histories, the inbox (messages to instances; a timer is a message
that becomes visible later) and the work (activities to run). An episode is one transaction. WAL with synchronous
NORMAL survives the death of the process at any moment; only a power cut may take the last transactions back, all
or nothing. The files are readable by their owner alone: they hold prompts and answers.

SQLite leaves copies of deleted rows in free pages, in the gaps of pages and in the WAL. So what was purged is gone from
the files only once `compact` has written them anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from local.functions_host.errors import HostError

SCHEMA_VERSION = 2
ENDED = frozenset({"Completed", "Failed", "Terminated", "Canceled"})
_PURGED = "purged"  # the setting that says that `compact` is due

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE instances (
    instance_id TEXT PRIMARY KEY, execution_id TEXT NOT NULL, name TEXT NOT NULL, version TEXT, input TEXT,
    status TEXT NOT NULL, custom_status TEXT, output TEXT, created REAL NOT NULL, updated REAL NOT NULL,
    carried_status TEXT, parent_id TEXT
) WITHOUT ROWID;
CREATE TABLE history (
    instance_id TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (instance_id, seq)
) WITHOUT ROWID;
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT, visible_at REAL NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX inbox_by_instance ON inbox (instance_id, visible_at);
CREATE TABLE work (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, execution_id TEXT NOT NULL,
    task_id INTEGER NOT NULL, name TEXT NOT NULL, input TEXT
);
CREATE INDEX work_by_instance ON work (instance_id);
CREATE TABLE schedules (name TEXT PRIMARY KEY, last REAL, next REAL NOT NULL) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Instance:
    """A row of `instances`. `input`, `custom_status` and `output` are JSON text, times are epoch seconds.

    `carried_status` is the custom status of the generation before, shown until this one sets its own.
    """

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    input: str | None
    status: str
    custom_status: str | None
    output: str | None
    created: float
    updated: float
    carried_status: str | None = None
    parent_id: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the instance is in a terminal state."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the inbox. `execution_id` is None where the message is for whatever generation runs."""

    seq: int
    instance_id: str
    execution_id: str | None
    visible_at: float
    event: str


@dataclass(frozen=True, slots=True)
class Work:
    """An activity to run; `seq` is 0 until it is stored."""

    seq: int
    instance_id: str
    execution_id: str
    task_id: int
    name: str
    input: str | None


_COLUMNS = (
    "instance_id, execution_id, name, version, input, status, custom_status, output, created, updated, carried_status, "
    "parent_id"
)


_WORK = "seq, instance_id, execution_id, task_id, name, input"


class Store:
    """Access to the state. Every change happens inside `with store.transaction():`. Not thread-safe."""

    def __init__(self, path: str) -> None:
        """Open or create the database at `path`, or `:memory:`; raises HostError where that is impossible."""
        self.path = path
        try:
            if path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileExistsError):  # O_EXCL: to close a file that is open here ends SQLite's locks on it
                    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # the WAL gets the same mode
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise HostError(f"the database {path} cannot be opened: {error}") from error
        try:
            self._prepare()
            self._close_to_others()
        except sqlite3.Error as error:
            self._db.close()
            if "locked" in str(error):
                raise HostError(
                    f"the database {path} is in use by another host; stop it or give another --db"
                ) from error
            raise HostError(f"the database {path} cannot be used: {error}") from error
        except HostError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        # The exclusive lock lasts until the connection closes or the process dies: one host per database.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("BEGIN EXCLUSIVE")
        tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    self._db.execute(statement)
            self.set_meta("schema_version", str(SCHEMA_VERSION))
        elif "meta" not in tables:
            raise HostError(f"{self.path} is a database of something else (no table 'meta'); give another --db")
        else:
            found = self.meta("schema_version")
            if found != str(SCHEMA_VERSION):
                raise HostError(
                    f"the database {self.path} has schema version {found}, this host writes {SCHEMA_VERSION}: "
                    "delete the file (its runs are lost) or use the host that wrote it"
                )
        self._db.execute("COMMIT")

    def _close_to_others(self) -> None:
        """Take a database of an earlier version, which anybody on this machine might read, away from all others."""
        if self.path == ":memory:":
            return
        for path in (Path(f"{self.path}{end}") for end in ("", "-wal", "-shm")):
            try:
                if path.exists() and (mode := path.stat().st_mode) & 0o077:
                    path.chmod(mode & 0o700)
            except OSError as error:
                raise HostError(f"others may read {path}, and that cannot be changed: {error}") from error

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- meta ---

    def meta(self, key: str) -> str | None:
        """Return a stored setting of the host."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Store a setting of the host."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def latest_timestamp(self) -> float:
        """Return the latest moment this database knows, 0 where it is empty: the clock must not run backwards."""
        row = self._db.execute("SELECT max(updated) FROM instances").fetchone()
        return float(row[0] or 0)

    # --- instances ---

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM instances WHERE instance_id = ?", (instance_id,)).fetchone()
        return None if row is None else Instance(*row)

    def save_instance(self, instance: Instance) -> None:
        """Insert or update an instance."""
        marks = ", ".join("?" * 12)
        self._db.execute(
            f"INSERT OR REPLACE INTO instances ({_COLUMNS}) VALUES ({marks})",
            (
                instance.instance_id,
                instance.execution_id,
                instance.name,
                instance.version,
                instance.input,
                instance.status,
                instance.custom_status,
                instance.output,
                instance.created,
                instance.updated,
                instance.carried_status,
                instance.parent_id,
            ),
        )

    def delete_instance(self, instance_id: str) -> None:
        """Delete an instance with its history and messages, if there is one; `compact` is due then."""
        for table in ("instances", "history", "inbox", "work"):
            deleted = self._db.execute(f"DELETE FROM {table} WHERE instance_id = ?", (instance_id,)).rowcount
            if deleted:
                self.set_meta(_PURGED, "yes")

    @property
    def is_compact(self) -> bool:
        """Whether nothing of what was purged is left in the files."""
        return self.meta(_PURGED) is None

    def compact(self) -> None:
        """Write the files anew, without what was purged; outside a transaction."""
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.execute("DELETE FROM meta WHERE key = ?", (_PURGED,))  # last: a kill before has it done again

    def instances(
        self,
        *,
        created_from: float | None = None,
        created_to: float | None = None,
        statuses: Sequence[str] = (),
        prefix: str = "",
        after: str = "",
        limit: int = -1,
    ) -> list[Instance]:
        """Return instances in id order, those that match every given condition."""
        where, values = ["instance_id > ?"], [after]
        if created_from is not None:
            where.append("created >= ?")
            values.append(created_from)  # type: ignore[arg-type]
        if created_to is not None:
            where.append("created <= ?")
            values.append(created_to)  # type: ignore[arg-type]
        if statuses:
            where.append(f"status IN ({', '.join('?' * len(statuses))})")
            values += statuses
        if prefix:
            where.append("substr(instance_id, 1, ?) = ?")
            values += [len(prefix), prefix]  # type: ignore[list-item]
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM instances WHERE {' AND '.join(where)} ORDER BY instance_id LIMIT ?",
            (*values, limit),
        )
        return [Instance(*row) for row in rows]

    def history(self, instance_id: str) -> list[str]:
        """Return the history of an instance as event texts."""
        rows = self._db.execute("SELECT event FROM history WHERE instance_id = ? ORDER BY seq", (instance_id,))
        return [row[0] for row in rows]

    def started(self, instance_id: str) -> str | None:
        """Return the event that began an instance's present generation: the second one, after the episode's own."""
        rows = self._db.execute("SELECT event FROM history WHERE instance_id = ? AND seq = 1", (instance_id,))
        row = rows.fetchone()
        return None if row is None else str(row[0])

    def append_history(self, instance_id: str, start: int, events: Sequence[str]) -> None:
        """Append events behind the `start` that are there."""
        self._db.executemany(
            "INSERT INTO history VALUES (?, ?, ?)",
            [(instance_id, start + i, event) for i, event in enumerate(events)],
        )

    def replace_history(self, instance_id: str, events: Sequence[str]) -> None:
        """Put a new history in place of the old one."""
        self._db.execute("DELETE FROM history WHERE instance_id = ?", (instance_id,))
        self.append_history(instance_id, 0, events)

    # --- inbox ---

    def put_message(self, instance_id: str, execution_id: str | None, event: str, visible_at: float) -> int:
        """Send a message to an instance; returns its number."""
        cursor = self._db.execute(
            "INSERT INTO inbox (instance_id, execution_id, visible_at, event) VALUES (?, ?, ?, ?)",
            (instance_id, execution_id, visible_at, event),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def hasten(self, seqs: Sequence[int], visible_at: float) -> None:
        """Make messages visible at another time."""
        self._db.executemany("UPDATE inbox SET visible_at = ? WHERE seq = ?", [(visible_at, s) for s in seqs])

    def due_messages(self, instance_id: str, now: float) -> list[Message]:
        """Return the visible messages of an instance in the order they became visible."""
        rows = self._db.execute(
            "SELECT seq, instance_id, execution_id, visible_at, event FROM inbox "
            "WHERE instance_id = ? AND visible_at <= ? ORDER BY visible_at, seq",
            (instance_id, now),
        )
        return [Message(*row) for row in rows]

    def delete_messages(self, seqs: Sequence[int]) -> None:
        """Remove messages that have been dealt with."""
        self._db.executemany("DELETE FROM inbox WHERE seq = ?", [(seq,) for seq in seqs])

    def clear_inbox(self, instance_id: str) -> None:
        """Remove all messages to an instance."""
        self._db.execute("DELETE FROM inbox WHERE instance_id = ?", (instance_id,))

    def next_message(self, instance_id: str, now: float) -> float | None:
        """Return when the next message of an instance becomes visible, of those that are not."""
        query = "SELECT min(visible_at) FROM inbox WHERE instance_id = ? AND visible_at > ?"
        row = self._db.execute(query, (instance_id, now)).fetchone()
        return None if row[0] is None else float(row[0])

    def pending_instances(self) -> list[tuple[str, float]]:
        """Return every instance with messages, and when the first of them becomes visible."""
        rows = self._db.execute("SELECT instance_id, min(visible_at) FROM inbox GROUP BY instance_id")
        return [(str(row[0]), float(row[1])) for row in rows]

    # --- work ---

    def put_work(self, work: Work) -> Work:
        """Store an activity to run; returns it with its number."""
        cursor = self._db.execute(
            "INSERT INTO work (instance_id, execution_id, task_id, name, input) VALUES (?, ?, ?, ?, ?)",
            (work.instance_id, work.execution_id, work.task_id, work.name, work.input),
        )
        assert cursor.lastrowid is not None
        return replace(work, seq=cursor.lastrowid)

    def take_work(self, seq: int) -> bool:
        """Remove an activity that has ended; False where it is gone already."""
        return self._db.execute("DELETE FROM work WHERE seq = ?", (seq,)).rowcount == 1

    def all_work(self) -> list[Work]:
        """Return every activity that has not ended, but those of instances that failed meanwhile."""
        rows = self._db.execute(
            f"SELECT {_WORK} FROM work WHERE instance_id NOT IN "
            "(SELECT instance_id FROM instances WHERE status = 'Failed') ORDER BY seq"
        )
        return [Work(*row) for row in rows]

    def work_of(self, instance_id: str) -> list[Work]:
        """Return the activities of an instance that have not ended."""
        rows = self._db.execute(f"SELECT {_WORK} FROM work WHERE instance_id = ? ORDER BY seq", (instance_id,))
        return [Work(*row) for row in rows]

    # --- timer triggers ---

    def schedule(self, name: str) -> tuple[float | None, float] | None:
        """Return when a timer trigger ran last and when it is due, None where it is new."""
        row = self._db.execute("SELECT last, next FROM schedules WHERE name = ?", (name,)).fetchone()
        return None if row is None else (row[0], row[1])

    def save_schedule(self, name: str, last: float | None, due: float) -> None:
        """Record when a timer trigger ran last and when it is due."""
        self._db.execute("INSERT OR REPLACE INTO schedules VALUES (?, ?, ?)", (name, last, due))
