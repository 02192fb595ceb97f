"""The rules of a simulated registry: statuses, leases, self-preservation, the queue of changes."""

from dataclasses import replace

import pytest

from meshregistry.sim.eureka.records import Record
from meshregistry.sim.eureka.registry import Registry, RegistryOptions

ORDERS = Record(app="ORDERS", id="o1", ip="10.0.0.1", host="10.0.0.1", duration_s=90, dirty_ms=1)


class Time:
    """A clock that the test owns."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def registry_of(count: int, *, self_preservation: bool = False) -> tuple[Registry, Time]:
    """A registry with so many registrations of 90 s."""
    time = Time()
    registry = Registry(time, RegistryOptions(self_preservation=self_preservation))
    for number in range(count):
        registry.register(replace(ORDERS, id=f"o{number}"))
    return registry, time


def size_after(registry: Registry, time: Time, seconds: float) -> int:
    """How many registrations there are after a time."""
    time.now += seconds
    registry.settle()
    return registry.counts()[1]


def test_a_lease_ends_after_its_duration_and_twice_that_once_renewed() -> None:
    registry, time = registry_of(1)
    assert 1 == size_after(registry, time, 80)
    registry.renew("orders", "o0")
    assert 1 == size_after(registry, time, 175)
    assert 0 == size_after(registry, time, 60)


def test_evictions_take_at_most_a_part_of_the_registry_at_once() -> None:
    registry, time = registry_of(100)
    assert [100, 85, 72] == [size_after(registry, time, seconds) for seconds in (90, 60, 60)]


def test_self_preservation_lets_nothing_expire_while_too_few_renew() -> None:
    registry, time = registry_of(10, self_preservation=True)
    assert 10 == size_after(registry, time, 600)
    for _ in range(18):
        registry.renew("ORDERS", "o0")
    assert 9 >= size_after(registry, time, 60)


def test_an_older_registration_does_not_replace_a_newer_one() -> None:
    registry, _ = registry_of(0)
    registry.register(replace(ORDERS, ip="10.0.0.2", dirty_ms=2))
    registry.register(ORDERS)
    lease = registry.find("ORDERS", "o1")
    assert lease is not None
    assert "10.0.0.2" == lease.record.ip


def test_an_override_that_is_taken_back_without_a_status_makes_the_client_register_again() -> None:
    registry, _ = registry_of(1)
    registry.override("ORDERS", "o0", "OUT_OF_SERVICE")
    registry.clear_override("ORDERS", "o0", "UNKNOWN")
    assert "UNKNOWN_1_" == registry.hash
    assert registry.renew("ORDERS", "o0") is False
    registry.register(replace(ORDERS, id="o0"))
    assert "UP_1_" == registry.hash


@pytest.mark.parametrize(("seconds", "count"), [(179, 1), (181, 0)])
def test_changes_are_remembered_for_three_minutes(seconds: float, count: int) -> None:
    registry, time = registry_of(1)
    size_after(registry, time, 0)
    registry.renew("ORDERS", "o0")
    time.now += seconds
    registry.renew("ORDERS", "o0")
    registry.settle()
    assert count == len(registry.changes)


def test_what_is_unknown_cannot_be_changed() -> None:
    registry, _ = registry_of(0)
    assert [False] * 5 == [
        registry.renew("A", "a"),
        registry.cancel("A", "a"),
        registry.override("A", "a", "DOWN"),
        registry.clear_override("A", "a", "UP"),
        registry.merge_metadata("A", "a", {"b": "c"}),
    ]
    assert [] == list(registry.changes)
