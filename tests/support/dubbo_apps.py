"""Applications that register themselves in a ZooKeeper: Dubbo 2.7, Dubbo 3, Spring Cloud, each a process.

What they write was written by their frameworks; nothing here tells them what a node looks like.
The Dubbo providers offer the same services: lab.api.GreetService in four groups and versions (`g1:1.0.0` with weight
50), OrderService `1.0.0` with parameters that are awkward to encode, UserService `users:1.0.0` (static, weight 0) and
the nested Outer$InnerService.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from tests.support.ports import free_port
from tests.support.program import Program
from tests.support.registries import prepare

LOOPBACK = "2130706433"
"""127.0.0.1 in a form that Dubbo registers: a provider that registers it can be called."""

_START_TIMEOUT_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DubboOptions:
    """How a Dubbo application registers; empty means the framework's default.

    `register_mode` (Dubbo 3): all, interface or instance. `service_discovery` (2.7) registers the application
    instead of its interfaces. `metadata_type`: local or remote. `registry_group` is the root node instead of /dubbo.
    `ext_protocol` (3): another protocol on the port of dubbo, which then is the only one. A killed
    application's nodes go after `session_ms`.
    """

    name: str = ""
    register_ip: str = "10.20.30.40"
    registry_group: str = ""
    register_mode: str = ""
    service_discovery: bool = False
    metadata_type: str = ""
    metadata_report: bool = False
    config_center: bool = False
    ext_protocol: str = ""
    migration_step: str = ""
    session_ms: int = 10000

    def environment(self, hosts: str) -> dict[str, str]:
        """The variables of the start script."""
        address = f"zookeeper://{hosts}"
        level = "&registry-type=service" if self.service_discovery else ""
        return {
            # Which of these counts depends on the version and on which of its clients registers.
            "REGISTRY": f"{address}?session={self.session_ms}&zk.session.expire={self.session_ms}{level}",
            "SESSION_MS": str(self.session_ms),
            "APP": self.name,
            "REGISTER_IP": self.register_ip,
            "REGISTRY_GROUP": self.registry_group,
            "REGISTER_MODE": self.register_mode,
            "METADATA_TYPE": self.metadata_type,
            "METADATA_REPORT": address if self.metadata_report else "",
            "CONFIG_CENTER": address if self.config_center else "",
            "EXT_PROTOCOL": self.ext_protocol,
            "MIGRATION_STEP": self.migration_step,
        }


class Application(Program):
    """One application. Ended by SIGTERM it deregisters; after SIGKILL its nodes stay until its session has expired."""

    def __init__(self, project: str, main: str, environment: Mapping[str, str], home: Path) -> None:
        super().__init__(project, home / "output.log")
        self._main = main
        self._environment = {**environment, "STATE": str(home)}

    def port(self, variable: str) -> int:
        """The port it was given in this variable (DUBBO_PORT, TRI_PORT, HTTP_PORT)."""
        return int(self._environment[variable])

    def start(self) -> None:
        """Start and wait until it has registered what it offers; raises RegistryUnavailable."""
        self.launch([str(prepare(self.name) / "start.sh"), self._main], self._environment)
        self.wait_until_printed("READY")

    def wait_until_printed(self, words: str) -> None:
        """Wait until it has printed them; raises RegistryUnavailable if it ends or takes too long."""
        self.wait_for(f"word {words}", lambda: words in self.output, _START_TIMEOUT_S)


def dubbo27_provider(hosts: str, home: Path, options: DubboOptions | None = None) -> Application:
    """A Dubbo 2.7 provider (protocol dubbo), by default named demo-provider27."""
    environment = (options or DubboOptions()).environment(hosts) | {"DUBBO_PORT": str(free_port())}
    return Application("dubbo27", "lab.Provider", environment, home)


def dubbo3_provider(hosts: str, home: Path, options: DubboOptions | None = None) -> Application:
    """A Dubbo 3 provider (protocols dubbo and tri), by default named demo-provider3."""
    ports = {"DUBBO_PORT": str(free_port()), "TRI_PORT": str(free_port())}
    return Application("dubbo3", "lab.Provider", (options or DubboOptions()).environment(hosts) | ports, home)


def dubbo3_consumer(hosts: str, home: Path, options: DubboOptions | None = None) -> Application:
    """A Dubbo 3 consumer of all services, by default named demo-consumer; prints `CALL` and the answer of a call."""
    environment = (options or DubboOptions(register_ip="10.20.30.50")).environment(hosts)
    return Application("dubbo3", "lab.Consumer", environment, home)


def spring_application(hosts: str, home: Path, *, name: str = "demo-spring", root: str = "/services") -> Application:
    """A Spring Cloud application that says it is at 10.20.30.70."""
    environment = {
        "ZK": hosts,
        "APP": name,
        "ROOT": root,
        "HTTP_PORT": str(free_port()),
        "SPRING_CLOUD_ZOOKEEPER_SESSION_TIMEOUT": "10000",
    }
    return Application("springcloud-zk", "lab.App", environment, home)


@asynccontextmanager
async def running(application: Application) -> AsyncIterator[Application]:
    """Start it, and stop it at the end."""
    try:
        await anyio.to_thread.run_sync(application.start)
        yield application
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(application.stop)
