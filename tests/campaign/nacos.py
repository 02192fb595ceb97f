"""Nacos in the campaign: the simulator, or a real 2.3.1 or 3.1.0."""

import asyncio
import contextlib
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import anyio.to_thread

from meshregistry.sim.nacos.rpc_server import RpcOptions
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.views import Dialect
from tests.campaign.registry import LITTER, STEERING, Registration, Registry
from tests.campaign.served import Endpoint, Served, list_ports, sort
from tests.support.nacos_churn import list_everything
from tests.support.nacos_grpc import connected
from tests.support.nacos_rig import LONG_LIFE, NacosRig, RealRig, SimRig
from tests.support.nacos_servers import NacosServer, ServerKind

_SERVICE_PORT = 80
_GRPC_OFFSET = 1000
_BEAT_S = 20.0
_VERSIONS = {Dialect.V2: "Nacos 2.3.1", Dialect.V3: "Nacos 3.1.0"}
_SETTINGS = """
nacos_source:
  enabled: true
  address: ["http://{http}"]
  grpc_port: {grpc}
  namespace: {namespace}
  refresh_period: 1s
  resync_period: 2s
  list_period: 0.5s
  settle_time: {guard}s
  request_timeout: 3s
  connect_timeout: 1s
  max_body_bytes: 8388608
"""

_LITTER: tuple[tuple[str, dict[str, str], float], ...] = (
    ("shop-000", {"k8sNs": "kube-system", "istio.io/rev": "foreign", "security.istio.io/tlsMode": "istio"}, 1.0),
    ("shop-001", {"a" * 300: "b" * 3000, "": "empty", "protocol": "\x00\x1b[2J"}, 9999.0),
    ("Order_Service", {"weight": "NaN", "gRPC_port": "-1", "app": "../../etc"}, 0.001),
    ("订单", {"app": "订单", "topology.istio.io/subzone": "../x"}, 1.0),
    ("n" * 300, {}, 1.0),
    ("..", {"<script>": "</script>"}, 1.0),
    ("a..b", {"projectCode": "*"}, 0.0),
    ("istiod.istio-system", {"k8sNs": "istio-system"}, 1.0),
)
"""Service, metadata and weight of registrations that nobody should make."""


class Nacos(Registry):
    """One server. Registrations are ephemeral: the server forgets them when it ends."""

    source = "nacos"
    kind = "nacos"
    rig: NacosRig

    def settings(self) -> str:
        http, grpc = self.gates
        return _SETTINGS.format(http=http.address, grpc=grpc.port, namespace=self.rig.namespace, guard=self.guard_s)

    def registration(self, endpoint: Endpoint) -> Registration:
        said = super().registration(endpoint)
        return said._replace(metadata=sort({**dict(said.metadata), **LONG_LIFE}))

    async def read(self) -> Mapping[Endpoint, Registration]:
        async with connected(self.rig.base_url, self.rig.namespace) as client:
            everything = await list_everything(client)
        return {
            Endpoint(self.source, name, address): Registration(port, weight, metadata)
            for name, rows in everything.items()
            for address, port, weight, metadata in rows
            if not address.startswith(LITTER)
        }

    def expect(self, endpoint: Endpoint, registration: Registration, instance_ports: Iterable[int]) -> Served:
        labels = {key: value for key, value in registration.metadata if key not in STEERING}
        return Served(
            (f"{endpoint.service}.nacos.svc.cluster.local",),
            list_ports("HTTP", "http", {_SERVICE_PORT, *instance_ports}, registration.port),
            round(registration.weight * 100),
            sort(labels),
            sort({"registry": "nacos", "app": labels["app"]}),
        )

    async def litter(self, dice: random.Random) -> None:
        for number, (service, metadata, weight) in enumerate(_LITTER):
            address = f"{LITTER}{number + 1}"
            with contextlib.suppress(AssertionError, TimeoutError):  # a real server refuses some of it
                await self.rig.register(service, address, dice.randrange(1, 65536), metadata=metadata, weight=weight)

    async def clean(self) -> None:
        for service, address, port in self.rig.registered(LITTER):
            with contextlib.suppress(AssertionError, TimeoutError):
                await self.rig.deregister(service, address, port)

    def _servers(self) -> Sequence[str]:
        parts = urlsplit(self.rig.base_url)
        return [f"{parts.hostname}:{(parts.port or 0) + offset}" for offset in (0, _GRPC_OFFSET)]

    async def _register(self, endpoint: Endpoint) -> None:
        said = self.registration(endpoint)
        metadata = dict(said.metadata)
        await self.rig.register(endpoint.service, endpoint.address, said.port, weight=said.weight, metadata=metadata)

    async def _deregister(self, endpoint: Endpoint) -> None:
        await self.rig.deregister(endpoint.service, endpoint.address, self.registration(endpoint).port)


_POLLED = """
  mode: polling
  refresh_period: 2s
"""


class SimulatedNacos(Nacos):
    """The simulator in the campaign's own loop."""

    name = "simulated Nacos"
    is_real = False

    async def _open(self) -> None:
        self.rig = SimRig(Dialect.V2, auth=False)
        self.rig.sim = SimNacos(SimOptions(dialect=Dialect.V2, rpc=RpcOptions(push_delay_s=0.05)))
        await self.rig.start()

    async def _close(self) -> None:
        await self.rig.stop()

    async def kill(self) -> None:
        await self.rig.stop()

    async def start(self, *, empty: bool = False) -> None:
        assert isinstance(self.rig, SimRig)
        self.rig.sim.restart_node()
        await self.rig.start()

    async def pause(self) -> None:
        self.hold()

    async def resume(self) -> None:
        self.calm()


class PolledNacos(SimulatedNacos):
    """The same, read by polling alone and so rarely that a quick restart falls between two polls."""

    name = "simulated Nacos, polled"

    def settings(self) -> str:
        return super().settings().replace("  refresh_period: 1s\n", _POLLED.lstrip("\n"))


async def _live(rig: RealRig) -> None:
    """Be the owners of all instances: beat for ever, whatever becomes of the server."""
    while True:
        await asyncio.sleep(_BEAT_S)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            await rig.beat()


class RealNacos(Nacos):
    """A real server in a process of its own."""

    is_real = True

    def __init__(self, dialect: Dialect, folder: Path, network: int, guard_s: float) -> None:
        super().__init__(network, guard_s)
        self.name = _VERSIONS[dialect]
        self._server = NacosServer(ServerKind(dialect, auth=False), folder / f"nacos-{dialect}")

    async def _open(self) -> None:
        await anyio.to_thread.run_sync(self._server.start)
        self._session = aiohttp.ClientSession()
        rig = self.rig = RealRig(self._server, self._session)
        self._owners = asyncio.ensure_future(_live(rig))

    async def _close(self) -> None:
        self._owners.cancel()
        await self._session.close()
        await anyio.to_thread.run_sync(self._server.stop)

    async def kill(self) -> None:
        await anyio.to_thread.run_sync(self._server.kill)

    async def start(self, *, empty: bool = False) -> None:
        if empty:
            self._server.forget()
        await anyio.to_thread.run_sync(self._server.start)

    async def pause(self) -> None:
        self._server.pause()

    async def resume(self) -> None:
        self._server.resume()
