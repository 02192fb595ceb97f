"""The envelope of the gRPC protocol, written and read by hand, against Google's runtime."""

from typing import Any

import pytest
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sim.nacos.payload import Payload, PayloadError, pack, unpack
from tests.support.proto_descriptors import descriptor_pool

_texts = st.text(max_size=300)
_payloads = st.builds(Payload, _texts, st.binary(max_size=300), st.dictionaries(_texts, _texts, max_size=3), _texts)


@given(_payloads)
def test_what_is_written_google_s_runtime_reads(payload: Payload) -> None:
    read = _google().FromString(pack(payload))

    assert (payload.type, payload.body) == (read.metadata.type, read.body.value)
    assert (payload.headers, payload.client_ip) == (dict(read.metadata.headers), read.metadata.clientIp)
    assert "" == read.body.type_url


@given(_payloads)
def test_what_google_s_runtime_writes_is_read(payload: Payload) -> None:
    message = _google()()
    message.metadata.type, message.metadata.clientIp = payload.type, payload.client_ip
    message.metadata.headers.update(payload.headers)
    message.body.value = payload.body

    assert payload == unpack(message.SerializeToString())


@pytest.mark.parametrize("data", [b"\x12", b"\x12\x05ab", b"\x10\x01", b"\xff\xff"])
def test_bytes_that_are_no_payload_are_refused(data: bytes) -> None:
    with pytest.raises(PayloadError):
        unpack(data)


@pytest.mark.parametrize("body", [b"", b"[1]", b"{"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        Payload("HealthCheckRequest", body).parsed()


def _google() -> Any:
    return GetMessageClass(descriptor_pool().FindMessageTypeByName("Payload"))
