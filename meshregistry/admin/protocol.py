"""What is said on the socket: one line of JSON to the service, one back, then it is closed. Pure."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from meshregistry.errors import MeshRegistryError
from meshregistry.model.rejects import print_subject
from meshregistry.store.holds import Cause, HoldReport

MAX_REQUEST_BYTES: Final = 16_384
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_MOST_SHOWN: Final = 200


class Command(StrEnum):
    """What can be asked for; all but `holds` change something."""

    HOLDS = "holds"
    ACCEPT = "accept"
    REJECT = "reject"
    FREEZE = "freeze"
    THAW = "thaw"
    SERVE_ANYWAY = "serve-anyway"
    READ = "read"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request."""

    command: Command
    subject: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    """A hold's number, a source, a scope as pages print it, or `everything`."""

    by: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Who decides, for the journal; the kernel's word on the user is put beside it."""


class Answer(msgspec.Struct, frozen=True):
    """What came of a request."""

    error: str = ""
    """Why nothing was done; "" when it was."""

    done: str = ""
    """What was done, for humans."""

    holds: tuple[HoldReport, ...] = ()
    """Held shrinks, the oldest first, at most 200."""

    frozen: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    """Sources that have not been read completely, while nothing is served because of them."""

    stale: tuple[str, ...] = ()
    """For humans: sources that are served although restored and not confirmed, not heard of for long, or never read."""

    more: int = 0
    """How many holds are not shown."""

    warning: str = ""
    """What is not as it should be although it was done: "" when the decision outlives the service's process."""


class BadRequestError(MeshRegistryError):
    """A request cannot be understood; the message says what is wrong."""


def read_request(line: bytes) -> Request:
    """Return the request in a line. Raises BadRequestError."""
    try:
        return msgspec.json.decode(line, type=Request)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"not a request: {print_subject(str(error))}") from error


def write_request(request: Request) -> bytes:
    """Return a request as a line."""
    return msgspec.json.encode(request) + b"\n"


def read_answer(line: bytes) -> Answer:
    """Return the answer in a line; raises msgspec.MsgspecError."""
    return msgspec.json.decode(line, type=Answer)


def write_answer(answer: Answer) -> bytes:
    """Return an answer as a line of bounded length."""
    return msgspec.json.encode(answer) + b"\n"


def list_state(
    holds: list[HoldReport], frozen: list[str], pending: tuple[str, ...], stale: tuple[str, ...] = ()
) -> Answer:
    """Return the answer to `holds`: registry text without controls, and not more of it than fits.

    A freeze that keeps nothing yet stands among what is frozen only.
    """
    holds = [hold for hold in holds if hold.held or hold.cause != Cause.FREEZE]
    shown = tuple(_printable(hold) for hold in holds[:_MOST_SHOWN])
    names = tuple(print_subject(target) for target in frozen[:_MOST_SHOWN])
    return Answer(holds=shown, frozen=names, pending=pending, stale=stale, more=len(holds) - len(shown))


def _printable(hold: HoldReport) -> HoldReport:
    hosts = tuple(print_subject(host) for host in hold.hosts)
    return msgspec.structs.replace(hold, scope=print_subject(hold.scope), hosts=hosts)
