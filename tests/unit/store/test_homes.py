"""One host claimed by several sources under several names is one resource."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.assembly import ConversionCache, convert_service
from meshregistry.model.claim import Claim
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.store.contributions import Contributions

NAMES = {"eureka": "eureka/orders.shop", "nacos": "nacos/orders.shop", "zookeeper": "zookeeper/orders.shop"}


def claims_of(source: str, profile: Profile = Profile.ISTIO) -> tuple[Claim, ...]:
    policy = ConversionPolicy(source=source, default_service_ns="shop", profile=profile)
    key = ServiceKey(Scope(source, "", "", ""), "orders")
    claims = convert_service(key, [Instance("10.0.0.1", 8080)], policy, ConversionCache()).claims
    return tuple(msgspec.structs.replace(claim, namespace=source) for claim in claims)


def replace(contributions: Contributions, source: str, claims: tuple[Claim, ...]) -> set[str]:
    return contributions.replace(ServiceKey(Scope(source, "", "", ""), "orders"), claims)


def sources(claims: Sequence[Claim]) -> list[str]:
    return [claim.key.scope.source for claim in claims]


def test_the_first_source_in_the_order_gives_the_host_its_home() -> None:
    contributions = Contributions()
    assert {NAMES["nacos"]} == replace(contributions, "nacos", claims_of("nacos"))
    assert ["nacos"] == sources(contributions.claims(NAMES["nacos"]))

    assert {NAMES["nacos"], NAMES["eureka"]} == replace(contributions, "eureka", claims_of("eureka"))
    assert ["eureka", "nacos"] == sources(contributions.claims(NAMES["eureka"]))
    assert [] == sources(contributions.claims(NAMES["nacos"]))

    assert {NAMES["nacos"], NAMES["eureka"]} == replace(contributions, "eureka", ())
    assert ["nacos"] == sources(contributions.claims(NAMES["nacos"]))
    assert contributions.is_claimed("orders.shop.svc.cluster.local")

    replace(contributions, "nacos", ())
    assert not contributions.is_claimed("orders.shop.svc.cluster.local")


def test_in_the_slime_profile_each_source_keeps_its_own() -> None:
    contributions = Contributions()
    for source in NAMES:
        replace(contributions, source, claims_of(source, profile=Profile.SLIME))

    assert [[source] for source in NAMES] == [sources(contributions.claims(name)) for name in NAMES.values()]


@given(st.lists(st.tuples(st.sampled_from(sorted(NAMES)), st.booleans()), max_size=12))
def test_the_way_to_a_state_is_no_part_of_it(steps: list[tuple[str, bool]]) -> None:
    contributions = Contributions()
    for source, is_there in steps:
        replace(contributions, source, claims_of(source) if is_there else ())
    left = sorted(source for source, is_there in dict(steps).items() if is_there)
    resources = {source: sources(contributions.claims(name)) for source, name in NAMES.items()}

    assert {source: left if source in left[:1] else [] for source in NAMES} == resources
