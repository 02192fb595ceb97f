"""Version stubs: when they are sent, and when never."""

from dataclasses import replace

import pytest

from meshregistry.xds.options import AdsOptions, Rhythm
from tests.conformance.ads.transcripts import got
from tests.support.ads_rig import JUNK, NODE, MachineRig
from tests.support.ads_world import OLD_SERVICE_ENTRY, SERVICE_ENTRY, STUB, commit, make_resource, make_store

pytestmark = pytest.mark.anyio

STUBS = AdsOptions(rhythm=Rhythm(push_pause_s=0.0, full_push_interval_s=600.0))


def make_rig(options: AdsOptions = STUBS, generator: str = "api", revision: str = "") -> MachineRig:
    """Return a machine over two resources, asked by a client of this generator and revision."""
    store = make_store(make_resource("a"), make_resource("b"))
    return MachineRig("sotw", store, options, (NODE[0], {"GENERATOR": generator, "ISTIO_REVISION": revision}))


async def test_first_response_of_a_stream_is_full_and_the_next_one_has_stubs() -> None:
    """H1: a restarted istiod cannot be told from a reconnecting one."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY, nonce=JUNK)
    assert [got(a=1, b=1)] == await rig.take()
    rig.commit({"a": 2})
    assert [got(a=2, b=STUB)] == await rig.take()
    rig.commit({"b": None, "c": 1})
    assert [got(a=STUB, c=1)] == await rig.take()
    assert rig.machine.types[SERVICE_ENTRY].stubs == 2


@pytest.mark.parametrize(
    ("url", "generator", "version_stubs"),
    [
        (OLD_SERVICE_ENTRY, "api", True),
        (SERVICE_ENTRY, "", True),
        (SERVICE_ENTRY, "grpc", True),
        (SERVICE_ENTRY, "api", False),
    ],
)
async def test_only_clients_that_ask_like_istiod_get_stubs(url: str, generator: str, version_stubs: bool) -> None:
    """GENERATOR api and the v1 type URL, of istiod 1.24 and later; one switch turns them off for all."""
    rig = make_rig(replace(STUBS, version_stubs=version_stubs), generator)
    await rig.ask(url)
    await rig.take()
    rig.commit({"a": 2})
    assert [got(url, a=2, b=1)] == await rig.take()


async def test_full_response_follows_at_the_interval_and_then_silence() -> None:
    """Insurance against forks: once per interval if stubs were sent, and nothing on an idle stream."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 10_000
    assert [] == await rig.take()
    assert rig.machine.next_wake_up() is None
    rig.commit({"a": 2})
    assert [got(a=2, b=STUB)] == await rig.take()
    refresh_at = rig.machine.next_wake_up()
    assert refresh_at is not None
    assert 300 <= refresh_at - rig.now <= 600
    rig.now = refresh_at
    assert [got(a=2, b=1)] == await rig.take()
    rig.now += 10_000
    assert [] == await rig.take()
    assert rig.machine.next_wake_up() is None


async def test_change_at_the_interval_is_sent_in_full() -> None:
    """The refresh rides on a change that is due anyway."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.commit({"a": 2})
    await rig.take()
    rig.now += 600
    rig.commit({"a": 3})
    assert [got(a=3, b=1)] == await rig.take()
    rig.now += 1
    rig.commit({"a": 4})
    assert [got(a=4, b=STUB)] == await rig.take()


async def test_refresh_waits_for_a_missing_ack_without_spinning() -> None:
    """The wake-up is never in the past."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.acks = False
    rig.now += 590
    rig.commit({"a": 2})
    await rig.take()
    rig.now += 600
    rig.commit({"a": 3})
    await rig.take()
    rig.now += 1
    rig.commit({"a": 4})
    assert [] == await rig.take()
    wake_up = rig.machine.next_wake_up()
    assert wake_up is not None
    assert wake_up > rig.now


async def test_interval_of_zero_means_never() -> None:
    """Stubs without insurance."""
    rig = make_rig(replace(STUBS, rhythm=Rhythm(push_pause_s=0.0, full_push_interval_s=0.0)))
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.commit({"a": 2})
    assert [got(a=2, b=STUB)] == await rig.take()
    assert rig.machine.next_wake_up() is None


async def test_unacknowledged_response_is_a_base_for_stubs() -> None:
    """istiod works strictly in order, so what was sent before will have been applied before."""
    rig = make_rig()
    rig.acks = False
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.now += 31
    rig.commit({"a": 2})
    assert [got(a=2, b=STUB)] == await rig.take()


async def test_refused_response_is_no_base_for_stubs() -> None:
    """After a NACK nobody knows what the client holds."""
    rig = make_rig()
    rig.acks = False
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    await rig.ask(SERVICE_ENTRY, error="no")
    rig.commit({"a": 2})
    assert [got(a=2, b=1)] == await rig.take()


async def test_client_that_asks_again_gets_everything_in_full() -> None:
    """It may have forgotten what it had."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    await rig.ask(SERVICE_ENTRY, nonce="")
    assert [got(a=1, b=1)] == await rig.take()
    rig.commit({"a": 2})
    assert [got(a=2, b=STUB)] == await rig.take()


async def test_named_subscriptions_get_no_stubs() -> None:
    """istiod never names resources; whoever does is somebody else."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    await rig.ask(SERVICE_ENTRY, "a", "b")
    assert [got(a=1, b=1)] == await rig.take()
    rig.commit({"a": 2})
    assert [got(a=2, b=1)] == await rig.take()
    await rig.ask(SERVICE_ENTRY, "*")
    assert [got(a=2, b=1)] == await rig.take()


async def test_refresh_ends_with_the_wildcard() -> None:
    """A client that went over to names has no stubs left to refresh."""
    rig = make_rig()
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    rig.commit({"a": 2})
    assert [got(a=2, b=STUB)] == await rig.take()
    await rig.ask(SERVICE_ENTRY, "b")
    assert [got(b=1)] == await rig.take()
    rig.now += 10_000
    assert [] == await rig.take()
    assert rig.machine.next_wake_up() is None


async def test_revision_filter_and_stubs_together() -> None:
    """R5 I6: another revision's changes are silence, and a resource that moves to another revision is absent."""
    store = make_store(make_resource("a", 1, "canary"), make_resource("b", 1, "stable"), make_resource("c"))
    rig = MachineRig("sotw", store, STUBS, (NODE[0], {"GENERATOR": "api", "ISTIO_REVISION": "canary"}))
    await rig.ask(SERVICE_ENTRY)
    assert [got(a=1, c=1)] == await rig.take()
    commit(store, {"b": 2}, "stable")
    assert [] == await rig.take()
    commit(store, {"b": 2}, "canary")
    assert [got(a=STUB, b=2, c=STUB)] == await rig.take()
    commit(store, {"a": 1}, "stable")
    assert [got(b=STUB, c=STUB)] == await rig.take()
