"""Calls over a real socket: what is sent, what each status means, redirects, proxies, TLS, bodies that end early."""

import base64
import gzip
import ssl
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


@pytest.mark.parametrize("location", ["/again", "http://[", ""])
async def test_redirects_without_an_end_are_an_error(location: str) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with answering(handle) as port:
        with pytest.raises(SourceUnavailable, match="redirect"):
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


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def proxy(request: web.BaseRequest) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(body=b"{}")

    async with answering(proxy) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        await get(Node("http://eureka.test/eureka"))

    assert ["http://eureka.test/eureka/apps"] == asked


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
