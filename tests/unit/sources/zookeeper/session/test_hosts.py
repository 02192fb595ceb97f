"""Whose turn it is: every host, every address, names resolved when they are needed."""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.zookeeper.session.hosts import Host, HostRing, Target, parse_host, resolve

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zk", Host("zk", 2181)),
        ("zk:2182", Host("zk", 2182)),
        (" 10.0.0.1:2181 ", Host("10.0.0.1", 2181)),
        ("[2001:db8::1]:2182", Host("2001:db8::1", 2182)),
        ("[2001:db8::1]", Host("2001:db8::1", 2181)),
        ("2001:db8::1", Host("2001:db8::1", 2181)),
    ],
)
def test_hosts_are_read(text: str, expected: Host) -> None:
    assert expected == parse_host(text)


@pytest.mark.parametrize("text", ["", ":2181", "zk:", "zk:0", "zk:65536", "zk:a", "zk:²"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_host(text)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_an_address_needs_no_resolver(address: str) -> None:
    assert [address] == await resolve(Host(address, 2181))


class Names:
    """A name service that tells what it was asked."""

    def __init__(self, **addresses: list[str]) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(self, host: Host) -> Sequence[str]:
        self.asked.append(host.name)
        if host.name not in self.addresses:
            raise OSError("Name or service not known")
        return self.addresses[host.name]


def ring(names: Names, *hosts: str) -> HostRing:
    return HostRing([Host(host, 2181) for host in hosts], lambda: 0.0, names.resolve)


async def test_all_addresses_of_all_hosts_get_their_turn() -> None:
    names = Names(a=["1.1.1.1", "1.1.1.2"], b=["2.2.2.2"])
    targets = ring(names, "a", "b")
    assert ["a/1.1.1.1:2181", "a/1.1.1.2:2181", "b/2.2.2.2:2181", "a/1.1.1.1:2181"] == [
        str(await targets.next()) for _ in range(4)
    ]
    assert ["a", "b", "a"] == names.asked


async def test_a_moved_host_is_found_at_its_new_address() -> None:
    names = Names(a=["1.1.1.1"])
    targets = ring(names, "a")
    await targets.next()
    names.addresses["a"] = ["3.3.3.3"]
    assert "3.3.3.3" == (await targets.next()).address


async def test_addresses_that_were_not_tried_are_forgotten_after_a_success() -> None:
    names = Names(a=["1.1.1.1", "1.1.1.2"])
    targets = ring(names, "a")
    await targets.next()
    targets.forget()
    names.addresses["a"] = ["3.3.3.3"]
    assert "3.3.3.3" == (await targets.next()).address


async def test_a_round_is_over_when_every_address_of_every_host_has_been_tried() -> None:
    targets = ring(Names(a=["1.1.1.1", "1.1.1.2"], b=["2.2.2.2"]), "a", "b", "unknown")
    rounds = []
    for _ in range(2 * 4):
        with suppress(SourceUnavailable):
            await targets.next()
        rounds.append(targets.is_round)

    assert 2 * [False, False, False, True] == rounds


async def test_a_name_that_is_not_known_costs_one_turn() -> None:
    targets = ring(Names(b=["2.2.2.2"], c=[]), "a", "b", "c")
    with pytest.raises(SourceUnavailable, match=r"a: cannot be resolved: Name or service not known"):
        await targets.next()
    assert "2.2.2.2" == (await targets.next()).address
    with pytest.raises(SourceUnavailable, match="c: has no address"):
        await targets.next()


async def test_processes_do_not_all_begin_with_the_first_host() -> None:
    dice = iter([0.9, 0.1, 0.5])
    targets = HostRing([Host(address, 1) for address in ("::1", "::2", "::3")], lambda: next(dice, 0.0))
    assert ["[::2]:1", "[::3]:1", "[::1]:1"] == [str(await targets.next()) for _ in range(3)]


def test_a_target_says_its_name_and_address() -> None:
    assert "zk/[::1]:2181" == str(Target(Host("zk", 2181), "::1"))


def test_no_hosts_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no ZooKeeper hosts"):
        ring(Names())
