"""When to log in and when not to, by a clock that the test owns."""

import asyncio
import logging
from collections.abc import Mapping

import msgspec
import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.nacos.client import Answer, Endpoint
from meshregistry.sources.nacos.login import Login
from meshregistry.sources.nacos.options import NacosServerOptions
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.anyio

NODE = Endpoint("http://10.0.0.1:8848", "/nacos")
PATHS = ("/v3/auth/user/login", "/v1/auth/users/login")
SERVER = NacosServerOptions(addresses=(NODE.address,), username="nacos", password="s3cret")


class Server:
    """Grants token after token with a lifetime of 1000 s, or answers `refusal`."""

    def __init__(self) -> None:
        self.refusal: Answer | None = None
        self.paths: list[str] = []
        self.forms: list[Mapping[str, str]] = []
        self.missing: set[str] = set()
        self.silent = False
        self.ttl_s = 1000.0

    async def post_form(self, _endpoint: Endpoint, path: str, form: Mapping[str, str]) -> Answer:
        self.paths.append(path)
        self.forms.append(form)
        await asyncio.sleep(0)
        if self.silent:
            raise SourceUnavailable("refused")
        if path in self.missing:
            return Answer(404, b"")
        token = {"accessToken": f"token-{len(self.paths)}", "tokenTtl": self.ttl_s}
        return self.refusal or Answer(200, msgspec.json.encode(token))


def _login(server: Server, clock: ManualClock, options: NacosServerOptions = SERVER) -> Login:
    return Login(options, server.post_form, 60.0, clock.clock)


async def test_without_credentials_nobody_logs_in() -> None:
    server = Server()
    login = _login(server, ManualClock(), NacosServerOptions(addresses=(NODE.address,)))

    await login.prepare(NODE, PATHS)

    assert not await login.renew({}, NODE, PATHS)
    assert ([], {}) == (server.paths, login.headers())


async def test_the_token_travels_in_a_header() -> None:
    server = Server()
    login = _login(server, ManualClock())

    await login.prepare(NODE, PATHS)

    assert {"accessToken": "token-1"} == login.headers()
    assert [{"username": "nacos", "password": "s3cret"}] == server.forms
    assert 1 == login.grants


async def test_the_next_login_path_is_tried_where_one_is_missing() -> None:
    server = Server()
    server.missing = {PATHS[0]}

    login = _login(server, ManualClock())
    await login.prepare(NODE, PATHS)

    assert list(PATHS) == server.paths
    assert login.refusal is None


async def test_the_token_is_renewed_before_it_expires_and_not_earlier() -> None:
    server, clock = Server(), ManualClock(dice=0.5)
    login = _login(server, clock)
    await login.prepare(NODE, PATHS)

    clock.time += 910
    await login.prepare(NODE, PATHS)
    assert {"accessToken": "token-1"} == login.headers()

    clock.time += 10
    await login.prepare(NODE, PATHS)
    assert {"accessToken": "token-2"} == login.headers()


@pytest.mark.parametrize("status", [400, 401, 403, 500])
async def test_a_refusal_is_loud_once_and_repeated_slowly(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server, clock = Server(), ManualClock()
    server.refusal = Answer(status, b'{"message":"s3cret is wrong"}')
    login = _login(server, clock)

    times = []
    for _ in range(200):
        before = len(server.paths)
        await login.prepare(NODE, PATHS)
        if len(server.paths) > before:
            times.append(clock.time - 100)
        clock.time += 1

    assert [0, 5, 15, 35, 75, 135, 195] == times
    refusals = [login.refusal]
    assert [
        f"login.refused source=nacos error=http://10.0.0.1:8848/nacos/v3/auth/user/login: status {status}"
    ] == caplog.messages

    server.refusal = None
    clock.time += 60
    await login.prepare(NODE, PATHS)
    refusals.append(login.refusal)

    assert [f"http://10.0.0.1:8848/nacos/v3/auth/user/login: status {status}", None] == refusals
    assert "login.recovered source=nacos" == caplog.messages[-1]
    assert "s3cret" not in caplog.text


async def test_a_token_outlives_a_refused_renewal_until_it_expires() -> None:
    server, clock = Server(), ManualClock()
    login = _login(server, clock)
    await login.prepare(NODE, PATHS)
    server.refusal = Answer(503, b"")

    clock.time += 950
    await login.prepare(NODE, PATHS)
    assert {"accessToken": "token-1"} == login.headers()

    clock.time += 60
    await login.prepare(NODE, PATHS)
    assert {} == login.headers()


async def test_a_denied_token_is_replaced_at_most_once_a_minute() -> None:
    server, clock = Server(), ManualClock()
    login = _login(server, clock)
    await login.prepare(NODE, PATHS)

    assert await login.renew({"accessToken": "token-1"}, NODE, PATHS)
    assert {"accessToken": "token-2"} == login.headers()
    clock.time += 59
    assert not await login.renew({"accessToken": "token-2"}, NODE, PATHS)
    clock.time += 1
    assert await login.renew({"accessToken": "token-2"}, NODE, PATHS)

    assert 3 == len(server.paths)


async def test_tokens_that_expire_all_the_time_are_replaced_by_whoever_is_denied() -> None:
    server, clock = Server(), ManualClock()
    server.ttl_s = 2.0
    login = _login(server, clock)
    await login.prepare(NODE, PATHS)

    for _ in range(5):
        clock.time += 2.0
        assert await login.renew(login.headers(), NODE, PATHS)
    assert 6 == len(server.paths)


async def test_a_token_of_no_lifetime_makes_a_login_in_a_second_and_not_with_every_call() -> None:
    server, clock = Server(), ManualClock()
    server.ttl_s = 0.0
    login = _login(server, clock)
    await login.prepare(NODE, PATHS)

    for _ in range(100):
        clock.time += 0.02
        await login.renew(login.headers(), NODE, PATHS)
    assert 5 >= len(server.paths)


async def test_a_refused_login_is_tried_again_by_a_denial_when_it_is_due() -> None:
    server, clock = Server(), ManualClock()
    server.refusal = Answer(403, b"")
    login = _login(server, clock)
    await login.prepare(NODE, PATHS)
    server.refusal = None

    clock.time += 4.0
    assert not await login.renew({}, NODE, PATHS)
    clock.time += 1.0
    assert await login.renew({}, NODE, PATHS)


async def test_many_denied_calls_make_one_login() -> None:
    server = Server()
    login = _login(server, ManualClock())
    await login.prepare(NODE, PATHS)
    denied = login.headers()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(login.renew(denied, NODE, PATHS)) for _ in range(16)]

    assert [True] * 16 == [task.result() for task in tasks]
    assert 2 == len(server.paths)


async def test_a_denial_after_a_refused_login_asks_for_none() -> None:
    server = Server()
    server.refusal = Answer(403, b"")
    login = _login(server, ManualClock())
    await login.prepare(NODE, PATHS)

    assert not await login.renew({}, NODE, PATHS)
    assert 1 == len(server.paths)


async def test_an_answer_without_a_token_is_a_refusal() -> None:
    server = Server()
    server.refusal = Answer(200, b"<html>")
    login = _login(server, ManualClock())

    await login.prepare(NODE, PATHS)

    assert "http://10.0.0.1:8848/nacos/v3/auth/user/login: an answer without a token" == login.refusal


async def test_a_server_that_does_not_answer_is_no_refusal() -> None:
    server = Server()
    server.silent = True
    login = _login(server, ManualClock())

    with pytest.raises(SourceUnavailable):
        await login.prepare(NODE, PATHS)

    assert login.refusal is None


async def test_a_lifetime_beyond_reason_is_cut_to_a_day() -> None:
    server, clock = Server(), ManualClock()
    server.refusal = Answer(200, b'{"accessToken":"AUTH_DISABLED","tokenTtl":1795396346}')
    login = _login(server, clock)
    await login.prepare(NODE, PATHS)

    clock.time += 86_400
    await login.prepare(NODE, PATHS)

    assert 2 == len(server.paths)
