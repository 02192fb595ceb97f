"""Secrets in every place of the settings that takes one, and where they must not turn up afterwards."""

import asyncio
import json
import re
import signal
import struct
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from kazoo.security import make_acl

from meshregistry.sim.nacos.access import Credentials
from meshregistry.sim.nacos.server import SimNacos
from meshregistry.sim.nacos.server import SimOptions as NacosOptions
from meshregistry.sim.nacos.state import Instance, ServiceKey
from meshregistry.sim.zookeeper.access import digest
from meshregistry.sim.zookeeper.server import SimOptions, SimZooKeeper
from meshregistry.sim.zookeeper.state import Rules
from tests.support.admin_rig import short_folder
from tests.support.dubbo_names import provider
from tests.support.planted import found_in, planted
from tests.support.ports import free_ports
from tests.support.quoting_registry import WAYS, QuotingRegistry
from tests.support.scripted_zookeeper import Peer, ScriptedZooKeeper
from tests.support.zookeeper_writer import Writer, WriterOptions

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(180),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False),
]

TIMEOUT_S = 60.0
TOKEN = planted("http-token")
CRASH = "crash"
"""A file that has the service fail where it cannot go on."""

INJECTED = """
import asyncio, pathlib, sys

from meshregistry.kubernetes.watch import PodWatch
from meshregistry.store.reducer import Reducer

folder, address, secret = map(str, sys.argv[1:4])
del sys.argv[1:4]
take_in = Reducer.run

async def fail(self):
    loop = asyncio.get_running_loop()
    loop.create_task(fail_alone())
    raise RuntimeError(f"cannot open {address} with {secret}")

async def fail_alone():
    raise RuntimeError(f"cannot open {address} with {secret}")

async def fail_when_told(self, inbox):
    running = asyncio.ensure_future(take_in(self, inbox))
    while not pathlib.Path(folder, "crash").exists():
        await asyncio.sleep(0.05)
    running.cancel()
    raise RuntimeError(f"cannot open {address} with {secret}")

PodWatch.run, Reducer.run = fail, fail_when_told

from meshregistry.cli import main

main()
"""
"""The service, with failures that nobody foresaw: of a task that it can do without, of one whose result nobody asks
for, and of one that it cannot do without."""


def url(place: str, rest: str) -> str:
    return f"http://PLANTED-user:{quote(planted(place), safe='')}@{rest}"


def compose(folder: Path, ports: Mapping[str, str | int], more: Mapping[str, object]) -> str:
    """Return the settings; JSON is YAML, too."""
    stub, closed = f"127.0.0.1:{ports['stub']}", f"127.0.0.1:{ports['closed']}"
    login = {"username": "reader"}
    settings: dict[str, object] = {
        "aux_addr": f"127.0.0.1:{ports['http']}",
        "mcp": {"server_url": f"xds://127.0.0.1:{ports['ads']}"},
        "log": {"level": "debug"},
        "data_dir": str(folder),
        "save_interval": "0.1s",
        "http": {"token": TOKEN},
        "reload": {"settle": "0.01s"},
        "nacos_source": {
            "enabled": True,
            "refresh_period": "0.2s",
            "wait_time": "1s",
            "client_headers": {"X-Api-Key": planted("nacos-header")},
            "servers": [
                {"registry_id": "one", "address": [url("nacos-url", f"{stub}/one")], **login}
                | {"password": planted("nacos-password")},
                {"registry_id": "two", "address": [f"http://{stub}/two"], "access_key": "key"}
                | {"secret_key": planted("nacos-secret-key"), "security_token": planted("nacos-security-token")},
                {"registry_id": "three", "address": [ports["nacos"]], **login, "password": planted("nacos-good")},
                {"registry_id": "four", "address": [url("nacos-closed", closed)]},
            ],
        },
        "eureka_source": {
            "enabled": True,
            "refresh_period": "0.2s",
            "wait_time": "1s",
            "client_headers": {"X-Api-Key": planted("eureka-header")},
            "servers": [
                {"registry_id": "one", "address": [url("eureka-url", f"{stub}/eureka")]},
                {"registry_id": "two", "address": [f"http://{stub}/eureka"], **login}
                | {"password": planted("eureka-password")},
                {"registry_id": "three", "address": [f"http://{stub}/eureka"], "token": planted("eureka-token")},
                {"registry_id": "four", "address": [url("eureka-closed", f"{closed}/eureka")]},
            ],
        },
        "zookeeper_source": {
            "enabled": True,
            "refresh_period": "0.2s",
            "wait_time": "1s",
            "servers": [
                {"registry_id": "one", "address": [ports["zookeeper"]], "username": "super"}
                | {"password": planted("zookeeper-digest")},
                {"registry_id": "two", "address": [ports["refusing"]], "username": "u", "sasl": True}
                | {"password": planted("zookeeper-sasl")},
                {"registry_id": "three", "address": [closed], **login, "password": planted("zookeeper-closed")},
            ],
        },
    }
    return json.dumps({**settings, **more})


@asynccontextmanager
async def nacos_with_a_service() -> AsyncIterator[str]:
    """A Nacos that lets us in; yields its address."""
    credentials = Credentials(username="reader", password=planted("nacos-good"))
    sim = SimNacos(NacosOptions(credentials=credentials))
    await sim.start()
    sim.registry.register(ServiceKey("orders"), Instance("10.0.0.1", 8080))
    try:
        yield sim.base_url
    finally:
        await sim.stop()


@asynccontextmanager
async def zookeeper_with_a_provider() -> AsyncIterator[str]:
    """A ZooKeeper whose nodes only we may read; yields its address."""
    user = f"super:{planted('zookeeper-digest')}"
    async with SimZooKeeper(SimOptions(rules=Rules(super_user=user))) as sim:
        writer = Writer(WriterOptions(hosts=sim.address, digest=user))
        await writer.open()
        acl = [make_acl("digest", digest("somebody:else"), all=True)]
        await writer.create(f"/dubbo/com.acme.Orders/providers/{provider('10.0.0.2:20880')}", acl=acl)
        try:
            yield sim.address
        finally:
            await writer.close()


async def challenge_and_refuse(peer: Peer) -> None:
    """Go through SASL as a server that does not know the password, and says so."""

    def buffer(data: bytes) -> bytes:
        return struct.pack(">i", len(data)) + data

    await peer.accept()
    asked = await peer.request()
    peer.answer(asked.xid, buffer(b'realm="r",nonce="n",charset=utf-8,algorithm=md5-sess,qop="auth"'))
    asked = await peer.request()
    assert b"response=" in asked.body
    peer.answer(asked.xid, buffer(b"rspauth=" + b"0" * 32))


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


MISSING = {"/nowhere": 404, "/meshregistry/why?host=x": 404}


class Pages:
    """The pages of the service, as somebody with the token sees them."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.collected: dict[str, str] = {}

    async def fetch(self, path: str) -> tuple[int, str]:
        try:
            async with self._session.get(path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
                return answer.status, f"{answer.headers} {await answer.text()}"
        except aiohttp.ClientConnectionError:
            return 0, ""

    async def until(self, path: str, pattern: str) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not re.search(pattern, (await self.fetch(path))[1]):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    async def until_ready(self) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while (await self.fetch("/meshregistry/ready"))[0] != 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    async def collect(self, when: str) -> None:
        """Take every page that the list names, with and without what makes it say more; each must be there."""
        _, index = await self.fetch("/")
        paths = re.findall(r"^/\S*", index, re.MULTILINE)
        assert {"/metrics", "/meshregistry/args", "/meshregistry/nacos", "/meshregistry/journal"} <= set(paths)
        more = [f"/meshregistry/{kind}?registries=true" for kind in ("nacos", "eureka", "zookeeper")]
        more += ["/meshregistry/why?host=com.acme.orders.dubbo", "/meshregistry/why?address=10.0.0.1"]
        more += ["/meshregistry/args?format=json", "/meshregistry/args?format=yaml", *MISSING]
        for path in (*paths, *more):
            status, self.collected[f"{path} {when}"] = await self.fetch(path)
            assert MISSING.get(path, 200) == status, path


async def quote_in_every_way(registry: QuotingRegistry, pages: Pages) -> None:
    """Have each registry be refused in each way, and look at the pages then."""
    for way in WAYS:
        registry.turn(way)
        async with asyncio.timeout(TIMEOUT_S):
            while len(registry.asked) < 5 or min(registry.asked.values()) < 3:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        await pages.collect(way)


def texts_in(folder: Path, settings: Path) -> dict[str, str]:
    """Return what is in the files that the service has written: the log, the snapshot."""
    files = {each.name: each for each in folder.iterdir() if each != settings and each.is_file()}
    assert {"log", "snapshot.meshregistry"} <= files.keys()
    return {name: each.read_text(errors="replace") for name, each in files.items()}


async def test_no_secret_is_in_any_page_log_metric_file_or_fault(folder: Path) -> None:
    http, ads, closed = free_ports(3)
    registry = QuotingRegistry()
    path, log = folder / "settings.yaml", folder / "log"
    stub = await asyncio.start_server(registry.refuse, "127.0.0.1", 0)
    sasl = ScriptedZooKeeper(challenge_and_refuse)
    async with (
        stub,
        nacos_with_a_service() as nacos,
        zookeeper_with_a_provider() as zookeeper,
        sasl.running(),
        aiohttp.ClientSession(f"http://127.0.0.1:{http}") as session,
    ):
        stub_port = stub.sockets[0].getsockname()[1]
        ports: dict[str, str | int] = {"http": http, "ads": ads, "closed": closed, "stub": stub_port}
        ports |= {"nacos": nacos, "zookeeper": zookeeper, "refusing": sasl.address}
        path.write_text(compose(folder, ports, {}))
        injected = (str(folder), url("eureka-url", "nowhere"), planted("nacos-password"))
        command = (sys.executable, "-X", "dev", "-c", INJECTED, *injected, "run", "--config", str(path))
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
        pages = Pages(session)
        try:
            await pages.until("/meshregistry/xdsCache", r"10\.0\.0\.1(.|\n)*10\.0\.0\.2|10\.0\.0\.2(.|\n)*10\.0\.0\.1")
            await pages.until("/meshregistry/zookeeper?registries=true", "SASL|credentials refused")
            await pages.until_ready()
            await quote_in_every_way(registry, pages)
            wrong = {"guard": {"mass_min": planted("in-a-wrong-place")}, "http_token": planted("under-a-wrong-key")}
            path.write_text(compose(folder, ports, wrong))
            process.send_signal(signal.SIGHUP)
            await pages.until("/metrics", r'reload_total\{result="failure"\} [1-9]')
            await pages.collect("later")
            (folder / CRASH).touch()
            async with asyncio.timeout(TIMEOUT_S):
                assert 1 == await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    files = texts_in(folder, path)

    told = set(re.findall(r"\b(source\.lost|reload\.refused|task\.failed|app\.crashed|never retrieved)", files["log"]))
    assert {"source.lost", "reload.refused", "task.failed", "app.crashed", "never retrieved"} == told
    assert re.search(r"10\.0\.0\.1", pages.collected["/meshregistry/journal later"])
    assert "10.0.0.1" in files["snapshot.meshregistry"]
    assert {} == found_in([*pages.collected.items(), *files.items()])
