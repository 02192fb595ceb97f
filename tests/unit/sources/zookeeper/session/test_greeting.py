"""The first frames: what we send is what ZooKeeper reads, what it sends is a verdict or a fault."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sources.zookeeper.session.errors import ProtocolFault
from meshregistry.sources.zookeeper.session.greeting import Ticket, Verdict, Welcome, pack_greeting, read_welcome

PASSWORD = bytes(range(16))


def welcome(timeout_ms: int, session_id: int, tail: bytes = b"\0") -> bytes:
    return struct.pack(">iiqi", 0, timeout_ms, session_id, 16) + PASSWORD + tail


def test_the_greeting_is_the_one_of_the_protocol() -> None:
    ticket = Ticket(session_id=0x1234, password=PASSWORD, last_zxid=77)
    expected = struct.pack(">iqiqi", 0, 77, 30_000, 0x1234, 16) + PASSWORD + b"\0"
    assert expected == pack_greeting(ticket, 30.0)


@pytest.mark.parametrize("tail", [b"", b"\0"])
def test_a_granted_session_is_accepted_from_old_and_new_servers(tail: bytes) -> None:
    assert Welcome(Verdict.ACCEPTED, 4.0, -5, PASSWORD) == read_welcome(welcome(4000, -5, tail))


@pytest.mark.parametrize("frame", [welcome(0, 5), welcome(-1, 5), welcome(4000, 0)])
def test_no_timeout_or_no_id_means_expired(frame: bytes) -> None:
    assert Welcome(Verdict.EXPIRED) == read_welcome(frame)


@pytest.mark.parametrize("frame", [welcome(4000, 5, b"\1"), struct.pack(">iqi", 0, 9, -119)])
def test_both_forms_of_a_read_only_server_are_known(frame: bytes) -> None:
    assert Verdict.READ_ONLY is read_welcome(frame).verdict


@pytest.mark.parametrize(
    "frame",
    [b"", b"\0" * 15, struct.pack(">iqi", 0, 9, -4), struct.pack(">iiqi", 0, 4000, 5, 99) + PASSWORD, bytes(2000)],
)
def test_anything_else_is_no_zookeeper(frame: bytes) -> None:
    with pytest.raises(ProtocolFault, match="greeting"):
        read_welcome(frame)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(frame: bytes) -> None:
    with contextlib.suppress(ProtocolFault):
        read_welcome(frame)
