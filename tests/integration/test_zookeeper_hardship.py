"""The ZooKeeper source and what can be wrong with a server and with what stands in it; in every mode at once."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.support.dubbo_names import encode, provider
from tests.support.tcp_gate import CALM, TcpGate, Weather
from tests.support.zookeeper_rig import RealRig, ZooKeeperRig
from tests.support.zookeeper_view import MODES, View, reading, server_options

# Real servers are stopped, or hold many nodes: a second loop would show nothing else and take as long.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"]), pytest.mark.timeout(300)]

ORDERS, USERS = "com.acme.Orders", "com.acme.Users"
SHORT = {"session_timeout_s": 3.0, "request_timeout_s": 1.0}


async def register(rig: ZooKeeperRig, address: str, interface: str = ORDERS) -> str:
    """Register a Dubbo provider; returns its path."""
    path = f"/dubbo/{interface}/providers/{provider(f'{address}:20880', interface)}"
    await rig.writer.create(path)
    return path


@asynccontextmanager
async def reading_in_every_mode(hosts: str, **session: float) -> AsyncIterator[Sequence[View]]:
    """Sources that watch by tree and by node, and one that polls."""
    async with AsyncExitStack() as sources:
        options = server_options(hosts, session=session)
        yield [await sources.enter_async_context(reading(options, **mode)) for mode in MODES.values()]


async def test_a_stopped_server_process_keeps_everything_as_stale_and_loses_no_change(
    zookeeper_rig: ZooKeeperRig,
) -> None:
    """Its connections stand, new ones are accepted, and nothing is answered."""
    gone = await register(zookeeper_rig, "10.0.0.1")
    await register(zookeeper_rig, "10.0.0.2")
    await register(zookeeper_rig, "10.0.0.3", USERS)
    before = {ORDERS: ["10.0.0.1", "10.0.0.2"], USERS: ["10.0.0.3"]}
    async with reading_in_every_mode(zookeeper_rig.hosts, **SHORT) as views:
        for view in views:
            await view.until_addresses(before)
        await zookeeper_rig.pause()
        for view in views:
            await view.until(lambda view: not view.registry["healthy"])
        told = [(len(view.listings), view.confirmations) for view in views]
        tried = [view.attempts for view in views]
        for view, count in zip(views, tried, strict=True):
            await view.until(lambda view, count=count: view.attempts >= count + 2)  # type: ignore[misc]
        assert [before] * len(views) == [view.addresses for view in views]
        assert told == [(len(view.listings), view.confirmations) for view in views]
        assert [0.0] * len(views) == [view.connection_status for view in views]

        await zookeeper_rig.resume()
        await zookeeper_rig.writer.delete(gone)
        await register(zookeeper_rig, "10.0.0.4", USERS)
        for view in views:
            await view.until_addresses({ORDERS: ["10.0.0.2"], USERS: ["10.0.0.3", "10.0.0.4"]})
            await view.until(lambda view: view.registry["healthy"] and view.connection_status == 1.0)
            assert [] == [each for each in view.listings if each.scope.group and not each.names]


async def test_twenty_thousand_watches_that_are_cut_while_they_are_armed_again_miss_nothing(
    real_zookeeper: RealRig,
) -> None:
    """Most interfaces of a large registry have had their last provider long ago; each has a watch of its own.

    Beside it one watch on the whole tree looks on, undisturbed.
    """
    names = [f"com.acme.Idle{number:05d}" for number in range(20_000)]
    gone = await register(real_zookeeper, "10.0.0.1")
    await register(real_zookeeper, "10.0.0.2")
    await real_zookeeper.writer.create_many((f"/dubbo/{name}", b"") for name in names)
    async with (
        TcpGate(real_zookeeper.hosts).running() as gate,
        reading(server_options(gate.address), **MODES["nodes"]) as view,
        reading(server_options(real_zookeeper.hosts), **MODES["trees"]) as whole,
    ):
        for each in (view, whole):
            await each.until_addresses({ORDERS: ["10.0.0.1", "10.0.0.2"]}, 60.0)
        read = view.registry["interfaces"]
        assert 20_001 == read
        session = view.session
        connects, count = session["connects"], len(view.listings)

        # A greeting of 41 bytes, then 20 for each of five portions of watches: cut in the midst of the third answer.
        gate.weather = Weather(cut_after=91)
        gate.cut()
        await view.until(lambda view: gate.met["truncated"] >= 2)
        assert (connects, True) == (view.session["connects"], view.session["rearm_chunks"] >= 2)
        await real_zookeeper.writer.delete(gone)
        await register(real_zookeeper, "10.0.0.3", names[0])
        await view.until(lambda view: gate.met["truncated"] >= 4)
        assert connects == view.session["connects"]
        await register(real_zookeeper, "10.0.0.4", names[10_000])

        gate.weather = Weather(cut_after=200_000)  # in the midst of the reading that follows
        await view.until(lambda view: gate.met["truncated"] >= 6)
        await register(real_zookeeper, "10.0.0.5", names[-1])
        await real_zookeeper.writer.delete(f"/dubbo/{names[1]}")
        gate.weather = CALM
        expected = {ORDERS: ["10.0.0.2"]}
        expected |= {names[place]: [f"10.0.0.{last}"] for place, last in ((0, 3), (10_000, 4), (-1, 5))}
        await view.until_addresses(expected, 60.0)
        await view.until(lambda view: view.registry["healthy"], 60.0)
        assert read - 1 == view.registry["interfaces"]

        missed = view.registry["missed_events_total"]
        await register(real_zookeeper, "10.0.0.6", names[15_000])
        await register(real_zookeeper, "10.0.0.7", "com.acme.New")
        expected |= {names[15_000]: ["10.0.0.6"], "com.acme.New": ["10.0.0.7"]}
        for each in (view, whole):
            await each.until_addresses(expected)
        assert (missed, 0) == (view.registry["missed_events_total"], whole.registry["missed_events_total"])
        changed = {ORDERS, names[0], names[1], names[10_000], names[15_000], names[-1], "com.acme.New"}
        assert changed == {each.scope.group for each in view.listings[count:]}


HOSTILE = (
    "nonsense",
    "%",
    "%zz%3A%2F%2F%ff",
    "dubbo%3A%2F%2F",
    "x" * 100_000,
    "\u4e2d\u6587",
    encode(f"dubbo://10.0.0.9/{ORDERS}?interface={ORDERS}"),
    encode(f"dubbo://10.0.0.9:99999/{ORDERS}?interface={ORDERS}"),
    encode(f"dubbo://10.0.0.9:port/{ORDERS}?interface={ORDERS}"),
    encode(f"dubbo://[::1/{ORDERS}"),
    encode(f"consumer://10.0.0.9:1/{ORDERS}"),
    encode(f"dubbo://a b:20880/{ORDERS}"),
)
"""Names among providers; the longest that is read has 65,536 characters."""

BINARY = bytes(range(256)) * 64


async def test_what_nobody_can_read_is_counted_and_named_and_costs_nothing_else(zookeeper_rig: ZooKeeperRig) -> None:
    writer = zookeeper_rig.writer
    await register(zookeeper_rig, "10.0.0.1")
    await register(zookeeper_rig, "10.0.0.2", USERS)
    shop = {"name": "shop", "id": "1", "address": "10.0.0.3", "port": 80, "payload": {"metadata": {}}}
    await writer.create("/services/shop/1", json.dumps(shop).encode())
    for name in HOSTILE:
        await writer.create(f"/dubbo/{ORDERS}/providers/{name}")
        await writer.create(f"/dubbo/{ORDERS}/configurators/{name}")
    for node in ("%", "y" * 50_000, "a%2Fb%0Ac"):
        await writer.create(f"/dubbo/{node}/providers/nonsense")
    for path in ("/services/shop/2", "/services/shop/3/4", "/dubbo/metadata/shop/r1", f"/dubbo/mapping/{ORDERS}"):
        await writer.create(path, BINARY)
    await writer.create("/services/shop/5", b"[" * 500_000)
    await writer.create(f"/dubbo/config/dubbo/{ORDERS}::.configurators", BINARY)
    await writer.create("/dubbo/config/dubbo/shop.configurators", b"a: " * 100_000)
    before = {ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"], "shop": ["10.0.0.3"]}
    async with reading_in_every_mode(zookeeper_rig.hosts) as views:
        for view in views:
            await view.until_addresses(before)
            await view.until(lambda view: view.registry["healthy"])
            assert {ORDERS: "address=3 port=4 scheme=4 size=1 such as %"} == view.registry["bad"]
            assert 3 == view.registry["unread_total"]
            assert {"malformed": 1, "size": 1} == view.registry["rules_ignored"]
            assert [3.0, 4.0, 4.0, 1.0] == [view.bad_records(each) for each in ("address", "port", "scheme", "size")]
        await register(zookeeper_rig, "10.0.0.4")
        await register(zookeeper_rig, "10.0.0.5", USERS)
        for view in views:
            await view.until_addresses({**before, ORDERS: ["10.0.0.1", "10.0.0.4"], USERS: ["10.0.0.2", "10.0.0.5"]})
            assert {ORDERS, USERS, ""} == {each.scope.group for each in view.listings}


async def test_ten_thousand_providers_of_one_interface_cost_the_others_nothing(real_zookeeper: RealRig) -> None:
    addresses = sorted(f"10.1.{number // 250}.{number % 250}" for number in range(10_000))
    await register(real_zookeeper, "10.0.0.2", USERS)
    await real_zookeeper.writer.create(f"/dubbo/{ORDERS}/providers")
    good = [provider(f"{address}:20880", ORDERS, timestamp="1795368627356") for address in addresses]
    names = [*good, *(f"nonsense-{number}" for number in range(100))]
    await real_zookeeper.writer.create_many((f"/dubbo/{ORDERS}/providers/{name}", b"") for name in names)
    async with reading_in_every_mode(real_zookeeper.hosts) as views:
        for view in views:
            await view.until_addresses({ORDERS: addresses, USERS: ["10.0.0.2"]})
            assert {ORDERS: "scheme=100 such as nonsense-0"} == view.registry["bad"]
        await register(real_zookeeper, "10.0.0.3", USERS)
        gone = provider(f"{addresses[0]}:20880", ORDERS, timestamp="1795368627356")
        await real_zookeeper.writer.delete(f"/dubbo/{ORDERS}/providers/{gone}")
        for view in views:
            await view.until_addresses({ORDERS: addresses[1:], USERS: ["10.0.0.2", "10.0.0.3"]})
            assert {ORDERS: 2, USERS: 2} == {
                name: sum(each.scope.group == name for each in view.listings) for name in (ORDERS, USERS)
            }
