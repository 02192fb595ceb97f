"""Which node is next, where its gRPC port is, and after which pause."""

import pytest

from meshregistry.sources.nacos.nodes import Backoff, GrpcAddress, Nodes, grpc_address

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


IPS = {"nacos-0": ["10.1.0.1", "2001:db8::1"], "nacos-1": ["10.1.0.2", "2001:db8::2"], "nacos-2": ["10.1.0.3"]}
NAMED = [f"http://{host}:8848" for host in IPS]
FORWARDED = [f"http://10.0.0.1:{port}" for port in (80, 81, 82)]


@pytest.mark.parametrize(
    ("addresses", "grpc", "target", "expected"),
    [
        (ADDRESSES, {}, ("10.0.0.3", 8848), 2),
        (ADDRESSES, {}, ("10.0.0.3", 9848), 2),
        (ADDRESSES, {}, ("10.9.9.9", 8848), 1),
        (ADDRESSES, {}, ("10.0.0.3", 7848), 1),
        (ADDRESSES, {}, None, 1),
        (ADDRESSES, {"offset": 2000}, ("10.0.0.3", 8848), 2),
        (ADDRESSES, {"offset": 2000}, ("10.0.0.3", 10848), 2),
        (ADDRESSES, {"port": 19848}, ("10.0.0.3", 19848), 2),
        (FORWARDED, {"offset": 9768}, ("10.0.0.1", 8850), 2),
        (NAMED, {}, ("10.1.0.3", 8848), 2),
        (NAMED, {}, ("nacos-2", 8848), 2),
        (NAMED, {}, ("NACOS-2", 8848), 2),
        (NAMED, {"port": 1}, ("10.1.0.3", 9848), 2),
        (NAMED[::-1], {}, ("2001:db8:0:0:0:0:0:1", 8848), 2),
        (["http://10.0.0.1:8848", "http://10.0.0.1:9848", "http://10.0.0.1:9848"], {}, ("10.0.0.1", 9848), 1),
        (["http://10.0.0.2:1", "http://10.0.0.1:1", "http://[2001:db8::1]:8848"], {}, ("2001:DB8::1", 8848), 2),
    ],
)
def test_a_redirect_is_followed_only_to_a_node_of_ours(
    addresses: list[str], grpc: dict[str, int], target: tuple[str, int] | None, expected: int
) -> None:
    nodes = Nodes(addresses, **grpc)
    nodes.follow(GrpcAddress(*target) if target else None, IPS)

    assert expected == nodes.current


def test_pauses_double_up_to_the_longest_and_are_spread() -> None:
    backoff = Backoff(longest_s=5.0)

    assert [0.1, 0.2, 0.4, 5.0] == pytest.approx([backoff.pause_s(failures, 0.0) for failures in (1, 2, 3, 2000)])
    assert 2.5 == pytest.approx(backoff.pause_s(100, 1.0))
