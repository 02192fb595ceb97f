"""What istiod takes for a Sidecar: encoded by Google's runtime, and held against the server's own rule."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshregistry.model.sidecar import is_sidecar_host
from meshregistry.watch.families import ISTIOD_124
from meshregistry.watch.resources import OpaqueSpec
from meshregistry.watch.sidecars import sidecar_faults
from meshregistry.watch.validation import validate
from tests.support.pb2_decoder import message_class

TYPE = "istio.networking.v1alpha3.Sidecar"
ALL: dict[str, Any] = {"hosts": ["*/orders.dubbo"]}


def encode(*listeners: dict[str, Any], labels: dict[str, str] | None = None) -> bytes:
    """Encode a Sidecar of these egress listeners."""
    fields: dict[str, Any] = {"workload_selector": {"labels": labels or {"app": "web"}}, "egress": listeners}
    sidecar: Any = message_class(TYPE)(**fields)
    body: bytes = sidecar.SerializeToString()
    return body


def faults(*listeners: dict[str, Any], labels: dict[str, str] | None = None) -> list[str]:
    return list(sidecar_faults(encode(*listeners, labels=labels)))


def test_what_we_serve_is_stored() -> None:
    assert [] == faults(ALL)
    assert [] == faults({"hosts": ["*/*"], "port": {"number": 80, "protocol": "HTTP"}}, ALL)
    assert [] == validate("Sidecar", "demo", {}, OpaqueSpec(TYPE, encode(ALL)), ISTIOD_124.behaviour)


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        ((), "sidecar: empty configuration provided"),
        (({"hosts": []},), "sidecar: egress listener must contain at least one host"),
        ((ALL, ALL), "sidecar: the egress listener with empty port should be the last listener in the list"),
        (
            ({**ALL, "port": {"protocol": "DUBBO"}},),
            "sidecar: ports with 0 value must have a unix domain socket bind address",
        ),
        (({"hosts": ["orders.dubbo"]},), "host must be of form namespace/dnsName: 'orders.dubbo'"),
        (({"hosts": ["*/orders"]},), "short names (non FQDN) are not allowed: 'orders'"),
        (({"hosts": ["*/*-a.dubbo"]},), "partial wildcard '*-a.dubbo' not allowed"),
        (({"hosts": ["a_b/orders.dubbo"]},), "invalid namespace value 'a_b' in sidecar"),
    ],
)
def test_one_fault_is_one_reason(listeners: tuple[dict[str, Any], ...], expected: str) -> None:
    assert [expected] == faults(*listeners)


def test_a_selector_names_labels_without_wildcards() -> None:
    assert ["wildcard is not supported in selector: app=*"] == faults(ALL, labels={"app": "*"})
    assert ["empty key is not supported in selector"] == faults(ALL, labels={"": "web"})


def test_what_is_no_message_is_no_sidecar() -> None:
    assert ["sidecar: truncated"] == list(sidecar_faults(b"\x1a\x05"))


@given(st.one_of(st.text(max_size=12), st.from_regex(r"[*.~a-c-]{1,3}/[*.a-c-]{1,8}", fullmatch=True)))
@example("*/a.1")
@example("*/a.b.")
@example(f"*/{'a' * 64}.b")
def test_the_server_takes_no_host_that_istiod_refuses(host: str) -> None:
    assert not (is_sidecar_host(host) and faults({"hosts": [host]}))
