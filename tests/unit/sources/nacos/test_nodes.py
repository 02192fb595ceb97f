"""Which node is next, where its gRPC port is, and after which pause."""

import pytest

from meshregistry.sources.nacos.nodes import Backoff, Nodes, grpc_address

ADDRESSES = ["http://10.0.0.1:8848", "http://10.0.0.2:8848", "http://10.0.0.3:8848"]


@pytest.mark.parametrize(
    ("base_url", "port", "offset", "expected"),
    [
        ("http://nacos:8848", 0, 1000, "nacos:9848"),
        ("http://nacos:8848/x", 0, -8000, "nacos:848"),
        ("https://nacos", 0, 1000, "nacos:1443"),
        ("http://nacos:8848", 19848, 1000, "nacos:19848"),
        ("http://[2001:db8::1]:8848", 0, 1000, "[2001:db8::1]:9848"),
    ],
)
def test_the_grpc_port_is_the_http_port_and_an_offset(base_url: str, port: int, offset: int, expected: str) -> None:
    assert expected == str(grpc_address(base_url, port, offset))


def test_failures_go_round_the_ring() -> None:
    nodes = Nodes(ADDRESSES, start=5)
    seen = []
    for _ in range(4):
        seen.append(nodes.current)
        nodes.advance()

    assert [2, 0, 1, 2] == seen


@pytest.mark.parametrize(
    ("target", "expected"),
    [("10.0.0.3:8848", 2), ("10.0.0.3:9848", 2), ("10.9.9.9:8848", 1), (None, 1)],
)
def test_a_redirect_is_followed_only_to_a_node_of_ours(target: str | None, expected: int) -> None:
    nodes = Nodes(ADDRESSES)
    nodes.follow(target)

    assert expected == nodes.current


def test_pauses_double_up_to_the_longest_and_are_spread() -> None:
    backoff = Backoff(longest_s=5.0)

    assert [0.1, 0.2, 0.4, 5.0] == pytest.approx([backoff.pause_s(failures, 0.0) for failures in (1, 2, 3, 2000)])
    assert 2.5 == pytest.approx(backoff.pause_s(100, 1.0))
