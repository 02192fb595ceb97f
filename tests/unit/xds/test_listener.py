"""Connections that begin in turns: what happens to one before its turn has come."""

import asyncio
from types import SimpleNamespace
from typing import cast

import h2.config
import h2.connection
import pytest

from meshregistry.xds.listener import Connection, Listener

pytestmark = pytest.mark.anyio


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.transport = cast(
            "asyncio.Transport",
            SimpleNamespace(
                write=self.written.append,
                close=lambda: setattr(self, "closed", True),
                is_closing=lambda: self.closed,
                get_extra_info=lambda _: None,
            ),
        )


def connect(listener: Listener) -> tuple[Connection, Wire]:
    """Return a connection that was just accepted."""
    wire = Wire()
    connection = listener._protocol_factory()
    assert isinstance(connection, Connection)
    connection.connection_made(wire.transport)
    return connection, wire


def preface() -> list[bytes]:
    """Return the first bytes of a client with a PING behind them, in two parts."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.ping(b"8 bytes.")
    data = client.data_to_send()
    return [data[:10], data[10:]]


async def test_connections_begin_one_in_an_iteration_of_the_loop() -> None:
    """In the order in which they came."""
    wires = [connect(listener)[1] for listener in [Listener([])] for _ in range(3)]
    begun = []
    for _ in range(3):
        await asyncio.sleep(0)
        begun.append([bool(wire.written) for wire in wires])
    assert [[True, False, False], [True, True, False], [True, True, True]] == begun


async def test_what_arrives_early_is_read_when_the_turn_has_come() -> None:
    """All of it, in order."""
    connection, wire = connect(Listener([]))
    for data in preface():
        connection.data_received(data)
    assert [] == wire.written
    await asyncio.sleep(0)
    assert b"8 bytes." in b"".join(wire.written)


async def test_a_connection_that_is_lost_early_never_begins() -> None:
    """And leaves nothing behind."""
    listener = Listener([])
    connection, wire = connect(listener)
    connection.data_received(preface()[0])
    connection.connection_lost(None)
    await asyncio.sleep(0)
    connection.data_received(preface()[1])
    assert ([], set(), True) == (wire.written, listener._connections, listener._all_lost.is_set())
    assert all(handler.closing for handler in listener._handlers)


async def test_goodbye_before_the_turn_closes() -> None:
    """There is no conversation to end."""
    connection, wire = connect(Listener([]))
    connection.say_goodbye()
    await asyncio.sleep(0)
    assert ([], True) == (wire.written, wire.closed)
    connection.connection_lost(None)
