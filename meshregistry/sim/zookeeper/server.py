"""The simulated ZooKeeper server on a TCP port."""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from meshregistry.sim.lifetime import Startable
from meshregistry.sim.zookeeper.connection import Connection
from meshregistry.sim.zookeeper.faults import Fault, FaultPlan
from meshregistry.sim.zookeeper.state import Rules, State


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOptions:
    """Where the server listens and how it behaves; port 0 takes a free one, `tls` makes the port an encrypted one."""

    host: str = "127.0.0.1"
    port: int = 0
    rules: Rules = field(default_factory=Rules)
    tls: ssl.SSLContext | None = None


class SimZooKeeper(Startable):
    """One standalone server: `state` is its content and its counters, `faults` how it misbehaves.

    Use it as an async context manager or by `start` and `stop`; a stopped server refuses connections, keeps
    nodes and sessions and comes back on the same port. Nothing happens but in callbacks of the loop that
    it was started on: whatever a test does to it is done when the call returns. Not safe from other threads.
    """

    def __init__(self, options: SimOptions | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.options = options or SimOptions()
        self.state = State(self.options.rules, clock)
        self.faults = FaultPlan()
        self.paused = False
        self.connections: set[Connection] = set()
        self._clock = clock
        self._port = self.options.port
        self._listener: asyncio.Server | None = None
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """`host:port`; known once started."""
        return f"{self.options.host}:{self._port}"

    def set_faults(self, *faults: Fault) -> None:
        """Misbehave so from now on, instead of as before; no fault at all heals the server."""
        self.faults.arm(*faults)

    async def start(self) -> None:
        """Listen; sessions get their whole time anew; nothing if it runs. Raises OSError if the port is taken."""
        if self._listener is not None:
            return
        loop = asyncio.get_running_loop()
        options = self.options
        self._listener = await loop.create_server(
            lambda: Connection(self), options.host, self._port, ssl=options.tls, reuse_address=True
        )
        self._port = self._listener.sockets[0].getsockname()[1]
        self.state.sessions.touch_all()
        self.schedule_expiry()

    async def stop(self) -> None:
        """Refuse connections and cut those that are there."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        listener.close()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self.paused = False
        self.cut()
        await listener.wait_closed()

    async def restart(self, *, empty: bool = False) -> None:
        """Stop and start; `empty` forgets nodes, sessions and transaction numbers, as a lost disk does."""
        await self.stop()
        if empty:
            self.state.clear()
        await self.start()

    def cut(self) -> None:
        """Close every connection without a word; sessions live on."""
        for connection in list(self.connections):
            connection.cut()

    def pause(self) -> None:
        """Fall silent, as a stopped process does: connections are accepted, nothing is answered, no session ends."""
        self.paused = True

    def resume(self) -> None:
        """Go on with what came meanwhile; sessions that were silent for too long have ended."""
        self.paused = False
        self._expire()
        for connection in list(self.connections):
            connection.work()

    def expire(self, session: int) -> None:
        """End a session as if its time were over."""
        self.state.end_session(session)

    def schedule_expiry(self) -> None:
        """Look again when the next session may end; an earlier look that is planned stays planned."""
        deadline_s = self.state.sessions.next_deadline_s()
        if deadline_s is None or self._listener is None:
            return
        loop = asyncio.get_running_loop()
        when_s = loop.time() + max(deadline_s - self._clock(), 0.0)
        if self._expiry is None or when_s < self._expiry.when():
            if self._expiry is not None:
                self._expiry.cancel()
            self._expiry = loop.call_at(when_s, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        if self.paused:
            return
        for number in self.state.sessions.due():
            self.state.end_session(number)
        self.schedule_expiry()
