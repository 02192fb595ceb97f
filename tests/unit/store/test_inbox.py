"""The queue between sources and reducer."""

import anyio
import anyio.lowlevel
import pytest

from meshregistry.model.events import SourceSynced
from meshregistry.store.inbox import Inbox
from meshregistry.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

FIRST, SECOND = SourceSynced("nacos"), SourceSynced("eureka")


async def test_everything_that_waits_is_taken_in_order() -> None:
    inbox = Inbox(Metrics())
    await inbox.publish(FIRST)
    await inbox.publish(SECOND)

    assert [FIRST, SECOND] == await inbox.take(None)
    assert [] == await inbox.take(0)


async def test_a_full_inbox_makes_the_source_wait_and_loses_nothing() -> None:
    inbox = Inbox(Metrics(), limit=1)
    await inbox.publish(FIRST)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(inbox.publish, SECOND)
        await anyio.lowlevel.checkpoint()

        assert [FIRST] == await inbox.take(None)
        with anyio.fail_after(5):
            assert [SECOND] == await inbox.take(None)


async def test_what_was_published_is_settled_when_it_has_been_applied_and_not_when_it_was_taken() -> None:
    inbox, settled = Inbox(Metrics()), anyio.Event()

    async def settle() -> None:
        await inbox.settle()
        settled.set()

    await inbox.settle()
    await inbox.publish(FIRST)
    await inbox.take(None)
    async with anyio.create_task_group() as tasks:
        await inbox.publish(SECOND)
        tasks.start_soon(settle)
        for step in (inbox.mark_applied, lambda: None):
            step()
            await anyio.wait_all_tasks_blocked()
            assert not settled.is_set()
        await inbox.take(None)
        inbox.mark_applied()
        with anyio.fail_after(5):
            await settled.wait()


async def test_length_and_age_of_the_queue_are_measured() -> None:
    metrics = Metrics()
    inbox = Inbox(metrics)
    await inbox.publish(FIRST)
    assert metrics.registry.get_sample_value("meshregistry_update_queue_length") == 1.0

    await inbox.take(None)

    assert metrics.registry.get_sample_value("meshregistry_update_queue_length") == 0.0
    assert metrics.registry.get_sample_value("meshregistry_update_queue_seconds_count") == 1.0
