"""Secrets in every place of the settings that takes one, and where they must not turn up afterwards."""

import asyncio
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.admin_rig import short_folder
from tests.support.ports import free_ports

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

TIMEOUT_S = 60.0
TOKEN = "PLANTED-http-token"

SETTINGS = """
aux_addr: 127.0.0.1:{http}
mcp: {{server_url: "xds://127.0.0.1:{ads}"}}
log: {{level: debug}}
data_dir: {folder}
http: {{token: {token}}}
reload: {{settle: 0.01s}}
nacos_source:
  enabled: true
  refresh_period: 0.2s
  client_headers: {{X-Api-Key: PLANTED-nacos-header}}
  servers:
  - registry_id: one
    address: ["http://PLANTED-nacos-user:PLANTED-nacos-url@127.0.0.1:{stub}/nacos"]
    username: reader
    password: PLANTED-nacos-password
  - registry_id: two
    address: ["http://127.0.0.1:{stub}"]
    access_key: key
    secret_key: PLANTED-nacos-secret-key
    security_token: PLANTED-nacos-security-token
eureka_source:
  enabled: true
  refresh_period: 0.2s
  client_headers: {{X-Api-Key: PLANTED-eureka-header}}
  servers:
  - {{registry_id: one, address: ["http://PLANTED-eureka-user:PLANTED-eureka-url@127.0.0.1:{stub}/eureka"]}}
  - {{registry_id: two, address: ["http://127.0.0.1:{stub}/eureka"], username: u, password: PLANTED-eureka-password}}
  - {{registry_id: three, address: ["http://127.0.0.1:{closed}/eureka"], token: PLANTED-eureka-token}}
zookeeper_source:
  enabled: true
  refresh_period: 0.2s
  servers:
  - {{registry_id: one, address: ["127.0.0.1:{stub}"], username: u, password: PLANTED-zookeeper-digest}}
  - {{registry_id: two, address: ["127.0.0.1:{closed}"], username: u, password: PLANTED-zookeeper-sasl, sasl: true}}
{more}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request as a registry that dislikes it and quotes it."""
    try:
        head = await reader.read(65536)
        quoted = b"bad credentials: " + re.sub(rb"[\r\n]+", b" ", head)
        writer.write(
            b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(quoted) + quoted
        )
        await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def fetch(session: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    try:
        async with session.get(path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientConnectionError:
        return 0, ""


async def wait_for(session: aiohttp.ClientSession, path: str, pattern: str) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not re.search(pattern, (await fetch(session, path))[1]):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def collect_pages(session: aiohttp.ClientSession) -> dict[str, str]:
    """Return every page that the list names, with and without what makes it say more."""
    _, index = await fetch(session, "/")
    paths = [line.split()[0] for line in index.splitlines() if line.startswith("/")]
    assert {"/metrics", "/meshregistry/args", "/meshregistry/nacos"} <= set(paths)
    more = [f"/meshregistry/{kind}?registries=true" for kind in ("nacos", "eureka", "zk")]
    more += ["/meshregistry/why?host=x", "/meshregistry/args?format=json", "/nowhere"]
    return {path: (await fetch(session, path))[1] for path in (*paths, *more)}


def texts_in(folder: Path, settings: Path) -> dict[str, str]:
    """Return what is in the files that the service has written: the log, the snapshot if there is one."""
    return {
        each.name: each.read_text(errors="replace") for each in folder.iterdir() if each != settings and each.is_file()
    }


async def test_no_secret_is_in_any_page_log_metric_file_or_fault(folder: Path) -> None:
    http, ads, closed = free_ports(3)
    stub = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = stub.sockets[0].getsockname()[1]
    path, log = folder / "settings.yaml", folder / "log"

    def write(more: str) -> None:
        text = SETTINGS.format(http=http, ads=ads, stub=port, closed=closed, folder=folder, token=TOKEN, more=more)
        path.write_text(text)

    write("")
    async with stub, aiohttp.ClientSession(f"http://127.0.0.1:{http}") as session:
        with log.open("wb") as output:
            command = (sys.executable, "-X", "dev", "-m", "meshregistry", "run", "--config", str(path))
            process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
        try:
            for kind in ("nacos", "eureka"):
                await wait_for(session, f"/meshregistry/{kind}?registries=true", r'"last_error":\s*"')
            await wait_for(session, "/meshregistry/sources", r'"zookeeper"')
            pages = await collect_pages(session)
            write("guard: {mass_min: PLANTED-in-a-wrong-place}\nhttp_token: PLANTED-under-a-wrong-key")
            process.send_signal(signal.SIGHUP)
            await wait_for(session, "/metrics", r'reload_total\{result="failure"\} [1-9]')
            pages |= {f"{name} later": text for name, text in (await collect_pages(session)).items()}
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(TIMEOUT_S):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
    files = texts_in(folder, path)

    assert "source.lost" in files["log"]
    assert "reload.refused" in files["log"]
    found = {where: set(re.findall(r"PLANTED-[\w-]+", text)) for where, text in {**pages, **files}.items()}
    assert {} == {where: secrets for where, secrets in found.items() if secrets}
