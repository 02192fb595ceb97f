import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshregistry.model.virtual_address import PROBES, VirtualAddresses, derive_address

NETWORKS = ["241.0.0.0/8", "10.1.2.0/30", "10.1.2.2/31", "10.1.2.3/32", "fd00::/64"]


@given(st.text(), st.sampled_from(NETWORKS))
def test_every_host_gets_an_address_of_the_network(host: str, network: str) -> None:
    address, parsed = ipaddress.ip_address(derive_address(host, network)), ipaddress.ip_network(network)
    assert address in parsed
    if parsed.num_addresses > 2:
        assert address not in (parsed[0], parsed[-1])


def test_the_address_is_pinned_because_replicas_and_releases_must_agree() -> None:
    assert "241.10.63.75" == derive_address("orders.nacos.svc.cluster.local", "241.0.0.0/8")


def test_hosts_spread_over_the_network() -> None:
    assert 990 < len({derive_address(f"service-{number}.nacos", "241.0.0.0/8") for number in range(1000)})


@pytest.mark.parametrize("network", ["", "241.0.0.0", "241.0.0.1/8", "x/8"])
def test_a_range_that_is_no_network_is_refused(network: str) -> None:
    if network == "241.0.0.0":
        assert "241.0.0.0" == derive_address("orders", network)
    else:
        with pytest.raises(ValueError):
            derive_address("orders", network)


def place_in_order(hosts: set[str], network: str) -> dict[str, str]:
    """Let hosts choose by their names: the meaning of the index, written down plainly."""
    taken: dict[str, str] = {}
    for host in sorted(hosts):
        sequence = [derive_address(f"{host}#{each}" if each else host, network) for each in range(PROBES)]
        taken[host] = next((address for address in sequence if address not in taken.values()), "")
    return taken


hosts = st.sampled_from([f"h{number}" for number in range(30)])


@given(
    st.lists(st.tuples(st.booleans(), hosts), max_size=60),
    st.sampled_from(["10.0.0.0/29", "10.0.0.0/27", "10.0.0.0/32"]),
)
@example([(True, f"h{each}") for each in (0, 1, 10, 21, 26, 27)] + [(False, "h10"), (False, "h21")], "10.0.0.0/29")
def test_any_order_of_claims_and_releases_ends_as_if_hosts_had_chosen_by_name(
    steps: list[tuple[bool, str]], network: str
) -> None:
    addresses = VirtualAddresses(network)
    present: set[str] = set()
    for is_claim, host in steps:
        before = {each: addresses.find(each) for each in present}
        if is_claim:
            present.add(host)
            changed = addresses.claim(host)
        else:
            present.discard(host)
            changed = addresses.release(host)
        moved = {each for each in present if before.get(each) != addresses.find(each)}
        assert moved <= changed
        assert place_in_order(present, network) == {each: addresses.find(each) for each in present}
    for host in present:
        addresses.release(host)
    assert ({}, {}, {}) == (addresses._holders, addresses._held, addresses._waiting)


def test_without_a_collision_a_host_has_the_address_of_its_name() -> None:
    addresses = VirtualAddresses("241.0.0.0/8")
    host = "orders.nacos.svc.cluster.local"
    assert {host} == addresses.claim(host)
    assert derive_address(host, "241.0.0.0/8") == addresses.find(host)
    assert set() == addresses.claim(host)
    assert "" == addresses.find("unknown")
