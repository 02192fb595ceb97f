"""One way to drive a ZooKeeper in a test, be it the simulator or a real server.

Real servers are shared by the tests of a run: a rig leaves its server running and without nodes.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread

from meshregistry.sim.zookeeper.codes import Version
from meshregistry.sim.zookeeper.server import SimOptions, SimZooKeeper
from meshregistry.sim.zookeeper.state import Rules
from tests.support.zookeeper_access import SASL_PASSWORD, SASL_USER, SUPER_USER, TlsFiles
from tests.support.zookeeper_servers import Flavour, ZooKeeperEnsemble, ZooKeeperServer
from tests.support.zookeeper_writer import Writer, WriterOptions, expire

_MANY_NODES = 2000  # deleting more one by one takes longer than starting anew


class ZooKeeperRig(ABC):
    """A running ZooKeeper and a writer to change what it holds.

    `hosts` is what clients are configured with (`host:port`, no chroot). `writer` is an administrator: no ACL stops
    it; ephemeral nodes that it creates live until the test ends, whatever happens to the server for less than
    half a minute. Sessions may last from 1 s to a minute. `version` tells what the server can do; before 3.9 events
    carry no transaction number.
    """

    version: Version
    is_real: bool
    hosts: str
    writer: Writer

    @asynccontextmanager
    async def another_writer(
        self, *, session_timeout_s: float = 30.0, digest: str = SUPER_USER
    ) -> AsyncIterator[Writer]:
        """A session of its own: closing it removes its ephemeral nodes."""
        options = WriterOptions(hosts=self.hosts, session_timeout_s=session_timeout_s, digest=digest)
        writer = Writer(options)
        await writer.open()
        try:
            yield writer
        finally:
            await writer.close()

    async def expire(self, session: int, password: bytes) -> None:
        """End somebody's session as if it had timed out: its holder is cut off and finds it gone."""
        await expire(self.hosts, session, password)

    async def open(self) -> None:
        """Connect the writer."""
        self.writer = Writer(WriterOptions(hosts=self.hosts))
        await self.writer.open()

    async def close(self) -> None:
        """Leave the server running and empty."""
        await self.resume()
        await self.start()
        if await self.node_count() < _MANY_NODES:
            await self.writer.wipe()
        else:
            await self.restart_empty()
        await self.writer.close()

    async def restart_empty(self) -> None:
        """Kill the server and start it without nodes and sessions; the writer gets a new session."""
        await self.writer.close()
        await self.kill()
        await self.erase()
        await self.start()
        await self.open()

    @abstractmethod
    async def node_count(self) -> int:
        """How many nodes the server holds, its own included."""

    @abstractmethod
    async def start(self) -> None:
        """Start the server on its old address with its old nodes; nothing if it runs."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the server in order: connections are refused from now on."""

    @abstractmethod
    async def kill(self) -> None:
        """Stop it by SIGKILL."""

    @abstractmethod
    async def pause(self) -> None:
        """SIGSTOP: connections stay open or are even accepted, and nothing is answered."""

    @abstractmethod
    async def resume(self) -> None:
        """SIGCONT; nothing if it is not paused."""

    @abstractmethod
    async def erase(self) -> None:
        """Remove the data of the stopped server: it starts empty. Close the writer first: kazoo stays out."""


class SimRig(ZooKeeperRig):
    """The simulator in the test's own loop; `sim` has the faults and counters."""

    is_real = False

    def __init__(self, version: Version = Version.V3_9) -> None:
        self.version = version
        self.sim = SimZooKeeper(SimOptions(rules=Rules(version=version, super_user=SUPER_USER)))
        self._running = False

    async def start(self) -> None:
        if not self._running:
            await self.sim.start()
            self.hosts = self.sim.address
            self._running = True

    async def stop(self) -> None:
        await self.sim.stop()
        self._running = False

    async def kill(self) -> None:
        await self.stop()

    async def erase(self) -> None:
        self.sim.state.clear()

    async def pause(self) -> None:
        self.sim.pause()

    async def node_count(self) -> int:
        return len(self.sim.state.tree)

    async def resume(self) -> None:
        if self._running and self.sim.paused:
            self.sim.resume()


class RealRig(ZooKeeperRig):
    """A real server; `server` is its process."""

    is_real = True

    def __init__(self, server: ZooKeeperServer) -> None:
        self.version = Version.V3_8 if server.options.flavour is Flavour.DEBIAN else Version.V3_9
        self.server = server
        self.hosts = server.address

    async def start(self) -> None:
        if not self.server.running:
            await anyio.to_thread.run_sync(self.server.start)

    async def stop(self) -> None:
        await anyio.to_thread.run_sync(self.server.stop)

    async def kill(self) -> None:
        await anyio.to_thread.run_sync(self.server.kill)

    async def erase(self) -> None:
        await anyio.to_thread.run_sync(self.server.erase)

    async def pause(self) -> None:
        self.server.pause()

    async def resume(self) -> None:
        self.server.resume()

    async def node_count(self) -> int:
        return await anyio.to_thread.run_sync(self.server.node_count)


class SecureRig(RealRig):
    """A real server with an encrypted port beside the plain one, and with SASL DIGEST-MD5 on both.

    `hosts` is the plain port, `tls_hosts` the encrypted one; `sasl_user` and `sasl_password` are good for SASL
    (ACLs name the user by the scheme `sasl`).
    """

    sasl_user = SASL_USER
    sasl_password = SASL_PASSWORD

    def __init__(self, server: ZooKeeperServer) -> None:
        super().__init__(server)
        assert server.options.tls is not None
        self.tls: TlsFiles = server.options.tls
        self.tls_hosts = f"127.0.0.1:{server.tls_port}"


class EnsembleRig(ZooKeeperRig):
    """Three real servers; `ensemble` has the members. Stopping, killing and pausing mean all of them."""

    is_real = True
    version = Version.V3_9

    def __init__(self, ensemble: ZooKeeperEnsemble) -> None:
        self.ensemble = ensemble
        self.hosts = ensemble.hosts

    async def kill_leader(self) -> ZooKeeperServer:
        """Kill the leader by SIGKILL; returns it. Returns at once: the others have yet to elect another one."""
        return await anyio.to_thread.run_sync(self.ensemble.kill_leader)

    async def leader(self) -> ZooKeeperServer:
        """The leader; waits for an election that is under way."""
        return await anyio.to_thread.run_sync(self.ensemble.leader)

    async def start(self) -> None:
        await anyio.to_thread.run_sync(self.ensemble.start)

    async def stop(self) -> None:
        await anyio.to_thread.run_sync(self.ensemble.stop)

    async def kill(self) -> None:
        await anyio.to_thread.run_sync(self.ensemble.kill)

    async def erase(self) -> None:
        for server in self.ensemble.servers:
            server.erase()

    async def pause(self) -> None:
        for server in self.ensemble.servers:
            server.pause()

    async def node_count(self) -> int:
        return await anyio.to_thread.run_sync(self.ensemble.servers[0].node_count)

    async def resume(self) -> None:
        for server in self.ensemble.servers:
            server.resume()
