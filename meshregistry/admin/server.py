"""Takes operators' decisions on a local socket. A client that is slow, hostile or gone costs one of few places."""

import asyncio
import logging
import socket
from pathlib import Path

import msgspec

from meshregistry.admin.door import may_enter, open_door
from meshregistry.admin.options import AdminOptions
from meshregistry.admin.protocol import (
    MAX_REQUEST_BYTES,
    Answer,
    BadRequestError,
    Command,
    Request,
    list_state,
    read_request,
    write_answer,
)
from meshregistry.model.rejects import print_subject
from meshregistry.store.operator import OperatorDesk, UnknownTargetError
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_REMEMBERED = {Command.ACCEPT, Command.REJECT, Command.FREEZE, Command.THAW, Command.SERVE_ANYWAY}
_ALL_SERVED = Answer(done="everything is served already")

_ACCEPT_PAUSE_S = 1.0
"""Pause after a connection that could not be accepted: out of file descriptors, mostly."""


class AdminServer:
    """Owner of the socket and of the connections on it. Not being able to open it is told, and tried again."""

    def __init__(self, options: AdminOptions, desk: OperatorDesk, metrics: Metrics) -> None:
        self._options = options
        self._desk = desk
        self._metrics = metrics
        self._trouble: str | None = None

    async def run(self) -> None:
        """Serve until cancelled; returns at once where no socket is wanted. Cancelling it removes the socket.

        A decision that is being handed over meanwhile was not taken.
        """
        while self._options.path:
            try:
                with open_door(Path(self._options.path)) as door:
                    _log.info("admin.listening socket=%s", self._options.path)
                    self._trouble = None
                    self._metrics.admin_listening.set(1)
                    await self._serve(door)
            except OSError as error:
                self._note_trouble(error.strerror or str(error))
            finally:
                self._metrics.admin_listening.set(0)
            await asyncio.sleep(self._options.retry_s)

    def _note_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.error("admin.not_listening socket=%s error=%s", self._options.path, trouble)
            self._trouble = trouble

    async def _serve(self, door: socket.socket) -> None:
        places = asyncio.Semaphore(self._options.max_connections)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await places.acquire()
                connection = await self._accept(door)
                tasks.create_task(self._attend(connection)).add_done_callback(lambda _: places.release())

    async def _accept(self, door: socket.socket) -> socket.socket:
        while True:
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(door)
            except OSError as error:
                _log.warning("admin.accept_failed error=%s", error)
                await asyncio.sleep(_ACCEPT_PAUSE_S)
            else:
                return connection

    async def _attend(self, connection: socket.socket) -> None:
        command, result = "unknown", "lost"
        try:
            with connection:
                async with asyncio.timeout(self._options.request_timeout_s):
                    command, result, answer = await self._answer(connection)
                    await asyncio.get_running_loop().sock_sendall(connection, write_answer(answer))
        except OSError as error:
            # Too slow, or gone; a decision that was answered has been taken all the same.
            _log.warning("admin.client_lost command=%s error=%s", command, error or type(error).__name__)
        except Exception:  # noqa: BLE001  the server's edge: a fault here must not end what serves the mesh
            _log.exception("admin.request_failed command=%s", command)
            result = "failed"
        self._metrics.admin_requests.labels(command, result).inc()

    async def _answer(self, connection: socket.socket) -> tuple[str, str, Answer]:
        """Return the command, what became of it, and the answer."""
        connection.setblocking(False)
        is_permitted, uid = may_enter(connection)
        if not is_permitted:
            _log.warning("admin.not_permitted uid=%d", uid)
            return "unknown", "not_permitted", Answer(error=f"not permitted for uid {uid}")
        try:
            request = read_request(await _read_line(connection))
        except BadRequestError as error:
            return "unknown", "refused", Answer(error=str(error))
        by = f"{print_subject(request.by)} (uid {uid})" if request.by else f"uid {uid}"
        try:
            answer = await carry_out(self._desk, request, by)
        except UnknownTargetError as error:
            return request.command.value, "refused", Answer(error=print_subject(str(error)))
        if answer.done:
            answer = await self._await_effect(answer)
        if request.command is Command.ACCEPT and (reason := self._desk.why_not_accepted(request.subject)):
            return request.command.value, "refused", Answer(error=print_subject(reason))
        if request.command in _REMEMBERED and answer is not _ALL_SERVED:
            answer = msgspec.structs.replace(answer, warning=await self._await_safety())
        return request.command.value, "done", answer

    async def _await_effect(self, answer: Answer) -> Answer:
        """Return the answer when what it tells is so; after half of the request's time anyway, and then it says so."""
        try:
            async with asyncio.timeout(self._options.request_timeout_s / 2):
                await self._desk.settle()
        except TimeoutError:
            return msgspec.structs.replace(answer, done=f"{answer.done}; it takes effect after what waits before it")
        return answer

    async def _await_safety(self) -> str:
        """Return "" when the decision is saved, otherwise why not; after a quarter of the request's time anyway."""
        try:
            async with asyncio.timeout(self._options.request_timeout_s / 4):
                return await self._desk.secure()
        except TimeoutError:
            return "NOT KNOWN TO BE SAVED: the disk does not answer"


async def carry_out(desk: OperatorDesk, request: Request, by: str) -> Answer:
    """Do what is asked for. Raises UnknownTargetError. Cancelling is safe: it was not handed over."""
    subject = request.subject
    match request.command:
        case Command.HOLDS:
            return list_state(desk.list_holds(), desk.list_frozen(), desk.pending_sources, desk.tell_stale())
        case Command.ACCEPT:
            hold = await desk.accept(subject, by)
            return Answer(done=f"accepted hold {hold.id}: {hold.held} endpoints of {print_subject(hold.scope)} go")
        case Command.REJECT:
            hold = await desk.reject(subject, by)
            return Answer(done=f"rejected hold {hold.id}: {hold.held} endpoints of {print_subject(hold.scope)} stay")
        case Command.FREEZE:
            return Answer(done=f"frozen: {print_subject(str(await desk.freeze(subject, by)) or subject)}")
        case Command.THAW:
            return Answer(done=f"thawed: {print_subject(str(await desk.thaw(subject, by)) or subject)}")
        case Command.SERVE_ANYWAY:
            pending = await desk.serve_anyway(by)
            return Answer(done=f"served without: {', '.join(pending)}") if pending else _ALL_SERVED
        case Command.READ:
            return Answer(done=f"asked for a full reading: {', '.join(await desk.read_again(subject, by)) or 'none'}")


async def _read_line(connection: socket.socket) -> bytes:
    """Return what comes before the first line feed. Raises BadRequestError for too much, or an end before it."""
    line = bytearray()
    while b"\n" not in line:
        data = await asyncio.get_running_loop().sock_recv(connection, MAX_REQUEST_BYTES)
        line += data
        if not data or len(line) > MAX_REQUEST_BYTES:
            raise BadRequestError("not a request: too long" if data else "not a request: it ends too early")
    return bytes(line.partition(b"\n")[0])
