"""Which connections stay."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.door import Door, Refused, read_names
from meshregistry.xds.options import AdsOptions, Limits, TlsOptions

CERTIFICATE = {"subjectAltName": (("DNS", "istiod.mesh"), ("URI", "spiffe://mesh/istiod"), ("IP Address", "10.0.0.1"))}


@dataclass(eq=False)
class Guest:
    """A connection that notes what is done to it."""

    address: str = "10.0.0.1"
    certificate: Mapping[str, Any] | None = None
    is_idle: bool = True
    done: list[str] = field(default_factory=list)

    def turn_away(self, refusal: Refused) -> None:
        self.done.append(refusal.reason)

    def say_goodbye(self) -> None:
        self.done.append("goodbye")

    def cut(self) -> None:
        self.done.append("cut")


class Hall:
    """A door with its metrics."""

    def __init__(self, **options: Any) -> None:
        self.metrics = Metrics()
        self.door = Door(AdsOptions(**options), self.metrics)

    def counted(self, reason: str) -> float | None:
        return self.metrics.registry.get_sample_value("meshregistry_ads_bad_requests_total", {"reason": reason})

    @property
    def open(self) -> float | None:
        return self.metrics.registry.get_sample_value("meshregistry_ads_connections")


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ((), "203.0.113.9", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.1/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.0/8", "fd00::/8"), "fd00::1", True),
        (("10.0.0.0/8",), "fd00::1", False),
        (("10.0.0.0/8",), "", False),
        (("0.0.0.0/0", "::/0"), "", False),
        ((), "", True),
    ],
)
def test_addresses(networks: tuple[str, ...], address: str, allowed: bool) -> None:
    """An empty list allows everybody; a v4 address on a v6 socket is a v4 address; one that was reset has none."""
    hall, guest = Hall(allowed_peers=networks), Guest(address)
    assert hall.door.enter(guest)
    assert ([] if allowed else ["address"], float(allowed)) == (guest.done, hall.open)


@pytest.mark.parametrize(
    ("names", "certificate", "allowed"),
    [
        (("istiod.mesh",), CERTIFICATE, True),
        (("other", "spiffe://mesh/istiod"), CERTIFICATE, True),
        (("10.0.0.1",), CERTIFICATE, False),
        (("istiod.mesh",), {}, False),
        (("istiod.mesh",), None, False),
        ((), None, True),
    ],
)
def test_certificates(names: tuple[str, ...], certificate: Mapping[str, Any] | None, allowed: bool) -> None:
    """DNS names and URIs count alike; an address in a certificate is no name."""
    hall = Hall(tls=TlsOptions("c", "k", "ca", client_names=names))
    guest = Guest(certificate=certificate)
    assert hall.door.enter(guest)
    assert ([] if allowed else ["certificate"]) == guest.done


def test_when_it_is_full_the_oldest_without_a_stream_goes() -> None:
    """Whoever only holds connections open keeps nobody out."""
    hall = Hall(limits=Limits(max_connections=3))
    busy, first, second = guests = Guest(is_idle=False), Guest(), Guest()
    late = Guest()
    assert [True] * 4 == [hall.door.enter(each) for each in (*guests, late)]
    hall.door.leave(first)
    assert ([], ["cut"], [], []) == (busy.done, first.done, second.done, late.done)
    assert ([busy, second, late], 3.0, 1.0) == ([*hall.door], hall.open, hall.counted("evicted"))


def test_when_all_have_streams_the_new_one_goes() -> None:
    """Nobody who is served is disturbed; when one has left there is room again."""
    hall = Hall(limits=Limits(max_connections=2))
    guests = [Guest(is_idle=False) for _ in range(2)]
    late, later = Guest(), Guest()
    assert [True, True, False] == [hall.door.enter(each) for each in (*guests, late)]
    hall.door.leave(late)
    hall.door.leave(guests[0])
    assert hall.door.enter(later)
    assert ([], ["cut"], []) == (guests[0].done, late.done, later.done)
    assert ([guests[1], later], 2.0, 1.0) == ([*hall.door], hall.open, hall.counted("too_many_connections"))


def test_those_who_may_not_come_in_take_no_place_and_are_few() -> None:
    """An address that is not allowed cannot fill the door for those that are."""
    hall = Hall(allowed_peers=("10.0.0.0/8",), limits=Limits(max_connections=1))
    strangers = [Guest("192.0.2.1") for _ in range(40)]
    entered = [hall.door.enter(each) for each in strangers]
    friend = Guest()
    assert hall.door.enter(friend)
    assert ([True] * 32 + [False] * 8, [["address"]] * 32 + [["cut"]] * 8) == (entered, [e.done for e in strangers])
    assert ([], 1.0, 40.0) == (friend.done, hall.open, hall.counted("address"))
    for each in [*hall.door]:
        hall.door.leave(each)
    assert (True, 0.0) == (hall.door.is_empty, hall.open)


def test_names_of_a_certificate() -> None:
    """No certificate, no names."""
    assert frozenset() == read_names(None)
    assert frozenset({"istiod.mesh", "spiffe://mesh/istiod"}) == read_names(CERTIFICATE)
