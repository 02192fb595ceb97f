"""Until when a certificate is valid: the one field of X.509 that `ssl` does not tell of a file that it has loaded."""

import re
import ssl
from datetime import UTC, datetime
from typing import Final

_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

# DER (X.690, 8.1) and RFC 5280, 4.1: TBSCertificate begins with [0] version, serial, algorithm, issuer, validity.
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_FORMATS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}


def read_expiry(chain: str) -> float:
    """Return the end of the first certificate of a chain in PEM, as Unix time in seconds; 0 if it cannot be told."""
    found = _FIRST.search(chain)
    try:
        return _read_end(ssl.PEM_cert_to_DER_cert(found[0])) if found else 0.0
    except (ValueError, IndexError, KeyError):
        return 0.0


def _read_end(certificate: bytes) -> float:
    fields = _enter(_enter(certificate))
    tag, _, rest = _split(fields)
    if tag != _VERSION:
        rest = fields
    for _ in range(3):
        _, _, rest = _split(rest)
    _, _, end = _split(_enter(rest))
    tag, text, _ = _split(end)
    return datetime.strptime(text.decode("ascii"), _FORMATS[tag]).replace(tzinfo=UTC).timestamp()


def _enter(data: bytes) -> bytes:
    return _split(data)[1]


def _split(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag and content of the first element, and what follows it."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    return tag, data[start : start + length], data[start + length :]
