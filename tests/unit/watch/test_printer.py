"""What a person reads at ``meshregistry watch``."""

import typing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meshregistry.watch.effects import ServiceEntryController
from meshregistry.watch.families import ISTIOD_124
from meshregistry.watch.model import IstiodModel
from meshregistry.watch.observations import ResponseApplied, StreamLost, StreamOpened
from meshregistry.watch.printer import Printer, endpoint_changes, printable
from meshregistry.watch.resources import DecodedResource, Endpoint, Node, ServicePort
from tests.support.watch_builders import HTTP, SERVICE_ENTRY_URL, resource, response, service_entry

ONE = Endpoint("10.0.0.1", {"http": 8080}, {"zone": "a"}, weight=1)
TWO = Endpoint("10.0.0.2", {"http": 8080})
NOON = datetime(2026, 11, 22, 12, 0, 0, 1000, UTC)


class Screen:
    """A printer whose clock stands at noon, fed by a model."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.printer = Printer("127.0.0.1:16010", ISTIOD_124, self.lines.append, lambda: NOON)
        self.model = IstiodModel(ISTIOD_124, Node())
        self.controller = ServiceEntryController(ISTIOD_124)

    def push(self, *resources: DecodedResource, type_url: str = SERVICE_ENTRY_URL) -> list[str]:
        """The lines that a response leads to, without the time."""
        self.lines.clear()
        handled = self.model.handle(response(*resources, type_url=type_url))
        effects = tuple(self.controller.apply(event) for event in handled.events)
        self.printer.observe(ResponseApplied(handled, effects, self.model.missing_types))
        return [line.removeprefix("12:00:00.001 ") for line in self.lines]

    def update(self, **changes: typing.Any) -> list[str]:
        """The lines of an update of an entry with endpoints ONE and TWO."""
        self.push(resource(version="1", spec=service_entry(endpoints=(ONE, TWO))))
        return self.push(resource(version="2", spec=service_entry(**{"endpoints": (ONE, TWO), **changes})))


def test_a_line_begins_with_the_time_to_the_millisecond() -> None:
    screen = Screen()
    screen.printer.observe(StreamOpened(15))
    assert ["12:00:00.001 · connected to 127.0.0.1:16010 as istiod 1.24, asked for 15 types"] == screen.lines


def test_a_lost_stream_names_the_reason_and_the_pause() -> None:
    screen = Screen()
    screen.printer.observe(StreamLost("UNAVAILABLE server draining", 0.5))
    assert ["12:00:00.001 x stream ended: UNAVAILABLE server draining, reconnect in 0.5 s"] == screen.lines


def test_a_created_service() -> None:
    created = ["+ created orders.nacos (demo/orders), 2 endpoints -> full push (new service)"]
    assert created == Screen().push(resource())


def test_a_service_named_like_its_host_is_named_once() -> None:
    spec = service_entry(endpoints=(ONE,))
    created = ["+ created orders.nacos, 1 endpoint -> full push (new service)"]
    assert created == Screen().push(resource("demo/orders.nacos", spec=spec))


def test_a_deleted_service() -> None:
    screen = Screen()
    screen.push(resource())
    assert ["- deleted orders.nacos (demo/orders) -> full push (service removed)"] == screen.push()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"endpoints": (ONE, TWO, Endpoint("10.0.0.3"))}, "10.0.0.3:80 joined -> EDS-only push"),
        ({"endpoints": (ONE,)}, "10.0.0.2:8080 left -> EDS-only push"),
        ({"endpoints": (replace(ONE, weight=2), TWO)}, "10.0.0.1:8080 weight 1→2 -> EDS-only push"),
        ({"endpoints": (replace(ONE, labels={}), TWO)}, "10.0.0.1:8080 label zone a→- -> EDS-only push"),
        ({"endpoints": (TWO, ONE)}, "endpoint order -> no push (nothing Envoy sees changed)"),
        ({}, "same content under another version -> no push (nothing Envoy sees changed)"),
        (
            {"endpoints": ()},
            "10.0.0.1:8080 left, 10.0.0.2:8080 left -> no push (emptied: the old endpoints stay in Envoy)",
        ),
        (
            {"ports": (ServicePort(80, "GRPC", "http", 81),)},
            "ports [http:80/HTTP]→[http:80/GRPC>81] -> full push (the service itself changed)",
        ),
        ({"addresses": ("241.0.0.1",)}, "addresses []→[241.0.0.1] -> full push (the service itself changed)"),
    ],
)
def test_an_updated_service(changes: dict[str, typing.Any], text: str) -> None:
    assert [f"~ updated orders.nacos (demo/orders): {text}"] == Screen().update(**changes)


def test_a_changed_label_is_named() -> None:
    screen = Screen()
    screen.push(resource())
    (line,) = screen.push(resource(version="2", labels={"state": "empty"}))
    assert "~ updated orders.nacos (demo/orders): labels -> full push (the service itself changed)" == line


def test_many_changes_are_cut_short() -> None:
    old = service_entry(endpoints=tuple(Endpoint(f"10.0.0.{n}") for n in range(9)))
    screen = Screen()
    screen.push(resource(spec=old))
    (line,) = screen.push(resource(version="2", spec=service_entry(endpoints=(Endpoint("10.0.1.1"),))))
    assert "10.0.1.1:80 joined, 10.0.0.0:80 left" in line
    assert ", 10.0.0.3:80 left, 5 more -> " in line


def test_a_rejected_resource_says_what_stays() -> None:
    screen = Screen()
    bad = service_entry(hosts=("*",))
    assert ["! rejected ServiceEntry demo/orders: invalid host * (istiod does not store it)"] == screen.push(
        resource(spec=bad)
    )
    screen.push(resource())
    assert ["! rejected orders.nacos (demo/orders): invalid host * (istiod keeps the old one)"] == screen.push(
        resource(version="2", spec=bad)
    )


def test_an_undecodable_resource_and_the_deletion_it_causes() -> None:
    screen = Screen()
    screen.push(resource())
    wreck, deleted = screen.push(replace(resource(), spec=None, fault="no body"))
    assert "! undecodable ServiceEntry demo/orders: no body (counts as absent)" == wreck
    assert "- deleted orders.nacos (demo/orders) (no body) -> full push (service removed)" == deleted


def test_a_response_that_changes_nothing_is_one_line() -> None:
    screen = Screen()
    screen.push(resource(), resource("demo/payments"))
    assert ["· ServiceEntry: 2 received, nothing changed"] == screen.push(resource(), resource("demo/payments"))


def test_the_wait_for_a_held_type_is_announced_once_and_then_the_sync() -> None:
    screen = Screen()
    others = [type_url for type_url in ISTIOD_124.gating_types if type_url != SERVICE_ENTRY_URL]
    lines = [line for type_url in others for line in screen.push(type_url=type_url)]
    assert [
        "· waiting for networking.istio.io/v1/ServiceEntry: the server still holds it, istiod would not be ready"
    ] == lines
    assert [] == screen.push(type_url=others[0])
    *_, last = screen.push(resource(), resource("demo/payments"))
    assert "= synced: 14 types answered, 2 ServiceEntries" == last


def test_an_empty_sync() -> None:
    screen = Screen()
    lines = [line for type_url in ISTIOD_124.gating_types for line in screen.push(type_url=type_url)]
    assert ["= synced: 14 types answered, 0 ServiceEntries"] == lines


def test_names_from_a_registry_cannot_steer_the_terminal() -> None:
    assert r"a\x1b[2Jb\nc\u202e 订单" == printable("a\x1b[2Jb\nc\u202e 订单")
    (line,) = Screen().push(resource("demo/\x1b[31m", spec=service_entry()))
    assert r"(demo/\x1b[31m)" in line


def test_endpoints_are_known_by_address_and_ports() -> None:
    two_ports = (HTTP, ServicePort(81, "HTTP", "admin", 9090))
    old = service_entry(ports=two_ports, endpoints=(Endpoint("2001:db8::1", {"http": 8080}),))
    new = service_entry(ports=two_ports, endpoints=(Endpoint("2001:db8::1"),))
    assert ["[2001:db8::1]:80,9090 joined", "[2001:db8::1]:8080,9090 left"] == endpoint_changes(old, new)
