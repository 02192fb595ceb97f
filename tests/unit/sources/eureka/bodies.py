"""Bodies for the wire tests: those captured from a real server, and small ones made by hand."""

from pathlib import Path

import msgspec

_DATA = Path(__file__).parent / "data"


def captured(name: str) -> bytes:
    """Return a body as a real server (Spring Cloud 2025.0) sent it."""
    return (_DATA / name).read_bytes()


def raw(value: object) -> msgspec.Raw:
    """Return one item of a listing: of a Python value, or of bytes as they are."""
    return msgspec.Raw(value if isinstance(value, bytes) else msgspec.json.encode(value))
