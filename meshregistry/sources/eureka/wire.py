"""What Eureka answers, from bytes to records; no I/O.

Shapes as captured from Spring Cloud 2025.0 and as Netflix's codecs write them. A long list is cut into pieces, so that
it can be decoded in slices; what does not have the usual shape is read by `dialects`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from meshregistry.errors import SourceDataError
from meshregistry.sources.decoding import DECODE_ERRORS, mend, understood
from meshregistry.sources.eureka import dialects
from meshregistry.sources.eureka.dialects import Record

T = TypeVar("T")

PIECE_BYTES = 1024 * 1024
"""As much as is read in one step: some milliseconds."""

_HEAD_BYTES = 256
_LIST = b'"application":['
_END = b"]}}"
_SEAM = b']},{"name":"'
"""Where an application seems to end and the next to begin."""

_MEMBERS = b'"instance":['
_MEMBERS_END = b"]}"
_MEMBERS_SEAM = b'},{"instanceId":"'


class Reply(NamedTuple):
    """An answer that lists applications."""

    applications: Iterable[Raw]
    version: int | None
    """Counts the deltas of a server since its start; always 1 in a full answer, -1 in that of a VIP address."""

    hash: str | None
    """The number of registrations by status in the server's whole registry; None where the server sends none."""


class Application(NamedTuple):
    """One application of an answer."""

    name: str
    """In upper case, as Eureka keeps it; "" when it cannot be told."""

    records: list[Record]
    bad: int
    """Registrations that are not even objects."""


class _Listed(msgspec.Struct, gc=False):
    """`application` first as it usually is: a second scan of 50 MB would cost as much as the first."""

    application: list[Raw]
    version: str | int | None = msgspec.field(name="versions__delta", default=None)
    hash: str | None = msgspec.field(name="apps__hashcode", default=None)


class _LooselyListed(msgspec.Struct, gc=False):
    application: Raw = Raw(b"null")
    version: str | int | None = msgspec.field(name="versions__delta", default=None)
    version_single: str | int | None = msgspec.field(name="versions_delta", default=None)
    hash: str | None = msgspec.field(name="apps__hashcode", default=None)
    hash_single: str | None = msgspec.field(name="apps_hashcode", default=None)


class _Usual(msgspec.Struct, gc=False):
    applications: _Listed


class _Loose(msgspec.Struct, gc=False):
    applications: _LooselyListed


class _One(msgspec.Struct, gc=False):
    application: Raw


class _Application(msgspec.Struct, gc=False):
    name: str
    instance: list[Record] | None = None


_USUAL = msgspec.json.Decoder(_Usual)
_LOOSE = msgspec.json.Decoder(_Loose)
_ONE = msgspec.json.Decoder(_One)
_APPLICATION = msgspec.json.Decoder(_Application, strict=False)
_RECORDS = msgspec.json.Decoder(list[Record], strict=False)


def decode_applications(body: bytes) -> Reply:
    """Read `/apps`, `/apps/delta`, `/vips/...` or `/svips/...`. Raises SourceDataError."""
    try:
        listed = _USUAL.decode(body).applications
    except DECODE_ERRORS:
        return _decode_loosely(body)
    if listed.hash is None or listed.version is None:
        return _decode_loosely(body)
    return Reply(listed.application, dialects.number(listed.version), listed.hash)


def decode_lazily(parts: list[bytes], piece_bytes: int = PIECE_BYTES) -> Reply:
    """Read `/apps` as `decode_applications` does, but a long answer only as its applications are asked for.

    `parts` is the body as it arrived. It is used up, so that a long one is never in memory twice. Raises
    SourceDataError, and so does asking for applications.
    """
    start = parts[0].find(_LIST, 0, _HEAD_BYTES) + len(_LIST) if parts else 0
    if start < len(_LIST) or sum(map(len, parts)) <= piece_bytes:
        return decode_applications(b"".join(parts))
    head, parts[0] = parts[0][:start], parts[0][start:]
    reply = decode_applications(head + _END)
    if reply.hash is None:
        # It may stand behind the applications.
        return decode_applications(b"".join((head, *parts)))
    pieces = _cut(_use_up(parts, piece_bytes), _SEAM, piece_bytes)
    lists = _decode_pieces(pieces, dialects.split, lambda rest: decode_applications(head + rest).applications)
    return reply._replace(applications=(raw for applications in lists for raw in applications))


def decode_application(body: bytes) -> Reply:
    """Read `/apps/{name}`: one application, without version and hash. Raises SourceDataError."""
    _refuse_markup(body)
    return Reply(dialects.items(understood(_ONE.decode, body).application), None, None)


def open_application(raw: Raw) -> Application:
    """Return the registrations of one application, whatever shape they have."""
    try:
        usual = _APPLICATION.decode(raw)
    except DECODE_ERRORS:
        return _open_loosely(mend(bytes(raw)))
    if not usual.name:
        return _open_loosely(bytes(raw))
    return Application(usual.name.upper(), usual.instance or [], 0)


def open_lazily(raw: Raw, piece_bytes: int = PIECE_BYTES) -> Iterator[Application]:
    """Yield what `open_application` returns; registrations that are too many to be read at once in several parts."""
    whole = memoryview(raw)
    start = bytes(whole[:_HEAD_BYTES]).find(_MEMBERS) + len(_MEMBERS)
    if start < len(_MEMBERS) or len(whole) <= piece_bytes:
        return iter((open_application(raw),))
    head = bytes(whole[:start])
    name = open_application(Raw(head + _MEMBERS_END)).name
    if not name:
        # It may stand in the registrations.
        return iter((open_application(raw),))
    pieces = _cut(_slices(whole[start:], piece_bytes), _MEMBERS_SEAM, piece_bytes)
    return _decode_pieces(
        pieces,
        lambda piece: Application(name, _RECORDS.decode(b"[%b]" % piece), 0),
        lambda rest: open_application(Raw(head + rest)),
    )


def _use_up(parts: list[bytes], size: int) -> Iterator[memoryview]:
    """Yield parts in order, slices of them where they are long; what was yielded is let go."""
    parts.reverse()
    while parts:
        yield from _slices(memoryview(parts.pop()), size)


def _slices(whole: memoryview, size: int) -> Iterator[memoryview]:
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


def _cut(parts: Iterable[memoryview], seam: bytes, size: int) -> Iterator[bytes]:
    """Yield pieces of at least `size` bytes, but for the last; with commas between them they are what was given."""
    end = seam.index(b",")
    pending: list[bytes | memoryview] = []
    length, wanted = 0, size
    for part in parts:
        pending.append(part)
        length += len(part)
        if length < wanted:
            continue
        whole = b"".join(pending)
        at = whole.rfind(seam)
        if at >= 0:
            yield whole[: at + end]
            whole = whole[at + end + 1 :]
        # Without a seam only twice as much is searched again, or a long member would be searched for each part.
        wanted = size if at >= 0 else 2 * length
        pending, length = [whole], len(whole)
    yield b"".join(pending)


def _decode_pieces(
    pieces: Iterator[bytes], decode: Callable[[bytes], T], decode_rest: Callable[[bytes], T]
) -> Iterator[T]:
    """Yield decoded pieces, the last as the rest of the answer.

    If a piece was cut anywhere else than between two members, it is no list, as its brackets are not closed: then it
    and all behind it are the rest.
    """
    rest = next(pieces)
    for piece in pieces:
        try:
            decoded = decode(rest)
        except DECODE_ERRORS:
            rest = b",".join((rest, piece, *pieces))
            break
        yield decoded
        rest = piece
    yield decode_rest(rest)


def _decode_loosely(body: bytes) -> Reply:
    _refuse_markup(body)
    listed = understood(_LOOSE.decode, body).applications
    version = listed.version if listed.version is not None else listed.version_single
    hash_ = listed.hash if listed.hash is not None else listed.hash_single
    return Reply(dialects.items(listed.application), dialects.number(version), hash_)


def _refuse_markup(body: bytes) -> None:
    start = body[:512].lstrip().lower()
    if not start.startswith(b"<"):
        return
    if b"html" in start:
        raise SourceDataError("a web page in place of JSON: is the context path right, is a login needed?")
    raise SourceDataError("XML although JSON was asked for: this server cannot write JSON, or a proxy drops Accept")


def _open_loosely(raw: bytes) -> Application:
    fields = dialects.fields(raw)
    if fields is None:
        return Application("", [], 1)
    found = [dialects.read_record(item) for item in dialects.items(fields.get("instance", Raw(b"null")))]
    records = [record for record in found if record is not None]
    named = [dialects.text(fields.get("name")), *(record.app for record in records)]
    name = next((name for name in named if name), "")
    return Application(name.upper(), records, len(found) - len(records))
