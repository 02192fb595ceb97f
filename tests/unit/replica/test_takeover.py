"""What a starting replica takes from its siblings, whatever they are like."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import xxhash

from meshregistry.model.events import SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.replica.options import ReplicaOptions
from meshregistry.replica.takeover import Takeover
from meshregistry.sources.cancellation import run_apart
from meshregistry.store.operator import ServeAnyway
from meshregistry.store.saved import decode_world, encode_world
from meshregistry.store.world import World
from meshregistry.telemetry.metrics import Metrics
from tests.support.grpc_peer import serving
from tests.support.saved_worlds import SYNCED, Process, instance, listing, terms_of
from tests.support.scripted_sibling import ByteStream, Script, Sibling, silent, telling

pytestmark = pytest.mark.anyio

EUREKA = Scope("eureka", "", "", "")
TERMS = terms_of("eureka", "nacos")
PATIENT = ReplicaOptions(takeover_timeout_s=30.0)


async def whole(*, wall: float = 1_700_000_000.0) -> bytes:
    """The state of a sibling that has read both sources."""
    process = Process("eureka", "nacos", wall=wall)
    await process.take(listing(orders=[instance(1)]), listing(EUREKA, pay=[instance(2)]))
    await process.take(SYNCED, SourceSynced("eureka"))
    return process.save()


async def half(*, wall: float = 1_700_000_000.0) -> bytes:
    """The state of one that serves without eureka."""
    process = Process("eureka", "nacos", wall=wall)
    await process.take(listing(orders=[instance(1)]), SYNCED, ServeAnyway())
    return process.save()


class Asked:
    """What came of a takeover."""

    def __init__(self, worlds: list[World], metrics: Metrics, siblings: list[Sibling]) -> None:
        self.worlds = worlds
        self.streams = [sibling.streams for sibling in siblings]
        self._metrics = metrics

    def counted(self, name: str, **labels: str) -> float | None:
        """A metric of it."""
        return self._metrics.registry.get_sample_value(f"meshregistry_{name}", labels)


async def ask(*scripts: Script, own: World | None = None, options: ReplicaOptions = PATIENT) -> Asked:
    """Take over from siblings that follow scripts."""
    siblings, metrics = [Sibling(script) for script in scripts], Metrics()
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(sibling)) for sibling in siblings]
        options = replace(options, siblings=tuple(("127.0.0.1", port) for port in ports))
        worlds = await run_apart(lambda: Takeover(options, TERMS, metrics).take(own))
    return Asked(worlds, metrics, siblings)


async def test_the_first_whole_world_is_enough() -> None:
    asked = await ask(telling(await whole()), silent)

    assert [decode_world(await whole(), TERMS)] == asked.worlds
    assert 1.0 == asked.counted("takeovers_total", result="taken")


async def test_after_half_a_world_the_others_are_listened_to_as_well() -> None:
    async def late(stream: ByteStream) -> None:
        await asyncio.sleep(0.2)
        await telling(await whole())(stream)

    asked = await ask(telling(await half()), late)

    assert [{"nacos"}, {"eureka", "nacos"}] == [set(world.fingerprints) for world in asked.worlds]


async def test_after_the_world_of_a_stale_sibling_the_others_are_listened_to_as_well() -> None:
    stale = msgspec.structs.replace(decode_world(await whole(), TERMS), as_of=1.6e9)

    async def late(stream: ByteStream) -> None:
        await asyncio.sleep(0.2)
        await telling(await whole())(stream)

    asked = await ask(telling(b"".join(encode_world(stale))), late)

    assert [1.6e9, 1.7e9] == [world.as_of for world in asked.worlds]


async def test_half_a_world_is_enough_where_the_own_one_knows_the_rest() -> None:
    own = decode_world(await whole(wall=1.6e9), TERMS)

    asked = await ask(telling(await half()), silent, own=own)

    assert [{"nacos"}] == [set(world.fingerprints) for world in asked.worlds]


async def test_an_older_world_is_of_use_only_where_it_knows_more() -> None:
    old = telling(await whole(wall=1.6e9))

    assert [] == (await ask(old, own=decode_world(await whole(), TERMS))).worlds
    asked = await ask(old, own=decode_world(await half(), TERMS))
    assert [{"eureka", "nacos"}] == [set(world.fingerprints) for world in asked.worlds]


async def test_a_silent_sibling_costs_the_takeover_timeout_and_nothing_else() -> None:
    asked = await ask(silent, options=ReplicaOptions(takeover_timeout_s=0.3))

    assert [[], [1]] == [asked.worlds, asked.streams]
    assert 1.0 == asked.counted("takeovers_total", result="none")


async def test_what_came_before_the_timeout_is_taken_though_another_is_silent() -> None:
    asked = await ask(telling(await half()), silent, options=ReplicaOptions(takeover_timeout_s=1.0))

    assert [{"nacos"}] == [set(world.fingerprints) for world in asked.worlds]


async def test_a_state_that_is_cut_off_is_none_and_the_next_is_taken() -> None:
    cut = telling(await whole(), left_out=1)

    asked = await ask(cut)
    assert [[], 1.0] == [asked.worlds, asked.counted("sibling_states_refused_total", reason="lost")]
    assert 1 == len((await ask(cut, telling(await whole()))).worlds)


def _with(data: bytes, place: int, put: bytes) -> bytes:
    """A state with other bytes at a place and a right checksum."""
    changed = data[:place] + put + data[place + len(put) : -16]
    return changed + xxhash.xxh3_128_digest(changed)


async def test_a_state_that_cannot_be_used_is_counted_by_why_and_the_next_is_taken() -> None:
    good = await whole()
    twice = msgspec.structs.replace(decode_world(good, TERMS), taken_at=1e12)
    other = b"".join(encode_world(msgspec.structs.replace(decode_world(good, TERMS), fingerprints={"nacos": "other"})))
    states = {
        "contradictory": telling(b"".join(encode_world(twice))),
        "corrupt": telling(good[:-1] + bytes([good[-1] ^ 1])),
        "future": telling(_with(good, 8, b"\x00\x09"), as_of=1.7e9),
        "foreign": telling(_with(good, 0, b"SOMEBODY"), as_of=1.7e9),
        "outdated": telling(other),
    }

    asked = await ask(*states.values())

    assert [] == asked.worlds
    assert [1.0] * 5 == [asked.counted("sibling_states_refused_total", reason=each) for each in states]
    assert [decode_world(good, TERMS)] == (await ask(*states.values(), telling(good))).worlds


async def test_a_state_that_is_not_as_of_what_its_head_said_is_refused() -> None:
    asked = await ask(telling(await whole(), as_of=1.8e9))

    assert [[], 1.0] == [asked.worlds, asked.counted("sibling_states_refused_total", reason="contradictory")]


async def test_a_message_or_a_state_beyond_its_limit_is_refused_and_counted() -> None:
    state = await whole()
    limits = [
        ReplicaOptions(max_message_bytes=1000),
        ReplicaOptions(max_state_bytes=len(state) - 1),
        ReplicaOptions(max_state_bytes=len(state) + 200),
    ]

    asked = [await ask(telling(state), options=each) for each in limits]

    refused = [each.counted("sibling_states_refused_total", reason="too_large") for each in asked]
    assert [(0, 1.0), (0, 1.0), (1, None)] == list(zip((len(each.worlds) for each in asked), refused, strict=True))


async def test_a_state_of_the_oldest_format_is_taken() -> None:
    data = (Path(__file__).parents[1] / "store" / "data" / "two_services_format1.meshregistry").read_bytes()

    assert [decode_world(data, TERMS)] == (await ask(telling(data))).worlds


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)  # uvloop resolves by itself
async def test_a_name_with_several_addresses_is_asked_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, port: int, *_: object, **__: object) -> list[object]:
        assert "replicas.test" == host
        addresses = "127.0.0.1", "127.0.0.2", "127.0.0.3"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    sibling = Sibling(telling(await whole()))
    async with serving(sibling, "127.0.0.2") as port:
        options = ReplicaOptions((("replicas.test", port),))
        worlds = await run_apart(lambda: Takeover(options, TERMS, Metrics()).take(None))
        own = ReplicaOptions((("replicas.test", port),), own_ports=frozenset({port}))
        alone = await run_apart(lambda: Takeover(own, TERMS, Metrics()).take(None))

    assert [1, [], 1] == [len(worlds), alone, sibling.streams]
