"""Whatever stands in nodes: every decoder understands it, drops it alone, or raises the one error it documents."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SourceDataError
from meshregistry.model.dubbo_key import DubboKey
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.curator import CuratorNode, read_node
from meshregistry.sources.zookeeper.dubbo.applications import (
    guess_offers,
    list_exact_offers,
    offer_application,
    read_instance,
    read_mapping,
    read_metadata,
)
from meshregistry.sources.zookeeper.dubbo.consumers import read_consumers
from meshregistry.sources.zookeeper.dubbo.interface import read_interface
from meshregistry.sources.zookeeper.dubbo.providers import ProviderReader
from meshregistry.sources.zookeeper.dubbo.rule_nodes import RuleKey, read_rule_key, read_rule_node
from meshregistry.sources.zookeeper.dubbo.rules import read_overrides
from meshregistry.sources.zookeeper.dubbo.url import BadUrl
from meshregistry.sources.zookeeper.spring import read_application
from tests.support.dubbo_names import provider
from tests.support.garbage import bodies, spoilt

INTERFACE = "com.acme.Orders"
_DUBBO = {"dubbo.endpoints": '[{"port":20880,"protocol":"dubbo"}]', "dubbo.metadata.revision": "r1", "k": "v"}
_INSTANCE = json.dumps(
    {
        "name": "orders",
        "id": "1",
        "address": "10.0.0.1",
        "port": 8080,
        "sslPort": None,
        "payload": {"@class": "x", "id": "orders", "metadata": _DUBBO},
        "registrationTimeUTC": 1_700_000_000_000,
    }
).encode()
_METADATA = json.dumps(
    {
        "app": "orders",
        "services": {"x:dubbo": {"name": INTERFACE, "protocol": "dubbo", "port": 1, "params": {"a": "b"}}},
    }
).encode()
_RULES = b"""
configVersion: v3.0
scope: service
key: com.acme.Orders
enabled: true
configs:
- addresses: ["10.0.0.1"]
  side: provider
  parameters: {weight: 200}
"""
_GOOD = provider(timestamp="1", methods="a,b", weight="100")
names = st.text(max_size=60) | st.builds(
    lambda start, length, put: _GOOD[:start] + put + _GOOD[start + length :],
    st.integers(0, len(_GOOD)),
    st.integers(0, 10),
    st.text(st.sampled_from("%&=?:/[]@+-.0123456789aF\x00\ud800ü"), max_size=8),
)
yaml_bodies = (
    bodies("configs", "enabled", "scope", "key", "parameters", "addresses", "match", "side", "configVersion")
    | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))
    | st.builds(
        lambda start, put: _RULES[:start] + put + _RULES[start + len(put) :],
        st.integers(0, len(_RULES)),
        st.sampled_from(
            [b"&a ", b"*a ", b"- ", b"{", b"!!python/object:x ", b"2001-99-99", b"\t", b"? ", b"<<: ", b"9" * 5000]
        ),
    )
)
nodes = (bodies("name", "id", "address", "port", "payload", "metadata") | spoilt(_INSTANCE)).map(read_node)


@given(nodes)
def test_a_node_gives_usable_instances_or_none(node: CuratorNode | None) -> None:
    if node is None:
        return
    reading = read_application([node])
    assert all(each.address and 0 < each.port < 65536 for each in reading.instances)
    instance = read_instance(node)
    if instance is not None:
        offers = (*offer_application(instance), *guess_offers(instance, INTERFACE), *list_exact_offers(instance, ()))
        assert all(0 < each.port < 65536 for each in offers)


@given(bodies("services", "name", "protocol", "port", "params") | spoilt(_METADATA))
def test_metadata_is_understood_or_none(body: bytes) -> None:
    for service in read_metadata(body) or ():
        assert service.interface
    assert all(read_mapping(body))


@given(st.lists(names, max_size=4))
def test_names_of_providers_are_dropped_alone(written: list[str]) -> None:
    try:
        reading = finish(read_interface(ProviderReader(()), INTERFACE, [*written, _GOOD]))
    except SourceDataError:
        assert not written  # the good one can always be used
        raise
    assert any(each.address == "10.0.0.1" for instances in reading.services.values() for each in instances)
    assert all(0 < each.port < 65536 for instances in reading.services.values() for each in instances)


@given(st.lists(names, max_size=4))
def test_names_of_rules_and_consumers_are_dropped_alone(written: list[str]) -> None:
    read_overrides(INTERFACE, written)
    finish(read_consumers(written))


@given(names)
def test_a_name_is_a_provider_or_a_bad_url(name: str) -> None:
    with contextlib.suppress(BadUrl):
        ProviderReader(("timestamp",)).read(INTERFACE, name)


@given(yaml_bodies)
def test_a_rule_node_gives_rules_or_counts_what_it_ignored(body: bytes) -> None:
    rules = read_rule_node(RuleKey(DubboKey(INTERFACE, "", ""), ""), body)
    assert rules.rules or rules.ignored or rules == type(rules)()


@given(st.text(max_size=40))
def test_a_name_of_a_rule_node_is_a_key_or_none(name: str) -> None:
    key = read_rule_key(name)
    assert key is None or name.endswith(".configurators")
