"""Eureka in the campaign: two peers that replicate to each other, simulated or real."""

import asyncio
import contextlib
import random
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio.to_thread

from tests.campaign.registry import LITTER, STEERING, Registration, Registry
from tests.campaign.served import Endpoint, Served, list_ports, sort
from tests.support.eureka_live import EurekaRig, RealRig, SimRig
from tests.support.eureka_servers import EurekaServers

_SETTINGS = """
eureka_source:
  enabled: true
  address: [{addresses}]
  refresh_period: 1s
  delta_interval: 0.5s
  full_fetch_interval: 10s
  request_timeout: 3s
  connect_timeout: 1s
  quarantine: 2s
  hold: {{duration: {guard}s}}
  max_body_bytes: 8388608
"""

_LITTER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SHOP-000", {"metadata": {"k8sNs": "kube-system", "istio.io/rev": "foreign", "@class": "x"}}),
    ("SHOP-001", {"port": {"$": 0, "@enabled": "true"}, "vipAddress": "a" * 3000}),
    ("ORDER_SERVICE", {"metadata": {"weight": "NaN", "a" * 300: "b" * 3000}, "port": {"$": 65536, "@enabled": "true"}}),
    ("A..B", {"vipAddress": "..", "secureVipAddress": "<script>"}),
    ("订单", {"metadata": {"app": "\x1b[2J"}}),
    ("ISTIOD.ISTIO-SYSTEM", {"homePageUrl": "javascript:alert(1)"}),
)
"""Application and fields of registrations that nobody should make."""

_SERVICE_PORT = 80
_MOST_TOUCHES = 10
_REPLICATED_S = 1.0
"""By then a peer has heard of a change."""


class Eureka(Registry):
    """Two peers; both forget everything when they end."""

    source = "eureka"
    kind = "eureka"
    rig: EurekaRig

    def __init__(self, network: int, guard_s: float) -> None:
        super().__init__(network, guard_s)
        self._litter: list[tuple[str, str]] = []

    @abstractmethod
    async def start_empty_peer(self) -> None:
        """Start the second server, which was killed: it knows nothing and has not heard of anything from the first."""

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession()

    async def _close(self) -> None:
        await self.rig.close()
        await self._session.close()

    def settings(self) -> str:
        addresses = ", ".join(f'"http://{gate.address}/eureka"' for gate in self.gates)
        return _SETTINGS.format(addresses=addresses, guard=self.guard_s)

    async def read(self) -> Mapping[Endpoint, Registration]:
        return {
            Endpoint(self.source, name.lower(), each["ipAddr"]): _read(each)
            for name, found in (await self.rig.applications()).items()
            for each in found
            if each["status"] == "UP" and not each["ipAddr"].startswith(LITTER)
        }

    def expect(self, endpoint: Endpoint, registration: Registration, instance_ports: Iterable[int]) -> Served:
        labels = {key: value for key, value in registration.metadata if key not in STEERING}
        return Served(
            (f"{endpoint.service}.eureka.svc.cluster.local",),
            list_ports("HTTP", "http", {_SERVICE_PORT, *instance_ports}, registration.port),
            round(registration.weight * 100),
            sort({**labels, "weight": f"{registration.weight:g}"}),
            sort({"registry": "eureka", "app": labels["app"]}),
        )

    async def kill(self) -> None:
        await self.rig.kill(0, 1)

    async def start(self, *, empty: bool = False) -> None:
        await self.rig.start(0, 1)

    async def litter(self, dice: random.Random) -> None:
        for number, (application, fields) in enumerate(_LITTER):
            with contextlib.suppress(AssertionError):  # a real server refuses some of it
                await self.rig.register(application, f"{LITTER}{number + 1}", f"{LITTER}{number + 1}", **fields)
                self._litter.append((application, f"{LITTER}{number + 1}"))

    async def clean(self) -> None:
        for application, address in self._litter:
            await self.rig.cancel(application, address)
        self._litter.clear()

    def _servers(self) -> Sequence[str]:
        parts = [urlsplit(address) for address in self.rig.addresses]
        return [f"{each.hostname}:{each.port}" for each in parts]

    async def _register(self, endpoint: Endpoint) -> None:
        said = self.registration(endpoint)
        port = {"$": said.port, "@enabled": "true"}
        metadata = {**dict(said.metadata), "weight": f"{said.weight:g}"}
        await self.rig.register(
            endpoint.service.upper(), endpoint.address, endpoint.address, port=port, metadata=metadata
        )

    async def _deregister(self, endpoint: Endpoint) -> None:
        await self.rig.cancel(endpoint.service.upper(), endpoint.address)


def _read(instance: Mapping[str, Any]) -> Registration:
    metadata = {name: value for name, value in instance["metadata"].items() if name not in ("weight", "@class")}
    return Registration(instance["port"]["$"], float(instance["metadata"]["weight"]), sort(metadata))


class SimulatedEureka(Eureka):
    """The simulator in the campaign's own loop."""

    name = "simulated Eureka"
    is_real = False

    async def _open(self) -> None:
        await super()._open()
        self.rig = SimRig(self._session, peers=True)
        for sim in self.rig.sims:
            await sim.start()

    async def start_empty_peer(self) -> None:
        assert isinstance(self.rig, SimRig)
        peer = self.rig.sims[1]
        peer.restart_node()
        await peer.start()

    async def pause(self) -> None:
        self.hold()

    async def resume(self) -> None:
        self.calm()


class RealEureka(Eureka):
    """Two real servers in processes of their own."""

    name = "Eureka, two peers"
    is_real = True

    def __init__(self, folder: Path, network: int, guard_s: float) -> None:
        super().__init__(network, guard_s)
        self._processes = EurekaServers(folder / "eureka")

    async def _open(self) -> None:
        await super()._open()
        self._pair = await anyio.to_thread.run_sync(lambda: self._processes.get(peers=True))
        self.rig = RealRig(self._session, self._pair)

    async def _close(self) -> None:
        await self._session.close()
        self._processes.stop()

    async def read(self) -> Mapping[Endpoint, Registration]:
        """Ask once both servers say one thing: else a change has to end what they keep of the time before the last.

        What a server answers while it changes may stay in its cache until the next change, or until it expires: all
        readers then take for registered what is not (docs/eureka.md).
        """
        for _ in range(_MOST_TOUCHES):
            if not (await self._is_torn(0) or await self._is_torn(1)):
                break
            await self._register(min(self.owned))
            await asyncio.sleep(_REPLICATED_S)
        return await super().read()

    async def start_empty_peer(self) -> None:
        self._pair[0].pause()  # at its start a server copies what its peer knows
        try:
            await self.rig.start(1)
        finally:
            self._pair[0].resume()

    async def _is_torn(self, at: int) -> bool:
        """Tell whether a server's changes contradict what it says of everything."""
        everything = await self.rig.applications(at)
        there = {each["instanceId"] for found in everything.values() for each in found}
        _, changes = await self.rig.call("GET", "/apps/delta", at=at)
        said = [each for found in changes["applications"]["application"] for each in found["instance"]]
        last = {each["instanceId"]: each["actionType"] != "DELETED" for each in said}
        return any(is_there != (id_ in there) for id_, is_there in last.items())

    async def pause(self) -> None:
        for server in self._pair:
            server.pause()

    async def resume(self) -> None:
        for server in self._pair:
            server.resume()
