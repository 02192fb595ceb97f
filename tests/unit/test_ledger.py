"""The book of operators' decisions: saved before an operator is answered, done again by the next process."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given

from meshregistry.ledger import FILE_NAME, DecisionLedger, decode_file, encode_file
from meshregistry.model.instance import Scope
from meshregistry.store.decisions import DecisionBook
from meshregistry.store.inbox import Inbox
from meshregistry.store.operator import EVERYTHING, Freeze, OperatorDecision, ReadAgain, Reject, ServeAnyway, Thaw
from meshregistry.store.saved import SavedError
from tests.support.beside import beside
from tests.support.garbage import bodies
from tests.support.guarded_world import GuardedWorld, fleet

pytestmark = pytest.mark.anyio

NACOS = Scope("nacos", "", "", "")
NOW = 1_700_000_000.0
FULL = OSError(28, "No space left on device")


class Rig:
    """A ledger over a world; the wall clock is in the test's hand."""

    def __init__(self, folder: Path | str) -> None:
        self.world = GuardedWorld()
        self.wall = NOW
        self.known_at = 0.0
        self.ledger = DecisionLedger(self.world.reducer, self, str(folder), self.world.metrics, lambda: self.wall)

    async def publish(self, update: OperatorDecision) -> None:
        await self.world.take(update)

    async def settle(self) -> None:
        """All takes effect at once."""

    async def begin(self, *restored: Sequence[bytes]) -> list[OperatorDecision]:
        """Begin as the service does."""
        due = await self.ledger.begin(restored, self.known_at)
        await self.world.take(*due)
        return due

    async def decide(self, *decisions: OperatorDecision) -> str:
        """Decide, and return what the operator is told of it."""
        for each in decisions:
            await self.ledger.publish(each)
        return await self.ledger.secure()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        """Write for as long as the block lasts; what is not written by its end never is."""
        async with beside(self.ledger.run()):
            yield self


def told(at: float, *decisions: OperatorDecision) -> tuple[bytes, ...]:
    """What a replica has that decided so at a time."""
    book = DecisionBook()
    for each in decisions:
        book.note(each, (), at)
    return tuple(book.encode().values())


def enumerated(*bodies: bytes) -> Iterable[tuple[str, bytes]]:
    """What a sibling sends, under any names."""
    return ((str(number), body) for number, body in enumerate(bodies))


def refuse_writes(patch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, pieces: Iterable[bytes]) -> int:
        raise FULL

    patch.setattr("meshregistry.ledger.replace_file", fail)


async def test_a_freeze_before_anything_was_read_is_known_to_the_next_process(tmp_path: Path) -> None:
    async with Rig(tmp_path / "new").running() as rig:
        assert "" == await rig.decide(Freeze(NACOS, "ann"))
        assert [FILE_NAME] == os.listdir(tmp_path / "new")

    after = Rig(tmp_path / "new")

    assert [Freeze(NACOS, "ann")] == await after.begin()
    assert ((NACOS,), ()) == (after.world.reducer.frozen, after.ledger.notes)


async def test_what_was_decided_before_is_done_once(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        await rig.decide(Freeze(NACOS, "ann"), Freeze(EVERYTHING, "ann"), Thaw(EVERYTHING, "bob"))

    async with Rig(tmp_path).running() as after:
        assert [Freeze(NACOS, "ann")] == await after.begin()
        await after.world.take(Thaw(NACOS, "somebody"))
        await asyncio.sleep(0)
        assert () == after.world.reducer.frozen


async def test_a_thaw_in_the_file_ends_the_freeze_of_an_older_snapshot(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        await rig.decide(Freeze(NACOS, "ann"), Thaw(NACOS, "bob"))
    after = Rig(tmp_path)
    await after.world.take(Freeze(NACOS, "ann"))  # as the snapshot restored it

    assert [Thaw(NACOS, "bob")] == await after.begin(told(NOW - 60, Freeze(NACOS, "ann")))

    assert () == after.world.reducer.frozen


@pytest.mark.parametrize("restored_by", ["the own snapshot", "a sibling"])
async def test_a_freeze_that_came_with_the_world_outlives_an_older_thaw_in_the_file(
    tmp_path: Path, restored_by: str
) -> None:
    async with Rig(tmp_path).running() as rig:
        await rig.decide(Freeze(NACOS, "ann"), Thaw(NACOS, "bob"))
    after = Rig(tmp_path)
    await after.world.take(Freeze(NACOS, "eve"))
    world, other = told(NOW + 60, Freeze(NACOS, "eve")), told(NOW - 60, Freeze(NACOS, "ann"))

    assert [] == await after.begin(*((world, other) if restored_by == "a sibling" else (other, world)))

    assert (NACOS,) == after.world.reducer.frozen


async def test_what_a_sibling_decided_is_saved_too(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        book = DecisionBook()
        book.note(Freeze(NACOS, "ann"), (), NOW)
        rig.ledger.merge(book.encode())
        assert "" == await rig.ledger.secure()

    assert [Freeze(NACOS, "ann")] == await Rig(tmp_path).begin()


async def test_a_thaw_that_comes_while_its_freeze_waits_in_the_queue_is_done_after_it() -> None:
    world = GuardedWorld()
    inbox = Inbox(world.metrics)
    ledger = DecisionLedger(world.reducer, inbox, "", world.metrics, lambda: NOW)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        running = [tasks.create_task(ledger.run())]
        for at, decision in ((NOW, Freeze(NACOS, "ann")), (NOW + 1, Thaw(NACOS, "bob"))):
            ledger.merge(dict(enumerated(*told(at, decision))))
            for _ in range(50):
                await asyncio.sleep(0)
        running.append(tasks.create_task(world.reducer.run(inbox)))
        while world.metric("guard_decisions_total", verdict="thawed") != 1.0:  # noqa: ASYNC110 - done by itself
            await asyncio.sleep(0.001)
        for each in running:
            each.cancel()

    assert () == world.reducer.frozen


@pytest.mark.parametrize("turns", range(6))
async def test_a_decision_is_done_in_whichever_moment_it_comes(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the one between the end of a wait for news and the look at them."""
    monkeypatch.setattr("meshregistry.ledger._APPLY_S", 0.0)
    async with Rig("").running() as rig:
        for _ in range(turns):
            await asyncio.sleep(0)
        rig.ledger.merge(dict(enumerated(*told(NOW, Freeze(NACOS, "ann")))))
        for _ in range(50):
            await asyncio.sleep(0)

        assert (NACOS,) == rig.world.reducer.frozen


async def test_what_a_sibling_decided_is_done_though_it_sends_what_is_no_decision_beside_it() -> None:
    (freeze,) = told(NOW, Freeze(NACOS, "ann"))
    async with Rig("").running() as rig:
        for bodies in ({"0": freeze, "1": b"{}"}, {"0": b"{}", "1": freeze}):
            with pytest.raises(ValueError, match="required field"):
                rig.ledger.merge(bodies)
        for _ in range(50):
            await asyncio.sleep(0)

        assert ((NACOS,), 1) == (rig.world.reducer.frozen, len(rig.ledger.encode()))


async def test_listeners_hear_of_all_decisions_whenever_one_is_new(tmp_path: Path) -> None:
    rig, heard = Rig(tmp_path), list[int]()
    rig.ledger.listen(lambda decisions: heard.append(len(decisions)))

    await rig.ledger.publish(Freeze(NACOS, "ann"))
    rig.ledger.merge(rig.ledger.encode())
    await rig.ledger.publish(Freeze(EVERYTHING, "ann"))

    assert [1, 2] == heard


async def test_serving_anyway_is_done_again_by_a_process_that_starts_soon_and_by_no_later_one(tmp_path: Path) -> None:
    decision = ServeAnyway(("nacos", "zookeeper"), "ann")
    async with Rig(tmp_path).running() as rig:
        await rig.decide(decision, ReadAgain("nacos", "ann"))
    soon, late = Rig(tmp_path), Rig(tmp_path)
    soon.wall, late.wall = NOW + 30, NOW + 3600

    assert ([decision], []) == (await soon.begin(), await late.begin())
    assert (True, False) == (soon.world.store.current.complete, late.world.store.current.complete)


async def test_a_full_disk_keeps_no_decision_from_taking_effect_and_the_operator_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshregistry.ledger._RETRY_S", 0.01)
    async with Rig(tmp_path).running() as rig:
        await rig.decide(Freeze(EVERYTHING, "ann"))
        with monkeypatch.context() as patch:
            refuse_writes(patch)
            warning = await rig.decide(Freeze(NACOS, "ann"))
            assert (EVERYTHING, NACOS) == rig.world.reducer.frozen
        assert "NOT SAVED: operators' decisions cannot be saved: No space left on device" == warning
        assert (rig.world.metric("decision_save_failures_total") or 0) >= 1
        while rig.ledger.notes:  # noqa: ASYNC110 - it is tried again by itself
            await asyncio.sleep(0.005)

    assert (EVERYTHING, NACOS) == tuple(each.target for each in await Rig(tmp_path).begin() if isinstance(each, Freeze))


async def test_a_failed_write_leaves_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(tmp_path).running() as rig:
        await rig.decide(Freeze(NACOS, "ann"))
        monkeypatch.setattr("meshregistry.persistence.os.fsync", lambda handle: (_ for _ in ()).throw(FULL))
        await rig.decide(Thaw(NACOS, "bob"))
        assert ("operators' decisions cannot be saved: No space left on device",) == rig.ledger.notes

    assert [FILE_NAME] == os.listdir(tmp_path)
    assert [Freeze(NACOS, "ann")] == await Rig(tmp_path).begin()


async def test_without_a_directory_the_operator_is_told_that_it_is_in_memory_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rig = Rig("")
    assert [] == await rig.begin()

    warning = await rig.decide(Freeze(NACOS, "ann"))
    await rig.ledger.save()

    assert warning.startswith("NOT SAVED: there is no data_dir")
    assert ([], (NACOS,), ()) == (os.listdir(tmp_path), rig.world.reducer.frozen, rig.ledger.notes)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda data: b"", "foreign"),
        (lambda data: b"[]", "foreign"),
        (lambda data: data[:-5], "corrupt"),
        (lambda data: data.replace(b"ann", b"bob"), "corrupt"),
        (lambda data: data.replace(b"DECISIONS 1 ", b"DECISIONS 2 "), "future"),
        (lambda data: encode_file({"": b"{"}), "corrupt"),
    ],
)
async def test_a_spoilt_file_is_told_and_nothing_else(tmp_path: Path, spoil: object, fault: str) -> None:
    path = tmp_path / FILE_NAME
    async with Rig(tmp_path).running() as rig:
        await rig.decide(Freeze(NACOS, "ann"))
    spoilt = spoil(path.read_bytes())  # type: ignore[operator]
    path.write_bytes(spoilt)
    after = Rig(tmp_path)

    assert [Freeze(EVERYTHING, "eve")] == await after.begin(told(NOW, Freeze(EVERYTHING, "eve")))

    assert (f"operators' decisions of before were not used: {fault}",) == after.ledger.notes
    assert 1.0 == after.world.metric("decisions_ignored_total", result=fault)
    assert spoilt == (tmp_path / f"{FILE_NAME}.unusable").read_bytes()
    assert not path.exists()


async def test_what_only_another_release_understands_is_told_and_the_rest_counts(tmp_path: Path) -> None:
    (freeze,) = told(NOW, Freeze(NACOS, "ann"))
    (tmp_path / FILE_NAME).write_bytes(encode_file({"0": b'{"at": 1, "verb": "dance", "by": "ann"}', "1": freeze}))
    rig = Rig(tmp_path)

    assert [Freeze(NACOS, "ann")] == await rig.begin()

    assert ("operators' decisions of before were not used: future",) == rig.ledger.notes


async def test_a_file_that_cannot_be_read_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    rig = Rig(tmp_path)

    assert [] == await rig.begin()

    assert ("operators' decisions of before were not used: unreadable",) == rig.ledger.notes


async def test_a_decision_that_is_not_taken_is_not_remembered(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def fail(update: OperatorDecision) -> None:
        raise asyncio.CancelledError

    rig.publish = fail  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await rig.ledger.publish(Freeze(NACOS, "ann"))

    assert {} == rig.ledger.encode()


async def test_a_rejected_hold_is_rejected_by_a_process_whose_snapshot_is_older(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        await rig.world.show(fleet(10, 10))
        await rig.world.show(fleet(5, 10))
        (hold,) = rig.world.reducer.list_holds()
        await rig.decide(Reject(hold.id, "ann"))
    after = Rig(tmp_path)
    await after.world.show(fleet(10, 10))
    await after.world.show(fleet(5, 10))

    await after.begin()

    assert [True] == [hold.rejected for hold in after.world.reducer.list_holds()]


@given(bodies())
def test_whatever_the_file_holds_it_is_taken_or_refused(data: bytes) -> None:
    for each in (data, encode_file({"": data})):
        try:
            DecisionBook().restore(decode_file(each), 0.0, NOW)
        except (SavedError, ValueError):
            continue
