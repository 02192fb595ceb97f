"""From an interface's reading to its calls."""

from meshregistry.model.call_model import ServiceCalls
from meshregistry.model.policy import Profile
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.dubbo.calls import list_calls
from meshregistry.sources.zookeeper.dubbo.consumers import Consumer
from meshregistry.sources.zookeeper.dubbo.interface import read_interface
from meshregistry.sources.zookeeper.dubbo.providers import ProviderReader
from tests.support.dubbo_names import provider

ORDERS = "com.acme.Orders"
NAMES = [
    provider(application="shop", group="g", version="1.0.0"),
    provider("10.0.0.2:20880", application="shop2", group="g", version="1.0.0"),
    provider("10.0.0.3:20880"),
    provider("10.0.0.1:50051", application="shop").replace("dubbo%3A", "tri%3A"),
]
CONSUMERS = [Consumer("web", "*", "*"), Consumer("app", "g", "1.0.0"), Consumer("old", "none")]


def test_slime_names_services_by_their_keys() -> None:
    services = finish(read_interface(ProviderReader(()), ORDERS, NAMES)).services
    assert (
        ServiceCalls(ORDERS, frozenset(), frozenset({"web"})),
        ServiceCalls(f"{ORDERS}:g:1.0.0", frozenset({"shop", "shop2"}), frozenset({"web", "app"})),
    ) == list_calls(ORDERS, services, CONSUMERS, Profile.SLIME, ".dubbo")


def test_the_istio_profile_names_every_host() -> None:
    services = finish(read_interface(ProviderReader(()), ORDERS, NAMES)).services
    assert (
        ServiceCalls("1-0-0.g.com.acme.orders.dubbo", frozenset({"shop", "shop2"}), frozenset({"web", "app"})),
        ServiceCalls("com.acme.orders.dubbo", frozenset(), frozenset({"web"})),
        ServiceCalls("tri.com.acme.orders.dubbo", frozenset({"shop"}), frozenset({"web"})),
    ) == list_calls(ORDERS, services, CONSUMERS, Profile.ISTIO, "")


def test_a_service_without_providers_is_called_by_nobody() -> None:
    assert () == list_calls(ORDERS, {}, CONSUMERS, Profile.SLIME, "")
    only_triple = finish(read_interface(ProviderReader(()), ORDERS, NAMES[3:])).services
    assert () == list_calls(ORDERS, only_triple, CONSUMERS, Profile.SLIME, "")


def test_slime_names_are_those_of_its_entries() -> None:
    names = [provider(version="0.0.0", application="shop"), provider("10.0.0.2:20880", group="a:b", application="b")]
    services = finish(read_interface(ProviderReader(()), ORDERS, names)).services
    assert [(f"{ORDERS}::0.0.0", {"shop"}), (f"{ORDERS}:a_b", {"b"})] == [
        (each.service, set(each.providers)) for each in list_calls(ORDERS, services, (), Profile.SLIME, "")
    ]
