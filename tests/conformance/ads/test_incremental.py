"""M4: Slime's private incremental dialect, on a listener of its own."""

from collections import deque
from dataclasses import replace
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2 as pb
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.xds.clients import Clients
from meshregistry.xds.incremental import Journal
from meshregistry.xds.options import AdsOptions, Rhythm
from meshregistry.xds.protocol import AdsStream
from meshregistry.xds.selection import Selection
from meshregistry.xds.servicer import incremental
from meshregistry.xds.tombstones import Forgotten
from tests.conformance.ads.test_convergence import BATCHES, EXAMPLES, RARELY, REVISIONS, Conversation
from tests.conformance.ads.test_transport import wait_for
from tests.conformance.ads.transcripts import Transcript, acknowledge, ask, change, got, release
from tests.support.ads_client import AdsClient
from tests.support.ads_rig import JUNK, NO_PAUSE, NODE, STALE, WireRig, open_rig, serve
from tests.support.ads_world import (
    GATEWAY,
    MESH_CONFIG,
    SERVICE_ENTRY,
    SIDECAR,
    commit,
    make_resource,
    make_store,
    write_request,
)
from tests.support.pb2_decoder import message_class

pytestmark = pytest.mark.anyio

MARKED = (NODE[0], {**NODE[1], "MCP_INC_PUSH": "true"})
OPTIONS = replace(NO_PAUSE, incremental=True)
T = Transcript

TRANSCRIPTS = (
    T(
        "M4",
        "the_first_response_is_full_and_later_ones_are_differences",
        (
            (ask(nonce=""), [got(a=1, b=1)]),
            (change(a=2), [got(a=2)]),
            (change(c=1, b=None), [got(c=1, _gone=("b",))]),
            (change(b=3), [got(b=3)]),
            (change(a=None, b=None, c=None), [got(_gone=("a", "b", "c"))]),
        ),
    ),
    T(
        "M4",
        "a_reconnecting_client_is_new",
        ((ask(nonce=JUNK, version="7"), [got(a=1, b=1)]),),
    ),
    T(
        "M4",
        "stale_and_foreign_nonces_are_ignored",
        (
            (ask(nonce=""), [got(a=1, b=1)]),
            (change(a=2), [got(a=2)]),
            (ask(nonce=STALE), []),
            (ask(nonce=JUNK), []),
            (ask(nonce="2023-04-07 09:14:37.971015359 +0000 UTC m=+246.064642097"), []),
        ),
    ),
    T(
        "M4",
        "an_empty_type_is_answered_once_with_a_nonce_and_does_not_loop",
        (
            (ask(url=GATEWAY, nonce=""), [got(GATEWAY)]),
            (ask(url=SIDECAR, nonce=""), [got(SIDECAR)]),
            (ask(url=MESH_CONFIG, nonce=""), []),
            (ask(url=GATEWAY), []),
            (ask(url=SIDECAR), []),
            (change(a=2), []),
        ),
    ),
    T(
        "M4",
        "what_came_and_went_between_two_responses_is_not_mentioned",
        (
            (acknowledge(False), []),
            (ask(nonce=""), [got(a=1, b=1)]),
            (change(c=1), []),
            (change(c=None, a=2), []),
            (acknowledge(True), []),
            (ask(), [got(a=2)]),
            (change(b=2), [got(b=2)]),
        ),
    ),
    T(
        "M4",
        "a_client_that_asks_again_gets_everything_and_no_deletion_that_it_confirmed",
        (
            (ask(nonce=""), [got(a=1, b=1)]),
            (acknowledge(False), []),
            (change(a=None), [got(_gone=("a",))]),
            (ask(nonce=""), []),
            (acknowledge(True), []),
            (ask(), [got(b=1)]),
            (change(c=1), [got(c=1)]),
        ),
    ),
    T(
        "M4",
        "a_refused_response_is_not_repeated_and_the_next_one_is_full",
        (
            (ask(nonce=""), [got(a=1, b=1)]),
            (acknowledge(False), []),
            (change(a=2), [got(a=2)]),
            (ask(error="no"), []),
            (acknowledge(True), []),
            (change(c=1), [got(a=2, b=1, c=1)]),
        ),
    ),
    T(
        "M4",
        "names_select_and_new_names_are_answered_with_all_that_is_wanted",
        (
            (ask("a", nonce=""), [got(a=1)]),
            (change(b=2), []),
            (ask("a", "b"), [got(a=1, b=2)]),
            (change(a=None, b=3), [got(b=3, _gone=("a",))]),
        ),
    ),
    T(
        "M4",
        "held_kinds_are_answered_when_the_snapshot_is_complete",
        ((ask(nonce=""), []), (change(a=2), []), (release(), [got(a=2, b=1)])),
        complete=False,
    ),
)


@pytest.mark.parametrize("way", ["machine", "wire"])
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=[case.name for case in TRANSCRIPTS])
async def test_transcript(way: str, transcript: Transcript) -> None:
    """The answers are those of the transcript, their nonces are ordered and never empty, and there is nothing else."""
    store = make_store(*map(make_resource, transcript.world), complete=transcript.complete)
    async with open_rig(way, "sotw", store, OPTIONS, MARKED) as rig:
        for number, (act, expected) in enumerate(transcript.steps, 1):
            await act(rig)
            assert (number, expected) == (number, await rig.take())
        nonces = [answer.nonce for answer in rig.all]
        assert sorted(nonces) == nonces
        assert all(answer.nonce and answer.version for answer in rig.all)


async def test_other_revisions_are_silence_and_a_resource_that_leaves_sight_is_dropped() -> None:
    """A tombstone carries the label under which the client saw the resource, or its own filter would skip it."""
    store = make_store(make_resource("a", 1, "canary"), make_resource("b", 1, "stable"), make_resource("c"))
    node = (MARKED[0], {**MARKED[1], "ISTIO_REVISION": "canary"})
    async with serve(store, OPTIONS) as server, AdsClient(server.port, "sotw") as client:
        rig = WireRig("sotw", store, client, node)
        await rig.ask(SERVICE_ENTRY, nonce="")
        assert [got(a=1, c=1)] == await rig.take()
        commit(store, {"b": 2}, "stable")
        commit(store, {"b": None})
        assert [] == await rig.take()
        commit(store, {"c": 2}, "canary")
        assert [got(c=2)] == await rig.take()
        commit(store, {"a": 1}, "stable")
        response = pb.DiscoveryResponse.FromString(await client.receive())
        [tombstone] = [_decode(item) for item in response.resources]
        assert ("ns/a", {"istio.io/rev": "canary"}) == (tombstone.metadata.name, dict(tombstone.metadata.labels))
        assert not tombstone.HasField("body")


@pytest.mark.parametrize(
    "metadata",
    [
        {"GENERATOR": "api"},
        {"MCP_INC_PUSH": "true"},
        {"GENERATOR": "grpc", "MCP_INC_PUSH": "true"},
        {"GENERATOR": "api", "MCP_INC_PUSH": "false"},
        {"GENERATOR": "api", "MCP_INC_PUSH": False},
        {"GENERATOR": "api", "MCP_INC_PUSH": ""},
    ],
)
async def test_client_without_the_marker_is_answered_nothing(
    metadata: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """M4: a stock istiod would take a part for the whole."""
    store, clients = make_store(make_resource("a")), Clients()
    async with serve(store, OPTIONS, clients) as server, AdsClient(server.port, "sotw") as stock:
        await stock.send(write_request("sotw", SERVICE_ENTRY, node=(NODE[0], metadata)))
        await stock.send(write_request("sotw", GATEWAY))
        await wait_for(lambda: clients.streams() and len(clients.streams()[0].types) == 2)
        async with AdsClient(server.port, "sotw") as patched:
            rig = WireRig("sotw", store, patched, MARKED)
            await rig.ask(SERVICE_ENTRY, nonce="")
            assert [got(a=1)] == await rig.take()
            commit(store, {"a": 2})
            assert [got(a=2)] == await rig.take()
        assert [(0, False)] * 2 == [(kind.bytes, kind.waiting) for kind in clients.streams()[0].types.values()]
    assert 1 == sum("ads.unmarked" in record.message for record in caplog.records)


@pytest.mark.parametrize("value", ["true", "1", True])
async def test_marker_can_be_named_in_the_options(value: Any) -> None:
    """The key is agreed between the listener and the build of Istio."""
    options = replace(OPTIONS, incremental_marker="INC")
    async with open_rig("wire", "sotw", make_store(), options, (NODE[0], {"GENERATOR": "api", "INC": value})) as rig:
        await rig.ask(SERVICE_ENTRY, nonce="")
        assert [got()] == await rig.take()


async def test_delta_is_not_spoken_on_an_incremental_listener() -> None:
    """As in Slime."""
    async with serve(make_store(), OPTIONS) as server, AdsClient(server.port, "delta") as client:
        assert grpc.StatusCode.UNIMPLEMENTED is (await client.status())[0]


async def test_start_of_an_incremental_listener_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    """And that of any other is not."""
    async with serve(make_store(), NO_PAUSE), serve(make_store(), OPTIONS):
        pass
    [record] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "a stock istiod connected here deletes every service that did not change" in record.message


async def test_clean_up_leaves_no_tombstone_that_every_client_confirmed() -> None:
    """And the idle stream stays silent all the while."""
    store, clients = make_store(make_resource("a"), make_resource("b")), Clients()
    options = replace(OPTIONS, clean_zombie_interval_s=0.01)
    async with serve(store, options, clients) as server, AdsClient(server.port, "sotw") as client:
        assert server.journal is not None
        tombstones = server.journal.tombstones
        rig = WireRig("sotw", store, client, MARKED)
        await rig.ask(SERVICE_ENTRY, nonce="")
        await rig.take()
        commit(store, {"a": None})
        assert 1 == len(tombstones)
        assert [got(_gone=("a",))] == await rig.take()
        await wait_for(lambda: len(tombstones) == 0)
        sent = clients.streams()[0].types[SERVICE_ENTRY].bytes
        await rig.take()
        assert sent == clients.streams()[0].types[SERVICE_ENTRY].bytes
        commit(store, {"b": 2})
        assert [got(b=2)] == await rig.take()


async def test_stream_that_is_too_far_behind_ends_so_that_the_next_one_begins_in_full() -> None:
    """A full response later on would not help: the client reads all but the first as differences."""
    store = make_store(*map(make_resource, "abc"))
    async with serve(store, OPTIONS) as server, AdsClient(server.port, "sotw") as client:
        assert server.journal is not None
        await client.send(write_request("sotw", SERVICE_ENTRY, node=MARKED))
        first = pb.DiscoveryResponse.FromString(await client.receive())
        commit(store, {"a": None})
        server.journal.tombstones.forget(Kind.SERVICE_ENTRY, None)
        commit(store, {"b": None})
        await client.send(write_request("sotw", SERVICE_ENTRY, nonce=first.nonce))
        assert (grpc.StatusCode.ABORTED, "reconnect for the full state") == await client.status()
        client.open()
        rig = WireRig("sotw", store, client, MARKED)
        await rig.ask(SERVICE_ENTRY, nonce="")
        assert [got(c=1)] == await rig.take()


class IncrementalConversation(Conversation):
    """A client with the rules of slime-io/istio-mcp: `held` is its store, name → version.

    The first response of a stream deletes what it does not mention; later ones set and drop. Its own revision filter
    skips what is labelled for others, tombstones included, and one resource it cannot read spoils a whole response.
    """

    options = AdsOptions(incremental=True, rhythm=Rhythm())

    @initialize(revision=REVISIONS, bound=st.sampled_from([2, 1000]), complete=st.booleans())
    def begin(self, revision: str, bound: int, complete: bool) -> None:
        """Connect a client."""
        self.node = (MARKED[0], {**MARKED[1], "ISTIO_REVISION": revision})
        self.revision = revision
        self.journal = Journal(self.store, Selection(), bound)
        self.journal.begin()
        if complete:
            self.store.complete()
        self.held: dict[str, str] = {}
        self.reconnect()

    def note_change(self, change: Change) -> None:
        """Pass a commit to the journal first, as the server does."""
        self.journal.note_change(change)
        super().note_change(change)

    def connect(self) -> None:
        """Open a new stream of this dialect."""
        self.streams += 1
        dialect = incremental(self.journal, "MCP_INC_PUSH")
        self.machine = AdsStream(
            dialect.new_type, self.options, self.catalog.look, self.catalog.cursor, f"stream{self.streams}"
        )
        self.dialect = dialect
        self.down = deque()
        self.up = deque()

    def reconnect(self) -> None:
        """Begin a stream; the store stays."""
        self.connect()
        self.reads_differences = False
        self.knows_what_it_holds = True
        self.up.append(write_request("sotw", SERVICE_ENTRY, node=self.node))

    @rule(breaks=RARELY, restarts=st.booleans())
    def break_stream(self, breaks: bool, restarts: bool) -> None:
        """The stream breaks, perhaps because the client restarts."""
        if breaks:
            self.held = {} if restarts else self.held
            self.reconnect()

    @rule()
    def clean_up(self) -> None:
        """The interval has passed."""
        assert self.machine is not None
        self.journal.forget(self.machine.types.values())

    @rule(marks=BATCHES, revision=REVISIONS)
    def relabel_and_settle(self, marks: dict[str, object], revision: str) -> None:
        """A change that is confirmed at once, then a clean-up."""
        self.exchange(marks, revision, 2)
        self.clean_up()

    @rule(asks=RARELY)
    def ask_again(self, asks: bool) -> None:
        """Ask without a nonce, as a client of no great care does."""
        if asks:
            self.knows_what_it_holds = False
            self.up.append(write_request("sotw", SERVICE_ENTRY))

    @precondition(lambda self: self.down)
    @rule()
    def refuse_response(self) -> None:
        """Apply the oldest response and refuse it: a client that failed halfway."""
        self.knows_what_it_holds = False
        self.handle(self.down.popleft(), "no")

    @rule()
    def push(self) -> None:
        """The server sends what it may send now, or ends the stream."""
        try:
            super().push()
        except Forgotten:
            self.reconnect()

    def handle(self, data: bytes, error: str = "") -> None:
        """Apply and answer."""
        response = pb.DiscoveryResponse.FromString(data)
        assert response.nonce
        mentioned = [resource for item in response.resources if self.accepts(resource := _decode(item))]
        for resource in mentioned:
            self.apply(resource)
        if not self.reads_differences:
            names = {resource.metadata.name for resource in mentioned}
            self.held = {name: version for name, version in self.held.items() if name in names}
        self.reads_differences = True
        self.up.append(write_request("sotw", SERVICE_ENTRY, nonce=response.nonce, error=error))

    def accepts(self, resource: Any) -> bool:
        """Read a resource and filter by revision."""
        assert resource.metadata.HasField("create_time"), "spoils the response"
        label = resource.metadata.labels.get("istio.io/rev", "")
        return not self.revision or label in ("", self.revision)

    def apply(self, resource: Any) -> None:
        """Set or drop."""
        name = resource.metadata.name
        if resource.HasField("body"):
            self.held[name] = resource.metadata.version
            return
        assert self.reads_differences, "the first response has no tombstones"
        assert name in self.held or not self.knows_what_it_holds, "nothing unknown is dropped"
        self.held.pop(name, None)

    def check(self) -> None:
        """Every visible resource at its version, and nothing else."""
        resources = self.store.current.collection(Kind.SERVICE_ENTRY).resources.values()
        visible = {
            resource.name: resource.version
            for resource in resources
            if not self.revision or resource.revision in ("", self.revision)
        }
        assert visible == self.held


IncrementalConversation.TestCase.settings = EXAMPLES
TestIncremental = IncrementalConversation.TestCase


def _decode(item: Any) -> Any:
    return message_class("istio.mcp.v1alpha1.Resource").FromString(item.value)
