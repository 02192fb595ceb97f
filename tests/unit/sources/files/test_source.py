"""The files source: what it publishes of a folder that changes."""

import asyncio
import gzip
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from meshregistry.model.events import (
    EntryListing,
    RegistryAway,
    ScopeConfirmed,
    SidecarChanges,
    SourceSynced,
    SourceUpdate,
)
from meshregistry.sources.files.options import FilesOptions
from meshregistry.sources.files.source import SCOPE, FilesSource
from meshregistry.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %s, namespace: shop}
spec: {hosts: [%s.example], resolution: NONE}
"""
SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: shop}
spec: {egress: [{hosts: ["*/*"]}]}
"""


class Rig:
    """A source that looks again when the test says so."""

    def __init__(self, folder: Path, *, is_watched: bool = True) -> None:
        self.metrics = Metrics()
        self.updates: list[SourceUpdate] = []
        self._turns = 0
        self._done = asyncio.Event()
        options = FilesOptions(path=str(folder), is_watched=is_watched, max_file_bytes=1000)
        self.source = FilesSource(options, self.metrics, notices=self._notices)

    async def publish(self, update: SourceUpdate) -> None:
        self.updates.append(update)

    async def read(self, turns: int = 1) -> list[SourceUpdate]:
        """Let the source look so often, and return what it published."""
        self._turns = turns
        self._done.clear()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.source.run(self))
            await self._done.wait()
            running.cancel()
        taken, self.updates = self.updates, []
        return taken

    async def _notices(self) -> AsyncGenerator[None, None]:
        for _ in range(self._turns - 1):
            yield
        self._done.set()
        await asyncio.Event().wait()

    async def until_read(self) -> None:
        """Wait until the source has read the folder once."""
        await self._done.wait()

    def describe(self) -> dict[str, object]:
        (described,) = self.source.registries()
        return described


def entries(updates: list[SourceUpdate]) -> list[str]:
    return [name for update in updates if isinstance(update, EntryListing) for name in update.entries]


def rejects(updates: list[SourceUpdate]) -> list[tuple[str, str]]:
    listings = [update for update in updates if isinstance(update, EntryListing)]
    return [(each.resource, each.reason) for listing in listings for each in listing.rejects]


async def test_a_folder_is_told_whole_and_then_only_when_it_changed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ENTRY % ("a", "a") + "---" + SIDECAR)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.yml").write_text(ENTRY % ("b", "b"))
    (tmp_path / "c.yaml.gz").write_bytes(gzip.compress((ENTRY % ("c", "c")).encode()))
    (tmp_path / "notes.txt").write_text("kind: [")
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.yaml").write_text(ENTRY % ("z", "z"))
    rig = Rig(tmp_path)

    first = await rig.read()

    assert ["shop/a", "shop/c", "shop/b"] == entries(first)
    _, sidecars, synced = first
    assert isinstance(sidecars, SidecarChanges)
    assert (["shop/web"], True) == (list(sidecars.sidecars), sidecars.is_complete)
    assert SourceSynced("files") == synced
    assert [] == rejects(first)
    assert (True, 3) == (rig.describe()["healthy"], rig.describe()["files"])

    (again,) = await rig.read()
    assert isinstance(again, ScopeConfirmed)


async def test_a_bad_file_keeps_its_last_good_content_and_a_removed_one_is_gone(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(ENTRY % ("a", "a"))
    second.write_text(ENTRY % ("b", "b"))
    rig = Rig(tmp_path)
    await rig.read()

    first.write_text("kind: [")
    second.unlink()
    updates = await rig.read()

    assert ["shop/a"] == entries(updates)
    assert [("file a.yaml", "file_invalid")] == rejects(updates)
    assert ["a.yaml"] == list(rig.describe()["refused"])  # type: ignore[call-overload]

    first.write_text(ENTRY % ("a2", "a"))
    assert (["shop/a2"], []) == (entries(updates := await rig.read()), rejects(updates))


async def test_a_file_that_is_bad_from_the_start_leaves_open_what_else_there_was(tmp_path: Path) -> None:
    """Of the entries of the process before: they stay until the file is mended."""
    (tmp_path / "a.yaml").write_text("kind: [")
    (tmp_path / "b.yaml").write_text(ENTRY % ("b", "b"))
    rig = Rig(tmp_path)

    listing, sidecars, synced = await rig.read()
    assert isinstance(listing, EntryListing)
    assert isinstance(sidecars, SidecarChanges)
    assert (["shop/b"], False, False) == (list(listing.entries), listing.is_complete, sidecars.is_complete)
    assert SourceSynced("files") == synced

    (tmp_path / "a.yaml").write_text(ENTRY % ("a", "a"))
    listing, sidecars = await rig.read()
    assert isinstance(listing, EntryListing)
    assert isinstance(sidecars, SidecarChanges)
    assert (["shop/a", "shop/b"], True, True) == (list(listing.entries), listing.is_complete, sidecars.is_complete)


@pytest.mark.parametrize("content", [b"\xff", b"\x1f\x8bxx", gzip.compress(ENTRY.encode())[:-9], b" " * 1001])
async def test_what_cannot_be_read_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)

    assert [("file a.yaml", "file_invalid")] == rejects(await Rig(tmp_path).read())


async def test_the_first_file_has_a_resource_that_several_write(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(ENTRY % ("a", "second"))
    (tmp_path / "a.yaml").write_text(ENTRY % ("a", "first"))
    (tmp_path / "d.yaml").write_text("kind: Deployment")
    listing = (await Rig(tmp_path).read())[0]

    assert isinstance(listing, EntryListing)
    assert ("first.example",) == listing.entries["shop/a"].hosts
    assert [("file b.yaml", "file_repeats"), ("file d.yaml", "file_kind")] == rejects([listing])


async def test_a_folder_that_cannot_be_listed_says_only_that(tmp_path: Path) -> None:
    folder = tmp_path / "absent"
    rig = Rig(folder)

    assert [RegistryAway] == list(map(type, await rig.read()))
    assert (False, 0) == (rig.describe()["healthy"], rig.describe()["files"])

    folder.mkdir()
    assert [EntryListing, SidecarChanges, SourceSynced] == [type(each) for each in await rig.read()]


async def test_without_watching_the_files_are_read_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, is_watched=False)

    assert 3 == len(await rig.read(turns=3))
    assert [] == list(rig.source.known())
    assert SCOPE.source == rig.source.name


async def test_what_is_not_watched_is_read_when_an_operator_asks(tmp_path: Path) -> None:
    rig = Rig(tmp_path, is_watched=False)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(rig.source.run(rig))
        await rig.until_read()
        (tmp_path / "one.yaml").write_text(ENTRY % ("one", "one"))
        rig.source.read_again()
        while not entries(rig.updates):  # noqa: ASYNC110 - the sink has no event to wait for
            await asyncio.sleep(0.01)
        running.cancel()

    assert ["shop/one"] == entries(rig.updates)


async def test_a_pipe_among_the_files_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(ENTRY % ("one", "one"))
    os.mkfifo(tmp_path / "pipe.yaml")
    rig = Rig(tmp_path)

    assert ["shop/one"] == entries(await rig.read())
    assert {"pipe.yaml": "not a regular file"} == rig.describe()["refused"]


async def test_what_a_file_says_breaks_no_line_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a\nb.yaml").write_text(ENTRY % ("one", "one") + '"x\\nfake": 1')
    await Rig(tmp_path).read()

    assert [1] == [len(message.splitlines()) for message in caplog.messages if "files.refused" in message]


async def test_that_the_folder_was_away_before_it_was_read_is_told_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "later")
    away = await rig.read(3)
    (tmp_path / "later").mkdir()
    await rig.read()
    (tmp_path / "later").rmdir()

    assert [SCOPE] == [each.scope for each in away if isinstance(each, RegistryAway)]
    assert 1 == len(away)
    assert [] == await rig.read()
