import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.virtual_address import derive_address

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
