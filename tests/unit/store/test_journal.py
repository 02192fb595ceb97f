"""The journal: what it says of a change, how much it keeps, and who is told why."""

import logging
from typing import Any

import pytest
from msgspec.structs import replace

from meshregistry.model.events import ScopeConfirmed
from meshregistry.model.instance import Scope
from meshregistry.model.service_entry import Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.store.journal import Journal, Moment, Origin
from meshregistry.store.operator import EVERYTHING, Accept, Freeze, ServeAnyway
from tests.support.guarded_world import POLICY, SCOPE, GuardedWorld, fleet, instances

pytestmark = pytest.mark.anyio

FULL = ServiceEntry("nacos", "orders", ("orders",), endpoints=(WorkloadEntry("10.0.0.1", (("http", 80),)),))
EMPTY = ServiceEntry("nacos", "orders", ("orders",))
NOW = Moment(5.0, 7)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [(None, FULL, "created"), (FULL, FULL, "updated"), (FULL, EMPTY, "emptied"), (EMPTY, None, "removed")],
)
def test_every_change_has_its_word(before: ServiceEntry | None, after: ServiceEntry | None, what: str) -> None:
    journal = Journal(10)

    journal.note_change(before, after, Origin("registry", SCOPE), "empty_grace", NOW)

    (entry,) = journal.list_newest("", 10)
    assert (1, 5.0, 7, what, "empty_grace") == (entry.number, entry.time, entry.sequence, entry.what, entry.rule)


def endpoint(number: int, **fields: Any) -> WorkloadEntry:
    return WorkloadEntry(f"10.0.0.{number}", (("http", 80),), **fields)


PORTS = (ServicePort(80, "HTTP", "http"),)
PLAIN = tuple(endpoint(number) for number in range(1, 5))
BEFORE = ServiceEntry("nacos", "orders", ("orders",), PORTS, PLAIN)
COMPLETE = ServiceEntry(
    "nacos",
    "orders",
    ("orders", "alias"),
    (*PORTS, ServicePort(90, "HTTP", "http-90")),
    tuple(
        WorkloadEntry(each.address, (("http", 80), ("http-90", 80)), (("a", "1"),), "r/z", 7, "net", "sa")
        for each in PLAIN
    ),
    Resolution.DNS,
    Location.MESH_EXTERNAL,
    ("241.0.0.1",),
    ("*",),
    (("a", "1"),),
    (("b", "2"),),
    ("san",),
    (("app", "x"),),
)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE, ()),
        (replace(BEFORE, endpoints=(endpoint(1, labels=(("a", "1"),)), *PLAIN[1:])), ("labels of 1 endpoint",)),
        (
            replace(BEFORE, endpoints=(endpoint(1, weight=7), endpoint(2, weight=7, locality="r/z"), *PLAIN[2:])),
            ("locality of 1 endpoint", "weight of 2 endpoints"),
        ),
        (replace(BEFORE, labels=(("a", "1"),)), ("labels",)),
        (replace(BEFORE, endpoints=PLAIN[1:]), ()),
        (replace(BEFORE, endpoints=(*PLAIN, endpoint(9, weight=7))), ()),
        (replace(BEFORE, endpoints=()), ()),
    ],
)
def test_a_change_of_what_stays_is_told_in_words(after: ServiceEntry, expected: tuple[str, ...]) -> None:
    journal = Journal(1)

    journal.note_change(BEFORE, after, Origin("registry", SCOPE), "", NOW)

    assert [expected] == [entry.altered for entry in journal.list_newest("", 10)]


def test_every_field_has_its_word() -> None:
    journal = Journal(1)

    journal.note_change(BEFORE, COMPLETE, Origin("registry", SCOPE), "", NOW)

    (entry,) = journal.list_newest("", 10)
    own = ServiceEntry.__struct_fields__
    of_endpoints = WorkloadEntry.__struct_fields__
    assert len(own) - len(("namespace", "name", "endpoints")) + len(of_endpoints) - len(("address",)) == len(
        entry.altered
    )
    assert all(getattr(BEFORE, field) != getattr(COMPLETE, field) for field in own[2:])


@pytest.mark.parametrize(("before", "after"), [(None, COMPLETE), (COMPLETE, None)])
def test_what_comes_or_goes_as_a_whole_is_not_altered(before: ServiceEntry | None, after: ServiceEntry | None) -> None:
    journal = Journal(1)

    journal.note_change(before, after, Origin("registry", SCOPE), "", NOW)

    assert [()] == [entry.altered for entry in journal.list_newest("", 10)]


def test_only_the_newest_lines_stay() -> None:
    journal = Journal(2)
    for _ in range(5):
        journal.note_change(None, FULL, Origin("registry"), "", NOW)

    assert [4, 5] == [entry.number for entry in journal.list_since(0, "", 10)]
    assert 5 == journal.last


def test_nothing_that_becomes_nothing_is_no_change() -> None:
    with pytest.raises(ValueError, match="nothing changed"):
        Journal(1).note_change(None, None, Origin("registry"), "", NOW)


def lines(world: GuardedWorld) -> list[tuple[str, str, str]]:
    return [(entry.what, entry.why, entry.scope) for entry in world.reducer.journal.list_newest("", 100)]


async def test_the_registry_and_then_the_guard_change_a_service() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1)})
    await world.show({})
    await world.wait(10)
    await world.wait(600)

    assert [
        ("created", "registry", str(SCOPE)),
        ("empty_grace", "guard", str(SCOPE)),
        ("emptied", "guard", str(SCOPE)),
        ("removed", "guard", str(SCOPE)),
    ] == lines(world)
    _, line, *_ = world.reducer.journal.list_newest("nacos/orders.nacos", 9)
    told = line.source, line.host, line.rule, line.endpoints
    assert ("nacos", "orders.nacos.svc.cluster.local", "empty_grace", 1) == told
    rules = ("empty_grace", "emptied")
    assert [1.0, 1.0, 1.0] == [world.metric("guard_decisions_total", verdict=each) for each in (*rules, "removed")]
    assert [0.0, 0.0] == [world.metric("held_services", rule=rule) for rule in rules]


async def test_a_grace_that_ends_with_a_return_is_written_down() -> None:
    world = GuardedWorld()
    await world.show({"orders": instances(1)})
    await world.show({})
    assert 1.0 == world.metric("held_services", rule="empty_grace")

    assert [] == await world.show({"orders": instances(1)})

    assert [("empty_grace", "empty_grace", ""), ("rule_ended", "", "empty_grace")] == [
        (line.what, line.rule, line.detail) for line in world.reducer.journal.list_since(1, "", 10)
    ]
    assert 0.0 == world.metric("held_services", rule="empty_grace")


async def test_a_port_that_outlives_its_instances_is_written_down_and_counted() -> None:
    world = GuardedWorld(replace(POLICY, port_grace_s=300))
    await world.show({"orders": (*instances(1), *instances(2, port=9090))})

    await world.show({"orders": instances(1)})
    await world.wait(100)
    assert 1.0 == world.metric("held_services", rule="port_grace")
    await world.wait(200)

    assert [
        ("port_grace", "guard", str(SCOPE)),
        ("updated", "registry", str(SCOPE)),
        ("rule_ended", "guard", str(SCOPE)),
        ("updated", "guard", str(SCOPE)),
    ] == lines(world)[1:]
    assert 1.0 == world.metric("guard_decisions_total", verdict="port_grace")
    assert 0.0 == world.metric("held_services", rule="port_grace")


async def test_what_moves_with_an_operators_decision_names_its_scope() -> None:
    world = GuardedWorld()
    await world.show(fleet(1, 3))
    await world.read("s0", instances(0))

    await world.take(Freeze(EVERYTHING, "ann"))

    assert [("frozen", "operator", ""), ("updated", "operator", str(SCOPE))] == lines(world)[2:]


async def test_decisions_about_a_shrink_are_written_down() -> None:
    world = GuardedWorld()
    await world.show(fleet(3, 10))
    await world.show({})
    await world.take(Accept(world.hold(), "ann"))

    assert [("held", "guard", str(SCOPE)), ("accepted", "operator", str(SCOPE))] == lines(world)[3:5]
    assert [("empty_grace", "guard", str(SCOPE))] * 3 == lines(world)[5:]
    assert ["hold 1", "hold 1, ann"] == [entry.detail for entry in world.reducer.journal.list_since(3, "", 2)]


async def test_operators_are_named() -> None:
    world = GuardedWorld()
    await world.take(Freeze(EVERYTHING, "ann"), ServeAnyway(("nacos",), "bob"))

    details = {entry.what: entry.detail for entry in world.reducer.journal.list_newest("", 10)}
    assert {"frozen": "hold 1, ann", "serve_anyway": "sources nacos, bob"} == details


async def test_a_poll_without_news_writes_nothing() -> None:
    world = GuardedWorld()
    await world.show(fleet(1, 1))

    await world.take(ScopeConfirmed(Scope(*SCOPE)))

    assert 1 == world.reducer.journal.last


async def test_a_shrink_and_a_return_in_many_pieces_are_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = GuardedWorld()
    services = fleet(10, 10)
    await world.show(services)
    known = world.reducer.journal.last
    for found in ({}, services):
        for name in services:
            await world.read(name, found.get(name, ()))

    said = [entry for entry in world.reducer.journal.list_newest("", 100) if entry.number > known and not entry.host]
    counts = [(each.what, each.endpoints) for each in said]
    assert [("held", 40), ("grown", 60), ("returned", 100), ("ended", 0)] == counts
    told = [message.split()[0] for message in caplog.messages if message.startswith("guard.") and "hold=" in message]
    assert ["guard.held", "guard.ended"] == told
