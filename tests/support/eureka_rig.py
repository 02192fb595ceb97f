"""A Eureka registry whose peers are models and whose time is the test's."""

from collections.abc import Mapping

from meshregistry.errors import SourceError
from meshregistry.model.instance import Scope
from meshregistry.sources.eureka.client import Node
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions
from meshregistry.sources.eureka.reader import RegistryReader
from meshregistry.sources.eureka.server import EurekaServer
from meshregistry.sources.readiness import Readiness
from meshregistry.telemetry.metrics import Metrics
from tests.support.eureka_model import EurekaModel, Services
from tests.support.source_fakes import ManualClock

SCOPE = Scope("eureka", "", "", "")


class ModelRig:
    """One registry of `peers` models, read by hand."""

    def __init__(self, peers: int = 1, server: Mapping[str, object] | None = None, **options: object) -> None:
        self.models = [EurekaModel() for _ in range(peers)]
        self.clock = ManualClock()
        self.view = Services()
        self.metrics = Metrics()
        addresses = tuple(f"http://peer{number}/eureka" for number in range(peers))
        own = EurekaServerOptions(**{"addresses": addresses, **(server or {})})  # type: ignore[arg-type]
        every = EurekaOptions(servers=(own,), **options)  # type: ignore[arg-type]
        self._readiness = Readiness("eureka", frozenset({SCOPE}), self.metrics, self.clock.clock)
        reader = RegistryReader(SCOPE, own, every, self.metrics, self.clock.clock)
        self.server = EurekaServer(reader, every, self._get, self._resolve, self.clock.clock)
        self.resolved: dict[str, list[str]] = {}
        self.period_s = 0.0
        """What the latest reading that succeeded asks for."""

    @property
    def model(self) -> EurekaModel:
        """The first peer."""
        return self.models[0]

    @property
    def page(self) -> dict[str, object]:
        """The registry's part of the status page."""
        return self.server.describe()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.time += seconds
        for model in self.models:
            model.now += seconds

    async def poll(self, after_s: float = 5.0) -> SourceError | None:
        """Read the registry once, some time after the last reading; returns the error if there is one."""
        self.advance(after_s)
        try:
            self.period_s = await self.server.poll(self.view, self._readiness)
        except SourceError as error:
            return error
        return None

    def asked(self) -> list[str]:
        """Return the paths that peers were asked since the last call, with the peer's number before them."""
        found = [f"{number}{path}" for number, model in enumerate(self.models) for path in model.asked]
        for model in self.models:
            model.asked.clear()
        return found

    async def _get(self, node: Node, path: str, regions: str, headers: Mapping[str, str]) -> list[bytes]:
        number = int(node.base.removeprefix("http://peer").partition("/")[0])
        return await self.models[number].get(node, path, regions, headers)

    async def _resolve(self, host: str) -> list[str]:
        if host not in self.resolved:
            raise OSError(f"{host}: unknown")
        return self.resolved[host]
