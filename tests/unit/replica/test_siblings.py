"""Who the siblings are: every resolved address but our own."""

import asyncio
import socket

import pytest

from meshregistry.replica.options import ReplicaOptions
from meshregistry.replica.siblings import SiblingNames, find_siblings

pytestmark = pytest.mark.anyio


async def test_own_addresses_are_passed_over_and_others_on_this_machine_are_not() -> None:
    options = ReplicaOptions((("127.0.0.1", 16010), ("127.0.0.1", 16011)), own_ports=frozenset({16010}))

    assert [("127.0.0.1", 16011)] == await find_siblings(options)


async def test_addresses_of_others_with_our_port_are_siblings() -> None:
    options = ReplicaOptions((("192.0.2.1", 16010), ("2001:db8::1", 16010)), own_ports=frozenset({16010}))

    assert [("192.0.2.1", 16010), ("2001:db8::1", 16010)] == await find_siblings(options)


async def test_a_name_that_does_not_resolve_adds_nothing() -> None:
    names = (("no-such-name.invalid", 16010), ("no..name", 1), ("a" * 64 + ".invalid", 1), ("127.0.0.1", 1))
    options = ReplicaOptions(names, own_ports=frozenset({16010}))

    assert [("127.0.0.1", 1)] == await find_siblings(options)


class Names:
    """A DNS in the test's hand, in the place of the event loop's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: str | OSError = ""
        loop = asyncio.get_running_loop()
        self._look_up = loop.getaddrinfo
        monkeypatch.setattr(type(loop), "getaddrinfo", self._resolve)

    async def _resolve(self, host: str, port: int, **more: int) -> object:
        if host == "slow.test":
            await asyncio.Event().wait()
        if isinstance(self.answer, OSError):
            raise self.answer
        address = self.answer if host == "replicas.test" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)  # uvloop's loop cannot be changed
async def test_a_name_that_nobody_answers_for_keeps_no_other_sibling_away(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch)
    options = ReplicaOptions((("slow.test", 1), ("192.0.2.1", 1)), connect_timeout_s=0.05)

    assert [("192.0.2.1", 1)] == await find_siblings(options)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)
@pytest.mark.parametrize(
    ("error", "found"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "try again"), [("192.0.2.1", 1)]),
        (TimeoutError(), [("192.0.2.1", 1)]),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), []),
        (socket.gaierror(socket.EAI_NODATA, "no address"), []),
    ],
)
async def test_a_dns_that_is_away_takes_no_sibling_with_it(
    error: OSError, found: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, siblings = Names(monkeypatch), SiblingNames(ReplicaOptions((("replicas.test", 1),)))
    names.answer = "192.0.2.1"
    assert [("192.0.2.1", 1)] == await siblings.resolve()

    names.answer = error

    assert found == await siblings.resolve()
    names.answer = "192.0.2.2"
    assert [("192.0.2.2", 1)] == await siblings.resolve()


async def test_without_ipv6_an_address_of_it_is_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without it makes no such socket; nobody's start may fail of that."""

    class Four(socket.socket):
        def __init__(self, family: int = -1, *more: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *more)

    monkeypatch.setattr("meshregistry.replica.siblings.socket.socket", Four)
    options = ReplicaOptions((("2001:db8::1", 16010), ("127.0.0.1", 16010)), own_ports=frozenset({16010}))

    assert [("2001:db8::1", 16010)] == await find_siblings(options)
