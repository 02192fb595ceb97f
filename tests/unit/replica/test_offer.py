"""What a replica offers to one that starts."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from meshregistry.replica.offer import Offer
from meshregistry.replica.state import Assembly
from meshregistry.store.saved import decode_world
from meshregistry.store.world import World
from tests.support.saved_worlds import SYNCED, Process, terms_of

pytestmark = pytest.mark.anyio


class Shelf:
    """Keeps what is put there."""

    def __init__(self) -> None:
        self.states: list[Mapping[str, bytes]] = []
        self.filled = asyncio.Event()

    def publish_state(self, pieces: Mapping[str, bytes]) -> None:
        self.states.append(pieces)
        self.filled.set()

    def drop_old_state(self) -> None:
        """There is none."""


def decided(pieces: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """Return the decisions of a state."""
    assembly = Assembly(1_000_000)
    assembly.add(pieces)
    data = assembly.join()
    assert data is not None
    return decode_world(data, terms_of("nacos")).decisions


async def test_a_state_during_whose_making_an_operator_decides_is_made_again_with_the_decision() -> None:
    process, shelf = Process("nacos"), Shelf()
    await process.take(SYNCED)
    decisions: dict[str, bytes] = {}

    async def export() -> World | None:
        """Have the operator decide when the first world is as it will be."""
        world = msgspec.structs.replace(process.export(), decisions=tuple(decisions.values()))
        if not decisions:
            decisions["a"] = b"{}"
            offer.overtake(decisions)
        return world

    offer = Offer(export)
    offer.want()
    running = asyncio.create_task(offer.run(shelf))
    async with asyncio.timeout(30):
        await shelf.filled.wait()
    running.cancel()

    assert [(b"{}",)] == [decided(pieces) for pieces in shelf.states]
