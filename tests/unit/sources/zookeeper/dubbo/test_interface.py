"""One interface from every way to register."""

import random

import pytest

from meshregistry.errors import SourceDataError
from meshregistry.model.events import ScopeListing
from meshregistry.model.instance import Scope
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.dubbo.applications import (
    ApplicationInstance,
    ExportedService,
    guess_offers,
    list_exact_offers,
)
from meshregistry.sources.zookeeper.dubbo.interface import InterfaceReading, fingerprint, read_interface
from meshregistry.sources.zookeeper.dubbo.providers import ProviderReader
from meshregistry.sources.zookeeper.dubbo.rules import read_overrides
from tests.support.dubbo_names import encode, provider

ORDERS = "com.acme.Orders"
APP = ApplicationInstance("shop", "10.0.0.1", 20880, "r1", (("dubbo", 20880), ("tri", 50051)), "9", ())


def reader() -> ProviderReader:
    return ProviderReader(("pid", "timestamp", "dubbo"))


def places(reading: InterfaceReading) -> dict[str, list[str]]:
    """Service → scheme, address, port and weight of its instances."""
    return {
        name: [f"{dict(each.metadata)['protocol']} {each.address}:{each.port} {each.weight:g}" for each in instances]
        for name, instances in reading.services.items()
    }


def test_services_are_told_apart_by_group_and_version() -> None:
    names = [
        provider("10.0.0.2:20880"),
        provider("10.0.0.1:20880"),
        provider(version="1.0.0"),
        provider(group="g", version="1.0.0"),
        provider("10.0.0.1:50051").replace("dubbo%3A", "tri%3A"),
    ]
    reading = finish(read_interface(reader(), ORDERS, names))
    assert {
        ORDERS: ["dubbo 10.0.0.1:20880 100", "tri 10.0.0.1:50051 100", "dubbo 10.0.0.2:20880 100"],
        f"{ORDERS}::1.0.0": ["dubbo 10.0.0.1:20880 100"],
        f"{ORDERS}:g:1.0.0": ["dubbo 10.0.0.1:20880 100"],
    } == places(reading)
    random.Random(7).shuffle(names)
    assert reading == finish(read_interface(reader(), ORDERS, names))


def test_of_two_registrations_of_one_place_the_newest_counts() -> None:
    """A killed provider with `dynamic=false` leaves its node; the restarted one adds another."""
    names = [provider(timestamp="1795370413333", weight="1"), provider(timestamp="1795370413334", weight="2")]
    for each in (names, names[::-1]):
        reading = finish(read_interface(reader(), ORDERS, each))
        assert {ORDERS: ["dubbo 10.0.0.1:20880 2"]} == places(reading)
        assert {"duplicate": 1} == reading.bad


def test_a_bad_name_is_dropped_alone() -> None:
    reading = finish(read_interface(reader(), ORDERS, [provider(), provider("10.0.0.2:0"), "nonsense"]))
    assert {ORDERS: ["dubbo 10.0.0.1:20880 100"]} == places(reading)
    assert {"port": 1, "scheme": 1} == reading.bad


def test_an_interface_with_only_bad_names_is_no_empty_interface() -> None:
    with pytest.raises(SourceDataError):
        finish(read_interface(reader(), ORDERS, ["nonsense"]))
    assert InterfaceReading({}, {}) == finish(read_interface(reader(), ORDERS, []))
    assert InterfaceReading({}, {}) == finish(read_interface(reader(), ORDERS, [encode(f"empty://0.0.0.0/{ORDERS}")]))


def test_rules_change_weight_and_switch_off() -> None:
    rules = read_overrides(
        ORDERS,
        [
            encode(f"override://0.0.0.0/{ORDERS}?weight=200"),
            encode(f"override://10.0.0.2:20880/{ORDERS}?disabled=true&zone=b"),
        ],
    ).rules
    reading = finish(read_interface(reader(), ORDERS, [provider(), provider("10.0.0.2:20880")], rules))
    assert {ORDERS: ["dubbo 10.0.0.1:20880 200", "dubbo 10.0.0.2:20880 200"]} == places(reading)
    first, second = reading.services[ORDERS]
    assert (True, False) == (first.enabled, second.enabled)
    assert {"disabled": "true", "zone": "b", "weight": "200"}.items() <= dict(second.metadata).items()


def test_rules_keep_what_ignored_parameters_said() -> None:
    rules = read_overrides(ORDERS, [encode(f"override://0.0.0.0/{ORDERS}?group=g&zone=b")]).rules
    ignoring = ProviderReader(("group", "weight", "disabled"))
    reading = finish(read_interface(ignoring, ORDERS, [provider(group="g", weight="7", disabled="true")], rules))
    assert {f"{ORDERS}:g": ["dubbo 10.0.0.1:20880 7"]} == places(reading)
    assert not reading.services[f"{ORDERS}:g"][0].enabled


def test_exact_offers_add_what_is_not_registered() -> None:
    services = [
        ExportedService(ORDERS, "dubbo", 0, ()),
        ExportedService(ORDERS, "tri", 50051, (("group", "g"),)),
    ]
    reading = finish(
        read_interface(reader(), ORDERS, [provider(application="shop")], (), list_exact_offers(APP, services))
    )
    assert {ORDERS: ["dubbo 10.0.0.1:20880 100"], f"{ORDERS}:g": ["tri 10.0.0.1:50051 100"]} == places(reading)
    assert "timestamp" not in dict(reading.services[f"{ORDERS}:g"][0].metadata)


def test_a_guess_adds_nothing_to_what_an_application_registers_itself() -> None:
    """By default an application registers both ways; its mapping knows neither group nor version."""
    names = [provider(application="shop", version="1.0.0")]
    reading = finish(read_interface(reader(), ORDERS, names, (), guess_offers(APP, ORDERS)))
    assert {f"{ORDERS}::1.0.0": ["dubbo 10.0.0.1:20880 100"]} == places(reading)


def test_a_guess_serves_applications_that_register_nothing_else() -> None:
    names = [provider("10.0.0.7:20880", application="shop")]
    reading = finish(read_interface(reader(), ORDERS, names, (), guess_offers(APP, ORDERS)))
    assert {ORDERS: ["dubbo 10.0.0.1:20880 100", "tri 10.0.0.1:50051 100", "dubbo 10.0.0.7:20880 100"]} == places(
        reading
    )


def test_a_reading_is_the_complete_content_of_the_interface() -> None:
    reading = finish(read_interface(reader(), ORDERS, [provider()]))
    expected = ScopeListing(
        Scope("zookeeper", "r1", "dubbo", ORDERS), frozenset((ORDERS,)), reading.services, observed_at=5.0
    )
    assert expected == reading.listing("r1", ORDERS, 5.0)


def test_equal_names_have_equal_fingerprints() -> None:
    assert fingerprint(["a", "b"]) == fingerprint(["b", "a"])
    assert 4 == len({fingerprint(each) for each in ([], ["ab"], ["a", "b"], ["a"])})


def test_a_long_reading_pauses_while_it_reads_and_while_it_applies_rules() -> None:
    names = [provider(f"10.0.{number // 250}.{number % 250 + 1}:20880") for number in range(640)]
    assert 20 == len(list(read_interface(reader(), ORDERS, names)))
