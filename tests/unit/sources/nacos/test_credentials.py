"""What a request over gRPC carries to be let in."""

from meshregistry.sources.nacos.client import Answer, Endpoint
from meshregistry.sources.nacos.credentials import Credentials
from meshregistry.sources.nacos.login import Login
from meshregistry.sources.nacos.messages import ServiceName
from meshregistry.sources.nacos.options import NacosServerOptions
from meshregistry.sources.nacos.signature import AccessKey
from tests.support.source_fakes import ManualClock

KEY = AccessKey("my-ak", "my-sk", "temporary")
ORDERS = ServiceName("G", "orders")
TOKEN = {"accessToken": "token"}


async def _nobody(endpoint: Endpoint, path: str, form: object) -> Answer:
    raise AssertionError("nobody logs in")


def _credentials(key: AccessKey | None, clock: ManualClock) -> Credentials:
    login = Login(NacosServerOptions(addresses=()), _nobody, 60.0, clock.clock)
    return Credentials(login, key, {"X-Api-Key": "mine"}, clock.clock)


def test_the_configured_headers_and_the_token_go_with_every_request() -> None:
    credentials = _credentials(None, ManualClock())

    assert [{"X-Api-Key": "mine", **TOKEN}] * 2 == [credentials.headers(TOKEN, about) for about in (ORDERS, None)]


def test_an_access_key_signs_what_the_request_is_about() -> None:
    clock = ManualClock()
    credentials = _credentials(KEY, clock)

    now = clock.clock.unix()
    assert {"X-Api-Key": "mine", **KEY.sign(now, "G", "orders")} == credentials.headers({}, ORDERS)
    assert {"X-Api-Key": "mine", **KEY.sign(now)} == credentials.headers({}, None)
