"""Following the settings file: what takes effect, what is refused, what is shown."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshregistry.errors import SettingsError
from meshregistry.reload import Reload, open_settings
from meshregistry.settings.root import Settings
from meshregistry.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

TEXT = "nacos_source: {enabled: true, address: ['http://127.0.0.1:8848'], svc_port: %d}\nreload: {settle: 0s}\n"


class Desk:
    """A reload of a file whose effects are only noted."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "settings.yaml"
        self.path.write_text(TEXT % 80)
        self.applied: list[int] = []
        self.refusal: SettingsError | None = None
        self.metrics = Metrics()
        self.reload = Reload(open_settings(self.path, {}), self._apply, self.metrics)

    async def _apply(self, settings: Settings, tasks: asyncio.TaskGroup) -> tuple[str, ...]:
        if self.refusal is not None:
            raise self.refusal
        self.applied.append(settings.nacos_source.svc_port)
        return ("mcp.shards",)

    async def follow(self, text: str | None) -> None:
        """Have the reload find a text, or no file."""
        if text is None:
            self.path.unlink()
        else:
            self.path.write_text(text)
        async with asyncio.TaskGroup() as tasks:
            await self.reload.follow(tasks)

    def count(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("meshregistry_reload_total", {"result": result}) or 0.0

    @property
    def is_ok(self) -> bool:
        return self.metrics.registry.get_sample_value("meshregistry_reload_last_successful") == 1


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_changed_file_takes_effect_once(desk: Desk) -> None:
    await desk.follow(TEXT % 80)
    assert ([], ()) == (desk.applied, desk.reload.notes)

    await desk.follow(TEXT % 81)
    await desk.follow(TEXT % 81)

    assert [81] == desk.applied
    assert (1, 0, True) == (desk.count("success"), desk.count("failure"), desk.is_ok)
    assert ["reloaded at", "needs a restart: mcp.shards"] == [desk.reload.notes[0][:11], desk.reload.notes[1]]


@pytest.mark.parametrize("text", [None, "", "nacos_source: {enabled: [", "nacos_source: {enabeld: true}", "zap: 1"])
async def test_a_bad_file_changes_nothing_and_is_told_once(
    desk: Desk, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        await desk.follow(text)
        async with asyncio.TaskGroup() as tasks:
            await desk.reload.follow(tasks)

    assert [] == desk.applied
    assert (0, 1, False) == (desk.count("success"), desk.count("failure"), desk.is_ok)
    assert 1 == len([record for record in caplog.records if record.message.startswith("reload.refused")])
    assert all("refused" in note for note in desk.reload.notes)

    await desk.follow(TEXT % 80)
    assert ([], (), True) == (desk.applied, desk.reload.notes, desk.is_ok)


async def test_a_source_that_cannot_be_built_is_a_refusal_too(desk: Desk) -> None:
    desk.refusal = SettingsError(["zookeeper_source.address: no host"])
    await desk.follow(TEXT % 81)

    assert ("the file is refused, these settings stay: zookeeper_source.address: no host",) == desk.reload.notes


async def test_after_a_refusal_the_next_good_file_is_taken(desk: Desk) -> None:
    await desk.follow("{")
    await desk.follow(TEXT % 82)

    assert ([82], True) == (desk.applied, desk.is_ok)


async def test_a_file_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.path.write_text((TEXT % 80).replace("0s", "50ms"))
    desk.reload = Reload(open_settings(desk.path, {}), desk._apply, desk.metrics)

    async with asyncio.TaskGroup() as tasks:
        desk.path.write_text("nacos_source: {enabled: tr")
        following = tasks.create_task(desk.reload.follow(tasks))
        await asyncio.sleep(0.02)
        desk.path.write_text(TEXT % 83)
        await following

    assert [83] == desk.applied
    assert 0 == desk.count("failure")


async def test_changes_of_the_file_are_noticed_and_a_signal_asks_at_once(desk: Desk) -> None:
    async with following(desk):
        desk.path.write_text(TEXT % 84)
        await reach(desk, [84])
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(desk.reload.run(tasks))
        desk.path.write_text(TEXT % 85)
        desk.reload.ask()
        await reach(desk, [84, 85])
        work.cancel()


@asynccontextmanager
async def following(desk: Desk) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        work = [tasks.create_task(desk.reload.run(tasks)), tasks.create_task(desk.reload.watch())]
        await asyncio.sleep(0.1)
        yield
        for each in work:
            each.cancel()


async def reach(desk: Desk, expected: list[int]) -> None:
    for _ in range(500):
        if desk.applied == expected:
            return
        await asyncio.sleep(0.01)
    assert expected == desk.applied
