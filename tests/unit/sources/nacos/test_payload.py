"""Our hand-written envelope against the generated classes."""

from contextlib import suppress

import pytest
from betterproto.lib.google.protobuf import Any
from hypothesis import given
from hypothesis import strategies as st

from meshregistry._proto import Metadata
from meshregistry._proto import Payload as GeneratedPayload
from meshregistry.errors import SourceDataError
from meshregistry.sources.nacos.payload import Payload, decode_payload, encode_payload

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(texts, st.binary(max_size=400), st.dictionaries(texts.filter(bool), texts, max_size=3), texts)
def test_what_we_write_the_generated_classes_read(kind: str, body: bytes, headers: dict[str, str], ip: str) -> None:
    read = GeneratedPayload().parse(encode_payload(Payload(kind, body), headers, ip))

    assert (kind, headers, ip, body) == (
        read.metadata.type,
        dict(read.metadata.headers),
        read.metadata.client_ip,
        read.body.value,
    )


@given(texts, st.binary(max_size=400), st.dictionaries(texts, texts, max_size=3))
def test_what_the_generated_classes_write_we_read(kind: str, body: bytes, headers: dict[str, str]) -> None:
    metadata = Metadata(type=kind, headers=headers, client_ip="192.0.2.2")
    written = bytes(GeneratedPayload(metadata=metadata, body=Any(type_url="", value=body)))

    assert Payload(kind, body) == decode_payload(written)


def test_fields_of_other_kinds_are_skipped() -> None:
    noise = b"\x08\x96\x01" + b"\x21" + bytes(8) + b"\x2d" + bytes(4)

    assert Payload("X", b"{}") == decode_payload(noise + encode_payload(Payload("X", b"{}"), {}))


@given(st.binary(max_size=60))
def test_garbage_is_read_or_refused_and_nothing_else(data: bytes) -> None:
    with suppress(SourceDataError):
        assert isinstance(decode_payload(data), Payload)


@pytest.mark.parametrize("data", [b"\x12", b"\x12\x05ab", b"\x0b", b"\x21\x00", b"\x80" * 12, b"\x12\x03\x1a\x01\xff"])
def test_what_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(SourceDataError, match="payload not understood"):
        decode_payload(data)
