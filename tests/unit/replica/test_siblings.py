"""Who the siblings are: every resolved address but our own."""

import pytest

from meshregistry.replica.options import ReplicaOptions
from meshregistry.replica.siblings import find_siblings

pytestmark = pytest.mark.anyio


async def test_own_addresses_are_passed_over_and_others_on_this_machine_are_not() -> None:
    options = ReplicaOptions((("127.0.0.1", 16010), ("127.0.0.1", 16011)), own_ports=frozenset({16010}))

    assert [("127.0.0.1", 16011)] == await find_siblings(options)


async def test_addresses_of_others_with_our_port_are_siblings() -> None:
    options = ReplicaOptions((("192.0.2.1", 16010), ("2001:db8::1", 16010)), own_ports=frozenset({16010}))

    assert [("192.0.2.1", 16010), ("2001:db8::1", 16010)] == await find_siblings(options)


async def test_a_name_that_does_not_resolve_adds_nothing() -> None:
    names = (("no-such-name.invalid", 16010), ("no..name", 1), ("a" * 64 + ".invalid", 1), ("127.0.0.1", 1))
    options = ReplicaOptions(names, own_ports=frozenset({16010}))

    assert [("127.0.0.1", 1)] == await find_siblings(options)
