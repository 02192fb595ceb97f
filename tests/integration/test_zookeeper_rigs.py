"""The rigs themselves: kazoo finds the simulator to be what the real servers are."""

import pytest

from tests.support.zookeeper_rig import ZooKeeperRig

pytestmark = pytest.mark.anyio


async def test_what_is_created_is_read_back_and_what_is_deleted_is_gone(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await writer.create("/dubbo/com.acme.Orders/providers/one", b"1")
    await writer.create("/dubbo/com.acme.Orders/providers/two", b"2", ephemeral=True)
    await writer.set("/dubbo/com.acme.Orders/providers/one", b"3")

    assert ["one", "two"] == await writer.children("/dubbo/com.acme.Orders/providers")
    assert b"3" == await writer.get("/dubbo/com.acme.Orders/providers/one")

    await writer.delete("/dubbo", recursive=True)

    assert ["zookeeper"] == await writer.children("/")


async def test_a_stopped_server_comes_back_as_it_was(zookeeper_rig: ZooKeeperRig) -> None:
    await zookeeper_rig.writer.create("/a/persistent")
    await zookeeper_rig.writer.create("/a/ephemeral", ephemeral=True)

    await zookeeper_rig.stop()
    await zookeeper_rig.start()

    assert ["ephemeral", "persistent"] == await zookeeper_rig.writer.children("/a")
