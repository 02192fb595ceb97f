"""When Sidecars are published, and which."""

import asyncio

import pytest

from meshregistry.model.call_model import ApplicationCalls, ServiceCalls
from meshregistry.model.events import SidecarChanges
from meshregistry.model.sidecar import SidecarPolicy
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.options import SidecarOptions
from meshregistry.sources.zookeeper.sidecars import SidecarDesk
from tests.support.source_fakes import ManualClock, RecordingSink, SteppedClock

pytestmark = pytest.mark.anyio

SHOP = "dubbo/shop.dubbo.generated"


def calls(service: str, *consumers: str) -> list[ServiceCalls]:
    return [ServiceCalls(service, frozenset({"store"}), frozenset(consumers))]


def desk(clock: ManualClock | SteppedClock, *registries: str, remove_after_s: float = 0.0) -> SidecarDesk:
    options = SidecarOptions(policy=SidecarPolicy(), remove_after_s=remove_after_s)
    return SidecarDesk(options, frozenset(registries or ("",)), clock.clock)


def hosts(update: object, name: str = SHOP) -> tuple[str, ...]:
    assert isinstance(update, SidecarChanges)
    sidecar = update.sidecars[name].sidecar
    return sidecar.egress[0].hosts if sidecar else ()


async def test_nothing_is_published_before_every_registry_has_been_read() -> None:
    sink, made = RecordingSink(), desk(ManualClock(), "east", "west")
    made.replace("east", "a", calls("a.dubbo", "shop"))
    await made.note_read("east", sink)
    assert [] == sink.updates
    made.replace("west", "b", calls("b.dubbo", "shop"))
    await made.note_read("west", sink)
    await made.note_read("west", sink)

    (update,) = sink.updates
    assert isinstance(update, SidecarChanges)
    assert (True, ("*/a.dubbo", "*/b.dubbo")) == (update.is_complete, hosts(update))


async def test_an_application_in_two_registries_has_one_sidecar_that_names_what_it_calls_in_either() -> None:
    clock, sink = ManualClock(), RecordingSink()
    made = desk(clock, "east", "west")
    for registry, services in (("east", "ab"), ("west", "bc")):
        for each in services:
            made.replace(registry, each, calls(f"{each}.dubbo", "shop"))
        await made.note_read(registry, sink)
    running = asyncio.ensure_future(made.run(sink))
    for registry, each in (("east", "a"), ("east", "b"), ("west", "c")):
        made.replace(registry, each, ())
        for _ in range(5):
            await asyncio.sleep(0)
    running.cancel()

    changes = [each for each in sink.updates if isinstance(each, SidecarChanges)]
    everything = ("*/a.dubbo", "*/b.dubbo", "*/c.dubbo")
    assert [everything, ("*/b.dubbo",)] == [hosts(changes[0]), hosts(changes[-1])]
    assert {SHOP} == {name for each in changes for name, found in each.sidecars.items() if found.sidecar}


async def test_a_first_publication_without_sidecars_tells_that_there_are_none() -> None:
    sink = RecordingSink()
    await desk(ManualClock()).note_read("", sink)
    assert [SidecarChanges("zookeeper", {}, is_complete=True)] == sink.updates


async def test_changes_are_published_together_and_what_is_gone_is_told() -> None:
    clock, sink = ManualClock(), RecordingSink()
    made = desk(clock)
    made.replace("", "a", calls("a.dubbo", "shop"))
    await made.note_read("", sink)
    running = asyncio.ensure_future(made.run(sink))
    made.replace("", "b", calls("b.dubbo", "shop"))
    made.replace("", "c", calls("c.dubbo", "shop"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (2, ("*/a.dubbo", "*/b.dubbo", "*/c.dubbo")) == (len(sink.updates), hosts(sink.updates[-1]))

    for interface in "abc":
        made.replace("", interface, ())
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    last = sink.updates[-1]
    assert isinstance(last, SidecarChanges)
    assert (None, ()) == (last.sidecars[SHOP].sidecar, last.sidecars[SHOP].rejects)
    assert {} == finish(made.used_calls())


async def test_a_dependency_that_is_gone_leaves_the_sidecar_after_its_time() -> None:
    clock, sink = ManualClock(), RecordingSink()
    made = desk(clock, remove_after_s=0.05)
    made.replace("", "a", calls("a.dubbo", "shop"))
    await made.note_read("", sink)
    made.replace("", "a", ())
    assert {} == finish(made.calls())
    assert {"shop": ApplicationCalls((), ("a.dubbo",)), "store": ApplicationCalls((), ())} == finish(made.used_calls())
    running = asyncio.ensure_future(made.run(sink))
    clock.time += 1.0
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    assert () == hosts(sink.updates[-1])


async def test_a_dependency_leaves_after_its_time_although_nothing_else_changes() -> None:
    clock, sink = SteppedClock(), RecordingSink()
    made = desk(clock, remove_after_s=60.0)
    made.replace("", "a", calls("a.dubbo", "shop"))
    made.replace("", "b", calls("b.dubbo", "shop"))
    await made.note_read("", sink)
    running = asyncio.ensure_future(made.run(sink))
    await clock.advance(10.0)
    made.replace("", "a", calls("a.dubbo"))
    await clock.advance(20.0)
    made.replace("", "b", calls("b.dubbo"))
    await clock.advance(39.9)
    assert [("*/a.dubbo", "*/b.dubbo")] == [hosts(each) for each in sink.updates]
    await clock.advance(0.2)
    assert ("*/b.dubbo",) == hosts(sink.updates[-1])
    await clock.advance(20.0)
    running.cancel()
    assert [("*/a.dubbo", "*/b.dubbo"), ("*/b.dubbo",), ()] == [hosts(each) for each in sink.updates]


async def test_consumers_without_end_make_sidecars_to_an_end_and_the_rest_waits_for_room() -> None:
    clock, sink = ManualClock(), RecordingSink()
    options = SidecarOptions(policy=SidecarPolicy(), remove_after_s=0.0, max_applications=2)
    made = SidecarDesk(options, frozenset({""}), clock.clock)
    for interface, consumer in (("a", "one"), ("b", "two"), ("c", "three"), ("d", "four")):
        made.replace("", interface, [ServiceCalls(f"{interface}.dubbo", frozenset(), frozenset({consumer}))])
    await made.note_read("", sink)
    running = asyncio.ensure_future(made.run(sink))
    first = told(sink)
    made.replace("", "a", ())
    for _ in range(10):
        await asyncio.sleep(0)
    running.cancel()

    assert {"four": "served", "one": "served", "three": "services_limit", "two": "services_limit"} == first
    assert {"four": "served", "one": "gone", "three": "served", "two": "services_limit"} == told(sink)


def told(sink: RecordingSink) -> dict[str, str]:
    """Return what was last told of each application."""
    changes = [each for each in sink.updates if isinstance(each, SidecarChanges)]
    last = {name: made for each in changes for name, made in each.sidecars.items()}
    words = {
        name: "served" if made.sidecar else "".join(each.reason for each in made.rejects) or "gone"
        for name, made in last.items()
    }
    return {name.removeprefix("dubbo/").removesuffix(".dubbo.generated"): word for name, word in sorted(words.items())}
