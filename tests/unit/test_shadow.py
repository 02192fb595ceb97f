"""A shadow reads and shows everything and serves nobody."""

import asyncio
import logging
import socket
from pathlib import Path

import aiohttp
import pytest

from meshregistry.app import App
from meshregistry.changes import keep_fixed
from meshregistry.reload import open_settings
from meshregistry.settings.load import load_settings
from tests.support.ports import free_ports
from tests.support.running_service import TIMEOUT_S

pytestmark = pytest.mark.anyio

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: orders, namespace: shop}
spec: {hosts: [orders.example], ports: [{number: 80, protocol: HTTP, name: http-80}], resolution: DNS}
"""


def write(folder: Path, **further: str) -> tuple[Path, int, int]:
    """Write settings of a files source; returns the file and the ports that it names."""
    (folder / "entries").mkdir()
    (folder / "entries" / "orders.yaml").write_text(ENTRY)
    ads, http = free_ports(2)
    lines = [f"{key}: {value}" for key, value in further.items()]
    lines.append(f"k8s_source: {{enabled: true, enable_config_file: true, config_path: {folder}/entries}}")
    lines.append(f"aux_addr: 127.0.0.1:{http}\nmcp: {{server_url: 'xds://127.0.0.1:{ads}'}}")
    path = folder / "meshregistry.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path, ads, http


async def test_pages_show_what_is_read_and_no_ads_port_is_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, ads, http = write(tmp_path)
    origin = open_settings(path, {}, is_shadow=True)
    stop = asyncio.Event()
    with caplog.at_level(logging.WARNING):
        async with asyncio.TaskGroup() as tasks:
            app = App(origin.loaded.settings, origin)
            tasks.create_task(app.run(stop))
            async with asyncio.timeout(TIMEOUT_S):
                await app.listening.wait()
                await app.wait_complete()
            async with aiohttp.ClientSession(f"http://127.0.0.1:{http}") as session:
                async with session.get("/meshregistry/xdsCache") as answer:
                    assert "orders.example" in await answer.text()
                async with session.get("/meshregistry/ready") as answer:
                    assert (503, " shadow: nobody is served") == (answer.status, await answer.text())
                async with session.get("/modules/livez") as answer:
                    assert 200 == answer.status
            with socket.socket() as probe:
                assert 0 != probe.connect_ex(("127.0.0.1", ads))
            stop.set()
    assert ["app.shadow"] == [each.getMessage().split()[0] for each in caplog.records if "shadow" in each.getMessage()]


async def test_completeness_can_be_waited_for_after_it_has_come(tmp_path: Path) -> None:
    path, _, _ = write(tmp_path, shadow="true")
    app = App(open_settings(path, {}).loaded.settings)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run(stop))
        async with asyncio.timeout(TIMEOUT_S):
            await app.wait_complete()
            await app.wait_complete()
        stop.set()
    assert b"orders.example" in app.render_cache()
    assert () == app.pending_sources


def test_the_flag_wins_over_the_file(tmp_path: Path) -> None:
    path, _, _ = write(tmp_path, shadow="false")

    assert not open_settings(path, {}).loaded.settings.shadow
    assert open_settings(path, {}, is_shadow=True).loaded.settings.shadow


def test_a_reload_never_makes_a_shadow_serve_nor_a_server_a_shadow() -> None:
    serving, shadow = (load_settings(f"shadow: {each}", {}).settings for each in ("false", "true"))

    assert (shadow, ("shadow",)) == keep_fixed(shadow, serving)
    assert (serving, ("shadow",)) == keep_fixed(serving, shadow)
