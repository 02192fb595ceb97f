"""The three judges on one registry: their processes, and what the registry itself lists of them."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.nacos_apps import Command, NacosApp, Place, dubbo, sdk, spring
from tests.support.nacos_grpc import connected
from tests.support.ports import free_ports

NAMESPACE = "judges"
GROUPS = ("DEFAULT_GROUP", "BATCH")
SERVICES = {
    "shop-spring": 1,
    "shop-dubbo": 1,
    "providers:fixtures.GreetService::": 1,
    "providers:fixtures.GreetService:1.0.0:blue": 1,
    "shop-sdk": 1,
    "shop-sdk-batch": 2,
}
"""Service → how many instances the judges register of it."""

_COMMANDS: dict[str, Command] = {"shop-spring": spring, "shop-dubbo": dubbo, "shop-sdk": sdk}
_TIMEOUT_S = 60.0
_POLL_S = 0.2


class Judges:
    """The applications of one registry; `start` is cheap when they run. Blocking calls go off the loop."""

    def __init__(self, base_url: str, folder: Path) -> None:
        self.base_url = base_url
        self.ports = dict(zip(_COMMANDS, free_ports(len(_COMMANDS)), strict=True))
        server_port = int(base_url.rpartition(":")[2])
        self._apps = [
            NacosApp(command, Place(self.ports[name], folder / name, server_port, name, NAMESPACE))
            for name, command in _COMMANDS.items()
        ]

    def start(self) -> None:
        """Start those that do not run, all at once; raises RegistryUnavailable."""
        self._each(NacosApp.start, (app for app in self._apps if not app.running))

    def stop(self) -> None:
        """Let all of them deregister and end."""
        self._each(NacosApp.stop, self._apps)

    def kill(self) -> None:
        """End all of them without a word."""
        self._each(NacosApp.kill, self._apps)

    def kill_one(self, name: str) -> None:
        """End one of them without a word."""
        self._each(NacosApp.kill, (app for app in self._apps if app.place.name == name))

    async def listed(self) -> dict[str, int]:
        """Return how many instances the registry itself lists of each service that has any."""
        counts: dict[str, int] = {}
        async with connected(self.base_url, NAMESPACE) as client:
            for group in GROUPS:
                names = await client.ask_naming("ServiceListRequest", group=group, pageNo=1, pageSize=1000)
                for name in names.body["serviceNames"]:
                    found = await client.ask_naming("ServiceQueryRequest", name, group, cluster="", healthyOnly=False)
                    counts[name] = len(found.body["serviceInfo"]["hosts"])
        return {name: count for name, count in counts.items() if count}

    async def until_listed(self, wanted: dict[str, int]) -> None:
        """Wait until the registry lists so many instances of each service that has any."""
        seen: dict[str, int] = {}
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                while (seen := await self.listed()) != wanted:  # noqa: ASYNC110 - another process changes it
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            assert wanted == seen

    def _each(self, action: Callable[[NacosApp], None], apps: Iterable[NacosApp]) -> None:
        with ThreadPoolExecutor(len(self._apps)) as pool:
            list(pool.map(action, apps))
