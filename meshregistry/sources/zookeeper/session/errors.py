"""What can go wrong in a session, as kinds of the errors that sources catch."""

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable

NO_NODE = -101
_NO_AUTH = -102
_AUTH_FAILED = -115
_NEEDS_SASL = -124
UNIMPLEMENTED = -6
_OUTDATED = frozenset({-4, -7, -112, -118})
"""Connection loss, operation timeout, session expired, session moved: the connection is of no further use."""

_NAMES = {-1: "system error", -2: "runtime inconsistency", -5: "marshalling error", -8: "bad arguments"}
_BUSY = {-13: "new configuration without quorum", -127: "throttled"}


class ConnectionLoss(SourceUnavailable):
    """The connection ended before the answer; reads are tried again on the next one."""


class RequestTimeout(SourceUnavailable):
    """No answer within the request timeout, reconnects included."""


class AuthRefused(SourceAuthError):
    """The server refused the credentials of the connection."""


class AccessRefused(SourceAuthError):
    """The node's ACL does not let us read it."""


class NoNodeError(SourceError):
    """There is no such node; an authoritative answer. `path` is the path as asked."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path}: no such node")


class NotSupportedError(SourceError):
    """The server does not know the request: ZooKeeper before 3.6 has no persistent watches."""


class ProtocolFault(SourceDataError):
    """The bytes are not ZooKeeper's: the connection they came by is given up."""


class MalformedAnswer(SourceDataError):
    """An answer in a sound frame cannot be read: it costs its own request only."""


def error_of(code: int, path: str) -> SourceError:
    """Return what the error code of an answer means; `path` is the one asked for."""
    if code == NO_NODE:
        return NoNodeError(path)
    if code == _NO_AUTH:
        return AccessRefused(f"{path}: not allowed to read (NoAuth)")
    if code in (_AUTH_FAILED, _NEEDS_SASL):
        return AuthRefused(f"{path}: credentials refused ({code})")
    if code == UNIMPLEMENTED:
        return NotSupportedError(f"{path}: the server does not know this request")
    if code in _OUTDATED:
        return ConnectionLoss(f"{path}: the server let go of the session ({code})")
    if code in _BUSY:
        return SourceUnavailable(f"{path}: {_BUSY[code]}")
    return SourceDataError(f"{path}: {_NAMES.get(code, 'error')} ({code})")


def is_outdated(code: int) -> bool:
    """Return whether the server said that this connection no longer serves the session."""
    return code in _OUTDATED
