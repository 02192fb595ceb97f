"""A session that runs beside a test, and a listener that writes everything down."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from meshregistry.sources.polling import REAL_CLOCK, Clock
from meshregistry.sources.zookeeper.session import SessionOptions, WatchEvent, ZooKeeperSession
from meshregistry.sources.zookeeper.session.greeting import Ticket

PATIENCE_S = 30.0


class Notebook:
    """A listener; `notes` are the calls in order: True or False for connected, text for disconnected, or an event."""

    def __init__(self) -> None:
        self.notes: list[bool | str | WatchEvent] = []
        self.absences: list[str] = []
        """Why nobody could be reached, apart from the notes."""

        self._changed = asyncio.Event()

    def unreachable(self, reason: str) -> None:
        self.absences.append(reason)
        self._changed.set()

    def connected(self, *, new_session: bool) -> None:
        self._note(new_session)

    def disconnected(self, reason: str) -> None:
        self._note(reason)

    def watch_fired(self, event: WatchEvent) -> None:
        self._note(event)

    @property
    def connections(self) -> list[bool]:
        """Whether each connection began a session."""
        return [note for note in self.notes if isinstance(note, bool)]

    @property
    def losses(self) -> list[str]:
        """Why connections ended."""
        return [note for note in self.notes if isinstance(note, str)]

    @property
    def events(self) -> list[WatchEvent]:
        """What watches told."""
        return [note for note in self.notes if isinstance(note, WatchEvent)]

    async def until(self, condition: Callable[["Notebook"], bool]) -> None:
        """Wait for notes that fulfil the condition."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_connected(self, times: int = 1) -> None:
        """Wait for so many connections."""
        await self.until(lambda book: len(book.connections) >= times)

    def _note(self, note: bool | str | WatchEvent) -> None:
        self.notes.append(note)
        self._changed.set()


def ticket_of(session: ZooKeeperSession) -> Ticket:
    """What is needed to take the session away."""
    return session._identity.ticket


@asynccontextmanager
async def running_session(
    *hosts: str, clock: Clock = REAL_CLOCK, **options: Any
) -> AsyncIterator[tuple[ZooKeeperSession, Notebook]]:
    """A session with these servers, closed at the end."""
    book = Notebook()
    session = ZooKeeperSession(SessionOptions(hosts=hosts, **options), book, clock)
    running = asyncio.ensure_future(session.run())
    try:
        yield session, book
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()
