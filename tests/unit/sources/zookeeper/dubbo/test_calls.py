"""From an interface's reading to its calls. What services are called: tests/conformance/conversion."""

from meshregistry.model.call_model import ServiceCalls
from meshregistry.model.dubbo import DubboConverter
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.dubbo.calls import list_calls
from meshregistry.sources.zookeeper.dubbo.consumers import Consumer
from meshregistry.sources.zookeeper.dubbo.interface import read_interface
from meshregistry.sources.zookeeper.dubbo.providers import ProviderReader
from tests.support.dubbo_names import provider

ORDERS = "com.acme.Orders"
SCOPE = dubbo_scope("", ORDERS)
NAMES = [
    provider(application="shop", group="g", version="1.0.0"),
    provider("10.0.0.2:20880", application="shop2", group="g", version="1.0.0"),
    provider("10.0.0.3:20880"),
    provider("10.0.0.1:50051", application="shop").replace("dubbo%3A", "tri%3A"),
]
CONSUMERS = [Consumer("web", "*", "*"), Consumer("app", "g", "1.0.0"), Consumer("old", "none")]


def read(*names: str) -> dict[str, tuple[Instance, ...]]:
    return dict(finish(read_interface(ProviderReader(()), ORDERS, names)).services)


def converter(profile: Profile, host_suffix: str = "") -> DubboConverter:
    return DubboConverter(ConversionPolicy(profile=profile), DubboPolicy(host_suffix=host_suffix), 100)


def test_slime_names_services_by_their_keys() -> None:
    assert (
        ServiceCalls(ORDERS, frozenset(), frozenset({"web"})),
        ServiceCalls(f"{ORDERS}:g:1.0.0", frozenset({"shop", "shop2"}), frozenset({"web", "app"})),
    ) == list_calls(SCOPE, read(*NAMES), CONSUMERS, converter(Profile.SLIME, ".dubbo"))


def test_the_istio_profile_names_every_host_and_who_claims_it() -> None:
    orders, grouped = ServiceKey(SCOPE, ORDERS), ServiceKey(SCOPE, f"{ORDERS}:g:1.0.0")
    assert (
        ServiceCalls("1-0-0.g.com.acme.orders.dubbo", frozenset({"shop", "shop2"}), frozenset({"web", "app"}), grouped),
        ServiceCalls("com.acme.orders.dubbo", frozenset(), frozenset({"web"}), orders),
        ServiceCalls("tri.com.acme.orders.dubbo", frozenset({"shop"}), frozenset({"web"}), orders),
    ) == list_calls(SCOPE, read(*NAMES), CONSUMERS, converter(Profile.ISTIO))


def test_a_service_without_providers_is_called_by_nobody() -> None:
    assert () == list_calls(SCOPE, {}, CONSUMERS, converter(Profile.SLIME))
    assert () == list_calls(SCOPE, read(NAMES[3]), CONSUMERS, converter(Profile.SLIME))


def test_slime_names_are_those_of_its_entries() -> None:
    services = read(
        provider(version="0.0.0", application="shop"), provider("10.0.0.2:20880", group="a:b", application="b")
    )
    consumers = [Consumer("web"), Consumer("app", "a:b"), Consumer("all", "*", "*")]
    assert (
        ServiceCalls(f"{ORDERS}::0.0.0", frozenset({"shop"}), frozenset({"web", "all"})),
        ServiceCalls(f"{ORDERS}:a_b", frozenset({"b"}), frozenset({"app", "all"})),
    ) == list_calls(SCOPE, services, consumers, converter(Profile.SLIME))
