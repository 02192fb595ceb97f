"""When a folder is looked at again."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from meshregistry.sources.files.watching import watch_folder

pytestmark = pytest.mark.anyio


async def notice(notices: AsyncGenerator[None, None], seconds: float = 5.0) -> float:
    """Return after how many seconds the next notice came."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.timeout(seconds):
        await anext(notices)
    return loop.time() - started


async def test_a_change_is_noticed_long_before_the_period(tmp_path: Path) -> None:
    async with aclosing(watch_folder(tmp_path, 60.0)) as notices:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(notice(notices, 10.0))
            await asyncio.sleep(0.1)
            (tmp_path / "a.yaml").write_text("x")
        assert waiting.result() < 5


async def test_a_swapped_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "..1").mkdir()
    (tmp_path / "..data").symlink_to("..1")
    async with aclosing(watch_folder(tmp_path, 60.0)) as notices:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(notice(notices, 10.0))
            await asyncio.sleep(0.1)
            (tmp_path / "new").symlink_to("..1")
            os.rename(tmp_path / "new", tmp_path / "..data")
        assert waiting.result() < 5


async def test_without_changes_the_period_counts(tmp_path: Path) -> None:
    async with aclosing(watch_folder(tmp_path, 0.05)) as notices:
        await notice(notices)
        await notice(notices)


async def test_a_missing_folder_is_awaited_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "later"
    async with aclosing(watch_folder(folder, 0.05)) as notices:
        await notice(notices)
        await notice(notices)
        folder.mkdir()
        await notice(notices)
        await notice(notices)

    assert 1 == len([record for record in caplog.records if record.message.startswith("files.watch_failed")])


async def test_a_name_that_is_not_utf_8_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """watchfiles gives up on it; the settings' folder is watched beside what serves the mesh."""
    async with aclosing(watch_folder(tmp_path, 0.2)) as notices:
        waiting = asyncio.create_task(notice(notices))
        while not caplog.records:
            os.mkfifo(os.fsencode(tmp_path) + f"/{len(os.listdir(tmp_path))}".encode() + b"\xff")
            await waiting
            waiting = asyncio.create_task(notice(notices))
        await waiting
        await notice(notices)
    assert r"files.watch_failed folder" in caplog.messages[0]
