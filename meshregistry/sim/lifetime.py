"""From when to when a simulated server listens: the same for every kind of server."""

from abc import ABC, abstractmethod
from typing import Self


class Startable(ABC):
    """A server that listens between `start` and `stop`, or as long as its `async with` lasts."""

    @abstractmethod
    async def start(self) -> None:
        """Listen; raises OSError if a port is taken."""

    @abstractmethod
    async def stop(self) -> None:
        """Close the listeners and every connection; nothing if it does not listen."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()
