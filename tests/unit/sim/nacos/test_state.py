"""The registry behind the simulated Nacos."""

import pytest

from meshregistry.sim.nacos.state import (
    Instance,
    InstanceChange,
    Namespace,
    Registry,
    RegistryRefusal,
    ServiceKey,
    matching,
)

ORDERS = ServiceKey("orders")


def test_an_address_occurs_once_per_service_and_the_last_registration_wins() -> None:
    registry = Registry()
    registry.register(ORDERS, Instance("10.0.0.1", 80, cluster="EAST"))
    registry.register(ORDERS, Instance("10.0.0.1", 80, cluster="WEST", weight=2.0))
    registry.register(ORDERS, Instance("10.0.0.1", 81))

    assert [("WEST", 80, 2.0), ("DEFAULT", 81, 1.0)] == [
        (each.cluster, each.port, each.weight) for each in _instances(registry)
    ]
    assert (1, 2) == registry.counts()


def test_a_service_outlives_its_last_instance() -> None:
    registry = Registry()
    registry.register(ORDERS, Instance("10.0.0.1", 80))

    assert registry.deregister(ORDERS, "10.0.0.1", 80)
    assert not registry.deregister(ORDERS, "10.0.0.1", 80)
    assert not registry.deregister(ServiceKey("absent"), "10.0.0.1", 80)
    assert [ORDERS] == [each.key for each in registry.services("public")]
    assert [] == _instances(registry)


def test_only_an_empty_service_can_be_removed() -> None:
    registry = Registry()
    registry.register(ORDERS, Instance("10.0.0.1", 80))

    with pytest.raises(RegistryRefusal, match="is not empty") as refused:
        registry.remove_service(ORDERS)
    assert 21009 == refused.value.code

    registry.deregister(ORDERS, "10.0.0.1", 80)
    registry.remove_service(ORDERS)
    assert [] == registry.services("public")

    with pytest.raises(RegistryRefusal, match="not found"):
        registry.remove_service(ORDERS)


def test_a_service_is_of_one_kind_only() -> None:
    registry = Registry()
    registry.register(ORDERS, Instance("10.0.0.1", 80, ephemeral=False))

    with pytest.raises(RegistryRefusal, match="is persistent service, can't register ephemeral instance"):
        registry.register(ORDERS, Instance("10.0.0.2", 80))
    assert ["10.0.0.1"] == [each.ip for each in _instances(registry)]


def test_equal_names_in_other_groups_and_namespaces_are_other_services() -> None:
    registry = Registry()
    for key in (ORDERS, ServiceKey("orders", "G2"), ServiceKey("orders", namespace="team")):
        registry.register(key, Instance("10.0.0.1", 80))

    assert [ORDERS, ServiceKey("orders", "G2")] == [each.key for each in registry.services("public")]
    assert [ServiceKey("orders", namespace="team")] == [each.key for each in registry.services("team")]
    assert [] == registry.services("unknown")


def test_an_edit_changes_what_it_names_and_merges_metadata() -> None:
    registry = Registry()
    registry.register(ORDERS, Instance("10.0.0.1", 80, metadata={"a": "1", "b": "2"}))

    assert registry.update(ORDERS, "10.0.0.1", 80, InstanceChange(weight=7.0, metadata={"b": "3"}))
    assert not registry.update(ORDERS, "10.0.0.9", 80, InstanceChange(weight=7.0))

    assert [Instance("10.0.0.1", 80, weight=7.0, metadata={"a": "1", "b": "3"})] == _instances(registry)
    with pytest.raises(RegistryRefusal, match="service not found"):
        registry.update(ServiceKey("absent"), "10.0.0.1", 80, InstanceChange())


def test_a_namespace_is_created_once_and_public_is_there_already() -> None:
    registry = Registry()
    registry.create_namespace(Namespace("team", "Team"))

    for taken in ("team", "public"):
        with pytest.raises(RegistryRefusal, match="already exist"):
            registry.create_namespace(Namespace(taken, "again"))
    assert [Namespace("team", "Team")] == registry.namespaces()


def test_every_change_forgets_what_was_rendered() -> None:
    registry = Registry()
    registry.register(ORDERS, Instance("10.0.0.1", 80))
    service = registry.services("public")[0]
    changes = (
        lambda: registry.update(ORDERS, "10.0.0.1", 80, InstanceChange(weight=2.0)),
        lambda: registry.register(ORDERS, Instance("10.0.0.2", 80)),
        lambda: registry.deregister(ORDERS, "10.0.0.1", 80),
    )
    for change in changes:
        service.rendered["row"] = b"old"
        change()
        assert {} == service.rendered

    service.rendered["row"] = b"current"
    registry.deregister(ORDERS, "10.0.0.1", 80)
    assert {"row": b"current"} == service.rendered


def test_catalogue_filters_are_regular_expressions_that_match_anywhere() -> None:
    registry = Registry()
    for key in (ORDERS, ServiceKey("orders", "G-2"), ServiceKey("users", "G-2")):
        registry.register(key, Instance("10.0.0.1", 80))
    services = registry.services("public")

    def found(group: str, name: str) -> list[str]:
        return [each.key.grouped for each in matching(services, group, name)]

    assert ["DEFAULT_GROUP@@orders", "G-2@@orders", "G-2@@users"] == found("", "")
    assert ["DEFAULT_GROUP@@orders", "G-2@@orders", "G-2@@users"] == found("G", "")
    assert ["G-2@@orders", "G-2@@users"] == found("G-2", "")
    assert ["G-2@@users"] == found("G-2", "use.s")
    assert [] == found("", "^users$")


def _instances(registry: Registry) -> list[Instance]:
    return [each for service in registry.services("public") for each in service.instances.values()]
