"""The saved snapshot on disk: read once at the start, written while things change and at the stop.

A write never harms the last good file: a temporary one is completed, flushed and renamed over it. No failure here is
fatal: each is a log line, a metric and a note for the pages.
"""

import asyncio
import errno
import fcntl
import logging
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from meshregistry.store.reducer import Reducer
from meshregistry.store.saved import SavedError, Terms, check_length, decode_world, encode_world
from meshregistry.store.store import SnapshotStore
from meshregistry.store.world import World
from meshregistry.telemetry.metrics import Metrics

FILE_NAME = "snapshot.meshregistry"
ASIDE_NAME = f"{FILE_NAME}.unusable"

_log = logging.getLogger(__name__)


class KeeperOptions(msgspec.Struct, frozen=True):
    """Where and how often to save."""

    data_dir: str
    """Directory of the file; "" means that nothing is saved or loaded."""

    interval_s: float
    """Least time between two saves, seconds."""


class Keeper:
    """Owns the file in `data_dir` and what is known about it."""

    def __init__(
        self,
        options: KeeperOptions,
        terms: Terms,
        store: SnapshotStore,
        reducer: Reducer,
        metrics: Metrics,
        decisions: Callable[[], Mapping[str, bytes]] = dict,
    ) -> None:
        """`decisions` returns what operators have decided, to be saved and handed on beside the world."""
        self._decisions = decisions
        self._options = options
        self._terms = terms
        self._store = store
        self._reducer = reducer
        self._metrics = metrics
        self._path = Path(options.data_dir) / FILE_NAME
        self._saved_revision = -1
        self._load_note = ""
        self._save_note = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What went wrong with the file, for humans."""
        return tuple(note for note in (self._load_note, self._save_note) if note)

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """Source → fingerprint of the settings under which it is saved."""
        return self._terms.fingerprints

    def replace_terms(self, terms: Terms) -> None:
        """Save under other settings from now on."""
        self._terms = terms

    async def export(self) -> World | None:
        """Return the world as it is between two batches; None while it is not complete, or after a batch broken off.

        Cancelling is safe.
        """
        if not await self._reducer.batches.rest() or not self._store.current.complete:
            return None
        world = self._reducer.export(self._terms.fingerprints, time.time())
        return msgspec.structs.replace(world, decisions=tuple(self._decisions().values()))

    async def load(self) -> World | None:
        """Return the world that was saved, None without a usable file; an unusable one is put aside.

        Cancelling is safe.
        """
        if not self._options.data_dir:
            return None
        try:
            world = await asyncio.to_thread(_read, self._path, self._terms)
        except FileNotFoundError:
            self._metrics.saved_loads.labels("missing").inc()
            return None
        except (OSError, MemoryError) as error:
            self._note_load("unreadable", error)
            return None
        except SavedError as error:
            self._note_load(error.fault.value, error)
            await asyncio.to_thread(put_aside, self._path)
            return None
        self._metrics.saved_loads.labels("used").inc()
        _log.info("saved.loaded file=%s resources=%d as_of=%.0f", self._path, len(world.resources), world.as_of)
        return world

    async def run(self) -> None:
        """Save for ever, once in `interval_s` and after an operator's decision, what has changed. Cancelling is safe.

        What somebody has decided must not be forgotten by a process that is killed a moment later.
        """
        while self._options.data_dir:
            try:
                async with asyncio.timeout(self._options.interval_s):
                    await self._reducer.decided.wait()
            except TimeoutError:
                pass
            self._reducer.decided.clear()
            await self.save()

    async def save(self) -> None:
        """Save the world if it is complete and not saved yet. Cancelling leaves the last good file."""
        if not self._options.data_dir or self._reducer.revision == self._saved_revision:
            return
        world, revision = await self.export(), self._reducer.revision
        if world is None:
            return
        started = time.monotonic()
        try:
            size = await asyncio.to_thread(replace_file, self._path, encode_world(world))
        except OSError as error:
            self._note_save(error)
            return
        self._saved_revision = revision
        self._metrics.saved_at.set(time.time())
        self._metrics.saved_bytes.set(size)
        self._metrics.save_time.observe(time.monotonic() - started)
        if self._save_note:
            self._save_note = ""
            _log.info("saved.written_again file=%s", self._path)

    def _note_load(self, fault: str, error: Exception) -> None:
        self._metrics.saved_loads.labels(fault).inc()
        self._load_note = f"the saved snapshot was not used: {fault}"
        _log.warning("saved.ignored file=%s fault=%s error=%r", self._path, fault, str(error))

    def _note_save(self, error: OSError) -> None:
        self._metrics.save_failures.inc()
        note = f"the snapshot cannot be saved: {error.strerror or error}"
        if note != self._save_note:
            self._save_note = note
            _log.warning("saved.failed file=%s error=%r", self._path, str(error))


def _read(path: Path, terms: Terms) -> World:
    refuse_special(path.stat().st_mode)
    with path.open("rb") as file:
        check_length(file)
        file.seek(0)
        return decode_world(file.read(), terms)


def put_aside(path: Path) -> None:
    """Rename a file out of the way, over the one that was there; it may help to find out what happened."""
    try:
        path.replace(path.with_name(f"{path.name}.unusable"))
    except OSError as error:
        _log.warning("saved.not_put_aside file=%s error=%r", path, str(error))


def replace_file(path: Path, pieces: Iterable[bytes]) -> int:
    """Replace the file in one step; returns its size. Raises OSError, and leaves the file as it was."""
    temporary = path.with_name(f"{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open_alone(temporary) as file:
        try:
            size = sum(map(file.write, pieces))
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            _remove(temporary)
            raise
    _flush_directory(path.parent)
    return size


def _open_alone(path: Path) -> BinaryIO:
    """Return an empty file that nobody else writes until it is closed.

    Two services may have one directory for a while, as in a rolling update; together they would make one bad file.
    Raises OSError.
    """
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666), "wb")
    try:
        opened = os.fstat(file.fileno())
        refuse_special(opened.st_mode)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(opened, path.stat()):
            raise BlockingIOError  # what was opened has become the good file meanwhile
        file.truncate()
    except BlockingIOError:
        file.close()
        raise OSError(errno.EAGAIN, "another process is writing it") from None
    except BaseException:
        file.close()
        raise
    return file


def refuse_special(mode: int) -> None:
    """Raise OSError for a pipe, which is waited for, or a device, which may have no end."""
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The next write truncates it.
        return


def _flush_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
