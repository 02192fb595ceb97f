"""Calls over a real socket: what is sent, what each status means, redirects, proxies, TLS, bodies that end early."""

import asyncio
import base64
import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.eureka.client import (
    Answer,
    EurekaClient,
    Node,
    NotFound,
    NotOffered,
    Refused,
    authorization,
    error_of,
)
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions, TlsFiles
from meshregistry.telemetry.metrics import Metrics
from tests.support.http_answers import answering

pytestmark = pytest.mark.anyio


async def get(node: Node, secret: dict[str, str] | None = None, regions: str = "", **options: object) -> bytes:
    """Ask for everything."""
    async with EurekaClient(EurekaOptions(servers=(), **options), Metrics()) as client:  # type: ignore[arg-type]
        return b"".join(await client.get(node, "/apps", regions, secret or {}))


def node_of(port: int, scheme: str = "http", host: str = "127.0.0.1") -> Node:
    """Return the node at a port."""
    return Node(f"{scheme}://{host}:{port}/eureka")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, SourceUnavailable),
        (400, SourceDataError),
        (401, SourceAuthError),
        (403, Refused),
        (404, NotFound),
        (405, NotOffered),
        (406, SourceDataError),
        (429, SourceUnavailable),
        (500, SourceUnavailable),
        (501, NotOffered),
        (503, SourceUnavailable),
    ],
)
def test_each_status_says_what_to_do(status: int, kind: type[SourceError]) -> None:
    error = error_of(Answer(status, [b"why\n"], ""), "http://e/eureka/apps")

    assert kind is type(error)
    assert str(error).startswith(f"http://e/eureka/apps: status {status}: why")


@pytest.mark.parametrize(
    ("server", "address", "expected"),
    [
        (EurekaServerOptions(addresses=()), "http://e", ""),
        (EurekaServerOptions(addresses=()), "http://u%40x:p%3A@e", "u@x:p:"),
        (EurekaServerOptions(addresses=(), username="a", password="b"), "http://u:p@e", "a:b"),
        (EurekaServerOptions(addresses=(), username="ä", password="b"), "http://e", "ä:b"),
    ],
)
def test_user_and_password_come_from_the_settings_or_else_from_the_address(
    server: EurekaServerOptions, address: str, expected: str
) -> None:
    encoded = f"Basic {base64.b64encode(expected.encode()).decode()}"

    assert ({"Authorization": encoded} if expected else {}) == authorization(server, address)


def test_a_server_that_writes_xml_only_and_says_so_is_called_that() -> None:
    assert "cannot write JSON" in str(error_of(Answer(406, [b""], ""), "http://e/eureka/apps"))


def test_a_token_stands_in_place_of_user_and_password() -> None:
    server = EurekaServerOptions(addresses=(), username="a", password="b", token="t")

    assert {"Authorization": "Bearer t"} == authorization(server, "http://u:p@e")


def test_a_node_is_shown_without_what_is_secret() -> None:
    assert "http://e/eureka (10.0.0.1)" == str(Node("http://u:p@e/eureka", "10.0.0.1"))
    assert "http://[2001:db8::1]:8761/eureka/apps" == str(Node("http://e:8761/eureka", "2001:db8::1").url("/apps"))


async def test_json_and_gzip_are_asked_for_under_our_name() -> None:
    seen: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.Response(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})

    async with answering(handle) as port:
        body = await get(
            node_of(port), {"Authorization": "Bearer t"}, "r1,r2", headers=(("X-Team", "mesh"),), client_name="us"
        )

    (request,) = seen
    assert (b"{}", "/eureka/apps") == (body, request.path)
    assert "r1,r2" == request.query["regions"]
    sent = {"Accept": "application/json", "Accept-Encoding": "gzip", "Authorization": "Bearer t", "X-Team": "mesh"}
    sent |= {"X-Eureka-Accept": "full"}
    assert sent | {"DiscoveryIdentity-Name": "us"} == {
        name: request.headers[name] for name in (*sent, "DiscoveryIdentity-Name")
    }


async def test_an_address_from_dns_is_asked_by_the_hosts_name() -> None:
    hosts: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        hosts.append(request.headers["Host"])
        return web.Response(body=b"{}")

    async with answering(handle) as port:
        await get(Node(f"http://eureka.test:{port}/eureka", "127.0.0.1"))

    assert [f"eureka.test:{port}"] == hosts


async def test_another_origin_that_a_redirect_names_gets_no_secrets() -> None:
    seen: list[tuple[str | None, str | None]] = []

    async def target(request: web.BaseRequest) -> web.Response:
        seen.append((request.headers.get("Authorization"), request.headers.get("X-Team")))
        return web.Response(body=b"{}")

    async with answering(target) as other:

        async def moved(request: web.BaseRequest) -> web.Response:
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{other}/apps"})

        async with answering(moved) as port:
            await get(node_of(port), {"Authorization": "Bearer t"}, headers=(("X-Team", "mesh"),))

    assert [(None, None)] == seen


@pytest.mark.parametrize("location", ["/again", "http://[", "http://a..b/", f"http://{'x' * 64}.test/", ""])
async def test_redirects_without_an_end_are_an_error(location: str) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with answering(handle) as port:
        with pytest.raises(SourceUnavailable, match=f"http://127.0.0.1:{port}/eureka/apps: .*(redirect|idna)"):
            await get(node_of(port))


async def test_a_body_that_ends_early_or_is_too_long_is_an_error() -> None:
    packed = gzip.compress(bytes(range(256)) * 64)

    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": "gzip", "Content-Length": str(len(packed))})
        await response.prepare(request)
        await response.write(packed[:50])
        assert request.transport is not None
        request.transport.close()
        return response

    async def whole(request: web.BaseRequest) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async with answering(cut) as port:
        with pytest.raises(SourceUnavailable, match=f"http://127.0.0.1:{port}/eureka/apps"):
            await get(node_of(port))
    async with answering(whole) as port:
        with pytest.raises(SourceDataError, match="body longer than 1000 bytes"):
            await get(node_of(port), max_body_bytes=1000)


async def test_nobody_listening_is_unavailable() -> None:
    async def unused(request: web.BaseRequest) -> web.Response:
        return web.Response()

    async with answering(unused) as port:
        pass
    with pytest.raises(SourceUnavailable, match="ClientConnectorError"):
        await get(node_of(port))


@pytest.mark.parametrize("status", [404, 500])
async def test_an_answer_other_than_200_is_an_error_whatever_its_body(status: int) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, body=b'{"applications":{"versions__delta":"1","application":[]}}')

    async with answering(handle) as port:
        with pytest.raises(SourceUnavailable, match=f"status {status}"):
            await get(node_of(port))


async def test_an_answer_without_an_end_is_given_up_after_the_time_for_a_request() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    async with answering(endless) as port:
        with pytest.raises(SourceUnavailable, match="no complete answer in time"):
            await get(node_of(port), request_timeout_s=0.1)


async def test_a_server_that_quotes_what_it_was_sent_is_shown_without_it() -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=500, text=f"no entry for {request.headers['Authorization']}")

    async with answering(handle) as port:
        with pytest.raises(SourceUnavailable) as caught:
            await get(node_of(port), {"Authorization": "Bearer s3cret"})

    assert "s3cret" not in str(caught.value)


async def test_cookies_are_not_kept() -> None:
    cookies: list[str | None] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(body=b"{}", headers={"Set-Cookie": "session=1"})

    async with answering(handle) as port, EurekaClient(EurekaOptions(servers=()), Metrics()) as client:
        for _ in range(2):
            await client.get(Node(f"http://localhost:{port}/eureka"), "/apps", "", {})

    assert [None, None] == cookies


async def test_a_header_that_cannot_be_sent_is_an_error_without_its_value() -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response()

    async with answering(handle) as port:
        with pytest.raises(SourceUnavailable) as caught:
            await get(node_of(port), {"Authorization": "Bearer s3cret\nline"})

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "flip", "garbage", "more"])
async def test_a_damaged_compression_is_an_error_or_the_whole(damage: str) -> None:
    whole = bytes(range(256)) * 64
    packed = bytearray(gzip.compress(whole))
    bodies: list[bytes] = {
        "cut": [bytes(packed[:end]) for end in range(0, len(packed), 23)],
        "flip": [bytes(packed[:at]) + bytes([packed[at] ^ 0x55]) + bytes(packed[at + 1 :]) for at in range(0, 200, 9)],
        "garbage": [b"garbage", bytes(100), bytes(packed[:10]) + bytes(50)],
        "more": [bytes(packed) + b"trailer"],
    }[damage]
    waiting = iter(bodies)

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=next(waiting), headers={"Content-Encoding": "gzip"})

    async with answering(handle) as port, EurekaClient(EurekaOptions(servers=()), Metrics()) as client:
        for _ in bodies:
            try:
                body = b"".join(await client.get(node_of(port), "/apps", "", {}))
            except SourceUnavailable:
                continue
            assert body == whole or damage in ("cut", "flip")  # what is then no JSON, or another text in a field
            assert len(body) <= len(whole)


# Proxies.


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No proxy at all, yet."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@asynccontextmanager
async def proxying() -> AsyncIterator[tuple[int, list[tuple[str, str | None]]]]:
    """Run a proxy that answers all by itself; gives its port, and the URLs and credentials that it was sent."""
    asked: list[tuple[str, str | None]] = []

    async def proxy(request: web.BaseRequest) -> web.Response:
        asked.append((request.raw_path, request.headers.get("Proxy-Authorization")))
        return web.Response(body=b"{}")

    async with answering(proxy) as port:
        yield port, asked


async def test_a_proxy_of_the_environment_is_used(environment: pytest.MonkeyPatch) -> None:
    async with proxying() as (port, asked):
        environment.setenv("http_proxy", f"http://us:pw@127.0.0.1:{port}")
        await get(Node("http://eureka.test/eureka"))

    assert [("http://eureka.test/eureka/apps", "Basic dXM6cHc=")] == asked


async def test_a_file_with_passwords_does_not_come_in_the_way_of_ours(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine eureka.test login a password b\n")
    environment.setenv("NETRC", str(netrc))
    async with proxying() as (port, asked):
        environment.setenv("http_proxy", f"http://127.0.0.1:{port}")
        await get(Node("http://eureka.test/eureka"), {"Authorization": "Bearer t"})

    assert 1 == len(asked)


@pytest.mark.parametrize("exempt", ["127.0.0.1", "eureka.test", ".test", "*", "eureka.test:{port}"])
async def test_hosts_of_no_proxy_are_asked_without_one_by_name_or_address(
    environment: pytest.MonkeyPatch, exempt: str
) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"straight")

    async with answering(handle) as port, proxying() as (other, asked):
        environment.setenv("http_proxy", f"http://127.0.0.1:{other}")
        environment.setenv("no_proxy", exempt.format(port=port))
        assert b"straight" == await get(Node(f"http://eureka.test:{port}/eureka", "127.0.0.1"))

    assert [] == asked


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1", "nonsense", "http://us:s3cret@127.0.0.1:1", "http://a..b"])
async def test_a_proxy_that_cannot_be_used_is_an_error_without_secrets(
    environment: pytest.MonkeyPatch, address: str
) -> None:
    environment.setenv("http_proxy", address)
    with pytest.raises(SourceUnavailable, match=r"http://eureka\.test/eureka/apps: ") as caught:
        await get(Node("http://eureka.test/eureka"), connect_timeout_s=1.0)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 20, 60, 200])
async def test_a_proxy_that_cuts_connections_is_an_error(environment: pytest.MonkeyPatch, length: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 300

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer[:length])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server:
        environment.setenv("http_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(SourceUnavailable, match=r"http://eureka\.test/eureka/apps: "):
            await get(Node("http://eureka.test/eureka"))


async def test_tls_goes_through_a_proxy_to_the_server_that_its_name_says(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("eureka.test").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    lines: list[bytes] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"{}")

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n\r\n")).splitlines()[0])
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, outer), _copy(inner, writer))

    async with answering(handle, context) as port:
        server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
        async with server:
            environment.setenv("https_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            for node in (Node("https://eureka.test/eureka"), Node("https://eureka.test/eureka", "192.0.2.1")):
                assert b"{}" == await get(node, tls=TlsFiles(ca=str(tmp_path / "ca.pem")))

    assert [b"CONNECT eureka.test:443 HTTP/1.1", b"CONNECT 192.0.2.1:443 HTTP/1.1"] == lines


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_both_sides_show_certificates_that_the_files_vouch_for(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("eureka.test").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca, client = tmp_path / "ca.pem", tmp_path / "client.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("client.test").private_key_and_cert_chain_pem.write_to_path(str(client))

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"{}")

    async with answering(handle, context) as port:
        node = Node(f"https://eureka.test:{port}/eureka", "127.0.0.1")
        assert await get(node, tls=TlsFiles(ca=str(ca), certificate=str(client))) == b"{}"
        wrong_name = Node(f"https://other.test:{port}/eureka", "127.0.0.1")
        assert await get(wrong_name, tls=TlsFiles(certificate=str(client), verify=False)) == b"{}"
        for bad, files in ((wrong_name, TlsFiles(ca=str(ca), certificate=str(client))), (node, TlsFiles())):
            with pytest.raises(SourceUnavailable, match="certificate"):
                await get(bad, tls=files)
