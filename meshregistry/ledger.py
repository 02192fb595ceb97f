"""The book of operators' decisions: on disk before an operator is answered, and done again by the next process.

A freeze must not end with a process that is killed a moment later, nor one that was given before anything else could be
saved. The file is small and written whole; no failure here is fatal, and each decision takes effect whatever becomes of
the file.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec
import xxhash

from meshregistry.model.instance import Scope
from meshregistry.persistence import put_aside, refuse_special, replace_file
from meshregistry.store.decisions import DecisionBook
from meshregistry.store.holds import HoldReport
from meshregistry.store.operator import OperatorDecision, Queue
from meshregistry.store.saved import Fault, SavedError
from meshregistry.telemetry.metrics import Metrics

FILE_NAME: Final = "decisions.meshregistry"

_MAGIC: Final = b"MESHREGISTRY DECISIONS"
_FORMAT: Final = 1
_MAX_BYTES: Final = 64 * 1024 * 1024

_APPLY_S: Final = 1.0
"""How often decisions are held against the holds there are now, seconds: a shrink may be seen later here."""

_RETRY_S: Final = 10.0
"""How often it is tried again to write what could not be written, seconds."""

_MEMORY_ONLY: Final = "NOT SAVED: there is no data_dir, the decision lives in memory only and ends with the process"

_log = logging.getLogger(__name__)


class GuardView(Protocol):
    """What is held and frozen here: the reducer."""

    @property
    def frozen(self) -> Collection[Scope]:
        """What is frozen."""
        ...

    def list_holds(self) -> list[HoldReport]:
        """Return every held shrink."""
        ...


class DecisionLedger:
    """A queue for operators' decisions that remembers them; owner of the book of decisions and of its file."""

    def __init__(
        self, view: GuardView, queue: Queue, data_dir: str, metrics: Metrics, wall: Callable[[], float] = time.time
    ) -> None:
        """`data_dir` is the directory of the file; "" means that nothing is saved or loaded."""
        self._view = view
        self._queue = queue
        self._path = Path(data_dir) / FILE_NAME if data_dir else None
        self._metrics = metrics
        self._wall = wall
        self._book = DecisionBook()
        self._listeners: list[Callable[[Mapping[str, bytes]], None]] = []
        self._changes = self._tried = self._saved = 0
        self._changed, self._news, self._turn = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._load_note = ""
        self._save_note = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What went wrong with the file, for humans."""
        return tuple(note for note in (self._load_note, self._save_note) if note)

    def listen(self, *listeners: Callable[[Mapping[str, bytes]], None]) -> None:
        """Have listeners told of all decisions whenever one is new, for the life of the ledger."""
        self._listeners += listeners

    def encode(self) -> dict[str, bytes]:
        """Return all decisions by their matters."""
        return self._book.encode()

    async def publish(self, update: OperatorDecision) -> None:
        """Hand a decision over and remember it. Cancelling is safe: then it was not taken."""
        holds = self._view.list_holds()
        await self._queue.publish(update)
        self._book.note(update, holds, self._wall())
        self._tell()

    async def settle(self) -> None:
        """Return once what was handed over before has taken effect here. Cancelling is safe."""
        await self._queue.settle()

    async def secure(self) -> str:
        """Return once what was handed over before is on disk: "" then, otherwise why it is not. Cancelling is safe."""
        if self._path is None:
            return _MEMORY_ONLY
        wanted = self._changes
        while self._tried < wanted:
            await self._turn.wait()
        return "" if self._saved >= wanted else f"NOT SAVED: {self._save_note}"

    def merge(self, bodies: Mapping[str, bytes]) -> None:
        """Take the decisions of a sibling; they are done soon.

        Raises ValueError for what is none, when the others have been taken: a newer release may know other decisions.
        """
        is_news, faults = False, list[ValueError]()
        for matter, body in bodies.items():
            try:
                is_news |= self._book.merge({matter: body})
            except ValueError as error:
                faults.append(error)
        if is_news:
            self._news.set()
            self._tell()
        if faults:
            raise faults[0]

    async def begin(self, restored: Iterable[Sequence[bytes]], known_at: float) -> list[OperatorDecision]:
        """Return what has to be done before the first update; once, when the world has been restored.

        Takes what the file has and what came with `restored` worlds, the own one and those of siblings: of each matter
        the newest counts. `known_at` is when the world was as it was restored, Unix seconds. Cancelling is safe.
        """
        for bodies in (await self._load(), *restored):
            if unknown := self._book.restore(bodies, known_at, self._wall()):
                self._note_load(Fault.FUTURE, f"{unknown} decisions of another release")
        if self._book.encode():
            self._tell()
        return self._book.take_due(self._view.list_holds(), self._view.frozen, self._wall())

    async def run(self) -> None:
        """Save what is new and do what siblings decide, for ever. Cancelling is safe."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._apply())
            while self._path is not None:
                await _wait(self._changed, _RETRY_S if self._saved < self._tried else None)
                await self.save()

    async def save(self) -> None:
        """Write what is not saved yet. Cancelling leaves the last good file, or the new one."""
        self._changed.clear()
        if self._path is None or self._saved == self._changes:
            return
        changes, error = self._changes, None
        try:
            await asyncio.to_thread(replace_file, self._path, [encode_file(self._book.encode())])
            self._saved = changes
        except OSError as failure:
            error = failure
        self._note_save(error)
        self._tried = changes
        self._turn.set()
        self._turn = asyncio.Event()

    async def _apply(self) -> None:
        while True:
            await _wait(self._news, _APPLY_S)
            is_news = self._news.is_set()  # also what came in the very moment in which the wait ended
            self._news.clear()
            if not (is_news or self._book.is_waiting(self._wall())):
                continue
            # What waits in the queue is not in the view yet: a thaw would be passed over as long as its freeze does.
            await self._queue.settle()
            for decision in self._book.take_due(self._view.list_holds(), self._view.frozen, self._wall()):
                _log.info("decisions.done decision=%s", decision)
                await self._queue.publish(decision)

    async def _load(self) -> Sequence[bytes]:
        if self._path is None:
            return ()
        try:
            return await asyncio.to_thread(_read, self._path)
        except FileNotFoundError:
            return ()
        except (OSError, MemoryError) as error:
            self._note_load("unreadable", error)
        except SavedError as error:
            self._note_load(error.fault, error)
            await asyncio.to_thread(put_aside, self._path)
        return ()

    def _tell(self) -> None:
        self._changes += 1
        self._changed.set()
        decisions = self._book.encode()
        for listener in self._listeners:
            listener(decisions)

    def _note_load(self, fault: str, error: Exception | str) -> None:
        self._metrics.decisions_ignored.labels(fault).inc()
        self._load_note = f"operators' decisions of before were not used: {fault}"
        _log.error("decisions.ignored file=%s fault=%s error=%r", self._path, fault, str(error))

    def _note_save(self, error: OSError | None) -> None:
        before, self._save_note = self._save_note, ""
        if error is not None:
            self._metrics.decision_save_failures.inc()
            self._save_note = f"operators' decisions cannot be saved: {error.strerror or error}"
        if self._save_note and self._save_note != before:
            _log.error("decisions.not_saved file=%s error=%r", self._path, str(error))
        if before and error is None:
            _log.info("decisions.saved_again file=%s", self._path)


def encode_file(decisions: Mapping[str, bytes]) -> bytes:
    """Return the file of decisions: a line with format and checksum (XXH3-128), then a JSON array of them."""
    body = b"[\n" + b",\n".join(decisions[matter] for matter in sorted(decisions)) + b"\n]\n"
    return b"%s %d %s\n%s" % (_MAGIC, _FORMAT, xxhash.xxh3_128_hexdigest(body).encode(), body)


def decode_file(data: bytes) -> tuple[bytes, ...]:
    """Return the decisions of a file, proven to be what was written. Raises SavedError."""
    head, _, body = data.partition(b"\n")
    if not head.startswith(_MAGIC):
        raise SavedError(Fault.FOREIGN, "no file of decisions")
    number, _, digest = head.removeprefix(_MAGIC).strip().partition(b" ")
    if number.isdigit() and int(number[:9]) > _FORMAT:
        raise SavedError(Fault.FUTURE, f"format {int(number[:9])}")
    if digest != xxhash.xxh3_128_hexdigest(body).encode():
        raise SavedError(Fault.CORRUPT, "the checksum does not fit: cut off or changed")
    try:
        return tuple(bytes(each) for each in msgspec.json.decode(body, type=list[msgspec.Raw]))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SavedError(Fault.CORRUPT, f"impossible content: {error}") from error


def _read(path: Path) -> tuple[bytes, ...]:
    status = path.stat()
    refuse_special(status.st_mode)
    if status.st_size > _MAX_BYTES:
        raise SavedError(Fault.FOREIGN, f"{status.st_size} bytes")
    return decode_file(path.read_bytes())


async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
    """Wait for an event, at most for a while."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
