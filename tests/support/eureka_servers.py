"""Real Eureka servers as processes: one alone with authentication, two that replicate to each other."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.program import READY, Program
from tests.support.registries import prepare

USERNAME, PASSWORD = "eureka", "p@ss/word"
"""With what must be quoted in a URL; Spring's client cannot send a colon."""

CACHE_EXPIRY_S = 2
"""How long an answer is kept while nothing changes; one written during a change may lack it (docs/eureka.md)."""

_START_TIMEOUT_S = 90.0
# Readers see a change at once and leases end when they should: the product's defaults are minutes.
_QUICK = (
    "--eureka.server.use-read-only-response-cache=false",
    f"--eureka.server.response-cache-auto-expiration-in-seconds={CACHE_EXPIRY_S}",
    "--eureka.server.eviction-interval-timer-in-ms=500",
    "--eureka.server.delta-retention-timer-interval-in-ms=1000",
    "--eureka.server.retention-time-in-m-s-in-delta-queue=10000",
    # 200 ms by default: on a busy machine peers lose what they tell each other, for longer than a test waits.
    "--eureka.server.peer-node-read-timeout-ms=5000",
    "--eureka.server.peer-node-connect-timeout-ms=5000",
)
_CLOSED = (
    "--fixture.auth=true",
    f"--spring.security.user.name={USERNAME}",
    f"--spring.security.user.password={PASSWORD}",
    "--eureka.server.enable-self-preservation=false",
)


class EurekaProcess(Program):
    """One real server, which keeps its port when it is started again."""

    def __init__(self, port: int, home: Path, peer: str, *options: str) -> None:
        super().__init__("Eureka", home.with_suffix(".log"))
        self.port = port
        self._home = home
        self._arguments = [str(port), str(home), peer, *_QUICK, *options]

    @property
    def base_url(self) -> str:
        """The base URL with the context path."""
        return f"http://127.0.0.1:{self.port}/eureka"

    def start(self) -> None:
        """Start it, and wait for the ready line; raises RegistryUnavailable."""
        self._home.mkdir(parents=True, exist_ok=True)
        self.launch([str(prepare("eureka") / "start.sh"), *self._arguments])
        self.wait_for("ready line", lambda: READY in self.output, _START_TIMEOUT_S)


class EurekaServers:
    """Owner of all real servers of a test run; each starts when it is first asked for."""

    def __init__(self, home: Path) -> None:
        alone, *pair = free_ports(3)
        self._alone = [EurekaProcess(alone, home / "alone", "-", *_CLOSED)]
        self._pair = [
            EurekaProcess(port, home / f"peer-{number}", str(peer))
            for number, (port, peer) in enumerate(zip(pair, reversed(pair), strict=True))
        ]

    def get(self, *, peers: bool) -> Sequence[EurekaProcess]:
        """Return the running server, or the two that are peers; raises RegistryUnavailable."""
        servers = self._pair if peers else self._alone
        start_all(servers)
        return servers

    def stop(self) -> None:
        """Stop them all."""
        for server in (*self._alone, *self._pair):
            server.kill()


def start_all(servers: Sequence[EurekaProcess]) -> None:
    """Start those that do not run, at once; raises RegistryUnavailable."""
    with ThreadPoolExecutor(len(servers)) as pool:
        list(pool.map(EurekaProcess.start, [server for server in servers if not server.running]))
