"""The ZooKeeper source while everything registers at random and connections break: judged by kazoo's own listing."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import pytest

from tests.support.tcp_gate import TcpGate
from tests.support.zookeeper_rig import ZooKeeperRig
from tests.support.zookeeper_testimony import Row, list_rows
from tests.support.zookeeper_turmoil import Misfortune, Turmoil, come_and_go
from tests.support.zookeeper_view import MODES, TIMEOUT_S, View, reading, server_options
from tests.support.zookeeper_writer import Found

_log = logging.getLogger(__name__)

# Real servers are killed: a second loop would show nothing else and take as long.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"]), pytest.mark.timeout(900)]


async def test_random_changes_and_faults_end_as_an_independent_listing_says(
    zookeeper_rig: ZooKeeperRig, pytestconfig: pytest.Config
) -> None:
    """All ways to read look on at once: none may miss what happens behind a fault, and none may invent anything."""
    duration_s = float(pytestconfig.getoption("--churn-s"))
    async with TcpGate(zookeeper_rig.hosts).running() as gate, AsyncExitStack() as sources:
        views = [
            await sources.enter_async_context(reading(server_options(gate.address), **mode)) for mode in MODES.values()
        ]
        turmoil, misfortune = Turmoil(zookeeper_rig.writer), Misfortune(zookeeper_rig, gate, views)
        async with asyncio.TaskGroup() as group:
            faults = group.create_task(misfortune.run())
            group.create_task(come_and_go(zookeeper_rig, duration_s))
            await turmoil.run(duration_s)
            faults.cancel()
        await misfortune.end()
        await _until_agreed(zookeeper_rig, views)
        missed = [view.registry["missed_events_total"] for view in views]
        for view in views:
            view.source.read_again()
            await view.until_read()
        listed = _read(await zookeeper_rig.writer.tree())

        assert [listed] * len(views) == [view.rows for view in views]
        assert missed == [view.registry["missed_events_total"] for view in views]
        assert {True, False} == {bool(row.interface) for row in listed}
        found = dict(zip(MODES, missed, strict=True))
        _log.info("changes=%s faults=%s found_later=%s rows=%d", turmoil.changes, misfortune.met, found, len(listed))


async def _until_agreed(rig: ZooKeeperRig, views: Sequence[View]) -> None:
    """Wait for what events bring, and for the end of sessions that were left; else the comparison is the failure."""
    listed: list[Row] = []
    left = True
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while left or not all(view.synced and view.rows == listed for view in views):
                await asyncio.sleep(0.1)
                tree = await rig.writer.tree()
                left, listed = any(found.ephemeral for found in tree.values()), _read(tree)
    except TimeoutError:
        for view in views:
            assert listed == view.rows
        raise


def _read(tree: Mapping[str, Found]) -> list[Row]:
    return list_rows({path: found.data for path, found in tree.items()})
