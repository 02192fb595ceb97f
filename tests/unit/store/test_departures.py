"""The bookkeeping of what left: units, holds, places."""

from meshregistry.model.claim import Claim
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import Resolution, WorkloadEntry
from meshregistry.store.departures import Departures, covers, is_stated_by, list_units
from tests.support.guarded_world import OTHER_SCOPE, SCOPE

REGISTRY = Scope("nacos", "", "", "")


def claim(scope: Scope, *addresses: str) -> Claim:
    endpoints = tuple(WorkloadEntry(address, (("http", 80),)) for address in addresses)
    key = ServiceKey(scope, "orders")
    return Claim(key, "nacos", "orders", ("orders",), (), endpoints, Resolution.STATIC, ConversionPolicy())


def test_a_group_counts_for_itself_and_for_its_registry() -> None:
    assert (SCOPE, REGISTRY) == list_units(SCOPE)


def test_a_registry_that_is_one_scope_counts_once() -> None:
    scope = Scope("eureka", "main", "", "")
    assert (scope,) == list_units(scope)


def test_an_interface_counts_for_its_registry_only() -> None:
    assert (Scope("zookeeper", "main", "", ""),) == list_units(dubbo_scope("main", "com.shop.Orders"))


def test_a_statement_without_a_group_is_about_every_group_of_its_registry() -> None:
    interface = dubbo_scope("main", "com.shop.Orders")

    assert is_stated_by(interface, interface)
    assert is_stated_by(interface, dubbo_scope("main", ""))
    assert not is_stated_by(interface, dubbo_scope("", ""))
    assert not is_stated_by(SCOPE, OTHER_SCOPE)


def test_a_statement_without_a_namespace_is_about_every_namespace_of_its_registry() -> None:
    registry = Scope("nacos", "main", "", "")

    assert is_stated_by(Scope("nacos", "main", "public", "A"), registry)
    assert is_stated_by(registry, registry)
    assert not is_stated_by(Scope("nacos", "other", "public", "A"), registry)
    assert not is_stated_by(registry, Scope("nacos", "main", "public", ""))


def test_an_empty_field_of_a_target_covers_everything() -> None:
    assert covers(Scope("", "", "", ""), SCOPE)
    assert covers(REGISTRY, SCOPE)
    assert not covers(OTHER_SCOPE, SCOPE)


def test_what_left_long_ago_is_forgotten_by_every_unit() -> None:
    departures = Departures()
    departures.add(claim(SCOPE, "10.0.0.1"), 1.0)
    late = departures.add(claim(SCOPE, "10.0.0.2"), 50.0)

    assert (late,) == departures.loose(SCOPE, 2.0)
    assert (late,) == departures.loose(REGISTRY, 0.0)
    assert (late,) == departures.of(late.key)


def test_what_is_held_is_found_by_hold_resource_and_place_until_it_is_let_go() -> None:
    departures = Departures()
    departure = departures.add(claim(SCOPE, "10.0.0.1", "10.0.0.2"), 1.0)
    departures.hold(departure, 7)

    assert ((), (departure,)) == (departures.loose(SCOPE, 0.0), departures.held(7))
    assert [departure.claim] == departures.held_claims("nacos/orders")
    assert (departure,) == departures.held_at(("10.0.0.1", 80))
    assert 2 == departures.held_endpoints

    departures.shrink(departure, {("10.0.0.1", 80)})
    assert ((), 1) == (departures.held_at(("10.0.0.1", 80)), departures.held_endpoints)

    departures.shrink(departure, {("10.0.0.2", 80)})
    assert (False, 0, [], ()) == (
        departures.is_held(7),
        departures.held_endpoints,
        departures.held_claims("nacos/orders"),
        departures.of(departure.key),
    )
