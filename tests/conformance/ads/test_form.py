"""The form of resources on the wire, as istiod's own rules take them."""

from collections import Counter

import pytest

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.watch.families import FAMILIES, Family
from meshregistry.watch.model import Action, IstiodModel
from meshregistry.watch.resources import Node
from meshregistry.wire.resource import Resource
from meshregistry.xds.encode import BodyCache, encode
from meshregistry.xds.options import AdsOptions, Rhythm
from meshregistry.xds.protocol import AdsStream
from meshregistry.xds.servicer import SOTW
from meshregistry.xds.views import Catalog
from tests.support.ads_rig import NO_PAUSE, MachineRig
from tests.support.ads_world import SERVICE_ENTRY, commit, make_resource, make_store, read_answer
from tests.support.pb2_decoder import Pb2Codec

pytestmark = pytest.mark.anyio

EVERY_FAMILY = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


class Istiod:
    """The model of istiod on one stream of the machine, message by message."""

    def __init__(self, family: Family, *resources: Resource, revision: str = "") -> None:
        self.store = make_store(*resources)
        catalog = Catalog(self.store)
        self.store.listen(catalog.note_change)
        options = AdsOptions(rhythm=Rhythm(push_pause_s=0.0))
        self.machine = AdsStream(SOTW.new_type, options, catalog.look, catalog.cursor, "s")
        self.store.listen(self._note_change)
        self.codec = Pb2Codec()
        self.model = IstiodModel(family, Node(revision=revision), clock_ns=lambda: 0)
        for request in self.model.initial_requests():
            self.machine.receive(SOTW.read(self.codec.encode_request(request)), 0.0)

    def _note_change(self, change: Change) -> None:
        self.machine.note_change(change, 0.0)

    def step(self, marks: dict[str, object] | None = None, revision: str = "") -> dict[str, int]:
        """Commit, deliver everything, and return how often istiod did what with ServiceEntries."""
        commit(self.store, marks or {}, revision)
        actions: Counter[str] = Counter()
        while (push := self.machine.next_push(0.0)) is not None:
            message = next(built for built in encode(push, BodyCache(), "test") if built is not None)
            data = b"".join((message.head, *message.body.chunks, message.tail))
            handled = self.model.handle(self.codec.decode_response(data))
            actions.update(event.action for event in handled.events)
            assert handled.ack is not None
            self.machine.receive(SOTW.read(self.codec.encode_request(handled.ack)), 0.0)
        return dict(actions)


@EVERY_FAMILY
def test_replay_of_istiods_own_cases(family: Family) -> None:
    """I7 (IS TestADSC_handleMCP): create, update plus create, same version, update plus delete, delete by absence."""
    istiod = Istiod(family)
    assert {} == istiod.step()
    assert {Action.CREATED: 2} == istiod.step({"a": 1, "b": 1})
    assert {Action.UPDATED: 1, Action.SKIPPED: 1, Action.CREATED: 1} == istiod.step({"a": 2, "c": 1})
    assert {Action.UPDATED: 1, Action.SKIPPED: 1, Action.DELETED: 1} == istiod.step({"a": 3, "b": None})
    assert {} == istiod.step({"a": 3})
    assert {Action.DELETED: 2} == istiod.step({"a": None, "c": None})
    assert {} == istiod.model.configs


@EVERY_FAMILY
def test_other_revisions_are_left_out(family: Family) -> None:
    """I7 I6 R5: istiod filters again, and never has to."""
    istiod = Istiod(family, make_resource("a", 1, "canary"), make_resource("b", 1, "stable"), revision="canary")
    assert {Action.CREATED: 1} == istiod.step()
    assert {Action.CREATED: 1, Action.SKIPPED: 1} == istiod.step({"c": 1})
    assert {Action.DELETED: 1, Action.SKIPPED: 1} == istiod.step({"a": 1}, "stable")


@EVERY_FAMILY
def test_restart_of_the_server_changes_nothing_at_the_client(family: Family) -> None:
    """I8 V5 H1: full state again, equal versions, no event."""
    istiod = Istiod(family, *map(make_resource, "abc"))
    istiod.step()
    before = dict(istiod.model.configs)
    again = Istiod(family, *map(make_resource, "cab"))
    again.model = istiod.model
    assert {Action.SKIPPED: 3} == again.step()
    assert before == istiod.model.configs


@EVERY_FAMILY
def test_names_versions_and_times(family: Family) -> None:
    """I4 R2 R3 R4 R6 V3: one slash, a version, a body, and a creation time that no update moves.

    The form is asserted for each resource that any test reads, in `read_answer`.
    """
    istiod = Istiod(family, make_resource("a"))
    istiod.step()
    (before,) = istiod.model.configs.values()
    istiod.step({"a": 2})
    (after,) = istiod.model.configs.values()
    resource = make_resource("a", 2)
    assert ("ServiceEntry", "ns", "a") == tuple(after.key)
    assert (resource.version, resource.record.hosts) == (after.version, after.spec.hosts)  # type: ignore[union-attr]
    assert before.create_time_ns == after.create_time_ns > 0


async def test_strings_on_the_wire_are_valid() -> None:
    """R7: what cannot be encoded is replaced, and Google's strict runtime reads the response."""
    rig = MachineRig("sotw", make_store(make_resource("a", "\ud800bad")), NO_PAUSE)
    await rig.ask(SERVICE_ENTRY)
    (answer,) = await rig.take()
    assert {"ns/a": "?bad"} == answer.resources


def test_equal_content_has_equal_versions_and_other_content_others() -> None:
    """V1 V2 V4 R8: over restarts and for ever; marks, labels, names."""
    versions = {
        (name, mark, revision): make_resource(name, mark, revision).version
        for name in ("a", "b", "o_a")
        for mark in (1, 2)
        for revision in ("", "canary")
    }
    assert len(versions) == len(set(versions.values()))
    assert versions == {key: make_resource(*key).version for key in versions}
    assert make_resource("a").any_bytes == make_resource("a").any_bytes


@pytest.mark.parametrize("dialect", ["sotw", "delta"])
async def test_idle_stream_is_silent_for_days(dialect: str) -> None:
    """X67 X68 X69 E24: no TTL, so no heartbeats; a stock istiod could not read the wrapper they come in."""
    rig = MachineRig(dialect, make_store(make_resource("a")))
    await rig.ask(SERVICE_ENTRY)
    await rig.take()
    for _ in range(1000):
        rig.now += 3600.0
        assert [] == await rig.take()
        assert rig.machine.next_wake_up() is None


async def test_system_version_is_that_of_the_snapshot() -> None:
    """E20 D2: delta's `system_version_info` is the version of what the client sees, for people to read."""
    rig = MachineRig("delta", make_store(make_resource("a")))
    await rig.ask(SERVICE_ENTRY)
    (answer,) = await rig.take()
    assert rig.store.current.collection(Kind.SERVICE_ENTRY).version == answer.version
    assert read_answer("delta", b"").version == ""
