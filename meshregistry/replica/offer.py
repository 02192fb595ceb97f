"""What this replica offers to others: its world, made when somebody asks for it, with all that was decided by then."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from meshregistry.replica.state import cut_state
from meshregistry.store.saved import encode_world
from meshregistry.store.world import World

_IDLE_S = 10.0
"""How often memory of old states is looked for, seconds."""


class Shelf(Protocol):
    """Where offers are put: the ADS server's shelf."""

    def publish_state(self, pieces: Mapping[str, bytes]) -> None:
        """Offer a state; no pieces say that there is none."""
        ...

    def drop_old_state(self) -> None:
        """Give back the memory of a state that is not handed out any more."""
        ...


class Offer:
    """Makes a state whenever one is wanted; owns the wish."""

    def __init__(self, export: Callable[[], Awaitable[World | None]]) -> None:
        """`export` returns the world, None while it is not complete."""
        self._export = export
        self._wanted = asyncio.Event()
        self._overtaken = False

    def want(self) -> None:
        """Ask for a state; quick."""
        self._wanted.set()

    def overtake(self, decisions: Mapping[str, bytes]) -> None:
        """Have what is being made now made again, as operators have decided something since; quick."""
        self._overtaken = True

    async def run(self, shelf: Shelf) -> None:
        """Serve wishes for ever. Cancelling is safe."""
        while True:
            try:
                async with asyncio.timeout(_IDLE_S):
                    await self._wanted.wait()
            except TimeoutError:
                shelf.drop_old_state()
                continue
            self._wanted.clear()
            self._overtaken = False
            world = await self._export()
            pieces = {} if world is None else await asyncio.to_thread(_cut, world)
            if self._overtaken:
                self._wanted.set()
            else:
                shelf.publish_state(pieces)


def _cut(world: World) -> dict[str, bytes]:
    return cut_state(b"".join(encode_world(world)), world.as_of)
