"""Who may open a stream, and when."""

import pytest

from meshregistry.xds.admission import Admission, Refused, TokenBucket, read_names
from meshregistry.xds.options import AdsOptions, Limits, TlsOptions

CERTIFICATE = {"subjectAltName": (("DNS", "istiod.mesh"), ("URI", "spiffe://mesh/istiod"), ("IP Address", "10.0.0.1"))}


def test_burst_passes_at_once_and_the_rest_keeps_the_pace() -> None:
    """X66: fair order, no loss."""
    bucket = TokenBucket(rate=10.0, burst=3)
    waits = [bucket.reserve(100.0) for _ in range(6)]
    assert pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3]) == waits
    assert 0.0 == bucket.reserve(101.0)


def test_quiet_time_fills_the_bucket_to_the_burst_and_no_further() -> None:
    """An hour of quiet does not let a thousand streams in at once."""
    bucket = TokenBucket(rate=10.0, burst=2)
    waits = [bucket.reserve(3600.0) for _ in range(4)]
    assert pytest.approx([0.0, 0.0, 0.1, 0.2]) == waits


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ((), "203.0.113.9", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.1/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.0/8", "fd00::/8"), "fd00::1", True),
        (("10.0.0.0/8",), "fd00::1", False),
    ],
)
def test_addresses(networks: tuple[str, ...], address: str, allowed: bool) -> None:
    """An empty list allows everybody; a v4 address on a v6 socket is a v4 address."""
    admission = Admission(AdsOptions(allowed_peers=networks))
    if allowed:
        admission.admit(0, address, None)
        return
    with pytest.raises(Refused) as refused:
        admission.admit(0, address, None)
    assert "address" == refused.value.reason


@pytest.mark.parametrize("names", [("istiod.mesh",), ("other", "spiffe://mesh/istiod")])
def test_certificate_with_an_allowed_name_passes(names: tuple[str, ...]) -> None:
    """DNS names and URIs count alike."""
    admission = Admission(AdsOptions(tls=TlsOptions("c", "k", "ca", client_names=names)))
    admission.admit(0, "10.0.0.1", CERTIFICATE)


@pytest.mark.parametrize("certificate", [None, {}, CERTIFICATE])
def test_certificate_without_one_is_refused(certificate: dict[str, object] | None) -> None:
    """An address in the certificate is no name."""
    admission = Admission(AdsOptions(tls=TlsOptions("c", "k", "ca", client_names=("10.0.0.1",))))
    with pytest.raises(Refused, match="certificate"):
        admission.admit(0, "10.0.0.1", certificate)


def test_full_server_refuses() -> None:
    """And does not spend a token on it."""
    admission = Admission(AdsOptions(limits=Limits(max_streams=2, new_streams_per_s=1.0, new_streams_burst=1)))
    with pytest.raises(Refused, match="2 streams"):
        admission.admit(2, "10.0.0.1", None)
    admission.admit(1, "10.0.0.1", None)
    assert 0.0 == admission.reserve(1000.0)


def test_a_token_that_was_not_used_is_there_for_the_next() -> None:
    """A thousand streams that ended before their answer do not make the next one wait for theirs."""
    admission = Admission(AdsOptions(limits=Limits(new_streams_per_s=10.0, new_streams_burst=1)))
    assert pytest.approx([0.0, 0.1, 0.2]) == [admission.reserve(1000.0) for _ in range(3)]
    admission.give_back()
    admission.give_back()
    assert pytest.approx(0.1) == admission.reserve(1000.0)


def test_names_of_a_certificate() -> None:
    """No certificate, no names."""
    assert frozenset() == read_names(None)
    assert frozenset({"istiod.mesh", "spiffe://mesh/istiod"}) == read_names(CERTIFICATE)
