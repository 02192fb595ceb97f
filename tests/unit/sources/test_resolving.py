"""What is known of host names, and what is left out."""

import asyncio

import pytest

from meshregistry.sources.resolving import resolve_host, resolve_hosts

pytestmark = pytest.mark.anyio


async def test_a_look_up_that_fails_or_takes_too_long_costs_only_its_host() -> None:
    async def resolve(host: str) -> list[str]:
        if host == "slow":
            await asyncio.sleep(3600)
        if host == "none":
            raise OSError("no such host")
        if host == "odd":
            raise UnicodeError("label too long")
        return [f"of {host}"]

    found = await resolve_hosts(("a", "slow", "none", "a", "odd", "b"), resolve, 0.01)

    assert {"a": ["of a"], "b": ["of b"]} == found


async def test_an_address_is_its_own() -> None:
    assert {"10.0.0.1": ["10.0.0.1"], "2001:db8::1": ["2001:db8::1"]} == await resolve_hosts(
        ("10.0.0.1", "2001:db8::1"), resolve_host, 5.0
    )
