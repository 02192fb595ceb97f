"""The socket in the file system: one process has it, only its user and root may come in."""

import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MODE = 0o600
_BACKLOG = 16


@contextmanager
def open_door(path: Path) -> Iterator[socket.socket]:
    """Listen on a path; gives a socket that does not block, and removes the file at the end.

    What a killed process left behind is replaced, a socket that another process serves is not: a lock beside it tells
    them apart. Raises OSError, its text made for humans.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        _remove_left_behind(path)
        door.bind(str(path))
        try:
            # Nobody can connect before `listen`, so that the mode never comes too late.
            path.chmod(_MODE)
            door.listen(_BACKLOG)
            door.setblocking(False)
            yield door
        finally:
            path.unlink(missing_ok=True)


def may_enter(connection: socket.socket) -> tuple[bool, int]:
    """Tell whether a client is of our own user or root, as the kernel says, and its user id."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid = struct.unpack("3i", credentials)[1]
    return uid in (os.geteuid(), 0), uid


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a socket. The kernel frees it when the process ends, however it ends; the file stays."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _MODE)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(error.errno, "another process serves it") from error
        yield
    finally:
        os.close(handle)


def _remove_left_behind(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(None, "there is a file that is no socket")
    except FileNotFoundError:
        return
    path.unlink()
