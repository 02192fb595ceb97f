"""Real ZooKeeper servers as processes, alone or three together; each keeps its ports and its data."""

import enum
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.ports import free_port
from tests.support.program import Program
from tests.support.registries import DEBIAN_ZOOKEEPER, NO_DEBIAN_ZOOKEEPER, RegistryUnavailable, prepare
from tests.support.zookeeper_access import JAAS_SERVER, SUPER_DIGEST, TlsFiles

_HEAP = "768m"  # 100,000 providers take 370 MB
_START_TIMEOUT_S = 60.0
_WORD_TIMEOUT_S = 2.0
_POLL_S = 0.05
_MEMBERS = 3
# Nothing here must survive the machine: without waiting for the disk a write takes half the time.
_QUICK_WRITES = ("-Dzookeeper.forceSync=no", "-Dzookeeper.preAllocSize=1024")


class Flavour(enum.StrEnum):
    """Where the server comes from."""

    DEBIAN = "debian"
    MAVEN = "maven"


VERSIONS = {Flavour.DEBIAN: "3.8.0", Flavour.MAVEN: "3.9.5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One server of an ensemble: its number and the ports on which the servers speak to each other."""

    number: int
    quorum_port: int
    election_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server is configured; sessions may last from 1 s (the tick is short for that) to a minute.

    `tls` opens a second, encrypted port; `sasl` accepts DIGEST-MD5; `members` makes it server `member` of an ensemble.
    """

    flavour: Flavour
    tick_ms: int = 500
    min_session_ms: int = 1000
    max_session_ms: int = 60000
    tls: TlsFiles | None = None
    sasl: bool = False
    member: Member | None = None
    members: Sequence[Member] = ()


class ZooKeeperServer(Program):
    """One real server on 127.0.0.1."""

    def __init__(self, options: ServerOptions, home: Path) -> None:
        super().__init__(f"ZooKeeper {VERSIONS[options.flavour]}", home.with_suffix(".log"))
        self.options = options
        self.port = free_port()
        self.tls_port = free_port() if options.tls else 0
        self._home = home

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def mode(self) -> str:
        """`standalone`, `leader` or `follower`; empty while the server serves nobody."""
        return self._report().get("Mode", "")

    def node_count(self) -> int:
        """How many nodes it holds; 0 while it serves nobody."""
        return int(self._report().get("Node count", "0"))

    def _report(self) -> dict[str, str]:
        lines = (line.partition(": ") for line in self.ask("srvr").splitlines())
        return {name: value for name, _, value in lines}

    def ask(self, word: str) -> str:
        """The answer to a four-letter word; empty when there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), _WORD_TIMEOUT_S) as link:
                link.sendall(word.encode())
                with link.makefile("rb") as answer:
                    return answer.read().decode()
        except OSError:
            return ""

    def start(self) -> None:
        """Start and wait until it serves; raises RegistryUnavailable."""
        self.begin()
        self.wait_until_it_serves()

    def begin(self) -> None:
        """Start it without waiting; raises RegistryUnavailable if the program is not there."""
        command = [*_program(self.options.flavour), str(self._write_configuration()), *self._java_options()]
        self.launch(command, {"ZOOKEEPER_HEAP": _HEAP})

    def wait_until_it_serves(self) -> None:
        """Wait for an answer that names its mode; raises RegistryUnavailable."""
        self.wait_for("answer that names its mode", lambda: bool(self.mode), _START_TIMEOUT_S)

    def erase(self) -> None:
        """Remove the data of the stopped server: it starts empty."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _write_configuration(self) -> Path:
        self._home.mkdir(parents=True, exist_ok=True)
        if self.options.member:
            (self._home / "myid").write_text(str(self.options.member.number))
        if self.options.sasl:
            (self._home / "jaas.conf").write_text(JAAS_SERVER)
        path = self._home / "zoo.cfg"
        path.write_text("\n".join(self._configuration()) + "\n")
        return path

    def _configuration(self) -> list[str]:
        options = self.options
        lines = [
            f"dataDir={self._home}",
            f"clientPort={self.port}",
            "clientPortAddress=127.0.0.1",
            "maxClientCnxns=0",
            f"tickTime={options.tick_ms}",
            f"minSessionTimeout={options.min_session_ms}",
            f"maxSessionTimeout={options.max_session_ms}",
            "initLimit=20",
            "syncLimit=10",
            "admin.enableServer=false",
            "4lw.commands.whitelist=srvr,mntr,wchs,cons",
            "quorumListenOnAllIPs=false",
            *(f"server.{each.number}=127.0.0.1:{each.quorum_port}:{each.election_port}" for each in options.members),
        ]
        if options.tls:
            lines += ["serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory"]
            lines += [f"secureClientPort={self.tls_port}", "secureClientPortAddress=127.0.0.1"]
            lines += options.tls.server_settings()
        if options.sasl:
            lines += ["authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"]
        return lines

    def _java_options(self) -> list[str]:
        wanted = [*_QUICK_WRITES, f"-Dzookeeper.DigestAuthenticationProvider.superDigest={SUPER_DIGEST}"]
        if self.options.sasl:
            wanted.append(f"-Djava.security.auth.login.config={self._home / 'jaas.conf'}")
        return wanted


class ZooKeeperEnsemble:
    """Three servers that elect a leader, numbered 0 to 2 here. Blocking: call it off the loop."""

    def __init__(self, options: ServerOptions, home: Path) -> None:
        members = [
            Member(number=number, quorum_port=free_port(), election_port=free_port())
            for number in range(1, _MEMBERS + 1)
        ]
        self.servers = [
            ZooKeeperServer(replace(options, member=each, members=members), home / str(each.number)) for each in members
        ]

    @property
    def hosts(self) -> str:
        """All addresses, comma-separated."""
        return ",".join(each.address for each in self.servers)

    def start(self) -> None:
        """Start whoever is not running, wake whoever is paused and wait until all serve; raises RegistryUnavailable."""
        for server in self.servers:
            server.resume()
            if not server.running:
                server.begin()
        with ThreadPoolExecutor(_MEMBERS) as pool:
            list(pool.map(ZooKeeperServer.wait_until_it_serves, self.servers))

    def leader(self) -> ZooKeeperServer:
        """The leader; waits for an election that is under way. Raises TimeoutError."""
        found: list[ZooKeeperServer] = []

        def elected() -> bool:
            found[:] = [each for each in self.servers if each.running and each.mode == "leader"]
            return len(found) == 1

        _wait_for(elected)
        return found[0]

    def followers(self) -> list[ZooKeeperServer]:
        """The running servers beside the leader."""
        leader = self.leader()
        return [each for each in self.servers if each.running and each is not leader]

    def kill_leader(self) -> ZooKeeperServer:
        """Kill the leader; returns it. The others elect another one."""
        leader = self.leader()
        leader.kill()
        return leader

    def kill(self) -> None:
        """Kill all three."""
        for server in self.servers:
            server.kill()

    def stop(self) -> None:
        """Stop all three by SIGTERM."""
        for server in self.servers:
            server.stop()


class ZooKeeperServers:
    """Owner of the real servers of a test run: one of each kind, started when first asked for."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._single: dict[str, ZooKeeperServer] = {}
        self._ensemble: ZooKeeperEnsemble | None = None

    def get(self, flavour: Flavour) -> ZooKeeperServer:
        """The running plain server of this flavour; raises RegistryUnavailable."""
        return self._running(flavour.value, ServerOptions(flavour=flavour))

    def secure(self) -> ZooKeeperServer:
        """The running server that has an encrypted port, too, and speaks SASL; raises RegistryUnavailable."""
        tls = TlsFiles.make(self._home / "tls")
        return self._running("secure", ServerOptions(flavour=Flavour.MAVEN, tls=tls, sasl=True))

    def ensemble(self) -> ZooKeeperEnsemble:
        """Three running servers; raises RegistryUnavailable."""
        if self._ensemble is None:
            self._ensemble = ZooKeeperEnsemble(ServerOptions(flavour=Flavour.MAVEN), self._home / "ensemble")
        self._ensemble.start()
        return self._ensemble

    def stop(self) -> None:
        """Stop them all."""
        for server in self._single.values():
            server.stop()
        if self._ensemble is not None:
            self._ensemble.stop()

    def _running(self, name: str, options: ServerOptions) -> ZooKeeperServer:
        server = self._single.get(name)
        if server is None:
            server = self._single[name] = ZooKeeperServer(options, self._home / name)
        if not server.running:
            server.start()
        return server


def _program(flavour: Flavour) -> list[str]:
    if flavour is Flavour.DEBIAN and not DEBIAN_ZOOKEEPER.is_file():
        raise RegistryUnavailable(NO_DEBIAN_ZOOKEEPER)
    return [str(prepare("zookeeper") / "start.sh"), flavour.value]


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_POLL_S)
