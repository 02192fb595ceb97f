"""Lists of names: their rhythm, what they find, and what happens when they are refused."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import cast

import pytest

from meshregistry.errors import SourceError, SourceUnavailable
from meshregistry.sources.nacos.channel import ChannelOptions
from meshregistry.sources.nacos.discovery import Discovery, Rung
from meshregistry.sources.nacos.messages import ConnectionLost, RequestDenied, RequestRefused, ServiceName
from meshregistry.sources.nacos.options import WatchOptions
from meshregistry.sources.nacos.session import LiveSession
from meshregistry.sources.nacos.watch import WatchPlace
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.anyio

PLACE = WatchPlace(
    label="nacos/public",
    namespace="public",
    endpoints=(),
    grpc_port=0,
    grpc_port_offset=1000,
    channel=ChannelOptions(connect_timeout_s=1.0, request_timeout_s=1.0, max_body_bytes=1, tls=None),
    options=WatchOptions(list_period_s=5.0),
    login_pause_s=60.0,
    page_size=10,
)


@pytest.fixture
def anyio_backend() -> str:
    """Nothing in here depends on the loop."""
    return "asyncio"


class _Live:
    """A connection without a fuzzy watch whose lists are these, one after the other; then it is lost."""

    session = SimpleNamespace(abilities=frozenset[str]())

    def __init__(self, lists: Iterable[frozenset[str] | SourceError]) -> None:
        self._lists = iter(lists)

    async def names(self, namespace: str, group: str, page_size: int) -> frozenset[str]:
        listed = next(self._lists, ConnectionLost("closed"))
        if isinstance(listed, SourceError):
            raise listed
        return listed


async def _discover(*lists: frozenset[str] | SourceError) -> tuple[Discovery, ManualClock, list[ServiceName]]:
    found: list[ServiceName] = []
    clock = ManualClock(dice=0.5)
    live = cast("LiveSession", _Live(lists))
    discovery = Discovery(PLACE, live, lambda: frozenset({"G"}), found.extend, clock.clock)
    with pytest.raises(ConnectionLost):
        await discovery.run()
    return discovery, clock, found


async def test_names_are_listed_at_a_period_that_is_spread_and_new_ones_told_once() -> None:
    discovery, clock, found = await _discover(frozenset("a"), frozenset("ab"), frozenset("b"), frozenset("ab"))

    assert [4.5] * 4 == pytest.approx(clock.pauses)
    assert ["a", "b", "a"] == [service.name for service in found]
    assert (Rung.SERVICE_LIST, None) == (discovery.rung, discovery.stepped_down)


async def test_until_the_first_list_has_come_names_are_said_to_come_over_http() -> None:
    discovery, clock, found = await _discover()

    assert ([], [], Rung.HTTP_LISTING, None) == (found, clock.pauses, discovery.rung, discovery.stepped_down)


@pytest.mark.parametrize("refusal", [RequestDenied("403"), RequestRefused("403")])
async def test_a_refused_list_is_asked_for_again_after_the_login_pause(refusal: SourceError) -> None:
    discovery, clock, found = await _discover(refusal, refusal)

    assert [54.0] * 2 == pytest.approx(clock.pauses)
    assert ([], Rung.HTTP_LISTING, "403") == (found, discovery.rung, discovery.stepped_down)


async def test_a_list_that_did_not_come_in_time_is_asked_for_again_at_the_period() -> None:
    discovery, clock, found = await _discover(SourceUnavailable("no reply in 10 s"), frozenset("a"))

    assert [4.5] * 2 == pytest.approx(clock.pauses)
    assert (["a"], Rung.SERVICE_LIST) == ([service.name for service in found], discovery.rung)


async def test_a_group_that_comes_back_is_told_anew_and_is_not_asked_for_meanwhile() -> None:
    turns = iter([{"G", "H"}, {"G"}, {"G", "H"}])
    asked: list[str] = []

    class _Listing(_Live):
        async def names(self, namespace: str, group: str, page_size: int) -> frozenset[str]:
            asked.append(group)
            return await super().names(namespace, group, page_size)

    found: list[ServiceName] = []
    live = cast("LiveSession", _Listing([frozenset("a")] * 5))
    discovery = Discovery(PLACE, live, lambda: next(turns, {"G"}), found.extend, ManualClock().clock)
    with pytest.raises(ConnectionLost):
        await discovery.run()

    assert ["G", "H", "G", "G", "H", "G"] == asked
    assert [ServiceName(group, "a") for group in ("G", "H", "H")] == found
