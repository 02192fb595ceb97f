"""In which order peers are asked, and where their addresses come from."""

import asyncio

import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.sources.eureka.addresses import configured_nodes, resolved_nodes
from meshregistry.sources.eureka.client import Node
from meshregistry.sources.eureka.nodes import Nodes
from meshregistry.sources.resolving import resolve_host

pytestmark = pytest.mark.anyio

A, B, C = (Node(f"http://{name}/eureka") for name in "abc")
FAILED = SourceUnavailable("gone")


def test_peers_are_asked_as_configured_but_for_what_happened_to_them() -> None:
    nodes = Nodes((A, B, C), 60.0)
    assert [A, B, C] == nodes.candidates(0.0)
    nodes.succeed(B)
    assert [B, A, C] == nodes.candidates(1.0)
    nodes.fail(B, FAILED, 2.0)
    nodes.fail(A, FAILED, 3.0)
    assert [C, B, A] == nodes.candidates(4.0)
    assert [B, C, A] == nodes.candidates(62.5)
    nodes.succeed(A)
    assert [A, B, C] == nodes.candidates(62.5)


def test_a_new_list_keeps_what_is_known_of_those_that_stay() -> None:
    nodes = Nodes((A, B), 60.0)
    nodes.fail(A, FAILED, 0.0)
    nodes.replace((A, C))

    assert [C, A] == nodes.candidates(1.0)
    assert [("gone", 59.0), (None, 0.0)] == [
        (each["last_error"], each["quarantined_for_s"]) for each in nodes.describe(1.0)
    ]


def test_configured_addresses_are_peers_once_and_without_credentials() -> None:
    assert (A, B) == configured_nodes(("http://u:p@a/eureka/", "http://b/eureka", "http://a/eureka"))


async def test_a_host_that_cannot_be_resolved_costs_only_itself() -> None:
    async def resolve(host: str) -> list[str]:
        if host == "a":
            return ["10.0.0.1", "2001:db8::1"]
        raise OSError("no such host")

    assert (A._replace(ip="10.0.0.1"), A._replace(ip="2001:db8::1")) == await resolved_nodes(
        (A.base, B.base), resolve, 5.0
    )
    with pytest.raises(SourceUnavailable, match="http://b/eureka: no such host"):
        await resolved_nodes((B.base,), resolve, 5.0)


async def test_a_look_up_that_takes_too_long_costs_only_its_host() -> None:
    async def resolve(host: str) -> list[str]:
        await asyncio.sleep(0 if host == "a" else 3600)
        return ["10.0.0.1"]

    assert (A._replace(ip="10.0.0.1"),) == await resolved_nodes((B.base, A.base), resolve, 0.01)
    with pytest.raises(SourceUnavailable, match=r"http://b/eureka: no answer in 0\.01 s"):
        await resolved_nodes((B.base,), resolve, 0.01)


@pytest.mark.parametrize("host", ["a..b", f"{'x' * 64}.test"])
async def test_what_cannot_be_a_host_name_is_an_error_of_its_address(host: str) -> None:
    with pytest.raises(SourceUnavailable, match=f"http://{host}/eureka: "):
        await resolved_nodes((f"http://{host}/eureka",), resolve_host, 5.0)


def test_a_peer_that_is_no_longer_listed_is_not_the_one_in_use() -> None:
    nodes = Nodes((A, B), quarantine_s=60)
    nodes.succeed(B)
    nodes.replace((A,))

    assert nodes.current is None
