"""The saved snapshot as bytes: magic, format, head, parts, checksum. Nothing here touches a disk.

    8 bytes   magic
    2         format number, big endian like every number here
    4 + n     head: msgpack
    4 + n     each part: one byte for the form of its texts (plain or escaped), then msgpack; the head says how many
    16        XXH3-128 of all that comes before

Format numbers grow; a reader per format that is still understood stands in `_READERS`.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from io import SEEK_END
from itertools import chain
from typing import BinaryIO, Final

import msgspec
import xxhash

from meshregistry.errors import MeshRegistryError
from meshregistry.model.claim import Claim
from meshregistry.model.instance import Pairs, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.store.consistency import Contradiction, check_world, put_once
from meshregistry.store.guard import History
from meshregistry.store.hearsay import Hearsay
from meshregistry.store.holds import HeldShrink
from meshregistry.store.saved_hearsay import join_hearsay, split_hearsay
from meshregistry.store.saved_parts import Part
from meshregistry.store.saved_reader import read_part
from meshregistry.store.saved_rows import Rows
from meshregistry.store.saved_writer import write_part
from meshregistry.store.world import NOBODY, World
from meshregistry.wire.resource import Resource

MAGIC: Final = b"MESHREG\n"
FORMAT: Final = 1

_FORMAT_FIELD: Final = struct.Struct(">H")
_SIZE: Final = struct.Struct(">I")
_DIGEST_BYTES: Final = 16
_PART_RESOURCES: Final = 100
"""About 2 ms of work: the event loop waits no longer for the thread that encodes."""

_MAX_HEAD_BYTES: Final = 1 << 20
_MAX_FIRST_BYTES: Final = len(MAGIC) + _FORMAT_FIELD.size + _SIZE.size + _MAX_HEAD_BYTES
_PLAIN: Final = 0
_ESCAPED: Final = 1


class Fault(StrEnum):
    """Why a saved snapshot is not used."""

    FOREIGN = "foreign"
    """It is none at all."""

    FUTURE = "future"
    """Its format is newer than this release."""

    CORRUPT = "corrupt"
    """Cut off, changed, or impossible inside."""

    CONTRADICTORY = "contradictory"
    """Its checksum is right and its parts do not fit together."""

    OUTDATED = "outdated"
    """Other conversion settings made it, or other rules of conversion: its resources are not what would be served."""


class SavedError(MeshRegistryError):
    """A saved snapshot cannot be used; what it would have told is read from the registries."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Head(msgspec.Struct, frozen=True):
    """What can be known without reading the parts; unknown fields are skipped."""

    as_of: float
    taken_at: float
    clock: float
    fingerprints: dict[str, str]
    parts: int
    resources: int
    partial: dict[str, str] = {}
    """As in a world; none in files of older releases."""


class Terms(msgspec.Struct, frozen=True):
    """By which settings a snapshot would be used here: source kind → policy and fingerprint."""

    policies: Mapping[str, ConversionPolicy]
    """Of sources that are not enabled, too: what they said is taken and withdrawn. Others have the defaults."""

    fingerprints: Mapping[str, str]
    """Of enabled sources only."""


def encode_world(world: World) -> Iterator[bytes]:
    """Yield the file in pieces of some hundred KB each, a millisecond or two of work."""
    by_name = _claims_by_name(world)
    names = sorted({*world.resources, *world.histories, *by_name})
    runs = [names[start : start + _PART_RESOURCES] for start in range(0, len(names), _PART_RESOURCES)]
    sidecars = [world.sidecars[name] for name in sorted(world.sidecars)]
    shelves = [sidecars[start : start + _PART_RESOURCES] for start in range(0, len(sidecars), _PART_RESOURCES)]
    hearsay = split_hearsay(world.hearsay)
    decisions = [
        world.decisions[start : start + _PART_RESOURCES] for start in range(0, len(world.decisions), _PART_RESOURCES)
    ]
    count = len(runs) + len(world.holds) + len(shelves) + len(hearsay) + len(decisions)
    times, made = (world.as_of, world.taken_at, world.clock), (dict(world.fingerprints), dict(world.partial))
    head = Head(*times, made[0], count, len(world.resources), made[1])
    digest = xxhash.xxh3_128()
    first = MAGIC + _FORMAT_FIELD.pack(FORMAT) + _framed(msgspec.msgpack.encode(head))
    digest.update(first)
    yield first
    parts = chain(
        (_part(world, by_name, run) for run in runs),
        map(_hold_part, world.holds),
        (Part((), (), (), sidecars=shelf) for shelf in shelves),
        (Part((), (), (), hearsay=piece) for piece in hearsay),
        (Part((), (), (), decisions=run) for run in decisions),
    )
    for part in parts:
        piece = _framed(_encode_rows(write_part(part)))
        digest.update(piece)
        yield piece
    yield digest.digest()


def read_head(data: bytes) -> Head:
    """Return the head of a file of which at least the beginning is there; says nothing about the rest.

    Raises:
        SavedError: it is no saved snapshot of a format that is understood here.
    """
    return _read_head(memoryview(data))[0]


def check_length(file: BinaryIO) -> None:
    """Look through a file that is to be read whole, whether it is as long as what it says of itself.

    It may be anything, and larger than all memory: no more is read than its head and the sizes of its parts.

    Raises:
        OSError: it cannot be read.
        SavedError: it is no saved snapshot, or is cut off or grown.
    """
    head, place = _read_head(memoryview(file.read(_MAX_FIRST_BYTES)))
    for _ in range(head.parts):
        file.seek(place)
        size = file.read(_SIZE.size)
        if len(size) < _SIZE.size:
            break
        place += _SIZE.size + _SIZE.unpack(size)[0]
    if file.seek(0, SEEK_END) != place + _DIGEST_BYTES:
        raise SavedError(Fault.CORRUPT, "its length is not that of its parts: cut off or grown")


def decode_world(data: bytes, terms: Terms) -> World:
    """Return the world of a file, proven to be what was written and to be made by the same settings.

    Raises:
        SavedError: the file cannot be used.
    """
    view = memoryview(data)
    head, start = _read_head(view)
    _check_digest(view)
    _check_terms(head, terms)
    (number,) = _FORMAT_FIELD.unpack_from(view, len(MAGIC))
    try:
        world = _READERS[number](view[start:-_DIGEST_BYTES], head, terms)
        check_world(world)
    except Contradiction as error:
        raise SavedError(Fault.CONTRADICTORY, f"it contradicts itself: {error}") from error
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError, struct.error, RecursionError) as error:
        raise SavedError(Fault.CORRUPT, f"impossible content: {error}") from error
    return world


def _read_head(view: memoryview) -> tuple[Head, int]:
    """Return the head and where the parts begin."""
    if bytes(view[: len(MAGIC)]) != MAGIC:
        raise SavedError(Fault.FOREIGN, "not a saved snapshot")
    try:
        (number,) = _FORMAT_FIELD.unpack_from(view, len(MAGIC))
        if number not in _READERS:
            # The number itself may be damaged, and 0 was never written.
            fault = Fault.FUTURE if number > FORMAT else Fault.CORRUPT
            raise SavedError(fault, f"format {number}, known are {', '.join(map(str, _READERS))}")
        start = len(MAGIC) + _FORMAT_FIELD.size
        (size,) = _SIZE.unpack_from(view, start)
        start += _SIZE.size
        if size > min(_MAX_HEAD_BYTES, len(view) - start):
            raise SavedError(Fault.CORRUPT, "the head is cut off")
        return msgspec.msgpack.decode(view[start : start + size], type=Head), start + size
    except (msgspec.MsgspecError, ValueError, struct.error, RecursionError) as error:
        raise SavedError(Fault.CORRUPT, f"the head is unreadable: {error}") from error


def _check_digest(view: memoryview) -> None:
    if xxhash.xxh3_128_digest(view[:-_DIGEST_BYTES]) != bytes(view[-_DIGEST_BYTES:]):
        raise SavedError(Fault.CORRUPT, "the checksum does not fit: cut off or changed")


def _check_terms(head: Head, terms: Terms) -> None:
    made_by = head.fingerprints | head.partial
    changed = [source for source, wanted in terms.fingerprints.items() if made_by.get(source, wanted) != wanted]
    if changed:
        raise SavedError(
            Fault.OUTDATED, f"converted by other settings or by another release: {', '.join(sorted(changed))}"
        )


def _read_v1(view: memoryview, head: Head, terms: Terms) -> World:
    shared: dict[Pairs, Pairs] = {}
    resources: dict[str, Resource] = {}
    claims: dict[ServiceKey, dict[int, Claim]] = {}
    histories: dict[str, History] = {}
    owners: dict[str, Scope] = {}
    holds: list[HeldShrink] = []
    sidecars: dict[str, Resource] = {}
    hearsay: list[Hearsay] = []
    decisions: list[bytes] = []
    for piece in _pieces(view, head.parts):
        part = read_part(_decode_rows(piece), terms.policies, shared)
        for resource in part.resources:
            put_once(resources, resource.name, resource, "resource")
        for resource in part.sidecars:
            put_once(sidecars, resource.name, resource, "Sidecar")
        hearsay += [part.hearsay] if part.hearsay is not None else []
        decisions += part.decisions
        if part.hold is not None:
            holds.append(part.hold)
            continue
        for place, claim in part.claims:
            put_once(claims.setdefault(claim.key, {}), place, claim, "place of a claim")
        for name, owner, history in part.histories:
            put_once(histories, name, history, "history")
            owners[name] = owner
    if len(resources) != head.resources:
        raise Contradiction(f"resources: the head counts {head.resources}, the parts have {len(resources)}")
    ordered = {key: tuple(by_place[place] for place in range(len(by_place))) for key, by_place in claims.items()}
    times = head.as_of, head.taken_at, head.clock
    served, known, kept = (head.fingerprints, resources), join_hearsay(hearsay), (tuple(holds), sidecars)
    return World(*times, *served, ordered, histories, owners, *kept, known, head.partial, tuple(decisions))


_READERS: Final[Mapping[int, Callable[[memoryview, Head, Terms], World]]] = {1: _read_v1}


def _pieces(view: memoryview, count: int) -> Iterator[memoryview]:
    start = 0
    for _ in range(count):
        (size,) = _SIZE.unpack_from(view, start)
        start += _SIZE.size + size
        yield view[start - size : start]
    if start != len(view):
        raise ValueError("parts and head differ")


def _part(world: World, claims: Mapping[str, list[tuple[int, Claim]]], names: list[str]) -> Part:
    return Part(
        [world.resources[name] for name in names if name in world.resources],
        [claim for name in names for claim in claims.get(name, ())],
        [
            (name, world.owners.get(name, NOBODY), history)
            for name in names
            if (history := world.histories.get(name)) is not None
        ],
    )


def _hold_part(hold: HeldShrink) -> Part:
    return Part((), list(enumerate(hold.claims)), (), hold)


def _claims_by_name(world: World) -> dict[str, list[tuple[int, Claim]]]:
    """Return resource name → claims, each with its place among those of its service."""
    found: dict[str, list[tuple[int, Claim]]] = {}
    for claims in world.claims.values():
        for place, claim in enumerate(claims):
            found.setdefault(claim.resource_name, []).append((place, claim))
    return found


def _framed(payload: bytes) -> bytes:
    return _SIZE.pack(len(payload)) + payload


def _encode_rows(rows: Rows) -> bytes:
    try:
        return bytes((_PLAIN,)) + msgspec.msgpack.encode(rows)
    except UnicodeEncodeError:
        # Registries can hold lone surrogates, which msgpack cannot; such a part is rare, and slow.
        plain = msgspec.to_builtins(rows, builtin_types=(bytes,))
        return bytes((_ESCAPED,)) + msgspec.msgpack.encode(_map_texts(plain, _escape))


def _decode_rows(piece: memoryview) -> Rows:
    if piece[0] == _PLAIN:
        return msgspec.msgpack.decode(piece[1:], type=Rows)
    if piece[0] != _ESCAPED:
        raise ValueError(f"form of texts {piece[0]}")
    return msgspec.convert(_map_texts(msgspec.msgpack.decode(piece[1:]), _unescape), type=Rows)


def _map_texts(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    return [_map_texts(each, change) for each in value] if isinstance(value, list | tuple) else value


def _escape(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _unescape(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogatepass")
