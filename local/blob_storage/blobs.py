"""Containers and blobs in one SQLite file, each blob with a version that every write changes."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS containers (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs (
    container TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, etag TEXT NOT NULL, written REAL NOT NULL,
    PRIMARY KEY (container, name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Blob:
    """A blob as it is now; `written` in Unix seconds."""

    name: str
    body: bytes
    etag: str
    written: float


class StorageError(Exception):
    """What Azure answers where something is not as the request wants it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Blobs:
    """All blobs of the account. Safe to use from several threads."""

    def __init__(self, file: Path | None) -> None:
        """Without a file they end with the process. Only its owner can read it."""
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(file or ":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.executescript(_SCHEMA)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def create_container(self, container: str) -> None:
        """Create it; 409 where it exists."""
        with self._lock:
            if not self._db.execute("INSERT OR IGNORE INTO containers VALUES (?)", (container,)).rowcount:
                raise StorageError(409, "ContainerAlreadyExists")

    def check_container(self, container: str) -> None:
        """Return if it exists, else 404."""
        with self._lock:
            self._check(container)

    def get(self, container: str, name: str) -> Blob:
        """Return the blob, or 404."""
        with self._lock:
            self._check(container)
            found = self._find(container, name)
        if found is None:
            raise StorageError(404, "BlobNotFound")
        return found

    def put(self, container: str, name: str, body: bytes, *, if_match: str | None, if_none_match: str | None) -> Blob:
        """Write the blob if the conditions hold, else 409 (there is one) or 412."""
        made = Blob(name, body, f'"0x{secrets.token_hex(8).upper()}"', time.time())
        with self._lock:
            self._check(container)
            there = self._find(container, name)
            if if_none_match is not None and there is not None and if_none_match in {"*", there.etag}:
                raise StorageError(*((409, "BlobAlreadyExists") if if_none_match == "*" else (412, "ConditionNotMet")))
            _check_match(there, if_match)
            self._db.execute(
                "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)", (container, name, body, made.etag, made.written)
            )
        return made

    def delete(self, container: str, name: str, *, if_match: str | None) -> None:
        """Delete the blob if the condition holds, else 404 or 412."""
        with self._lock:
            self._check(container)
            there = self._find(container, name)
            _check_match(there, if_match)  # as Azurite: 412, not 404, where it is gone
            if there is None:
                raise StorageError(404, "BlobNotFound")
            self._db.execute("DELETE FROM blobs WHERE container = ? AND name = ?", (container, name))

    def listed(self, container: str, prefix: str, after: str, most: int) -> list[Blob]:
        """Return the blobs behind `after` whose names begin so, by name, without their bodies."""
        with self._lock:
            self._check(container)
            rows = self._db.execute(
                "SELECT name, x'', etag, written FROM blobs WHERE container = ? AND name > ? AND name >= ? "
                "AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
                (container, after, prefix, len(prefix), prefix, most),
            ).fetchall()
        return [Blob(*row) for row in rows]

    def _check(self, container: str) -> None:
        if not self._db.execute("SELECT 1 FROM containers WHERE name = ?", (container,)).fetchone():
            raise StorageError(404, "ContainerNotFound")

    def _find(self, container: str, name: str) -> Blob | None:
        row = self._db.execute(
            "SELECT name, body, etag, written FROM blobs WHERE container = ? AND name = ?", (container, name)
        ).fetchone()
        return Blob(*row) if row else None


def _check_match(there: Blob | None, if_match: str | None) -> None:
    if if_match is not None and (there is None or if_match not in {"*", there.etag}):
        raise StorageError(412, "ConditionNotMet")
