"""One connection: signs of life, the token, lists of names."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import msgspec
import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.nacos import messages
from meshregistry.sources.nacos.channel import NacosChannel, NacosStream
from meshregistry.sources.nacos.client import Endpoint
from meshregistry.sources.nacos.credentials import Credentials
from meshregistry.sources.nacos.messages import ConnectionLost, RequestDenied
from meshregistry.sources.nacos.payload import Payload
from meshregistry.sources.nacos.protocol import Session
from meshregistry.sources.nacos.session import HEARTBEAT_S, LiveSession
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.anyio

NODE = Endpoint("http://10.0.0.1:8848", "/nacos")
Answer = Callable[[Payload], Payload]


class _Channel:
    """Answers calls; `asked` are their types."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def call(self, message: Payload, headers: Mapping[str, str]) -> Payload:
        self.asked.append(message.type)
        self.headers.append(dict(headers))
        await asyncio.sleep(0)
        return self.answer(message)


class _Credentials:
    """The first of `tokens` is in use; `prepared` counts how often it was looked after."""

    prepared = 0

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def token(self) -> dict[str, str]:
        return {"accessToken": self.tokens[0]} if self.tokens else {}

    async def renew(self, denied: Mapping[str, str], endpoint: Endpoint) -> bool:
        assert (self.token(), NODE) == (denied, endpoint)
        if len(self.tokens) > 1:
            del self.tokens[0]
        return self.token() != denied

    def headers(self, token: Mapping[str, str], service: object) -> dict[str, str]:
        return dict(token)

    async def prepare(self, endpoint: Endpoint) -> None:
        self.prepared += 1


@pytest.fixture
def anyio_backend() -> str:
    """Nothing in here depends on the loop."""
    return "asyncio"


def _live(answer: Answer, clock: ManualClock) -> tuple[LiveSession, _Channel, _Credentials]:
    channel, credentials = _Channel(answer), _Credentials()
    live = LiveSession(
        cast("NacosChannel", channel),
        cast("NacosStream", None),
        Session("public", tls=False),
        NODE,
        cast("Credentials", credentials),
        clock.clock,
    )
    return live, channel, credentials


def _silence(question: Payload) -> Payload:
    raise SourceUnavailable("no reply in 10 s")


async def test_three_questions_without_an_answer_end_the_connection_and_the_token_is_looked_after() -> None:
    clock = ManualClock()
    live, channel, credentials = _live(_silence, clock)

    async with asyncio.timeout(20.0):
        with pytest.raises(ConnectionLost, match="no sign of life"):
            await live.beat()

    assert (["HealthCheckRequest"] * 3, 3) == (channel.asked, credentials.prepared)
    assert [HEARTBEAT_S, 0.0, 0.0] == clock.pauses


async def test_an_answer_in_between_begins_the_count_anew() -> None:
    answers = iter([False, False, True, False, False, False])

    def answer(question: Payload) -> Payload:
        return messages.request("HealthCheckResponse", resultCode=200) if next(answers) else _silence(question)

    live, channel, _ = _live(answer, ManualClock())
    async with asyncio.timeout(20.0):
        with pytest.raises(ConnectionLost):
            await live.beat()

    assert 6 == len(channel.asked)


async def test_a_list_of_names_with_the_bytes_of_before_is_the_same_object() -> None:
    pages = {1: ["a", "b"], 2: ["c"]}

    def answer(question: Payload) -> Payload:
        number = msgspec.json.decode(question.body)["pageNo"]
        return messages.request("ServiceListResponse", resultCode=200, count=3, serviceNames=pages[number])

    live, channel, _ = _live(answer, ManualClock())
    first = await live.names("public", "G", 2)
    again = await live.names("public", "G", 2)
    pages[2] = ["d"]
    changed = await live.names("public", "G", 2)

    assert (frozenset("abc"), frozenset("abd")) == (first, changed)
    assert first is again
    assert 6 == len(channel.asked)


async def test_groups_have_lists_of_their_own() -> None:
    def answer(question: Payload) -> Payload:
        group = msgspec.json.decode(question.body)["groupName"]
        return messages.request("ServiceListResponse", resultCode=200, count=1, serviceNames=[f"of-{group}"])

    live, _, _ = _live(answer, ManualClock())

    assert [{"of-G"}, {"of-H"}, {"of-G"}] == [await live.names("public", group, 10) for group in "GHG"]


def _denial(question: Payload) -> Payload:
    return messages.request(question.type.replace("Request", "Response"), resultCode=500, errorCode=403, message="no")


async def test_a_denied_request_is_made_once_more_with_another_token() -> None:
    answers: Iterator[Answer] = iter([_denial, lambda _: messages.request("ServiceListResponse", resultCode=200)])
    live, channel, credentials = _live(lambda question: next(answers)(question), ManualClock())
    credentials.tokens += ["old", "new"]

    reply = await live.ask(messages.request("ServiceListRequest"))

    assert "ServiceListResponse" == reply.type
    assert [{"accessToken": "old"}, {"accessToken": "new"}] == channel.headers


@pytest.mark.parametrize("at", [0, 195])
async def test_a_denial_that_quotes_the_token_is_told_without_it(at: int) -> None:
    """Also where the text is cut off in the middle of it."""

    def denial(question: Payload) -> Payload:
        message = f"{'x' * at} token swordfish is bad"
        return messages.request("ServiceListResponse", resultCode=500, errorCode=403, message=message)

    live, _, credentials = _live(denial, ManualClock())
    credentials.tokens += ["swordfish"]

    with pytest.raises(RequestDenied) as refused:
        await live.ask(messages.request("ServiceListRequest"))

    assert "sw" not in str(refused.value)


@pytest.mark.parametrize(("tokens", "calls"), [(["only"], 1), (["old", "new", "newer"], 2)])
async def test_a_denial_stands_when_there_is_no_other_token_or_that_is_denied_too(
    tokens: list[str], calls: int
) -> None:
    live, channel, credentials = _live(_denial, ManualClock())
    credentials.tokens += tokens

    with pytest.raises(RequestDenied):
        await live.ask(messages.request("ServiceListRequest"))

    assert calls == len(channel.asked)
