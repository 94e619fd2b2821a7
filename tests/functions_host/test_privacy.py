"""What the state holds is the developer's alone, and what was purged is gone from the files."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from local.functions_host.errors import HostError
from local.functions_host.store import Instance, Store
from tests.functions_host.conftest import NEVER, SAMPLE_APP
from tests.functions_host.harness import HostProcess
from tests.functions_host.inprocess import Hub

posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


def files(path: Path) -> list[Path]:
    return [file for end in ("", "-wal", "-shm") if (file := path.with_name(path.name + end)).exists()]


def held(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in files(path))


def modes(path: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in files(path)}


@posix_only
def test_the_state_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    before = os.umask(0)
    try:
        store = Store(str(path))
        with store.transaction():
            store.put_message("one", None, "{}", 0)
    finally:
        os.umask(before)
    assert modes(path) == {"state.db": 0o600, "state.db-wal": 0o600}
    store.close()


@posix_only
def test_a_state_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with HostProcess(SAMPLE_APP, env=NEVER, db=path) as host:
        host.launch("adds", "one")
        host.until_ended("one")
        host.kill()
        for file in files(path):
            file.chmod(0o644)
        assert modes(path) == {"state.db": 0o644, "state.db-wal": 0o644}
        host.restart()
        assert modes(path) == {"state.db": 0o600, "state.db-wal": 0o600}
        assert host.status("one")["runtimeStatus"] == "Completed"


@posix_only
def test_the_file_of_something_else_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to look at" * 20)
    path.chmod(0o644)
    with pytest.raises(HostError, match="file is not a database"):
        Store(str(path))
    assert modes(path) == {"notes.txt": 0o644}


def fill(store: Store, count: int) -> list[str]:
    """Store finished instances with texts of many lengths, each of which names its instance."""
    chance = random.Random(1)
    ids = [f"{chance.getrandbits(64):016x}" for _ in range(count)]
    for instance_id in ids:

        def text(instance_id: str = instance_id) -> str:
            return f'"secret of {instance_id}, {"x" * chance.randint(0, 2000)}"'

        with store.transaction():
            message = store.put_message(instance_id, None, text(), 0)
            row = Instance(instance_id, "e", "o", None, text(), "Pending", None, None, 0, 0)
            store.save_instance(row)
        with store.transaction():
            store.delete_messages([message])
            store.append_history(instance_id, 0, [text() for _ in range(8)])
            row.status, row.output = "Completed", text()
            store.save_instance(row)
    return ids


def test_what_was_purged_is_in_none_of_the_files(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(str(path))
    ids = fill(store, 300)
    gone, kept = ids[::2], ids[1::2]
    assert all(instance_id.encode() in held(path) for instance_id in ids)
    with store.transaction():
        for instance_id in gone:
            store.delete_instance(instance_id)
    assert not store.is_compact
    store.compact()
    assert store.is_compact
    left = held(path)
    assert [i for i in gone if i.encode() in left] == []
    assert [i for i in kept if f"secret of {i}".encode() not in left] == []
    assert [row.instance_id for row in store.instances()] == sorted(kept)
    store.close()


@pytest.mark.parametrize("end", ["purge", "stop", "kill"])
def test_a_purge_leaves_nothing_in_the_files(tmp_path: Path, end: str) -> None:
    path = tmp_path / "state.db"

    def code(context: Any) -> Any:
        return (yield context.call_activity("answer", context.get_input()))

    async def play() -> None:
        def hub(path: Path) -> Hub:
            return Hub({"o": code}, {"answer": lambda text: f"to {text}"}, store=Store(str(path)))

        state = path
        running = hub(state)
        running.engine.start()
        await running.run("o", "the secret prompt", "one")
        await running.run("o", "another prompt", "two")
        assert b"the secret prompt" in held(path)
        while running.engine._compaction is not None:  # noqa: ASYNC110 - it looks once at its start
            await asyncio.sleep(0.01)
        running.operations.purge("one")
        if end == "purge":
            while not running.store.is_compact:  # noqa: ASYNC110 - the engine tells nobody
                await asyncio.sleep(0.01)
        elif end == "stop":
            await running.engine.stop(grace=0)
        else:  # a kill: nothing but the files is left, as they are at that moment
            state = tmp_path / "killed.db"
            for file in files(path):
                shutil.copy(file, state.with_name(file.name.replace(path.name, state.name)))
            assert b"the secret prompt" in held(state)
            running.store.close()
            running = hub(state)
            running.engine.start()
            while not running.store.is_compact:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert b"the secret prompt" not in held(state)
        assert b"another prompt" in held(state)
        await running.engine.stop(grace=0)
        running.store.close()

    asyncio.run(play())


def test_purges_at_once_write_the_files_anew_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compactions: list[int] = []
    compact = Store.compact
    monkeypatch.setattr(Store, "compact", lambda store: (compactions.append(1), compact(store)))

    async def play() -> None:
        store = Store(str(tmp_path / "state.db"))
        ids = fill(store, 20)
        async with Hub({}, store=store) as hub:
            for instance_id in ids:
                hub.operations.purge(instance_id)
            while not store.is_compact:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert compactions == [1]

    asyncio.run(play())
    assert compactions == [1]
