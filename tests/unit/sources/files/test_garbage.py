"""Whatever stands in a file: it is read as a whole, or refused with a line for its owner."""

import gzip
import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sources.files.documents import Reading, read_documents
from meshregistry.sources.files.fields import FileFaultError
from meshregistry.sources.files.folder import unpack
from tests.support.garbage import bomb, packed, values

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


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda body: b"\x1f\x8b" + body) | packed(b"kind: Sidecar"))
def test_any_content_is_unpacked_or_refused(content: bytes) -> None:
    """What is packed comes out as it went in, or not at all."""
    try:
        unpacked = unpack(content, 100)
    except FileFaultError:
        return
    assert unpacked == (b"kind: Sidecar" if content.startswith(b"\x1f\x8b") else content)


def test_what_unpacks_to_a_thousand_times_its_size_is_refused_before_it_does() -> None:
    content = bomb(64)
    tracemalloc.start()
    try:
        with pytest.raises(FileFaultError, match="longer than 100000"):
            unpack(content, 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000


def test_a_second_file_behind_the_first_is_refused_and_not_left_out() -> None:
    with pytest.raises(FileFaultError, match="behind its end"):
        unpack(gzip.compress(b"a") + gzip.compress(b"b"), 100)
