"""ZooKeeper in the campaign: the simulator, or a real ensemble of three 3.9.5."""

import contextlib
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlsplit

import anyio.to_thread
from kazoo.exceptions import NodeExistsError, NoNodeError

from tests.campaign.registry import LITTER, STEERING, Registration, Registry
from tests.campaign.served import Endpoint, Served, list_ports, sort
from tests.support.dubbo_names import provider
from tests.support.zookeeper_rig import EnsembleRig, SimRig, ZooKeeperRig
from tests.support.zookeeper_servers import ZooKeeperServers

_ROOT = "/dubbo"
_WEIGHT = 100
"""What Dubbo takes for usual."""

_LABELS = ("app", "revision")
"""Which parameters describe a provider: the others are none of the mesh's business."""

_PORT = 20880
_SETTINGS = """
zookeeper_source:
  enabled: true
  address: [{addresses}]
  connection_timeout: 6s
  connect_timeout: 1s
  request_timeout: 5s
  watching_resync_period: 10s
  settle_time: {guard}s
"""

_APPLICATIONS = "/services"
_LITTER_NODES = (
    f"{_ROOT}/shop-000/providers/{provider(f'{LITTER}9:{_PORT}', 'shop-000', application='litter', **STEERING)}",
    f"{_ROOT}/litter",
    f"{_ROOT}/litter/providers/x",
    f"{_ROOT}/%00/providers/%ff%fe",
    f"{_ROOT}/shop-000/providers/dubbo%3A%2F%2F{LITTER}1%3A99999%2Fshop-000%3Fweight%3DNaN",
    f"{_ROOT}/shop-000/providers/dubbo%3A%2F%2F{LITTER}2%3A-1%2F%3F{'a' * 3000}",
    f"{_ROOT}/shop-000/providers/tri%3A%2F%2F%5B%3A%3A%3A",
    f"{_ROOT}/shop-000/providers/{LITTER}3/below",
    f"{_ROOT}/shop-000/configurators/override%3A%2F%2F0.0.0.0%2F%3Fdisabled%3D%00",
    f"{_ROOT}/config/dubbo/shop-001.configurators",
)
_LITTER_INSTANCES = (b"", b"{", b"[]", b'{"name": 7, "address": {}, "port": "x"}', b"\xff" * 50, b"[" * 5000)


class ZooKeeper(Registry):
    """Dubbo providers as persistent nodes: no session of the campaign's decides what is registered."""

    source = "dubbo"
    kind = "zookeeper"
    rig: ZooKeeperRig

    def settings(self) -> str:
        addresses = ", ".join(f'"{gate.address}"' for gate in self.gates)
        return _SETTINGS.format(addresses=addresses, guard=self.guard_s)

    def registration(self, endpoint: Endpoint) -> Registration:
        said = super().registration(endpoint)
        metadata = {**dict(said.metadata), "timestamp": str(1000 + self.revision(endpoint))}
        return said._replace(weight=said.weight * _WEIGHT, metadata=sort(metadata))

    async def read(self) -> Mapping[Endpoint, Registration]:
        found = await self.rig.writer.tree(_ROOT) if await self.rig.writer.exists(_ROOT) else {}
        return dict(map(_read, filter(_is_provider, found)))

    def expect(self, endpoint: Endpoint, registration: Registration, instance_ports: Iterable[int]) -> Served:
        labels = {key: value for key, value in registration.metadata if key in _LABELS}
        return Served(
            (f"{endpoint.service}.dubbo",),
            list_ports("TCP", "tcp-dubbo", instance_ports, registration.port),
            round(registration.weight),
            sort({**labels, "interface": endpoint.service, "protocol": "dubbo"}),
            sort({"registry": "zookeeper", "path": endpoint.service, "app": labels["app"]}),
            virtual_addresses=1,
        )

    async def kill(self) -> None:
        await self.rig.kill()

    async def start(self, *, empty: bool = False) -> None:
        if empty:
            await self.rig.writer.close()
            await self.rig.erase()
        await self.rig.start()
        if empty:
            await self.rig.open()

    async def pause(self) -> None:
        await self.rig.pause()

    async def resume(self) -> None:
        await self.rig.resume()

    async def litter(self, dice: random.Random) -> None:
        for path in (*_LITTER_NODES, f"{_ROOT}/shop-000/providers/{quote_plus(dice.randbytes(40))}"):
            with contextlib.suppress(NodeExistsError):  # of the time before
                await self.rig.writer.create(path, dice.randbytes(100))
        for number, document in enumerate(_LITTER_INSTANCES):
            await self.rig.writer.create(f"{_APPLICATIONS}/litter/{number}", document)

    async def clean(self) -> None:
        for path in await self.rig.writer.tree(f"{_ROOT}/shop-000/providers"):
            if not unquote_plus(path.rpartition("/")[2]).startswith("dubbo://10.") and not path.endswith("/providers"):
                await self.rig.writer.delete(path, recursive=True)
        for path in (f"{_ROOT}/litter", f"{_ROOT}/%00", f"{_APPLICATIONS}/litter"):
            await self.rig.writer.delete(path, recursive=True)

    def _servers(self) -> Sequence[str]:
        return self.rig.hosts.split(",")

    async def _close(self) -> None:
        await self.rig.writer.close()
        await self.rig.stop()

    async def _register(self, endpoint: Endpoint) -> None:
        try:
            await self.rig.writer.create(_path(endpoint, self.registration(endpoint)))
        except NodeExistsError:  # kazoo tries again what has succeeded without its knowledge
            return

    async def _deregister(self, endpoint: Endpoint) -> None:
        await self._delete(endpoint, self.registration(endpoint))

    async def _replace(self, endpoint: Endpoint, before: Registration) -> None:
        """The weight stands in the name: another node comes before the old one goes, and is the later of the two."""
        await self._register(endpoint)
        await self._delete(endpoint, before)

    async def _delete(self, endpoint: Endpoint, registration: Registration) -> None:
        try:
            await self.rig.writer.delete(_path(endpoint, registration))
        except NoNodeError:
            return


class SimulatedZooKeeper(ZooKeeper):
    """The simulator in the campaign's own loop."""

    name = "simulated ZooKeeper"
    is_real = False

    async def _open(self) -> None:
        self.rig = SimRig()
        await self.rig.start()
        await self.rig.open()


class RealZooKeeper(ZooKeeper):
    """Three real servers in processes of their own."""

    name = "ZooKeeper 3.9.5, three members"
    is_real = True
    rig: EnsembleRig

    def __init__(self, folder: Path, network: int, guard_s: float) -> None:
        super().__init__(network, guard_s)
        self._processes = ZooKeeperServers(folder / "zookeeper")

    async def _open(self) -> None:
        ensemble = await anyio.to_thread.run_sync(self._processes.ensemble)
        self.rig = EnsembleRig(ensemble)
        await self.rig.open()

    async def _close(self) -> None:
        await self.rig.writer.close()
        await anyio.to_thread.run_sync(self._processes.stop)


def _is_provider(path: str) -> bool:
    """Tell whether a path is the node of an honest provider."""
    parts = path.split("/")
    return len(parts) == 5 and parts[3] == "providers" and unquote_plus(parts[4]).startswith("dubbo://10.")


def _read(path: str) -> tuple[Endpoint, Registration]:
    _, _, service, _, encoded = path.split("/")
    url = urlsplit(unquote_plus(encoded))
    params = dict(parse_qsl(url.query))
    metadata = {name: value for name, value in params.items() if name not in ("interface", "weight")}
    assert url.hostname is not None
    assert url.port is not None
    return Endpoint(ZooKeeper.source, service, url.hostname), Registration(
        url.port, float(params["weight"]), sort(metadata)
    )


def _path(endpoint: Endpoint, registration: Registration) -> str:
    params = {**dict(registration.metadata), "weight": f"{registration.weight:g}"}
    name = provider(f"{endpoint.address}:{registration.port}", endpoint.service, **params)
    return f"{_ROOT}/{endpoint.service}/providers/{name}"
