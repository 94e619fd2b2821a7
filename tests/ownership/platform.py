"""Durable without Durable: instances and their steps, in a file that several processes share.

A step that a process had taken when it was killed is given to the next one. An instance that was terminated or has
failed has no step any more, and tells nobody.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE instances (
    id TEXT PRIMARY KEY, thread TEXT, message TEXT, state TEXT DEFAULT 'active', step TEXT DEFAULT 'create_message',
    run TEXT, answer TEXT, due REAL, held_by TEXT, tries INTEGER DEFAULT 0, replaces INTEGER DEFAULT 0,
    cancelled INTEGER DEFAULT 0
);
CREATE INDEX due ON instances (state, held_by, due);
CREATE TABLE owners (thread TEXT PRIMARY KEY, instance TEXT);
CREATE TABLE keyed (
    key TEXT, caller INTEGER, due REAL, held_by TEXT, instance TEXT, PRIMARY KEY (key, caller)
);
CREATE TABLE started (instance TEXT, key TEXT);
CREATE TABLE findings (text TEXT);
"""


@dataclass(frozen=True)
class Work:
    """A step of an instance: the name of the activity that is next, and what it needs."""

    instance: str
    thread: str
    message: str
    step: str
    run: str | None
    replaces: bool
    cancelled: bool


class Platform:
    """The shared file, as one process sees it. Every method is one transaction."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @classmethod
    def create(cls, file: Path) -> Platform:
        """Make the file."""
        with sqlite3.connect(file) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(_SCHEMA)
        db.close()
        return cls(file)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, isolation_level=None, timeout=60)) as db:
            db.execute("PRAGMA synchronous=OFF")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def add(self, instance: str, thread: str, message: str, due: float, *, replaces: bool = False) -> None:
        """Start an instance."""
        with self._transaction() as db:
            row = (instance, thread, message, due, replaces)
            db.execute("INSERT INTO instances (id, thread, message, due, replaces) VALUES (?, ?, ?, ?, ?)", row)

    def take(self, process: str) -> Work | None:
        """Return a step that is due, for this process to do."""
        with self._transaction() as db:
            row = db.execute(
                "UPDATE instances SET held_by = ?, tries = tries + 1 WHERE id = (SELECT id FROM instances WHERE "
                "state = 'active' AND held_by IS NULL AND due <= ? ORDER BY due LIMIT 1) "
                "RETURNING id, thread, message, step, run, replaces, cancelled",
                (process, time.time()),
            ).fetchone()
        return Work(*row[:5], bool(row[5]), bool(row[6])) if row else None

    def cancel(self, instance: str) -> None:
        """Let a cancel be the instance's next step, once the present one is done. An event that comes twice counts
        once, and one that comes before the end is too late.
        """
        with self._transaction() as db:
            db.execute(
                "UPDATE instances SET cancelled = 1, due = ?, step = CASE WHEN held_by IS NULL THEN 'cancel_run' "
                "ELSE step END WHERE id = ? AND state = 'active' AND NOT cancelled AND step <> 'get_response'",
                (time.time(), instance),
            )

    def go_on(self, work: Work, step: str, *, run: str | None = None, seconds: float = 0.0) -> None:
        """Note what the step came to; the next one is due in so many seconds. What was repeated counts once."""
        with self._transaction() as db:
            db.execute(
                "UPDATE instances SET held_by = NULL, run = ?, due = ?, "
                "step = CASE WHEN cancelled AND NOT ? THEN 'cancel_run' ELSE ? END "
                "WHERE id = ? AND step = ? AND state = 'active'",
                (run or work.run, time.time() + seconds, work.cancelled, step, work.instance, work.step),
            )

    def end(self, instance: str, state: str, answer: str | None = None) -> None:
        """End the instance; it owns nothing any more."""
        with self._transaction() as db:
            db.execute(
                "UPDATE instances SET held_by = NULL, state = ?, answer = ? WHERE id = ? AND state = 'active'",
                (state, answer, instance),
            )
            db.execute("DELETE FROM owners WHERE instance = ?", (instance,))

    def end_one_without_a_word(
        self, chance: random.Random, state: str, *, in_flight: bool = False
    ) -> tuple[str, str | None] | None:
        """End an instance that waits for its next step: terminated, or purged at once. Return it and its run.

        `in_flight`: one whose activity posts something just now, and does so although it has ended.
        """
        which = "held_by IS NOT NULL AND step LIKE 'create%'" if in_flight else "held_by IS NULL"
        with self._transaction() as db:
            rows = db.execute(f"SELECT id, run FROM instances WHERE state = 'active' AND {which}").fetchall()
            if not rows:
                return None
            instance, run = chance.choice(rows)
            db.execute("UPDATE instances SET state = ? WHERE id = ?", (state, instance))
            db.execute("DELETE FROM owners WHERE instance = ?", (instance,))
        return instance, run

    def give_back(self, process: str, seconds: float) -> int:
        """Give to others what a dead process had taken, after so many seconds; return how much it was."""
        with self._transaction() as db:
            due = time.time() + seconds
            return sum(
                db.execute(f"UPDATE {table} SET held_by = NULL, due = ? WHERE held_by = ?", (due, process)).rowcount
                for table in ("instances", "keyed")
            )

    def shown(self, instance: str) -> tuple[str, str | None, str | None, bool] | None:
        """Return what Durable and the custom status say of an instance: its runtime status, thread and run, and whether
        it is being cancelled. None: nobody knows it.
        """
        with self._transaction() as db:
            row = db.execute("SELECT state, thread, run, cancelled FROM instances WHERE id = ?", (instance,)).fetchone()
            if row is None and db.execute("SELECT 1 FROM started WHERE instance = ?", (instance,)).fetchone():
                row = ("active", None, None, False)
        if row is None or row[0] == "purged":
            return None
        runtime_status = {"active": "Running", "completed": "Completed", "failed": "Failed"}.get(row[0], "Terminated")
        return runtime_status, row[1], row[2], bool(row[3])

    def owns(self, thread: str, instance: str) -> None:
        """Note that the instance was told that it owns the thread, and whether somebody else owns it still."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT instance FROM owners WHERE thread = ? AND instance <> ?", (thread, instance)
            ).fetchone()
            if row:
                self._find(db, f"{instance} and {row[0]} own {thread} at once")
            if db.execute("SELECT 1 FROM instances WHERE id = ? AND state = 'active'", (instance,)).fetchone():
                db.execute("INSERT OR REPLACE INTO owners VALUES (?, ?)", (thread, instance))

    def owns_no_more(self, thread: str, instance: str) -> None:
        """Note that it is about to say so."""
        with self._transaction() as db:
            db.execute("DELETE FROM owners WHERE thread = ? AND instance = ?", (thread, instance))

    def add_keyed(self, key: str, caller: int, due: float) -> None:
        """Let a caller start something with a key."""
        with self._transaction() as db:
            db.execute("INSERT INTO keyed (key, caller, due) VALUES (?, ?, ?)", (key, caller, due))

    def take_keyed(self, process: str) -> tuple[str, int] | None:
        """Return a start that is due, for this process to do."""
        with self._transaction() as db:
            row = db.execute(
                "UPDATE keyed SET held_by = ? WHERE rowid = (SELECT rowid FROM keyed WHERE instance IS NULL "
                "AND held_by IS NULL AND due <= ? ORDER BY due LIMIT 1) RETURNING key, caller",
                (process, time.time()),
            ).fetchone()
        return (row[0], row[1]) if row else None

    def answer_keyed(self, key: str, caller: int, instance: str | None, seconds: float = 0.0) -> None:
        """Note which instance the caller was told; None: it asks again in so many seconds."""
        with self._transaction() as db:
            db.execute(
                "UPDATE keyed SET held_by = NULL, instance = ?, due = ? WHERE key = ? AND caller = ?",
                (instance, time.time() + seconds, key, caller),
            )

    def start(self, key: str, instance: str) -> None:
        """Start an instance by its id, as `start_new` does."""
        with self._transaction() as db:
            db.execute("INSERT INTO started VALUES (?, ?)", (instance, key))

    def find(self, text: str) -> None:
        """Note that something is wrong."""
        with self._transaction() as db:
            self._find(db, text)

    def _find(self, db: sqlite3.Connection, text: str) -> None:
        db.execute("INSERT INTO findings VALUES (?)", (text,))

    def rows(self, query: str) -> list[Any]:
        """Return what a query finds."""
        with self._transaction() as db:
            return db.execute(query).fetchall()
