"""The admin socket: who may use it, what comes of a request, and what a bad client costs."""

import asyncio
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from meshregistry.admin import door
from meshregistry.admin.client import AdminUnreachableError
from meshregistry.admin.options import AdminOptions
from meshregistry.admin.protocol import MAX_REQUEST_BYTES, Answer, Command, Request, read_answer, write_request
from meshregistry.admin.server import AdminServer
from meshregistry.model.instance import Scope
from meshregistry.store.operator import EVERYTHING, Accept, Freeze, OperatorDesk, ReadAgain, Reject, ServeAnyway, Thaw
from tests.support.admin_rig import AdminRig, short_folder
from tests.support.guarded_world import SCOPE, fleet

pytestmark = pytest.mark.anyio

NACOS = Scope("nacos", "", "", "")
WHO = f"ann (uid {os.getuid()})"


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture
async def rig(folder: Path) -> AsyncIterator[AdminRig]:
    async with AdminRig(folder, request_timeout_s=5.0).running() as made:
        yield made


async def shrink(rig: AdminRig) -> None:
    """Have half of a hundred endpoints held."""
    await rig.world.show(fleet(10, 10))
    await rig.world.show(fleet(5, 10))


async def test_holds_are_listed_with_what_is_frozen_and_waited_for(rig: AdminRig) -> None:
    await shrink(rig)
    await rig.ask(Command.FREEZE, "zookeeper")

    answer = await rig.ask(Command.HOLDS)

    assert [("1", str(SCOPE), 100, 50, 50)] == [
        (each.number, each.scope, each.before, each.now, each.held) for each in answer.holds
    ]
    assert (("zookeeper",), ("nacos", "zookeeper"), "") == (answer.frozen, answer.pending, answer.error)


async def test_an_accepted_shrink_happens_now(rig: AdminRig) -> None:
    await shrink(rig)

    hold = rig.world.hold()
    answer = await rig.ask(Command.ACCEPT, hold)
    await rig.world.wait(10)

    assert Answer(done=f"accepted hold {hold}: 50 endpoints of {SCOPE} go") == answer
    assert ([Accept(hold, WHO)], 50) == (rig.decisions, rig.world.count())


async def test_a_hold_that_grows_while_it_is_accepted_stays_and_the_answer_says_so(rig: AdminRig) -> None:
    await shrink(rig)
    seen = rig.world.hold()
    rig.publish_gate = asyncio.Event()
    asking = asyncio.create_task(rig.ask(Command.ACCEPT, seen))
    await rig.until(lambda: rig.is_publishing)
    await rig.world.show(fleet(1, 10))
    rig.publish_gate.set()

    answer = await asking

    text = f"nothing was accepted: hold {seen} is {rig.world.hold()} now, with 90 endpoints; look at it and name it so"
    assert Answer(error=text) == answer
    assert (100, 1.0) == (rig.world.count(), rig.requests("accept", "refused"))


async def test_a_decision_is_answered_when_it_has_taken_effect(rig: AdminRig) -> None:
    """Otherwise a thaw right after a freeze finds nothing frozen, and the freeze stays."""
    await rig.world.show(fleet(1, 1))
    rig.effect_gate = asyncio.Event()
    asking = asyncio.create_task(rig.ask(Command.FREEZE, "nacos"))
    await rig.until(lambda: rig.is_waiting)
    assert ([Freeze(NACOS, WHO)], False) == (rig.decisions, asking.done())

    rig.effect_gate.set()
    assert Answer(done="frozen: nacos") == await asking


async def test_what_takes_effect_late_is_answered_in_time_and_the_answer_says_so(folder: Path) -> None:
    async with AdminRig(folder, request_timeout_s=1.0).running() as rig:
        await rig.world.show(fleet(1, 1))
        rig.effect_gate = asyncio.Event()
        answer = await rig.ask(Command.FREEZE, "nacos")
    assert Answer(done="frozen: nacos; it takes effect after what waits before it") == answer


async def test_a_decision_is_answered_when_it_is_saved(rig: AdminRig) -> None:
    await rig.world.show(fleet(1, 1))
    rig.disk_gate = asyncio.Event()
    asking = asyncio.create_task(rig.ask(Command.FREEZE, "nacos"))
    await rig.until(lambda: rig.decisions)
    await asyncio.sleep(0.05)
    assert not asking.done()

    rig.disk_gate.set()
    assert Answer(done="frozen: nacos") == await asking


async def test_what_is_not_saved_is_done_and_the_answer_says_so(rig: AdminRig) -> None:
    await shrink(rig)
    rig.unsaved = "NOT SAVED: the disk is full"

    warnings = [
        (await rig.ask(command, subject)).warning
        for command, subject in [
            (Command.REJECT, "1"),
            (Command.ACCEPT, rig.world.hold()),
            (Command.FREEZE, "nacos"),
            (Command.THAW, "nacos"),
            (Command.SERVE_ANYWAY, ""),
            (Command.SERVE_ANYWAY, ""),
            (Command.READ, "nacos"),
            (Command.HOLDS, ""),
        ]
    ]

    assert [rig.unsaved] * 5 + [""] * 3 == warnings
    assert 6 == len(rig.decisions)


async def test_a_disk_that_does_not_answer_is_waited_for_a_while_and_the_answer_says_so(folder: Path) -> None:
    async with AdminRig(folder, request_timeout_s=0.4).running() as rig:
        rig.disk_gate = asyncio.Event()
        answer = await rig.ask(Command.FREEZE, "everything")
    assert Answer(done="frozen: everything", warning="NOT KNOWN TO BE SAVED: the disk does not answer") == answer


async def test_every_command_becomes_its_decision_with_who_made_it(rig: AdminRig) -> None:
    await shrink(rig)
    hold = rig.world.hold()

    done = [
        (await rig.ask(command, subject)).done
        for command, subject in [
            (Command.REJECT, "1"),
            (Command.FREEZE, "nacos"),
            (Command.FREEZE, "everything"),
            (Command.THAW, "everything"),
            (Command.READ, "nacos"),
            (Command.SERVE_ANYWAY, ""),
            (Command.SERVE_ANYWAY, ""),
        ]
    ]

    assert [
        Reject("1", WHO),
        Freeze(NACOS, WHO),
        Freeze(EVERYTHING, WHO),
        Thaw(EVERYTHING, WHO),
        ReadAgain("nacos", WHO),
        ServeAnyway(("nacos", "zookeeper"), WHO),
    ] == rig.decisions
    assert [
        f"rejected hold {hold}: 50 endpoints of {SCOPE} stay",
        "frozen: nacos",
        "frozen: everything",
        "thawed: everything",
        "asked for a full reading: nacos",
        "served without: nacos, zookeeper",
        "everything is served already",
    ] == done


async def test_decisions_are_in_the_journal_and_the_metrics(rig: AdminRig) -> None:
    await shrink(rig)
    for command, subject in [
        (Command.ACCEPT, rig.world.hold()),
        (Command.FREEZE, "nacos"),
        (Command.READ, "nacos"),
        (Command.SERVE_ANYWAY, ""),
    ]:
        await rig.ask(command, subject)

    lines = [each for each in rig.world.reducer.journal.list_newest("", 100) if each.why == "operator"]
    assert ["accepted", "frozen", "read_again", "serve_anyway"] == [each.what for each in lines]
    assert all(WHO in each.detail for each in lines)
    for verdict in ("accepted", "frozen", "read_again", "serve_anyway"):
        assert 1.0 == rig.world.metric("guard_decisions_total", verdict=verdict)
    assert (1.0, 1.0) == (rig.world.metric("frozen_targets"), rig.requests("read", "done"))


async def test_nobody_else_may_use_the_socket(rig: AdminRig) -> None:
    mode = rig.path.lstat().st_mode

    assert (True, 0o600) == (stat.S_ISSOCK(mode), stat.S_IMODE(mode))


STRANGER = """
import os, pathlib, sys
from meshregistry.admin.client import AdminUnreachableError, ask
from meshregistry.admin.protocol import Command, Request
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    print(ask(pathlib.Path(sys.argv[1]), Request(Command.FREEZE, "everything"), 10.0).error)
except AdminUnreachableError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("is_open", [False, True])
async def test_another_user_is_kept_out_by_the_file_and_turned_away_by_the_kernels_word(
    rig: AdminRig, *, is_open: bool
) -> None:
    """The mode keeps him out; where somebody has changed that, his user id still does."""
    rig.path.parent.chmod(0o755)
    if is_open:
        rig.path.chmod(0o666)
    command = (sys.executable, "-c", STRANGER, str(rig.path))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()

    kept_out = f"{rig.path}: not permitted: it is for the service's own user and root\n"
    assert ("not permitted for uid 65534\n" if is_open else kept_out) == out.decode()
    assert ([], float(is_open)) == (rig.decisions, rig.requests("unknown", "not_permitted"))
    assert () == (await rig.ask(Command.HOLDS)).frozen


async def test_a_client_of_another_user_is_turned_away(rig: AdminRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshregistry.admin.server.may_enter", lambda connection: (False, 1000))

    answer = await rig.ask(Command.FREEZE, "everything")

    assert Answer(error="not permitted for uid 1000") == answer
    assert ([], 1.0) == (rig.decisions, rig.requests("unknown", "not_permitted"))


async def test_the_kernel_says_whose_client_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert (True, os.getuid()) == door.may_enter(ours)
        monkeypatch.setattr("meshregistry.admin.door.os.geteuid", lambda: os.getuid() + 1)
        assert (os.getuid() == 0, os.getuid()) == door.may_enter(ours)


@pytest.mark.parametrize(
    ("command", "subject", "error"),
    [
        (Command.ACCEPT, "7", "there is no hold 7"),
        (Command.REJECT, "", "there is no hold "),
        (Command.FREEZE, "consul", "nothing is known of consul"),
        (Command.THAW, "nacos", "nacos is not frozen"),
        (Command.READ, "consul", "there is no source consul; those that run: nacos, zookeeper"),
        (Command.ACCEPT, "\x1b[2J", "there is no hold \\x1b[2J"),
    ],
)
async def test_what_is_not_there_is_named(rig: AdminRig, command: Command, subject: str, error: str) -> None:
    assert Answer(error=error) == await rig.ask(command, subject)
    assert ([], 1.0) == (rig.decisions, rig.requests(command.value, "refused"))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "not a request: it ends too early"),
        (b'{"command":"holds"}', "not a request: it ends too early"),
        (b"GET / HTTP/1.1\r\n\r\n", "not a request: JSON is malformed"),
        (b"x" * (MAX_REQUEST_BYTES + 1), "not a request: too long"),
        (b"\x00" * (1 << 20), "not a request: too long"),
    ],
)
async def test_nonsense_is_refused_and_costs_nothing_else(rig: AdminRig, data: bytes, error: str) -> None:
    try:
        answer = await rig.send(data)
    except ConnectionError:
        # The rest of what was sent was not read.
        answer = b""

    assert answer == b"" or read_answer(answer).error.startswith(error)
    assert 1.0 == rig.requests("unknown", "refused")
    assert "" == (await rig.ask(Command.HOLDS)).error


async def test_slow_clients_lose_their_places_and_others_get_them(folder: Path) -> None:
    async with AdminRig(folder, request_timeout_s=0.2, max_connections=2).running() as rig:
        slow = [await asyncio.open_unix_connection(str(rig.path)) for _ in range(6)]
        for _, writer in slow:
            writer.write(b'{"command":')

        answer = await rig.ask(Command.HOLDS)
        await rig.until(lambda: rig.requests("unknown", "lost") == 6)

        assert "" == answer.error
        for _, writer in slow:
            writer.close()


async def test_a_client_that_goes_away_while_it_is_decided_costs_nothing(rig: AdminRig) -> None:
    rig.publish_gate = asyncio.Event()
    reader, writer = await asyncio.open_unix_connection(str(rig.path))
    writer.write(write_request(Request(Command.FREEZE, "everything")))
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    del reader
    rig.publish_gate.set()

    await rig.until(lambda: rig.decisions)
    assert ("everything",) == (await rig.ask(Command.HOLDS)).frozen


async def test_a_decision_that_cannot_be_handed_over_in_time_was_not_taken(folder: Path) -> None:
    async with AdminRig(folder, request_timeout_s=0.1).running() as rig:
        rig.publish_gate = asyncio.Event()
        with pytest.raises(AdminUnreachableError, match="no answer"):
            await rig.ask(Command.FREEZE, "everything")
        rig.publish_gate.set()

        assert () == (await rig.ask(Command.HOLDS)).frozen


async def test_a_fault_of_ours_ends_one_request_only(rig: AdminRig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[object]:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(rig.world.reducer, "list_holds", fail)
        with pytest.raises(AdminUnreachableError, match="no answer"):
            await rig.ask(Command.HOLDS)

    assert (1.0, "") == (rig.requests("unknown", "failed"), (await rig.ask(Command.HOLDS)).error)


async def test_what_a_killed_process_left_behind_is_replaced(folder: Path) -> None:
    rig = AdminRig(folder)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(rig.path))

    async with rig.running():
        assert "" == (await rig.ask(Command.HOLDS)).error
    assert not rig.path.exists()


async def test_a_second_service_leaves_the_socket_to_the_first_and_takes_it_afterwards(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = AdminRig(folder), AdminRig(folder)
    async with asyncio.TaskGroup() as tasks:
        async with first.running():
            waiting = tasks.create_task(second.server.run())
            await second.until(lambda: "another process serves it" in caplog.text)
            await first.ask(Command.READ, "nacos")
        await second.until(lambda: second.is_listening)
        await second.ask(Command.READ, "zookeeper")
        waiting.cancel()

    assert [["nacos"], ["zookeeper"]] == [
        [each.source for each in rig.decisions if isinstance(each, ReadAgain)] for rig in (first, second)
    ]
    assert 1 == caplog.text.count("admin.not_listening")


async def test_a_file_that_is_no_socket_is_never_removed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = AdminRig(folder)
    rig.path.write_text("mine")
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(rig.server.run())
        await rig.until(lambda: "no socket" in caplog.text)
        waiting.cancel()

    assert ("mine", 0.0) == (rig.path.read_text(), rig.world.metric("admin_listening"))


@pytest.mark.parametrize("path", ["/proc/nowhere/admin.sock", "/tmp/" + "x" * 200])
async def test_a_place_where_no_socket_can_be_is_told_and_ends_nothing(
    path: str, caplog: pytest.LogCaptureFixture, folder: Path
) -> None:
    rig = AdminRig(folder, path=path)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(rig.server.run())
        await rig.until(lambda: "admin.not_listening" in caplog.text)
        waiting.cancel()


async def test_switched_off_there_is_no_socket(folder: Path) -> None:
    rig = AdminRig(folder)

    await AdminServer(AdminOptions(), OperatorDesk(rig.world.reducer, rig, ()), rig.world.metrics).run()

    assert not rig.path.exists()
