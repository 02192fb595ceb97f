"""Whatever stands in a file: it is read as a whole, or refused with a line for its owner."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sources.files.documents import Reading, read_documents
from meshregistry.sources.files.fields import FileFaultError
from tests.support.garbage import values

_GOOD = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: orders, namespace: shop, labels: {a: b}}
spec:
  hosts: [orders.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.1, weight: 3, ports: {http: 8080}}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: orders, namespace: shop}
spec:
  workloadSelector: {labels: {app: orders}}
  egress: [{hosts: ["shop/*"]}]
"""
_PUT = [
    "&a ",
    "*a ",
    "- ",
    "{",
    "[",
    "!!python/object:x ",
    "2001-99-99",
    "\t",
    "? ",
    "<<: ",
    "9" * 5000,
    "\x00",
    "---\n",
]
_documents = st.builds(
    lambda spec, kind: {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": spec,
    },
    st.dictionaries(
        st.sampled_from(["hosts", "ports", "endpoints", "resolution", "location", "egress", "workloadSelector"]),
        values("number", "name", "protocol", "address", "labels", "hosts"),
        max_size=5,
    ),
    st.sampled_from(["ServiceEntry", "Sidecar"]),
)
texts = (
    st.text(max_size=200)
    | st.builds(
        lambda start, put, length: _GOOD[:start] + put + _GOOD[start + length :],
        st.integers(0, len(_GOOD)),
        st.sampled_from(_PUT) | st.text(max_size=5),
        st.integers(0, 20),
    )
    | _documents.map(repr)
    | _documents.map(json.dumps)
)


@given(texts)
def test_a_file_is_read_or_refused(text: str) -> None:
    with suppress(FileFaultError):
        assert all(entry.name for entry in read_documents(text, Reading()).entries)


@pytest.mark.parametrize("text", ["[" * 4_000, "{a: " * 4_000, "- " * 4_000])
def test_nesting_without_an_end_is_refused(text: str) -> None:
    with pytest.raises(FileFaultError):
        read_documents(text, Reading())
