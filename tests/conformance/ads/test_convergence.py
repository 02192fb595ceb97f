"""After any interleaving of changes, ACKs, NACKs, delays and reconnects, the client holds the snapshot.

D14 and the cases of concurrency (X33): the pure machine, a clock in hand, queues in both directions, and on the other
end a model of istiod with its real rules, or a delta client.
"""

from collections import deque
from typing import Any

from envoy.service.discovery.v3 import discovery_pb2 as pb
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.watch.families import ISTIOD_118, ISTIOD_124
from meshregistry.watch.model import IstiodModel
from meshregistry.watch.resources import Node as IstiodNode
from meshregistry.xds.encode import BodyCache, encode
from meshregistry.xds.options import AdsOptions, Limits, Rhythm
from meshregistry.xds.protocol import AdsStream
from meshregistry.xds.servicer import DELTA, SOTW, Dialect
from meshregistry.xds.views import Catalog
from tests.support.ads_world import SERVICE_ENTRY, commit, full_name, make_store, write_request
from tests.support.pb2_decoder import Pb2Codec

NAMES = tuple("abcdefgh")
BATCHES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([None, 1, 2, 3]), max_size=4)
RARELY = st.sampled_from([False] * 4 + [True])
REVISIONS = st.sampled_from(["", "canary", "stable"])
PAUSES = st.sampled_from([0.0, 0.05, 0.12, 1.0, 31.0])
EXAMPLES = settings(max_examples=100, stateful_step_count=30, deadline=None)


class Conversation(RuleBasedStateMachine):
    """A world that changes, a machine, and messages under way."""

    dialect: Dialect
    options: AdsOptions

    def __init__(self) -> None:
        super().__init__()
        self.store = make_store(complete=False)
        self.catalog = Catalog(self.store)
        self.store.listen(self.catalog.note_change)
        self.store.listen(self.note_change)
        self.bodies = BodyCache()
        self.now = 1000.0
        self.streams = 0
        self.machine: AdsStream | None = None
        self.down: deque[bytes] = deque()
        self.up: deque[bytes] = deque()

    def note_change(self, change: Change) -> None:
        """Pass a commit to the machine, if there is one."""
        if self.machine is not None:
            self.machine.note_change(change, self.now)

    def connect(self) -> None:
        """Open a new stream; whatever was under way is lost."""
        self.streams += 1
        self.machine = AdsStream(
            self.dialect.new_type, self.options, self.catalog.look, self.catalog.cursor, f"stream{self.streams}"
        )
        self.down.clear()
        self.up.clear()

    @rule(marks=BATCHES, revision=REVISIONS)
    def change(self, marks: dict[str, object], revision: str) -> None:
        """Commit a batch."""
        commit(self.store, marks, revision)

    @precondition(lambda self: not self.store.current.complete)
    @rule()
    def complete(self) -> None:
        """Every source has been read."""
        self.store.complete()

    @rule(seconds=PAUSES)
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @precondition(lambda self: self.up)
    @rule()
    def deliver_request(self) -> None:
        """The oldest request reaches the server."""
        assert self.machine is not None
        self.machine.receive(self.dialect.read(self.up.popleft()), self.now)

    @rule()
    def push(self) -> None:
        """The server sends what it may send now."""
        assert self.machine is not None
        while (push := self.machine.next_push(self.now)) is not None:
            message = next(built for built in encode(push, self.bodies, "test") if built is not None)
            self.machine.note_sent(push, message.size, message.body.stubs, self.now)
            self.down.append(b"".join((message.head, *message.body.chunks, message.tail)))

    @precondition(lambda self: self.down)
    @rule()
    def deliver_response(self) -> None:
        """The oldest response reaches the client, which answers it."""
        self.handle(self.down.popleft())

    @rule(marks=BATCHES, revision=REVISIONS, rounds=st.integers(1, 3))
    def exchange(self, marks: dict[str, object], revision: str, rounds: int) -> None:
        """Commit, then everything under way arrives, in both directions, with time to spare."""
        commit(self.store, marks, revision)
        for _ in range(rounds):
            self.now += 0.2
            while self.up:
                self.deliver_request()
            self.push()
            while self.down:
                self.deliver_response()

    def handle(self, data: bytes) -> None:
        """Apply a response and queue its ACK."""
        raise NotImplementedError

    def check(self) -> None:
        """Compare client and snapshot."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Let everything arrive, then compare."""
        if self.machine is None:
            return
        self.store.complete()
        for _ in range(200):
            while self.up:
                self.deliver_request()
            self.push()
            while self.down:
                self.deliver_response()
            if not self.up:
                wake_up = self.machine.next_wake_up()
                if wake_up is None or wake_up > self.now + 60:
                    break
                self.now = max(self.now, wake_up)
        self.check()


class IstiodConversation(Conversation):
    """SotW with version stubs, against istiod's rules: a wrong stub shows as a lost or a stale service."""

    dialect = SOTW
    options = AdsOptions(rhythm=Rhythm(full_push_interval_s=3600.0))

    @initialize(family=st.sampled_from([ISTIOD_124, ISTIOD_118]), revision=REVISIONS, complete=st.booleans())
    def begin(self, family: Any, revision: str, complete: bool) -> None:
        """Start an istiod and connect it."""
        if complete:
            self.store.complete()
        self.codec = Pb2Codec()
        self.model = IstiodModel(family, IstiodNode(revision=revision), clock_ns=lambda: int(self.now * 1e9))
        self.reconnect()

    def reconnect(self) -> None:
        """Begin a stream as istiod does."""
        self.connect()
        self.up.extend(map(self.codec.encode_request, self.model.initial_requests()))

    @rule(breaks=RARELY, restarts=st.booleans())
    def break_stream(self, breaks: bool, restarts: bool) -> None:
        """The stream breaks; istiod keeps its store, or restarts with an empty one, in which stubs find nothing."""
        if breaks and restarts:
            self.model = IstiodModel(self.model.family, self.model.node, clock_ns=lambda: int(self.now * 1e9))
        if breaks:
            self.reconnect()

    def handle(self, data: bytes) -> None:
        """Apply as istiod does."""
        handled = self.model.handle(self.codec.decode_response(data))
        assert not [event for event in handled.events if event.reason], "nothing is refused, lost or undecodable"
        assert handled.ack is not None
        self.up.append(self.codec.encode_request(handled.ack))

    def check(self) -> None:
        """Every visible resource, at its version and with its content, and nothing else."""
        resources = self.store.current.collection(Kind.SERVICE_ENTRY).resources.values()
        revision = self.model.node.revision
        expected = {
            resource.name: (resource.version, resource.entry.hosts)
            for resource in resources
            if not revision or resource.revision in ("", revision)
        }
        held = {
            f"{key.namespace}/{key.name}": (config.version, config.spec.hosts)  # type: ignore[union-attr]
            for key, config in self.model.configs.items()
        }
        assert expected == held
        assert self.model.synced


class DeltaConversation(Conversation):
    """A delta client that subscribes, unsubscribes, refuses, reconnects with or without memory."""

    dialect = DELTA
    options = AdsOptions(rhythm=Rhythm(delta_push_pause_s=0.1), limits=Limits(max_delta_bytes=500))

    @initialize(revision=REVISIONS, names=st.sets(st.sampled_from(NAMES)), complete=st.booleans())
    def begin(self, revision: str, names: set[str], complete: bool) -> None:
        """Connect a client; without names it wants everything."""
        if complete:
            self.store.complete()
        self.node = ("sidecar~~delta~x", {"ISTIO_REVISION": revision})
        self.names = set(map(full_name, names))
        self.wildcard = not names
        self.held: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.reconnect(remembers=False)

    def wants(self, name: str) -> bool:
        """Tell whether the client is subscribed to the name."""
        return self.wildcard or name in self.names

    @rule(breaks=RARELY, remembers=st.booleans())
    def break_stream(self, breaks: bool, remembers: bool) -> None:
        """The stream breaks, and the client begins another, perhaps after a restart of its own."""
        if breaks:
            self.reconnect(remembers=remembers)

    def reconnect(self, *, remembers: bool) -> None:
        """Begin a stream: state what is wanted and, if possible, what is there."""
        self.connect()
        self.refused.clear()
        if not remembers:
            self.held.clear()
        names = (*sorted(self.names), *(["*"] if self.wildcard else []))
        unsubscribe = () if names else ("nothing/at-all",)
        request = write_request(
            "delta", SERVICE_ENTRY, names=names, unsubscribe=unsubscribe, initial=self.held, node=self.node
        )
        self.up.append(request)

    @rule(names=st.sets(st.sampled_from((*NAMES, "*")), min_size=1, max_size=3))
    def subscribe(self, names: set[str]) -> None:
        """Want more."""
        self.names |= {full_name(name) for name in names - {"*"}}
        self.wildcard |= "*" in names
        self.up.append(write_request("delta", SERVICE_ENTRY, names=tuple(map(full_name, names))))

    @rule(names=st.sets(st.sampled_from((*NAMES, "*")), min_size=1, max_size=3))
    def unsubscribe(self, names: set[str]) -> None:
        """Want less, and forget it at once."""
        self.names -= {full_name(name) for name in names}
        self.wildcard &= "*" not in names
        self.held = {name: version for name, version in self.held.items() if self.wants(name)}
        self.up.append(write_request("delta", SERVICE_ENTRY, unsubscribe=tuple(map(full_name, names))))

    @precondition(lambda self: self.down)
    @rule()
    def refuse_response(self) -> None:
        """Refuse the resources of the oldest response, but let go of what is removed."""
        response = pb.DeltaDiscoveryResponse.FromString(self.down.popleft())
        self.refused.update((resource.name, resource.version) for resource in response.resources)
        self.drop(response)
        self.up.append(write_request("delta", SERVICE_ENTRY, nonce=response.nonce, error="no"))

    def handle(self, data: bytes) -> None:
        """Apply what is wanted."""
        response = pb.DeltaDiscoveryResponse.FromString(data)
        for resource in response.resources:
            self.refused.pop(resource.name, None)
            if self.wants(resource.name):
                self.held[resource.name] = resource.version
        self.drop(response)
        self.up.append(write_request("delta", SERVICE_ENTRY, nonce=response.nonce))

    def drop(self, response: Any) -> None:
        """Let go of the removed names."""
        for name in response.removed_resources:
            self.held.pop(name, None)
            self.refused.pop(name, None)

    def check(self) -> None:
        """Every wanted and visible resource at its version, but for versions the client refused."""
        revision = self.node[1]["ISTIO_REVISION"]
        expected = {
            resource.name: resource.version
            for resource in self.store.current.collection(Kind.SERVICE_ENTRY).resources.values()
            if self.wants(resource.name) and (not revision or resource.revision in ("", revision))
        }
        excused = {name for name, version in self.refused.items() if expected.get(name) == version}
        assert {name: version for name, version in expected.items() if name not in excused} == {
            name: version for name, version in self.held.items() if name not in excused
        }


TestIstiod = IstiodConversation.TestCase
TestIstiod.settings = EXAMPLES
TestDelta = DeltaConversation.TestCase
TestDelta.settings = EXAMPLES
