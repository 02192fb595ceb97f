"""What metadata says about ports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.protocols import Offer, Spoken, list_offers, read_protocols
from tests.support.garbage import bodies, spoilt


@pytest.mark.parametrize(
    ("metadata", "spoken"),
    [
        ({}, Spoken()),
        ({"app": "x"}, Spoken()),
        ({"preserved.register.source": "DUBBO"}, Spoken("dubbo")),
        ({"preserved.register.source": "DUBBO", "protocol": "triple"}, Spoken("tri")),
        ({"preserved.register.source": "SPRING_CLOUD"}, Spoken("http")),
        ({"preserved.register.source": "SPRING_CLOUD", "secure": "TRUE"}, Spoken("https")),
        ({"preserved.register.source": "GO"}, Spoken()),
        ({"protocol": "rest"}, Spoken("http")),
        ({"protocol": "GRPC", "secure": "true"}, Spoken("grpc")),
        ({"protocol": "carrier-pigeon"}, Spoken()),
        ({"secure": "false"}, Spoken()),
        ({"gRPC_port": "9090"}, Spoken("", 9090)),
        ({"gRPC.port": "9091"}, Spoken("", 9091)),
        ({"gRPC_port": "70000"}, Spoken()),
        ({"gRPC_port": "-1"}, Spoken()),
        ({"gRPC_port": "१२"}, Spoken()),
    ],
)
def test_metadata_names_a_protocol_or_nothing(metadata: dict[str, str], spoken: Spoken) -> None:
    assert spoken == read_protocols(metadata)


DUBBO, TRIPLE = Offer(20880, "dubbo"), Offer(50051, "tri")


@pytest.mark.parametrize(
    ("metadata", "endpoints", "spoken"),
    [
        ({}, '[{"port":20880,"protocol":"dubbo"}]', Spoken("dubbo")),
        ({}, '[{"port":50051,"protocol":"TRI"}]', Spoken("tri")),
        ({"protocol": "rest"}, '[{"port":20880,"protocol":"dubbo"}]', Spoken("http")),
        (
            {"app": "x"},
            '[{"port":20880,"protocol":"dubbo"},{"port":50051,"protocol":"tri"}]',
            Spoken(endpoints=(DUBBO, TRIPLE)),
        ),
        (
            {},
            '[{"port":20880,"protocol":"thrift"},{"port":0,"protocol":"tri"},{"port":70000,"protocol":"t"}]',
            Spoken(),
        ),
        *(({}, text, Spoken()) for text in ["[]", "{", "[1]", '[{"port":"x","protocol":"tri"}]', "[" * 9999]),
    ],
)
def test_the_endpoints_of_a_dubbo_application_name_its_protocols(
    metadata: dict[str, str], endpoints: str, spoken: Spoken
) -> None:
    assert spoken == read_protocols(metadata, endpoints)


@pytest.mark.parametrize(
    ("spoken", "secure_port", "offers"),
    [
        (Spoken(endpoints=(DUBBO, Offer(80, "tri"))), 0, (Offer(80, "tri"), DUBBO)),
        (Spoken(endpoints=(DUBBO, TRIPLE)), 0, (Offer(80, ""), DUBBO, TRIPLE)),
        (Spoken(), 0, (Offer(80, ""),)),
        (Spoken("dubbo"), 0, (Offer(80, "dubbo"),)),
        (Spoken("http", 9090), 0, (Offer(80, "http"), Offer(9090, "grpc"))),
        (Spoken("http", 80), 0, (Offer(80, "grpc"),)),
        (Spoken("", 0), 443, (Offer(80, ""), Offer(443, "https"))),
        (Spoken("", 0), 80, (Offer(80, "https"),)),
        (Spoken("", 443), 443, (Offer(80, ""), Offer(443, "grpc"))),
    ],
)
def test_an_instance_offers_its_own_port_first_and_each_port_once(
    spoken: Spoken, secure_port: int, offers: tuple[Offer, ...]
) -> None:
    assert offers == list_offers(80, spoken, secure_port)


KEYS = ("protocol", "secure", "preserved.register.source", "gRPC_port", "gRPC.port")


def bytes_as_text(body: bytes) -> str:
    """Return bytes as text, whatever they are."""
    return body.decode("utf-8", "surrogateescape")


WORDS = st.text(max_size=8) | st.sampled_from(["true", "dubbo", "GRPC", "9090", "-1", "²", "\ud800", "9" * 5000])
ENDPOINTS = (
    bodies("port", "protocol").map(bytes_as_text)
    | st.text(max_size=40)
    | spoilt(b'[{"port":20880,"protocol":"dubbo"},{"port":50051,"protocol":"tri"}]').map(
        lambda body: body.decode("latin-1")
    )
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), WORDS, max_size=5), ENDPOINTS)
def test_whatever_metadata_says_what_is_made_of_it_are_ports_and_known_protocols(
    metadata: dict[str, str], endpoints: str
) -> None:
    spoken = read_protocols(metadata, endpoints)
    offers = list_offers(8080, spoken, 8443)

    assert 8080 == offers[0].port
    assert all(0 < offer.port < 65536 for offer in offers)
    assert {offer.protocol for offer in offers} <= {"", "http", "https", "http2", "grpc", "tcp", "tls", "dubbo", "tri"}
    assert len(offers) == len({offer.port for offer in offers})
