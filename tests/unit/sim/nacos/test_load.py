"""Bulk content and churn of the simulated Nacos."""

from meshregistry.sim.nacos.load import Churn, Churned, Load, populate
from meshregistry.sim.nacos.state import Instance, Registry


def test_a_load_is_the_same_each_time_and_no_address_occurs_twice() -> None:
    first, second = Registry(), Registry()
    for registry in (first, second):
        populate(registry, Load(services=30, instances=10))

    assert (30, 300) == first.counts()
    assert _content(first) == _content(second)
    assert 300 == len({each.ip for instances in _content(first).values() for each in instances})
    assert "svc-00029" in _content(first)


def test_a_load_goes_to_its_namespace_and_group() -> None:
    registry = Registry()
    populate(registry, Load(services=1, instances=2, namespace="team", group="G2"))

    assert ["G2@@svc-00000"] == [each.key.grouped for each in registry.services("team")]
    assert [] == registry.services("public")


def test_a_metadata_step_changes_one_instance_of_one_service() -> None:
    registry = Registry()
    populate(registry, Load(services=3, instances=2))
    before = _content(registry)

    assert Churned("svc-00000", "10.0.0.1", 8080, "metadata", 0) == Churn(registry).step("public", "metadata")

    after = _content(registry)
    assert "0" == after["svc-00000"][0].metadata["step"]
    assert before["svc-00000"][1:] == after["svc-00000"][1:]
    assert before["svc-00001"] == after["svc-00001"]
    assert before["svc-00002"] == after["svc-00002"]


def test_replacements_go_round_the_services_and_keep_the_counts() -> None:
    registry = Registry()
    populate(registry, Load(services=2, instances=2))
    churn = Churn(registry)

    changed = [churn.step("public", "replace") for _ in range(3)]

    assert ["svc-00000", "svc-00001", "svc-00000"] == [each.service for each in changed if each]
    assert (2, 4) == registry.counts()
    assert {"11.0.0.0", "11.0.0.2"} == {each.ip for each in _content(registry)["svc-00000"]}


def test_a_named_service_can_be_churned_and_an_absent_one_not() -> None:
    registry = Registry()
    populate(registry, Load(services=3, instances=1))
    churn = Churn(registry)

    changed = churn.step("public", "replace", "svc-00002")

    assert changed is not None
    assert "svc-00002" == changed.service
    assert churn.step("public", "replace", "absent") is None
    assert churn.step("empty-namespace", "replace") is None


def _content(registry: Registry) -> dict[str, list[Instance]]:
    return {each.key.name: list(each.instances.values()) for each in registry.services("public")}
