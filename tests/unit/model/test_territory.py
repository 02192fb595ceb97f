"""What a source may claim."""

import pytest

from meshregistry.model.assembly import ConversionCache, convert_entry, convert_service
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy, Territory
from meshregistry.model.service_entry import ServiceEntry

KEY = ServiceKey(Scope("nacos", "", "public", "DEFAULT_GROUP"), "orders")


def convert(territory: Territory | None, namespace: str = "shop", **options: object) -> tuple[list[str], list[str]]:
    """The hosts claimed, and the rejects as `reason subject`, for an instance that names its namespace."""
    policy = ConversionPolicy(territory=territory, **options)  # type: ignore[arg-type]
    instance = Instance("10.0.0.1", 8080, metadata=(("k8sNs", namespace),))
    conversion = convert_service(KEY, [instance], policy, ConversionCache())
    hosts = [host for claim in conversion.claims for host in claim.hosts]
    return hosts, [f"{reject.reason} {reject.subject}" for reject in conversion.rejects]


def test_without_a_territory_everything_may_be_claimed() -> None:
    assert (["orders.bank.svc.cluster.local"], []) == convert(None, "bank")


def test_a_registrant_cannot_take_a_host_of_another_namespace() -> None:
    territory = Territory(namespaces=("shop", "nacos"))

    assert (["orders.shop.svc.cluster.local"], []) == convert(territory)
    assert ([], ["namespace_denied bank"]) == convert(territory, "bank")


def test_a_pattern_of_hosts_is_matched_as_a_whole() -> None:
    territory = Territory(hosts=("*.shop.svc.cluster.local", "orders.nacos*"))

    assert (["orders.shop.svc.cluster.local"], []) == convert(territory)
    assert (["orders.nacos.svc.cluster.local"], []) == convert(territory, "nacos")
    assert ([], ["host_denied orders.bank.svc.cluster.local"]) == convert(territory, "bank")
    assert ([], ["host_denied orders.shop.svc.cluster.local"]) == convert(Territory(hosts=("shop",)))


def test_a_further_host_outside_is_left_out_alone() -> None:
    aliases = (("orders.shop.svc.cluster.local", ("cart.shop.svc.cluster.local", "vault.bank.svc.cluster.local")),)

    hosts, rejects = convert(Territory(hosts=("*.shop.*",)), host_aliases=aliases)

    assert ["orders.shop.svc.cluster.local", "cart.shop.svc.cluster.local"] == hosts
    assert ["host_denied vault.bank.svc.cluster.local"] == rejects


@pytest.mark.parametrize(
    ("territory", "hosts", "rejects"),
    [
        (Territory(hosts=("*.shop",)), ("a.shop", "b.shop"), []),
        (Territory(hosts=("*.shop",)), (), ["host_denied b.bank"]),
        (Territory(namespaces=("bank",)), (), ["namespace_denied shop"]),
    ],
)
def test_what_a_person_wrote_is_served_as_it_stands_or_not_at_all(
    territory: Territory, hosts: tuple[str, ...], rejects: list[str]
) -> None:
    entry = ServiceEntry("shop", "mine", hosts or ("a.shop", "b.bank"))

    conversion = convert_entry(KEY, entry, ConversionPolicy(territory=territory))

    assert hosts == tuple(host for claim in conversion.claims for host in claim.hosts)
    assert rejects == [f"{reject.reason} {reject.subject}" for reject in conversion.rejects]
