"""What Eureka answers, from bytes to records; no I/O.

Shapes as captured from Spring Cloud 2025.0 and as Netflix's codecs write them. An answer is cut into one raw item per
application first, so that a large one can be decoded in slices; what does not have the usual shape is read by
`dialects`.
"""

from collections.abc import Generator
from typing import NamedTuple

import msgspec
from msgspec import Raw

from meshregistry.errors import SourceDataError
from meshregistry.sources.decoding import DECODE_ERRORS, mend, understood
from meshregistry.sources.eureka import dialects
from meshregistry.sources.eureka.dialects import Record

PIECE_BYTES = 2 * 1024 * 1024
"""As much as is cut in one step: some milliseconds."""

_LIST = b'"application":['
_END = b"]}}"
_SEAM = b']},{"name":"'
_HEAD_BYTES = 256


class Reply(NamedTuple):
    """An answer that lists applications."""

    applications: list[Raw]
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
_APPLICATION = msgspec.json.Decoder(_Application)


def decode_applications(body: bytes) -> Reply:
    """Read `/apps`, `/apps/delta`, `/vips/...` or `/svips/...`. Raises SourceDataError."""
    try:
        listed = _USUAL.decode(body).applications
    except DECODE_ERRORS:
        return _decode_loosely(body)
    if listed.hash is None or listed.version is None:
        return _decode_loosely(body)
    return Reply(listed.application, dialects.number(listed.version), listed.hash)


def decode_in_steps(body: bytes, piece_bytes: int = PIECE_BYTES) -> Generator[None, None, Reply]:
    """Read `/apps` as `decode_applications` does, with a yield wherever the caller may do something else.

    A long answer is cut where one application seems to end and the next to begin. If that was anywhere else, a piece
    is no JSON, and the answer is read at once. Raises SourceDataError.
    """
    start, end = body.find(_LIST, 0, _HEAD_BYTES) + len(_LIST), len(body) - len(_END)
    if len(body) < piece_bytes or start < len(_LIST) or not body.endswith(_END):
        return decode_applications(body)
    head = decode_applications(body[:start] + _END)
    applications: list[Raw] = []
    try:
        while start < end:
            seam = body.find(_SEAM, start + piece_bytes, end)
            stop = end if seam < 0 else seam + 2
            applications += dialects.items(Raw(b"[" + body[start:stop] + b"]"))
            start = stop + 1
            yield
    except DECODE_ERRORS:
        return decode_applications(body)
    return head._replace(applications=applications)


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
