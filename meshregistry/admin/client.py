"""Speaks to a running service on its admin socket."""

import socket
from pathlib import Path

import msgspec

from meshregistry.admin.protocol import MAX_ANSWER_BYTES, Answer, Request, read_answer, write_request
from meshregistry.errors import MeshRegistryError

_CHUNK_BYTES = 65_536


class AdminUnreachableError(MeshRegistryError):
    """The service cannot be asked, or did not answer; the message says why and what to do."""


def ask(path: Path, request: Request, timeout_s: float) -> Answer:
    """Return the service's answer to a request. Raises AdminUnreachableError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except OSError as error:
            raise AdminUnreachableError(_explain(path, error)) from error
        try:
            _send(connection, write_request(request))
            return read_answer(_read_line(connection))
        except (OSError, msgspec.MsgspecError) as error:
            reason = "timed out" if isinstance(error, TimeoutError) else str(error)
            raise AdminUnreachableError(
                f"no answer from {path} ({reason}): whether it was done is not known; look with `holds`"
            ) from error


def _send(connection: socket.socket, request: bytes) -> None:
    try:
        connection.sendall(request)
    except (BrokenPipeError, ConnectionResetError):
        # A service that does not want to hear it has answered and closed: what it said is still to be read.
        return


def _read_line(connection: socket.socket) -> bytes:
    """Return all before the first line feed; what comes after it may be the reset of an unread request."""
    answer = bytearray()
    while b"\n" not in answer and (data := connection.recv(_CHUNK_BYTES)):
        answer += data
        if len(answer) > MAX_ANSWER_BYTES:
            raise OSError("the answer is too long")
    return bytes(answer.partition(b"\n")[0])


def _explain(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no socket {path}: is the service running, with admin.enabled and a data_dir?"
    if isinstance(error, ConnectionRefusedError):
        return f"nobody serves {path}: the service that made it has ended"
    if isinstance(error, PermissionError):
        return f"{path}: not permitted: it is for the service's own user and root"
    return f"{path}: {error.strerror or error}"
