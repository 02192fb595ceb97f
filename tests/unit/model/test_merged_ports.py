"""The ports that one service adds to the entry of all ports."""

from meshregistry.model.merged_ports import collect_ports
from meshregistry.model.policy import MergedPorts
from meshregistry.model.service_entry import ServicePort, WorkloadEntry

PORTS = (ServicePort(80, "HTTP", "http-80"), ServicePort(9090, "GRPC", "grpc-9090"))
ENDPOINTS = (WorkloadEntry("10.0.0.1", (("grpc-9090", 9090), ("http-80", 8080))),)


def collect(*, instance_ports: bool, service_ports: bool) -> list[str]:
    wanted = MergedPorts("all", "all.example", instance_ports, service_ports)
    return [f"{port.number} {port.protocol} {port.name}" for port in collect_ports(PORTS, ENDPOINTS, wanted)]


def test_service_ports_are_taken_as_they_are() -> None:
    assert ["80 HTTP http-80", "9090 GRPC grpc-9090"] == collect(instance_ports=False, service_ports=True)


def test_ports_of_endpoints_are_named_after_the_service_port_before_them() -> None:
    assert ["8080 HTTP http-80-8080", "9090 GRPC grpc-9090-9090"] == collect(instance_ports=True, service_ports=False)


def test_a_port_that_is_both_is_the_service_port() -> None:
    both = collect(instance_ports=True, service_ports=True)
    assert ["80 HTTP http-80", "8080 HTTP http-80-8080", "9090 GRPC grpc-9090"] == both


def test_nothing_wanted_is_nothing() -> None:
    assert [] == collect(instance_ports=False, service_ports=False)
