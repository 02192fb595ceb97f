"""Service ports: how many one entry may have, what they speak, and which port of an endpoint they reach."""

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.ports import MAX_SERVICE_PORTS, PortTable, extend_map, limit_ports, reach
from meshregistry.model.protocols import Offer
from meshregistry.model.service_entry import ServicePort, WorkloadEntry


def test_few_ports_are_kept_in_order() -> None:
    assert [80, 443, 8080] == limit_ports([8080, 80, 443, 80], 80)


def test_of_too_many_ports_the_lowest_and_the_service_port_stay() -> None:
    kept = limit_ports(range(1000, 2000), 1999)

    assert [*range(1000, 1000 + MAX_SERVICE_PORTS - 1), 1999] == kept


@given(st.sets(st.integers(1, 65535), max_size=300), st.integers(0, 65535))
def test_what_is_kept_is_bounded_ordered_and_a_part(numbers: set[int], svc_port: int) -> None:
    kept = limit_ports(numbers, svc_port)

    assert min(len(numbers), MAX_SERVICE_PORTS) == len(kept)
    assert sorted(kept) == kept
    assert set(kept) <= numbers
    assert (svc_port in kept) == (svc_port in numbers)


def test_most_instances_decide_what_a_port_speaks_and_among_equals_the_first_word() -> None:
    table = PortTable(ConversionPolicy(svc_port=80), 100)
    grpc, http, tls = (Offer(8080, word) for word in ("grpc", "http", "tls"))

    ports, mixed = table.list_offered_ports([(grpc,), (grpc,), (http,)])
    assert [(80, "GRPC"), (8080, "GRPC")] == [(port.number, port.protocol) for port in ports]
    assert [8080] == mixed

    ports, mixed = table.list_offered_ports([(tls,), (http,)])
    assert [(80, "HTTP"), (8080, "HTTP")] == [(port.number, port.protocol) for port in ports]


def test_what_an_instance_leaves_to_the_source_agrees_with_the_sources_word() -> None:
    table = PortTable(ConversionPolicy(svc_port=0), 100)
    assert [] == table.list_offered_ports([(Offer(8080, ""),), (Offer(8080, "http"),), (Offer(8080, "rest"),)])[1]


def test_a_port_of_its_own_outvotes_a_further_one() -> None:
    table = PortTable(ConversionPolicy(svc_port=0), 100)
    further = (Offer(80, ""), Offer(9090, "grpc"))
    [_, port], mixed = table.list_offered_ports([further, further, (Offer(9090, ""),)])
    assert ((9090, "HTTP"), []) == ((port.number, port.protocol), mixed)


def test_a_service_port_reaches_the_same_port_then_the_protocol_then_the_own_one() -> None:
    table = PortTable(ConversionPolicy(), 100)
    ports = (
        ServicePort(80, "HTTP", "http-80"),
        ServicePort(8443, "HTTP", "http-8443"),
        ServicePort(9091, "GRPC", "grpc-9091"),
        ServicePort(20880, "TCP", "tcp-dubbo-20880"),
    )
    offers = (Offer(8080, ""), Offer(9090, "grpc"), Offer(8443, "https"))
    assert {"http-80": 8080, "http-8443": 8443, "grpc-9091": 9090, "tcp-dubbo-20880": 8080} == dict(
        table.map_offers(ports, offers)
    )


def test_a_further_service_port_reaches_the_port_of_its_protocol() -> None:
    ports = (ServicePort(80, "HTTP", "http-80"), ServicePort(9090, "GRPC", "grpc-9090"))
    both = WorkloadEntry("10.0.0.1", (("grpc-9090", 9090), ("http-80", 8080)))
    one = WorkloadEntry("10.0.0.1", (("grpc-9090", 7070), ("http-80", 7070)))

    assert [8080, 9090, 9090] == [
        reach(both, ports, ServicePort(1, protocol, "x")) for protocol in ("HTTP", "GRPC", "TCP")
    ]
    assert 7070 == reach(one, ports, ServicePort(1, "HTTP", "x"))
    assert (("http-1", 8080), ("http-80", 8080)) == extend_map(
        both, ports, [ServicePort(80, "HTTP", "http-80"), ServicePort(1, "HTTP", "http-1")]
    )


def test_without_instance_ports_the_service_port_is_there_whatever_it_is() -> None:
    for svc_port in (0, 80):
        table = PortTable(ConversionPolicy(svc_port=svc_port, instance_port_as_svc_port=False), 100)
        ports, mixed = table.list_offered_ports([(Offer(8443, "https"),)])
        assert ([svc_port], []) == ([port.number for port in ports], mixed)
