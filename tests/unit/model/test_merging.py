"""One host, several sources: who is served, whatever the order of arrival."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.assembly import ConversionCache, convert_service, merge_claims
from meshregistry.model.claim import Claim, claim_entry
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.merge_policy import DEFAULT_ORDER, MergePolicy, MergeRule, Sharing
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry

HOST = "orders.shop.svc.cluster.local"
DEFAULT = MergePolicy()


def policy(source: str, merging: MergePolicy = DEFAULT) -> ConversionPolicy:
    return ConversionPolicy(source=source, default_service_ns="shop", resource_ns="mesh", merging=merging, svc_port=0)


def registered(source: str, *last: int, merging: MergePolicy = DEFAULT, port: int = 8080) -> list[Claim]:
    key = ServiceKey(Scope(source, "", "", ""), "orders")
    instances = [Instance(f"10.0.0.{each}", port) for each in last]
    return list(convert_service(key, instances, policy(source, merging), ConversionCache()).claims)


def written(merging: MergePolicy = DEFAULT, **fields: object) -> Claim:
    entry = ServiceEntry("mesh", "orders.shop", (HOST,), (ServicePort(80, "HTTP", "web"),))
    entry = msgspec.structs.replace(entry, **fields)
    return claim_entry(ServiceKey(Scope("files", "", "", ""), entry.resource_name), entry, policy("files", merging))


def merge(*claims: Claim) -> ServiceEntry:
    entry = merge_claims(claims, ConversionCache()).entry
    assert entry is not None
    return entry


def addresses(*claims: Claim) -> list[str]:
    return [endpoint.address for endpoint in merge(*claims).endpoints]


def rule(sharing: Sharing, *order: str) -> MergePolicy:
    return MergePolicy(rules=(MergeRule(("orders.*",), sharing, order),))


def test_by_default_the_endpoints_of_all_are_served_and_each_is_named_once() -> None:
    claims = [*registered("nacos", 1, 2), *registered("eureka", 2, 3), *registered("zookeeper", 4)]
    validated = merge_claims(claims, ConversionCache())

    assert validated.entry is not None
    assert ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"] == [each.address for each in validated.entry.endpoints]
    assert "eureka" == dict(validated.entry.labels)["registry"]
    assert () == validated.rejects


@pytest.mark.parametrize("sharing", [Sharing.PREFER, Sharing.FAILOVER])
def test_one_source_is_served_alone_while_it_has_endpoints(sharing: Sharing) -> None:
    merging = rule(sharing, "nacos", "eureka")
    nacos = registered("nacos", 1, merging=merging)
    eureka = registered("eureka", 2, merging=merging)

    validated = merge_claims([*eureka, *nacos], ConversionCache())

    assert validated.entry is not None
    assert ["10.0.0.1"] == [each.address for each in validated.entry.endpoints]
    assert [("host_left_to_other", "eureka/orders")] == [(each.reason, each.subject) for each in validated.rejects]
    assert ["10.0.0.2"] == addresses(*eureka)


@pytest.mark.parametrize("others", [["nacos"], ["nacos", "eureka"]])
def test_a_resource_keeps_its_name_though_no_claim_of_that_name_counts(others: list[str]) -> None:
    claims = [claim for number, source in enumerate(others) for claim in registered(source, number)]

    entry = merge_claims(claims, ConversionCache(), "shop/written").entry

    assert entry is not None
    assert ("shop", "written", (HOST,)) == (entry.namespace, entry.name, entry.hosts)


def test_only_failover_goes_on_from_a_claim_without_endpoints() -> None:
    for sharing, expected in ((Sharing.PREFER, []), (Sharing.FAILOVER, ["10.0.0.2"])):
        merging = rule(sharing, "files", "nacos")
        assert expected == addresses(written(merging), *registered("nacos", 2, merging=merging))


def test_a_host_without_a_rule_has_the_default() -> None:
    merging = MergePolicy(MergeRule(sharing=Sharing.UNION), (MergeRule(("users.*",), Sharing.PREFER),))

    claims = [*registered("nacos", 1, merging=merging), *registered("eureka", 2, merging=merging)]
    assert ["10.0.0.1", "10.0.0.2"] == addresses(*claims)


def test_an_entry_that_somebody_wrote_is_served_as_it_stands() -> None:
    endpoints = (WorkloadEntry("10.9.0.1"), WorkloadEntry("10.9.0.2", network="n"))
    claim = written(endpoints=endpoints, export_to=(".",), addresses=("10.8.0.1",), location=Location.MESH_EXTERNAL)

    assert claim.written is not None
    assert msgspec.structs.replace(claim.written, endpoints=endpoints) == merge(claim)


def test_what_somebody_wrote_wins_and_the_registries_add_their_endpoints() -> None:
    claim = written(
        endpoints=(WorkloadEntry("10.9.0.1"),), export_to=(".",), labels=(("team", "mesh"),), subject_alt_names=("s",)
    )

    entry = merge(*registered("nacos", 1), claim)

    assert ((".",), (("team", "mesh"),), ("s",)) == (entry.export_to, entry.labels, entry.subject_alt_names)
    assert [ServicePort(80, "HTTP", "web"), ServicePort(8080, "HTTP", "http-8080")] == list(entry.ports)
    assert [
        WorkloadEntry("10.0.0.1", (("http-8080", 8080), ("web", 8080)), weight=100),
        WorkloadEntry("10.9.0.1", (("http-8080", 80), ("web", 80))),
    ] == [msgspec.structs.replace(each, labels=()) for each in entry.endpoints]


@pytest.mark.parametrize(
    "fields",
    [
        {"workload_selector": (("app", "orders"),)},
        {"resolution": Resolution.NONE},
        {"resolution": Resolution.DNS},
        {"resolution": Resolution.DNS_ROUND_ROBIN, "endpoints": (WorkloadEntry("a.example"),)},
    ],
)
def test_an_entry_that_finds_its_endpoints_itself_stands_alone(fields: dict[str, object]) -> None:
    claim = written(**fields)  # type: ignore[arg-type]

    assert merge(claim) == merge(claim, *registered("nacos", 1))
    rejects = merge_claims([claim, *registered("nacos", 1)], ConversionCache()).rejects
    assert ["host_left_to_other"] == [each.reason for each in rejects]


@pytest.mark.parametrize(("is_exclusive", "reason"), [(True, "host_collision"), (False, "host_shared")])
def test_what_is_told_of_a_merge_is_told_of_the_resource_that_came_of_it(*, is_exclusive: bool, reason: str) -> None:
    merging = rule(Sharing.FAILOVER, "files", "nacos")
    nacos = registered("nacos", 1, merging=merging)
    one, other = (
        msgspec.structs.replace(nacos[0], service=each, is_exclusive=is_exclusive) for each in ("one", "other")
    )

    validated = merge_claims([written(merging, name="by-hand"), one, other], ConversionCache(), "mesh/by-hand")

    assert {("mesh/by-hand", reason)} == {
        (each.resource, each.reason) for each in validated.rejects if each.reason != "host_left_to_other"
    }


sources = st.sampled_from(DEFAULT_ORDER[1:])
policies = st.builds(
    MergePolicy,
    st.builds(MergeRule, st.just(("*",)), st.sampled_from(list(Sharing)), st.permutations(DEFAULT_ORDER).map(tuple)),
)


@given(
    merging=policies,
    services=st.dictionaries(sources, st.sets(st.integers(1, 5), min_size=1), min_size=1),
    by_hand=st.booleans(),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_is_no_part_of_the_result(
    merging: MergePolicy, services: dict[str, set[int]], by_hand: bool, shuffle: object
) -> None:
    claims = [claim for name, last in services.items() for claim in registered(name, *last, merging=merging)]
    if by_hand:
        claims.append(written(merging, endpoints=(WorkloadEntry("10.0.0.1"),)))
    expected = merge_claims(claims, ConversionCache())
    shuffle.shuffle(claims)  # type: ignore[attr-defined]

    assert expected == merge_claims(claims, ConversionCache())
