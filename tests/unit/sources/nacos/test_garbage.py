"""Whatever a Nacos sends: every decoder understands it, drops single records, or raises the one error it documents."""

import json
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SourceDataError, SourceError
from meshregistry.model.instance import Instance
from meshregistry.sources.nacos import messages, wire
from meshregistry.sources.nacos.instances import InstanceReader, open_item
from meshregistry.sources.nacos.namespaces import NamespaceNames, decode_namespaces
from meshregistry.sources.nacos.payload import Payload
from tests.support.garbage import bodies, spoilt, values
from tests.unit.sources.nacos.bodies import captured

KEYS = ("serviceName", "groupName", "clusterMap", "hosts", "ip", "port", "metadata", "weight", "healthy", "enabled")
DECODERS = (
    wire.decode_catalog_page,
    wire.decode_admin_page,
    wire.decode_catalogue,
    wire.decode_names,
    wire.decode_state_v1,
    wire.decode_state_v3,
    wire.decode_metrics,
)
CAPTURED = (
    "catalog-2.3.1.json",
    "counts-2.3.1.json",
    "admin-3.1.0.json",
    "names-2.3.1.json",
    "state-3.1.0.json",
    "metrics-2.3.1.json",
)
MESSAGES = (
    messages.Result,
    messages.ServerCheck,
    messages.ServiceNames,
    messages.ServiceReply,
    messages.ServerRequest,
    messages.SetupAck,
    messages.Notify,
    messages.ConnectReset,
    messages.FuzzySync,
    messages.FuzzyChange,
)
NAMESPACES = b"""{"code": 200, "message": null, "data": [
  {"namespace": "", "namespaceShowName": "public", "quota": 200, "configCount": 0, "type": 0},
  {"namespace": "5ddf6bd0-42d2-4b2f-9a0f-4f3b7a1a8a2b", "namespaceShowName": "dev", "quota": 200, "type": 2}
]}"""
any_body = bodies("code", "data", "pageItems", "totalCount", "count", "doms", "version", "status", *KEYS)


def usable(instances: tuple[Instance, ...]) -> bool:
    """Tell whether instances are what the conversion takes for granted."""
    return all(isinstance(each.address, str) and 0 < each.port < 65536 for each in instances)


@pytest.mark.parametrize("decode", DECODERS, ids=lambda each: each.__name__)
@given(body=any_body | st.sampled_from(CAPTURED).map(captured).flatmap(spoilt))
def test_an_answer_is_understood_or_refused(decode: Callable[[bytes], object], body: bytes) -> None:
    with suppress(SourceDataError):
        decode(body)


@given(bodies("data", "namespace", "namespaceShowName") | spoilt(NAMESPACES))
def test_a_list_of_namespaces_is_understood_or_refused(body: bytes) -> None:
    try:
        listed = decode_namespaces(body)
    except SourceDataError:
        return
    assert all(namespace and isinstance(shown, str) for namespace, shown in listed.items())
    names = NamespaceNames()
    names.learn(frozenset({"", "dev", *listed.values()}), listed)
    assert all(names.id_of(name) for name in listed.values() if name)


@given(any_body | spoilt(captured("login-3.1.0.json")))
def test_a_login_is_a_token_for_a_header_or_none(body: bytes) -> None:
    grant = wire.decode_login(body)
    assert grant is None or (grant.access_token.isascii() and grant.access_token.isprintable())


@given(any_body | spoilt(captured("instances-catalogue-2.3.1.json")))
def test_a_list_of_instances_gives_usable_ones_or_is_refused(body: bytes) -> None:
    try:
        harvest = InstanceReader().read_list(body)
    except SourceDataError:
        return
    assert usable(harvest.instances)


@given(
    values(*KEYS) | st.sampled_from(json.loads(captured("catalog-2.3.1.json"))).map(msgspec.json.encode).flatmap(spoilt)
)
def test_a_service_of_the_listing_gives_usable_instances_or_is_refused(item: object) -> None:
    body = item if isinstance(item, bytes) else json.dumps(item).encode()
    opened = open_item(msgspec.Raw(body))
    if opened is None:
        return
    try:
        harvest = InstanceReader().read_item(opened)
    except SourceDataError:
        return
    assert usable(harvest.instances)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda each: each.__name__)
@given(body=bodies("resultCode", "errorCode", "message", "serviceInfo", "contexts", "serviceKey", "requestId", *KEYS))
def test_a_message_is_understood_or_refused(kind: type[msgspec.Struct], body: bytes) -> None:
    with suppress(SourceDataError):
        message = messages.decode(Payload("Garbage", body), kind)
        if isinstance(message, messages.Notify):
            messages.read_content(message.service_info)


@given(bodies("resultCode", "errorCode", "message"))
def test_a_reply_that_is_no_success_is_an_error_of_its_source(body: bytes) -> None:
    with pytest.raises(SourceError) as refused:
        messages.checked("ServerCheckRequest", Payload("ErrorResponse", body))
    assert "\n" not in str(refused.value)
