"""The service as a process of its own, that a test can kill."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from meshregistry.watch.client import ClientOptions, IstiodClient
from meshregistry.watch.model import IstiodModel
from meshregistry.watch.observations import Observation
from meshregistry.watch.transport import DialOptions
from tests.support.beside import beside
from tests.support.ports import free_ports

TIMEOUT_S = 60.0

_SETTINGS = """
aux_addr: 127.0.0.1:{http}
mcp: {{server_url: "xds://127.0.0.1:{ads}", drain_timeout: 2s{mcp}}}
guard: {{empty_grace: 1s, delete_after: 1s}}
data_dir: "{data_dir}"
save_interval: 0.1s
replicas: {{siblings: [{siblings}], takeover_timeout: 5s, resolve_interval: 0.2s{replicas}}}
nacos_source:
  enabled: true
  address: ["{nacos}"]
  mode: polling
  settle_time: 0.5s
  namespace: {namespace}
  refresh_period: {period}s
"""


class ServiceProcess:
    """One replica: where it listens, what it reads, where it saves. Owner of its process."""

    def __init__(self, folder: Path, nacos: str, namespace: str = "public", period_s: float = 0.2) -> None:
        self.ads, self.http = free_ports(2)
        self.siblings: list[ServiceProcess] = []
        self.mcp = ""
        """More of the section, beginning with a comma; `replicas` likewise."""

        self.replicas = ""
        self.edit: Callable[[str], str] = str
        """What is changed of the settings as a whole, from the next start on."""

        self.data_dir = folder / "data"
        self._folder = folder
        self._nacos = nacos
        self._namespace = namespace
        self._period_s = period_s
        self._process: asyncio.subprocess.Process | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ServiceProcess"]:
        """Run it for as long as the block lasts."""
        await self.start()
        try:
            yield self
        finally:
            await self.end(signal.SIGKILL)

    async def start(self) -> None:
        """Start it and wait until its ports are open."""
        self._folder.mkdir(parents=True, exist_ok=True)
        siblings = ", ".join(f'"127.0.0.1:{each.ads}"' for each in self.siblings)
        text = _SETTINGS.format(
            http=self.http,
            ads=self.ads,
            data_dir=self.data_dir,
            siblings=siblings,
            mcp=self.mcp,
            replicas=self.replicas,
            nacos=self._nacos,
            namespace=self._namespace,
            period=self._period_s,
        )
        path = self._folder / "settings.yaml"
        path.write_text(self.edit(text))
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "meshregistry", "run", "--config", str(path), stderr=log
            )
        await self.until(lambda status, body: status > 0)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(number)
        async with asyncio.timeout(TIMEOUT_S):
            await self._process.wait()

    async def ready(self) -> tuple[int, str]:
        """Return what `/meshregistry/ready` says; status 0 while nothing listens."""
        return await self.get("/meshregistry/ready")

    async def get(self, path: str) -> tuple[int, str]:
        """Fetch a page; status 0 when nothing listens."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.http}{path}") as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientError:
            return 0, ""

    async def until(self, condition: Callable[[int, str], bool]) -> tuple[int, str]:
        """Wait until `/meshregistry/ready` satisfies a condition."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                answer = await self.ready()
                if condition(*answer):
                    return answer
                await asyncio.sleep(0.02)

    async def until_fresh(self) -> None:
        """Wait until it is ready and nothing is stale."""
        await self.until(lambda status, body: status == 200 and "stale" not in body)

    async def until_page(self, path: str, text: str) -> None:
        """Wait until a page has a text."""
        async with asyncio.timeout(TIMEOUT_S):
            while text not in (await self.get(path))[1]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    async def until_saved(self, text: str) -> None:
        """Wait until the saved snapshot holds a text."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                if any(text.encode() in path.read_bytes() for path in self.data_dir.glob("snapshot.meshregistry")):
                    return
                await asyncio.sleep(0.02)


def pair_of(folder: Path, nacos: str, namespace: str, period_s: float = 0.2) -> list[ServiceProcess]:
    """Return two replicas that are each other's siblings."""
    pair = [ServiceProcess(folder / name, nacos, namespace, period_s) for name in ("a", "b")]
    for each in pair:
        each.siblings = pair
    return pair


@asynccontextmanager
async def istiod_at(port: int, observations: list[Observation] | None = None) -> AsyncIterator[IstiodClient]:
    """Attach an istiod model to an address for as long as the block lasts."""
    noted: list[Observation] = [] if observations is None else observations
    client = IstiodClient(ClientOptions(DialOptions("127.0.0.1", port)), noted.append)
    async with beside(client.run()):
        yield client


async def served_by(port: int) -> dict[str, object]:
    """Return all resources that an istiod gets at an address."""
    async with istiod_at(port) as client, asyncio.timeout(TIMEOUT_S):
        await client.wait_until(lambda model: model.synced)
        return held_by(client.model)


def held_by(model: IstiodModel) -> dict[str, object]:
    """Return what an istiod holds: name → everything about it, its version included."""
    return {key.name: config for key, config in model.configs.items() if key.kind == "ServiceEntry"}
