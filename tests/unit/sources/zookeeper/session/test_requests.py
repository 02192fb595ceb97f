"""Bodies of requests as ZooKeeper reads them, nodes as it writes them."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.sources.zookeeper.session import requests
from meshregistry.sources.zookeeper.session.errors import MalformedAnswer
from meshregistry.sources.zookeeper.session.records import Node
from meshregistry.sources.zookeeper.session.requests import Op, Request
from meshregistry.sources.zookeeper.session.watches import WatchSet

SESSION = 0x1_0000_0001


def state(owner: int = 0) -> bytes:
    return struct.pack(">qqqqiiiqiiq", 1, 2, 1000, 2000, 3, 4, 5, owner, 6, 7, 8)


@pytest.mark.parametrize(
    ("request_", "op", "body"),
    [
        (requests.get_children("/a", watch=True), 8, b"\0\0\0\2/a\1"),
        (requests.get_data("/a", watch=False), 4, b"\0\0\0\2/a\0"),
        (requests.exists("/ä", watch=True), 3, b"\0\0\0\3/\xc3\xa4\1"),
        (requests.sync("/a"), 9, b"\0\0\0\2/a"),
        (requests.add_watch("/a", recursive=True), 106, b"\0\0\0\2/a\0\0\0\1"),
        (requests.add_watch("/a", recursive=False), 106, b"\0\0\0\2/a\0\0\0\0"),
        (requests.digest_auth("u", "p"), 100, b"\0\0\0\0\0\0\0\6digest\0\0\0\3u:p"),
        (requests.sasl(b""), 102, b"\0\0\0\0"),
        (requests.close(), -11, b""),
    ],
)
def test_a_body_is_the_one_of_the_protocol(request_: Request[object], op: int, body: bytes) -> None:
    assert (op, body) == (request_.op, request_.body)


def test_old_servers_get_the_old_list_of_watches_when_it_says_everything() -> None:
    request = requests.set_watches(7, WatchSet(data=["/d"], exist=["/e"], child=["/c", "/f"]))
    texts = b"\0\0\0\1\0\0\0\2/d" + b"\0\0\0\1\0\0\0\2/e" + b"\0\0\0\2\0\0\0\2/c\0\0\0\2/f"
    assert (Op.SET_WATCHES, struct.pack(">q", 7) + texts, -8) == (request.op, request.body, request.xid)


def test_lasting_watches_take_the_new_list() -> None:
    request = requests.set_watches(7, WatchSet(recursive=["/r"]))
    lists = bytes(4 * 4) + b"\0\0\0\1\0\0\0\2/r"
    assert (Op.SET_WATCHES_2, struct.pack(">q", 7) + lists, -8) == (request.op, request.body, request.xid)


def test_a_node_is_read() -> None:
    expected = Node(
        data=b"xy", czxid=1, mzxid=2, pzxid=8, ctime_ms=1000, mtime_ms=2000, version=3, ephemeral=True, children=7
    )
    assert expected == requests.read_node(b"\0\0\0\2xy" + state(SESSION))


@pytest.mark.parametrize(
    ("owner", "ephemeral"),
    [(0, False), (SESSION, True), (0x80 << 56 | 5, True), (1 << 63, False), (0xFF << 56 | 60_000, False)],
    ids=["none", "a session", "a session of server 128", "a container", "a TTL"],
)
def test_only_sessions_make_nodes_ephemeral(owner: int, ephemeral: bool) -> None:
    signed = owner - (1 << 64) if owner >= 1 << 63 else owner
    assert ephemeral is requests.read_node(b"\0\0\0\0" + state(signed)).ephemeral


@pytest.mark.parametrize("body", [b"", b"\0\0\0\5ab", b"\0\0\0\0" + state()[:-1]])
def test_half_a_node_is_a_malformed_answer(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        requests.read_node(body)


ASKED: tuple[Request[object], ...] = (
    requests.get_children("/a", watch=True),
    requests.get_data("/a", watch=True),
    requests.exists("/a", watch=False),
    requests.add_watch("/a", recursive=True),
    requests.sasl(b""),
    requests.close(),
)


@pytest.mark.parametrize("asked", ASKED, ids=lambda each: each.op.name)
@given(body=st.binary(max_size=120) | st.binary(max_size=9).map(lambda data: b"\0\0\0\2xy" + state() + data))
def test_any_answer_is_read_or_malformed(asked: Request[object], body: bytes) -> None:
    with suppress(MalformedAnswer):
        asked.decode(body)
