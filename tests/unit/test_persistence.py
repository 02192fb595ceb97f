"""The file on disk: never half written, never fatal."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshregistry import persistence
from meshregistry.model.events import ScopeConfirmed
from meshregistry.model.instance import Scope
from meshregistry.persistence import ASIDE_NAME, FILE_NAME, Keeper, KeeperOptions
from meshregistry.store.inbox import Inbox
from meshregistry.store.operator import Freeze
from meshregistry.telemetry.metrics import Metrics
from tests.support.saved_worlds import SCOPE, SYNCED, Process, instance, listing, terms_of

pytestmark = pytest.mark.anyio


def keeper_of(process: Process, folder: Path | str) -> Keeper:
    options = KeeperOptions(str(folder), 0.01)
    return Keeper(options, terms_of(*process.sources), process.store, process.reducer, process.metrics)


async def running_process() -> Process:
    process = Process()
    await process.take(listing(orders=[instance(1)]), SYNCED)
    return process


def metric(process: Process, name: str, **labels: str) -> float | None:
    return process.metrics.registry.get_sample_value(f"meshregistry_{name}", labels)


async def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    process = await running_process()
    await keeper_of(process, tmp_path / "new").save()

    after = Process()
    world = await keeper_of(after, tmp_path / "new").load()

    assert world is not None
    assert process.wire().keys() == world.resources.keys()
    assert [FILE_NAME] == os.listdir(tmp_path / "new")
    assert 1.0 == metric(after, "saved_loads_total", result="used")
    assert (tmp_path / "new" / FILE_NAME).stat().st_size == metric(process, "saved_bytes")


async def test_only_what_has_changed_is_saved_again(tmp_path: Path) -> None:
    process = await running_process()
    keeper = keeper_of(process, tmp_path)
    await keeper.save()
    (tmp_path / FILE_NAME).unlink()

    await keeper.save()
    assert [] == os.listdir(tmp_path)
    await process.take(listing(orders=[instance(2)]))
    await keeper.save()
    assert [FILE_NAME] == os.listdir(tmp_path)


async def test_what_an_operator_decided_is_saved_at_once(tmp_path: Path) -> None:
    process = await running_process()
    keeper = Keeper(
        KeeperOptions(str(tmp_path), 3600.0),
        terms_of(*process.sources),
        process.store,
        process.reducer,
        process.metrics,
    )
    await keeper.save()
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(keeper.run())
        await process.take(Freeze(Scope("nacos", "", "", ""), "ann"))
        async with asyncio.timeout(10):
            while metric(process, "save_seconds_count") != 2.0:  # noqa: ASYNC110 - the file has no event to wait for
                await asyncio.sleep(0.005)
        keeping.cancel()

    after = Process()
    world = await keeper_of(after, tmp_path).load()
    assert world is not None
    await after.reducer.restore(world, 0.0)
    assert ("nacos",) == tuple(str(each) for each in after.reducer.frozen)
    assert 1.0 == metric(after, "frozen_targets")


async def test_what_operators_have_decided_is_saved_and_handed_on_beside_the_world(tmp_path: Path) -> None:
    process = await running_process()
    told = KeeperOptions(str(tmp_path), 0.01), terms_of("nacos"), process.store, process.reducer, process.metrics
    keeper = Keeper(*told, lambda: {"freeze/nacos": b"a freeze"})
    await keeper.save()

    exported, loaded = await keeper.export(), await keeper.load()

    assert exported is not None
    assert loaded is not None
    assert ((b"a freeze",),) * 2 == (exported.decisions, loaded.decisions)


async def test_a_hold_outlives_a_kill_with_the_time_for_which_it_was_confirmed(tmp_path: Path) -> None:
    """Within a tenth of what it takes: nothing else changes while a registry repeats a shrink."""
    process = Process()
    await process.take(listing(**{f"service-{n}": [instance(n)] for n in range(1, 31)}), SYNCED)
    await process.take(listing(**{f"service-{n}": [instance(n)] for n in range(1, 11)}))
    keeper, saves = keeper_of(process, tmp_path), 0.0
    for _ in range(54):
        await process.pass_time(10, ScopeConfirmed(SCOPE))
        await keeper.save()
        saves = metric(process, "save_seconds_count") or 0.0

    after = Process(now=5.0, wall=process.wall)
    world = await keeper_of(after, tmp_path).load()
    assert world is not None
    await after.reducer.restore(world, after.wall)
    (before, then) = (*process.reducer.list_holds(), *after.reducer.list_holds())

    assert [20, 20, 540.0] == [before.held, then.held, before.confirmed_s]
    assert 480.0 <= then.confirmed_s <= 540.0
    assert 9.0 <= saves <= 11.0
    for _ in range(6):
        await after.pass_time(10, ScopeConfirmed(SCOPE))
    assert 1 == len(after.reducer.list_holds())
    for _ in range(6):
        await after.pass_time(10, ScopeConfirmed(SCOPE))
    assert [] == after.reducer.list_holds()


async def test_half_a_world_is_never_saved(tmp_path: Path) -> None:
    process = Process()
    await process.take(listing(orders=[instance(1)]))

    await keeper_of(process, tmp_path).save()

    assert [] == os.listdir(tmp_path)


class Slow(Process):
    """Whose every look at the clock uses up a slice: its batches yield wherever they may."""

    _now = 0.0

    @property
    def now(self) -> float:
        """Seconds; later with each look."""
        self._now += 0.1
        return self._now

    @now.setter
    def now(self, now: float) -> None:
        self._now = now


async def test_what_is_saved_in_the_middle_of_a_batch_is_the_world_after_it(tmp_path: Path) -> None:
    process, inbox = Slow(), Inbox(Metrics())
    await process.take(listing(**{f"service-{n}": [instance(n)] for n in range(1, 101)}), SYNCED)
    keeper = keeper_of(process, tmp_path)
    async with asyncio.TaskGroup() as tasks:
        reducing = tasks.create_task(process.reducer.run(inbox))
        await inbox.publish(listing(**{f"service-{n}": [instance(n)] for n in range(51, 101)}))
        while len(process.reducer.export({}, 0.0).claims) > 90:  # noqa: ASYNC110 - it is looked at in the middle
            await asyncio.sleep(0)
        await keeper.save()
        assert 1 == len(process.reducer.list_holds())
        reducing.cancel()

    world = await keeper_of(Process(), tmp_path).load()
    assert world is not None
    assert [50, 50] == [len(world.claims), sum(len(hold.claims) for hold in world.holds)]


async def test_a_batch_that_was_broken_off_is_never_saved(tmp_path: Path) -> None:
    process, inbox = Slow(), Inbox(Metrics())
    await process.take(listing(orders=[instance(1)], users=[instance(2)]), SYNCED)
    keeper = keeper_of(process, tmp_path)
    async with asyncio.TaskGroup() as tasks:
        reducing = tasks.create_task(process.reducer.run(inbox))
        await inbox.publish(listing(orders=[instance(1)]))
        while len(process.reducer.export({}, 0.0).claims) > 1:  # noqa: ASYNC110 - it is broken off in the middle
            await asyncio.sleep(0)
        reducing.cancel()
    await keeper.save()

    assert [None, []] == [await keeper.export(), os.listdir(tmp_path)]


async def test_without_a_directory_nothing_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process = await running_process()
    keeper = keeper_of(process, "")

    await keeper.save()
    await keeper.run()

    assert await keeper.load() is None
    assert ([], ()) == (os.listdir(tmp_path), keeper.notes)


async def test_no_file_is_nothing_to_report(tmp_path: Path) -> None:
    process = Process()
    keeper = keeper_of(process, tmp_path)

    assert await keeper.load() is None
    assert not keeper.notes
    assert 1.0 == metric(process, "saved_loads_total", result="missing")


@pytest.mark.parametrize(
    ("data", "fault"), [(b"", "foreign"), (b"MESHREG\n\x00\x09", "future"), (b"MESHREG\n\x00\x01", "corrupt")]
)
async def test_an_unusable_file_is_reported_and_put_aside_over_an_older_one(
    tmp_path: Path, data: bytes, fault: str
) -> None:
    (tmp_path / ASIDE_NAME).write_bytes(b"older")
    (tmp_path / FILE_NAME).write_bytes(data)
    process = Process()
    keeper = keeper_of(process, tmp_path)

    assert await keeper.load() is None

    assert [ASIDE_NAME] == os.listdir(tmp_path)
    assert data == (tmp_path / ASIDE_NAME).read_bytes()
    assert (f"the saved snapshot was not used: {fault}",) == keeper.notes
    assert 1.0 == metric(process, "saved_loads_total", result=fault)


@pytest.mark.parametrize("fault", ["foreign", "corrupt"])
async def test_a_file_larger_than_all_memory_is_put_aside_without_being_read(tmp_path: Path, fault: str) -> None:
    process = await running_process()
    keeper, path = keeper_of(process, tmp_path), tmp_path / FILE_NAME
    await keeper.save()
    if fault == "foreign":
        path.write_bytes(b"")
    os.truncate(path, 1 << 40)

    assert await keeper.load() is None

    assert [ASIDE_NAME] == os.listdir(tmp_path)
    assert (f"the saved snapshot was not used: {fault}",) == keeper.notes


async def test_other_settings_make_the_file_outdated(tmp_path: Path) -> None:
    process = await running_process()
    await keeper_of(process, tmp_path).save()
    keeper = keeper_of(Process(), tmp_path)
    terms = terms_of("nacos")
    terms = type(terms)(terms.policies, {"nacos": "other settings"})
    keeper.replace_terms(terms)

    assert await keeper.load() is None
    assert ("the saved snapshot was not used: outdated",) == keeper.notes


async def test_a_full_disk_leaves_the_last_good_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = await running_process()
    keeper = keeper_of(process, tmp_path)
    await keeper.save()
    good = (tmp_path / FILE_NAME).read_bytes()
    await process.take(listing(orders=[instance(2)]))

    def fail(number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("meshregistry.persistence.os.fsync", fail)
        await keeper.save()
        await keeper.save()

    assert good == (tmp_path / FILE_NAME).read_bytes()
    assert [FILE_NAME] == os.listdir(tmp_path)
    assert ["the snapshot cannot be saved: No space left on device"] == list(keeper.notes)
    assert 2.0 == metric(process, "save_failures_total")
    await keeper.save()
    assert [] == list(keeper.notes)
    assert good != (tmp_path / FILE_NAME).read_bytes()


async def test_a_directory_that_cannot_be_made_is_reported() -> None:
    process = await running_process()
    keeper = keeper_of(process, "/proc/nowhere")

    assert await keeper.load() is None
    await keeper.save()

    (note,) = keeper.notes
    assert note.startswith("the snapshot cannot be saved: ")


async def test_a_write_that_is_cut_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        persistence.replace_file(path, pieces())

    assert b"old" == path.read_bytes()
    assert [FILE_NAME] == os.listdir(tmp_path)


async def test_a_pipe_or_a_device_in_place_of_the_file_is_reported_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE_NAME)
    process = await running_process()
    keeper = keeper_of(process, tmp_path)
    assert await keeper.load() is None
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).symlink_to("/dev/zero")
    assert await keeper.load() is None
    assert 2.0 == metric(process, "saved_loads_total", result="unreadable")

    os.mkfifo(tmp_path / f"{FILE_NAME}.new")
    await keeper.save()
    assert 1.0 == metric(process, "save_failures_total")


async def test_two_services_with_one_directory_never_write_one_file_together(tmp_path: Path) -> None:
    process = await running_process()
    keeper = keeper_of(process, tmp_path)
    with (tmp_path / f"{FILE_NAME}.new").open("wb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        theirs.write(b"their world")
        theirs.flush()

        await keeper.save()

        assert ("the snapshot cannot be saved: another process is writing it",) == keeper.notes
        assert b"their world" == (tmp_path / f"{FILE_NAME}.new").read_bytes()
    await keeper.save()
    assert [FILE_NAME] == os.listdir(tmp_path)
    assert not keeper.notes
