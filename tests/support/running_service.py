"""The whole service in the test's own loop, with an istiod model attached that decodes with Google's runtime."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from meshregistry.app import App
from meshregistry.reload import open_settings
from meshregistry.settings.load import load_settings
from meshregistry.watch.client import ClientOptions, IstiodClient, Seams
from meshregistry.watch.families import FAMILIES
from meshregistry.watch.model import ConfigKey, IstiodModel
from meshregistry.watch.transport import DialOptions
from tests.support.beside import beside
from tests.support.nacos_rig import NacosRig
from tests.support.pb2_decoder import Pb2Codec
from tests.support.ports import free_port_run, free_ports

TIMEOUT_S = 20.0
POLL_S = 0.2
"""The refresh period of the service under test."""

_SETTINGS = """
profile: {profile}
aux_addr: 127.0.0.1:{http}
mcp: {{server_url: "xds://127.0.0.1:{ads}", drain_timeout: 2s, shards: {shards}}}
guard: {{empty_grace: {grace}s, delete_after: {delete}s}}
nacos_source:
  enabled: true
  address: ["{address}"]
  mode: {mode}
  namespace: {namespace}
  username: "{username}"
  password: "{password}"
  refresh_period: {period}s
{more}"""


class Deployment:
    """Where one service listens and what it reads; the service can be run several times in a row."""

    def __init__(
        self,
        rig: NacosRig,
        *,
        grace_s: float = 1.0,
        delete_s: float = 1.0,
        shards: int = 1,
        mode: str = "auto",
        profile: str = "istio",
        more: str = "",
    ) -> None:
        """`more` are lines of YAML at the end of the section of Nacos, and sections after it."""
        self.ads = free_port_run(shards)
        (self.http,) = free_ports(1)
        self._settings = _SETTINGS.format(
            profile=profile,
            http=self.http,
            ads=self.ads,
            shards=shards,
            grace=grace_s,
            delete=delete_s,
            address=rig.base_url,
            mode=mode,
            namespace=rig.namespace,
            username=rig.username,
            password=rig.password,
            period=POLL_S,
            more=more,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the service for as long as the block lasts, then stop it as SIGTERM would."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            app = App(load_settings(self._settings, {}).settings)
            tasks.create_task(app.run(stop))
            await app.listening.wait()
            try:
                yield
            finally:
                stop.set()

    async def get(self, path: str) -> tuple[int, bytes]:
        """Fetch a page."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.http}{path}") as answer,
        ):
            return answer.status, await answer.read()

    async def cached_entries(self) -> dict[str, Any]:
        """Return the ServiceEntry specs of `/meshregistry/xdsCache` by name."""
        status, body = await self.get("/meshregistry/xdsCache?layout=list")
        assert status == 200
        return {item["name"]: item["Spec"] for item in orjson.loads(body)}


@asynccontextmanager
async def running_app(path: Path) -> AsyncIterator[App]:
    """Run the service on a settings file, which it follows, for as long as the block lasts."""
    origin = open_settings(path, {})
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        app = App(origin.loaded.settings, origin)
        tasks.create_task(app.run(stop))
        await app.listening.wait()
        try:
            yield app
        finally:
            stop.set()


@asynccontextmanager
async def attached_istiod(deployment: Deployment, family: str = "1.24", shard: int = 0) -> AsyncIterator[IstiodClient]:
    """Attach an istiod model to one shard for as long as the block lasts."""
    async with istiod_at(deployment.ads + shard, family) as client:
        yield client


@asynccontextmanager
async def istiod_at(port: int, family: str = "1.24") -> AsyncIterator[IstiodClient]:
    """Attach an istiod model to a port for as long as the block lasts."""
    options = ClientOptions(DialOptions("127.0.0.1", port), FAMILIES[family])
    client = IstiodClient(options, seams=Seams(codec=Pb2Codec()))
    async with beside(client.run()):
        yield client


def endpoints(model: IstiodModel, name: str) -> list[str] | None:
    """Return the endpoint addresses that istiod holds for `nacos/<name>`; None when it holds no such entry."""
    config = model.configs.get(ConfigKey("ServiceEntry", "nacos", name))
    return None if config is None else sorted(endpoint.address for endpoint in config.spec.endpoints)  # type: ignore[union-attr]
