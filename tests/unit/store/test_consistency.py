"""Worlds whose checksum is right and whose content is wrong: refused by the name of the thing, or harmless."""

import copy
import math
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import anyio
import msgspec
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope
from meshregistry.store.holds import Cause, HeldShrink
from meshregistry.store.saved import Fault, SavedError, decode_world, encode_world
from meshregistry.store.world import World
from tests.support.saved_worlds import SCOPE, SYNCED, Process, instance, listing, terms_of

FIRST = "nacos/service-1.nacos"
replace = msgspec.structs.replace


async def _example() -> tuple[World, bytes]:
    process = Process()
    services = {f"service-{n}": [instance(n, protocol="dubbo"), instance(n + 50, 9090)] for n in range(1, 31)}
    await process.take(listing(**services), SYNCED)
    few = dict(list(services.items())[:10])
    await process.take(listing(**few))
    await process.take(listing(**{**few, "service-2": services["service-2"][:1]}))
    return process.export(), process.save()


WORLD, DATA = anyio.run(_example)
RESOURCE, HISTORY, (HOLD,) = WORLD.resources[FIRST], WORLD.histories[FIRST], WORLD.holds
KEY, (CLAIM,) = next((key, claims) for key, claims in WORLD.claims.items() if key.name == "service-1")


def changed_history(**fields: Any) -> World:
    """The world with another entry in the memory of a resource."""
    return replace(WORLD, histories={**WORLD.histories, FIRST: replace(HISTORY, **fields)})


def changed_entry(**fields: Any) -> World:
    return changed_history(served=replace(HISTORY.served, **fields))


def changed_claims(*claims: Claim) -> World:
    return replace(WORLD, claims={**WORLD.claims, KEY: claims})


def changed_hold(**fields: Any) -> World:
    return replace(WORLD, holds=(replace(HOLD, **fields),))


def without(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in table.items() if each != name}


def bent(field: str, value: object) -> tuple[Any, ...]:
    """The first endpoint with something else in a field, before the others."""
    first, *others = HISTORY.served.endpoints
    return (replace(first, **{field: value}), *others)


def freeze(number: int) -> HeldShrink:
    return HeldShrink(number, SCOPE, Cause.FREEZE, 1.0, 1, False, True, (), ())


CONTRADICTIONS = {
    "time as_of: no clock shows it": replace(WORLD, as_of=math.inf),
    "time taken_at: no clock shows it": replace(WORLD, taken_at=-1.0),
    "time clock: one is not a number": replace(WORLD, clock=math.nan),
    f"resource {FIRST}: its bytes are another's": replace(
        WORLD, resources={**WORLD.resources, FIRST: replace(RESOURCE, version="0" * 16)}
    ),
    f"resource {FIRST}: nobody remembers it": replace(WORLD, histories=without(WORLD.histories, FIRST)),
    f"resource {FIRST}: remembered, and not served": replace(WORLD, resources=without(WORLD.resources, FIRST)),
    f"history {FIRST}: a time is not a number": changed_history(empty_since=math.nan),
    f"history {FIRST}: it is another resource's": changed_entry(name="another"),
    f"resource {FIRST}: it has no host": changed_entry(hosts=()),
    f"resource {FIRST}: a port is out of range": changed_entry(ports=(replace(HISTORY.served.ports[0], number=-1),)),
    f"resource {FIRST}: an endpoint is out of range": changed_entry(endpoints=bent("weight", -1)),
    f"resource {FIRST}: an endpoint is out of range ": changed_entry(endpoints=bent("ports", (("a", 1 << 40),))),
    f"service {KEY}: it claims a resource twice": changed_claims(CLAIM, CLAIM),
    f"service {KEY}: it claims no host": changed_claims(replace(CLAIM, hosts=())),
    "hold 0: holds are counted from 1": changed_hold(number=0),
    "hold 1: there are two": replace(WORLD, holds=(HOLD, HOLD)),
    "hold 2: its scope is frozen twice": replace(WORLD, holds=(freeze(2), freeze(3))),
    "hold 1: a freeze that is none": changed_hold(cause=Cause.FREEZE),
    "hold 1: less than nothing was there before it": changed_hold(before=-1),
    "hold 1: a bad time": changed_hold(confirmed=tuple((scope, -1.0) for scope, _ in HOLD.confirmed)),
    "hold 1: something in it has no host": changed_hold(claims=(replace(HOLD.claims[0], hosts=()),)),
    f"hold 1: {HOLD.claims[0].key} is not within its scope": changed_hold(unit=Scope("nacos", "other", "", "")),
    f"hold 1: no word would end that of {HOLD.claims[0].key}": changed_hold(confirmed=()),
}


@pytest.mark.parametrize("message", CONTRADICTIONS)
def test_what_no_process_can_have_written_is_refused_by_name(message: str) -> None:
    data = b"".join(encode_world(CONTRADICTIONS[message]))

    with pytest.raises(SavedError) as caught:
        decode_world(data, terms_of("nacos"))

    assert (Fault.CONTRADICTORY, f"it contradicts itself: {message.strip()}") == (caught.value.fault, str(caught.value))


Tree = Any
"""Head and parts of a file as plain values, or something within."""


def parts_of(data: bytes) -> Tree:
    """Return the head and the parts of a file."""
    start, found = 10, list[Tree]()
    while start < len(data) - 16:
        (size,) = struct.unpack_from(">I", data, start)
        piece = data[start + 4 : start + 4 + size]
        found.append(msgspec.msgpack.decode(piece[1:] if found else piece))
        start += 4 + size
    return found


def file_of(parts: Tree) -> bytes:
    """Return a file with a right checksum of whatever is in the parts."""
    head, *rest = map(msgspec.msgpack.encode, parts)
    framed = (struct.pack(">I", len(piece)) + piece for piece in (head, *(b"\0" + piece for piece in rest)))
    data = b"MESHREG\n\0\1" + b"".join(framed)
    return data + xxhash.xxh3_128_digest(data)


def fault_of(parts: Tree) -> str:
    with pytest.raises(SavedError) as caught:
        decode_world(file_of(parts), terms_of("nacos"))
    return str(caught.value)


RESOURCES, CLAIMS, HISTORIES = 4, 5, 6
"""Places of tables in a part."""


def test_what_is_there_twice_is_refused_by_name() -> None:
    def doubled(table: int) -> Tree:
        parts = parts_of(DATA)
        parts[1][table].append(parts[1][table][0])
        return parts

    assert f"it contradicts itself: resource {FIRST}: there are two" == fault_of(doubled(RESOURCES))
    assert "it contradicts itself: place of a claim 0: there are two" == fault_of(doubled(CLAIMS))
    assert f"it contradicts itself: history {FIRST}: there are two" == fault_of(doubled(HISTORIES))


def test_a_wrong_count_or_place_or_index_is_refused() -> None:
    parts = parts_of(DATA)
    parts[0]["resources"] += 1
    assert "it contradicts itself: resources: the head counts 31, the parts have 30" == fault_of(parts)

    parts = parts_of(DATA)
    parts[1][CLAIMS][0][2] = 7
    assert fault_of(parts).startswith("impossible content: ")
    parts[1][CLAIMS][0][2], parts[1][CLAIMS][0][7] = 0, 10_000
    assert fault_of(parts).startswith("impossible content: ")


def _walk(tree: Tree, path: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    if path:
        yield path
    for key, each in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from _walk(each, (*path, key))


PATHS = list(_walk(parts_of(DATA)))
values: st.SearchStrategy[Tree] = (
    st.sampled_from([-1, 0, 1, 3, -(1 << 63), (1 << 64) - 1, 1 << 31, 70_000, "", "a/b", "::", None, True, b"", []])
    | st.floats()
    | st.text(max_size=3)
)


def change(tree: Tree, path: tuple[int | str, ...], how: str, value: Tree) -> None:
    """Change something within a file; what cannot be done is left."""
    with suppress(LookupError, TypeError, AttributeError):
        for step in path[:-1]:
            tree = tree[step]
        last = path[-1]
        if how == "put":
            tree[last] = value
        elif how == "drop":
            del tree[last]
        elif how == "double":
            tree.append(tree[last])
        else:
            tree[last], tree[0] = tree[0], tree[last]


async def _go_on_from(data: bytes) -> None:
    after = Process()
    await after.restore(data)
    await after.take(listing(**{f"service-{n}": [instance(n)] for n in range(5, 15)}), SYNCED)
    await after.pass_time(700)
    await after.pass_time(700)
    decode_world(after.save(), terms_of("nacos"))


ways = st.sampled_from(["put", "drop", "double", "swap"])
changes = st.lists(st.tuples(st.sampled_from(PATHS), ways, values), min_size=1, max_size=2)


@given(changes)
def test_whatever_is_changed_it_is_refused_or_served_without_harm(
    changes: list[tuple[tuple[int | str, ...], str, Tree]],
) -> None:
    """Without harm: time goes on, registries speak, and what is saved then is a world again."""
    parts = copy.deepcopy(parts_of(DATA))
    for each in changes:
        change(parts, *each)
    try:
        data = file_of(parts)
        decode_world(data, terms_of("nacos"))
    except (SavedError, OverflowError):  # the latter: an integer that msgpack does not have
        return
    anyio.run(_go_on_from, data)
