"""Driving the simulated ZooKeeper over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from meshregistry.sim.zookeeper.control import Control
from meshregistry.sim.zookeeper.server import SimZooKeeper
from tests.support.zookeeper_wire import SYNC, connected, greeted, string

pytestmark = pytest.mark.anyio


class _Remote:
    """A server and its endpoints."""

    def __init__(self, sim: SimZooKeeper, client: ClientSession) -> None:
        self.sim = sim
        self._client = client

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        async with self._client.request(method, path, json=body) as reply:
            return reply.status, await (reply.json() if reply.status == 200 else reply.text())


@pytest.fixture
async def remote() -> AsyncIterator[_Remote]:
    async with SimZooKeeper() as sim:
        listener = Control(sim).listener("127.0.0.1", 0)
        await listener.start()
        async with ClientSession(f"http://127.0.0.1:{listener.port}") as client:
            yield _Remote(sim, client)
        await listener.stop()


async def test_content_is_loaded_and_changed(remote: _Remote) -> None:
    _, before = await remote.call("GET", "/sim/state")
    _, after = await remote.call("POST", "/sim/load", {"interfaces": 2, "providers": 1})
    _, churned = await remote.call("POST", "/sim/churn")

    assert 1 + 2 * 3 == after["nodes"] - before["nodes"]
    assert (None, True) == (
        remote.sim.state.tree.find(churned["gone"]),
        remote.sim.state.tree.find(churned["come"]) is not None,
    )


async def test_single_nodes_come_and_go_with_what_is_missing_above_them(remote: _Remote) -> None:
    tree = remote.sim.state.tree
    for _ in range(2):
        assert 200 == (await remote.call("POST", "/sim/nodes", {"path": "/a/b/c%2Fd"}))[0]
        assert tree.find("/a/b/c%2Fd") is not None
    assert 200 == (await remote.call("DELETE", "/sim/nodes", {"path": "/a/b/c%2Fd"}))[0]
    assert (None, True) == (tree.find("/a/b/c%2Fd"), tree.find("/a/b") is not None)

    assert (400, "NO_NODE") == await remote.call("DELETE", "/sim/nodes", {"path": "/a/b/c%2Fd"})
    assert (400, "NO_NODE") == await remote.call("POST", "/sim/nodes", {"path": "a/b"})


async def test_faults_are_set_and_sessions_ended(remote: _Remote) -> None:
    _, armed = await remote.call("PUT", "/sim/faults", [{"opcode": SYNC, "action": "error", "error": -4}])
    async with greeted(remote.sim.address) as client:
        assert -4 == (await client.ask(SYNC, string("/"))).error
        _, traffic = await remote.call("GET", "/sim/traffic")
        _, state = await remote.call("POST", "/sim/expire", {"session": client.hello.session})
        assert b"" == await client.end()

    assert [(SYNC, "error", -4)] == [(each["opcode"], each["action"], each["error"]) for each in armed]
    assert {"connections": 1, "events": 0, "requests": {"sync": 1}} == traffic
    assert ([], 0) == (state["sessions"], state["connections"])
    assert armed == (await remote.call("GET", "/sim/faults"))[1]
    assert {"connections": 0, "events": 0, "requests": {}} == (await remote.call("DELETE", "/sim/traffic"))[1]


async def test_the_server_is_stopped_paused_and_restarted(remote: _Remote) -> None:
    await remote.call("POST", "/sim/load", {"interfaces": 1})
    async with greeted(remote.sim.address) as client:
        _, cut = await remote.call("POST", "/sim/cut")
        assert b"" == await client.end()
    assert (1, 0) == (len(cut["sessions"]), cut["connections"])

    _, paused = await remote.call("POST", "/sim/pause")
    _, resumed = await remote.call("POST", "/sim/resume")
    assert [True, False] == [paused["paused"], resumed["paused"]]

    await remote.call("POST", "/sim/refuse")
    with pytest.raises(ConnectionRefusedError):
        async with connected(remote.sim.address):
            pass
    await remote.call("POST", "/sim/accept")
    async with greeted(remote.sim.address):
        pass

    _, kept = await remote.call("POST", "/sim/restart")
    _, lost = await remote.call("POST", "/sim/restart", {"empty": True})
    assert (2, True) == (len(kept["sessions"]), kept["nodes"] > lost["nodes"])
    assert [] == lost["sessions"]


async def test_a_bad_call_is_refused(remote: _Remote) -> None:
    assert 404 == (await remote.call("GET", "/sim/nothing"))[0]
    assert 400 == (await remote.call("PUT", "/sim/faults", [{"action": "explode"}]))[0]
