"""What a call over HTTP carries besides its parameters, and what is told of it."""

import time
from collections.abc import Mapping

import pytest
from aiohttp import web

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.nacos.client import Endpoint, NacosClient
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.dialects import INSTANCE_LIST, dialect_v1
from meshregistry.sources.nacos.login import Login
from meshregistry.sources.nacos.options import NacosOptions, NacosServerOptions
from meshregistry.sources.nacos.signature import AccessKey
from meshregistry.telemetry.metrics import Metrics
from tests.support.http_answers import Handler, answering
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.anyio

KEY = AccessKey("my-access-key", "my-secret-key", "temporary-token")
ORDERS = {"serviceName": "orders", "groupName": "G", "namespaceId": "dev"}


@pytest.fixture
def anyio_backend() -> str:
    """Nothing in here depends on the loop."""
    return "asyncio"


async def _get(handler: Handler, params: Mapping[str, str]) -> bytes:
    """Make a signed call to a server that answers so."""
    async with answering(handler) as port, NacosClient(NacosOptions(servers=()), Metrics()) as client:
        login = Login(NacosServerOptions(addresses=()), client.post_form, 60.0, ManualClock().clock)
        node = Endpoint(f"http://127.0.0.1:{port}", "/nacos")
        return await Connection(client, node, login, dialect_v1("2.3.1"), KEY).get(INSTANCE_LIST, params)


@pytest.mark.parametrize(("params", "about"), [(ORDERS, ("G", "orders")), ({"namespaceId": "dev"}, ("", ""))])
async def test_an_access_key_signs_the_time_and_what_the_call_is_about(
    params: dict[str, str], about: tuple[str, str]
) -> None:
    heard: list[dict[str, str]] = []

    async def listen(request: web.BaseRequest) -> web.Response:
        heard.append(dict(request.query))
        return web.Response(text="{}")

    began = int(time.time() * 1000)
    await _get(listen, params)

    [query] = heard
    moment_ms = int(query["data"].partition("@@")[0])
    assert began <= moment_ms <= time.time() * 1000
    assert {**params, **KEY.sign((moment_ms + 0.5) / 1000, *about)} == query


async def test_a_refusal_that_quotes_the_signature_is_told_without_it() -> None:
    async def quote(request: web.BaseRequest) -> web.Response:
        fields = ("ak", "data", "signature", "Spas-SecurityToken", "namespaceId")
        return web.Response(status=502, text=" ".join(request.query[field] for field in fields))

    with pytest.raises(SourceUnavailable) as refused:
        await _get(quote, ORDERS)

    assert str(refused.value).endswith(f"/nacos{INSTANCE_LIST}: status 502: *** *** *** *** dev")
