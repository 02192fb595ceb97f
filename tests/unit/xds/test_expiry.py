"""When a certificate ends, read from its PEM."""

import ssl
from datetime import UTC, datetime

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.xds.expiry import read_expiry

CHAIN = trustme.CA().issue_cert("localhost", not_after=datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)).cert_chain_pems
PEM = CHAIN[0].bytes().decode()
DER = ssl.PEM_cert_to_DER_cert(PEM)


@pytest.mark.parametrize("end", [datetime(2049, 12, 31, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)])
def test_both_ways_to_write_a_time_are_read(end: datetime) -> None:
    """RFC 5280, 4.1.2.5: two digits of the year until 2049, four from then on."""
    chain = trustme.CA().issue_cert("localhost", not_after=end).cert_chain_pems[0].bytes().decode()

    assert end.timestamp() == read_expiry(chain)


def test_the_first_certificate_of_a_chain_counts() -> None:
    other = trustme.CA().issue_cert("localhost", not_after=datetime(2040, 1, 1, tzinfo=UTC)).cert_chain_pems[0]

    assert datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp() == read_expiry(f"text\n{PEM}{other.bytes().decode()}")


@given(st.one_of(st.text(), st.binary().map(ssl.DER_cert_to_PEM_cert)))
def test_what_is_no_certificate_ends_at_zero(text: str) -> None:
    assert 0.0 == read_expiry(text)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255), st.integers(1, len(DER)))
def test_a_damaged_certificate_has_a_time_or_zero_and_never_a_fault(position: int, byte: int, length: int) -> None:
    damaged = bytearray(DER)
    damaged[position] = byte

    assert isinstance(read_expiry(ssl.DER_cert_to_PEM_cert(bytes(damaged[:length]))), float)
