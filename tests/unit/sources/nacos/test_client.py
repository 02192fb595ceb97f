"""What a status means, and what is shown of a node."""

import pytest
from aiohttp import web

from meshregistry.errors import SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.nacos.channel import ChannelOptions, NacosChannel
from meshregistry.sources.nacos.client import (
    AccessDenied,
    Answer,
    Endpoint,
    NacosClient,
    NotOffered,
    error_of,
)
from meshregistry.sources.nacos.nodes import GrpcAddress
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.telemetry.metrics import Metrics
from tests.support.http_answers import answering
from tests.unit.sources.nacos.bodies import captured

NODE = Endpoint("http://user:s3cret@10.0.0.1:8848/", "/nacos/")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, SourceUnavailable),
        (400, SourceDataError),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotOffered),
        (405, NotOffered),
        (410, NotOffered),
        (418, SourceDataError),
        (429, SourceUnavailable),
        (500, SourceUnavailable),
        (501, NotOffered),
        (502, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)
def test_each_status_says_what_to_do(status: int, kind: type[SourceError]) -> None:
    assert kind is type(error_of(Answer(status, b""), NODE, "/v1/ns/service/list"))


def test_an_error_names_address_path_status_and_the_start_of_the_body() -> None:
    error = error_of(Answer(410, captured("gone-3.1.0.json")), NODE, "/v1/ns/catalog/services")

    text = str(error)
    assert text.startswith("http://10.0.0.1:8848/nacos/v1/ns/catalog/services: status 410: {")
    assert text.endswith("…")
    assert len(text) < 300
    assert "s3cret" not in text


def test_the_url_keeps_credentials_and_what_is_shown_does_not() -> None:
    assert "http://user:s3cret@10.0.0.1:8848/nacos/v1/x" == NODE.url("/v1/x")
    assert "http://10.0.0.1:8848/nacos/v1/x" == NODE.shown("/v1/x")
    assert "http://10.0.0.1:8848" == str(NODE)


@pytest.mark.anyio
async def test_a_redirect_takes_no_token_to_an_address_that_is_not_configured() -> None:
    heard: list[str] = []

    async def listen(request: web.BaseRequest) -> web.Response:
        heard.append(request.path)
        return web.Response(text="[]")

    async with answering(listen) as elsewhere:

        async def redirect(request: web.BaseRequest) -> web.Response:
            return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{elsewhere}{request.path}"})

        async with answering(redirect) as port, NacosClient(NacosOptions(servers=()), Metrics()) as client:
            node = Endpoint(f"http://127.0.0.1:{port}", "/nacos")
            with pytest.raises(SourceUnavailable, match="status 307"):
                await client.get(node, "/v1/ns/service/list", {"accessToken": "t0ken"}, {"accessToken": "t0ken"})
            answer = await client.post_form(node, "/v1/auth/login", {"password": "s3cret"})

    assert ([], 307) == (heard, answer.status)


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["no..name", "n" * 64])
async def test_a_name_that_cannot_be_looked_up_is_an_address_that_does_not_answer(host: str) -> None:
    options = ChannelOptions(connect_timeout_s=5.0, request_timeout_s=5.0, max_body_bytes=1, tls=None)
    async with NacosClient(NacosOptions(servers=()), Metrics()) as client:
        with pytest.raises(SourceUnavailable, match=host):
            await client.get(Endpoint(f"http://{host}:1", "/nacos"), "/", {}, {})
    with pytest.raises(SourceUnavailable, match=host):
        await NacosChannel(GrpcAddress(host, 1), options).__aenter__()


@pytest.mark.anyio
async def test_the_configured_headers_go_with_every_call() -> None:
    heard: list[str | None] = []

    async def listen(request: web.BaseRequest) -> web.Response:
        heard.append(request.headers.get("X-Api-Key"))
        return web.Response(text="[]")

    options = NacosOptions(servers=(), headers=(("X-Api-Key", "mine"),))
    async with answering(listen) as port, NacosClient(options, Metrics()) as client:
        node = Endpoint(f"http://127.0.0.1:{port}", "/nacos")
        await client.get(node, "/v1/ns/service/list", {}, {"accessToken": "t0ken"})
        await client.post_form(node, "/v1/auth/login", {"password": "s3cret"})

    assert ["mine", "mine"] == heard
