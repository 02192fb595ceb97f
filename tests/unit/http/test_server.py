"""Listening: addresses as Go reads them, one or two listeners, ports that are taken."""

import asyncio
import socket

import pytest
from aiohttp import ClientConnectorError, ClientSession

from meshregistry.errors import ListenError
from meshregistry.http.server import HttpOptions, HttpServer
from meshregistry.telemetry.metrics import Metrics
from tests.support.http_pages import PlainViews, store_of, views_of
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio

LOOPBACK = "127.0.0.1:0"


READY = {"aux_addr": "modules/livez", "http_server_addr": "ready"}


def listening(which: str, address: str) -> HttpOptions:
    """Return options with an address for one of the two listeners."""
    return HttpOptions(aux_addr=address) if which == "aux_addr" else HttpOptions(aux_addr="", http_server_addr=address)


def own_addresses() -> list[str]:
    """Return the machine's address in its network, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [str(probe.getsockname()[0])]


def server(options: HttpOptions, plain: PlainViews | None = None) -> HttpServer:
    return HttpServer(options, views_of(store_of(), plain), Metrics())


async def status(url: str) -> int:
    async with ClientSession() as client, client.get(url) as response:
        return response.status


async def test_an_address_without_host_means_all_addresses() -> None:
    port = free_port()
    http = server(HttpOptions(aux_addr=f":{port}"))
    await http.start()
    try:
        assert f"0.0.0.0:{port}" in http.addresses
        assert 200 == await status(f"http://127.0.0.1:{port}/modules/livez")
        if f"[::]:{port}" in http.addresses:
            assert 200 == await status(f"http://[::1]:{port}/modules/livez")
    finally:
        await http.stop()


@pytest.mark.parametrize("which", ["aux_addr", "http_server_addr"])
async def test_an_address_on_loopback_is_reached_from_there_alone(which: str) -> None:
    """127.0.0.2 stands for every other address of the machine: it is one, as long as all are listened on."""
    port = free_port()
    everywhere = server(listening(which, f"0.0.0.0:{port}"))
    await everywhere.start()
    assert [200, 200] == [await status(f"http://127.0.0.{end}:{port}/{READY[which]}") for end in (1, 2)]
    await everywhere.stop()

    bound = server(listening(which, f"127.0.0.1:{port}"))
    await bound.start()
    try:
        assert 200 == await status(f"http://127.0.0.1:{port}/{READY[which]}")
        for other in ("127.0.0.2", "[::1]", *own_addresses()):
            with pytest.raises(ClientConnectorError):
                await status(f"http://{other}:{port}/{READY[which]}")
    finally:
        await bound.stop()


async def test_the_second_listener_has_the_module_pages_without_prefix() -> None:
    http = server(HttpOptions(aux_addr=LOOPBACK, http_server_addr=LOOPBACK))
    await http.start()
    try:
        first, second = http.addresses
        assert [200, 404] == [await status(f"http://{at}/meshregistry/xdsCache") for at in (first, second)]
        assert [404, 200] == [await status(f"http://{at}/xdsCache") for at in (first, second)]
        assert [200, 404] == [await status(f"http://{at}/modules/livez") for at in (first, second)]
    finally:
        await http.stop()


async def test_the_second_listener_demands_the_token_too() -> None:
    http = server(HttpOptions(aux_addr="", http_server_addr=LOOPBACK, token="geheim"))
    await http.start()
    try:
        (only,) = http.addresses
        assert [401, 200] == [await status(f"http://{only}{path}") for path in ("/xdsCache", "/ready")]
    finally:
        await http.stop()


async def test_no_address_opens_nothing() -> None:
    http = server(HttpOptions(aux_addr=""))
    await http.start()

    assert [] == http.addresses
    await http.stop()


async def test_a_taken_port_is_an_error_that_names_the_address_and_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        http = server(HttpOptions(aux_addr=LOOPBACK, http_server_addr=taken))
        with pytest.raises(ListenError, match=f"cannot listen on {taken}: .*in use"):
            await http.start()

    assert [] == http.addresses


async def test_a_port_taken_for_one_address_is_taken_for_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        everywhere = f":{holder.getsockname()[1]}"
        with pytest.raises(ListenError, match=f"cannot listen on {everywhere}"):
            await server(HttpOptions(aux_addr=everywhere)).start()


@pytest.mark.parametrize("address", ["8081", "localhost", "host:http", "host:70000", ":-1", "host:"])
async def test_an_address_of_another_form_is_an_error(address: str) -> None:
    with pytest.raises(ListenError, match="not of the form host:port"):
        await server(HttpOptions(aux_addr=address)).start()


async def test_a_host_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0"):
        await server(HttpOptions(aux_addr="192.0.2.1:0")).start()


async def test_after_stop_the_port_is_closed_and_idle_connections_are_gone() -> None:
    http = server(HttpOptions(aux_addr=LOOPBACK))
    await http.start()
    (address,) = http.addresses
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /modules/livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()

    await http.stop()
    await http.stop()

    await reader.read()
    writer.close()
    with pytest.raises(ClientConnectorError):
        await status(f"http://{address}/modules/livez")
