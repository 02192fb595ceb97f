"""Slime's rules of what happens over time: a registry that changes step by step, and what is served after each step.

The files `data/steps-*.yaml` are written from the text of the rules and are never regenerated from our output. Each
example is a configuration as Slime has it, read by the source itself over a tree in memory, and reduced as the service
does it; time passes only from step to step.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import MessageToDict

from meshregistry.changes import compose
from meshregistry.errors import SourceUnavailable
from meshregistry.model.call_model import CallSteps
from meshregistry.model.events import SourceUpdate
from meshregistry.model.service_entry import Kind
from meshregistry.settings.load import load_settings
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.options import Mode
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.store.reducer import Reducer
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource, ResourceEncoder
from meshregistry.wiring_zookeeper import held_kinds, zookeeper_options
from tests.conformance.conversion import test_conversion_rules as shared
from tests.support.dubbo_names import encode
from tests.support.pb2_decoder import message_class
from tests.support.proto_descriptors import descriptor_pool
from tests.support.source_fakes import SteppedClock
from tests.support.zookeeper_fake import FakeTree

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

Tree = dict[str, Any]


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """What happens, and what is there `after_s` seconds later.

    What a step does not mention is as it was after the step before; what no step mentions is not looked at.
    """

    register: list[str] = []
    deregister: list[str] = []
    """URLs of providers and consumers."""

    remove: list[str] = []
    """Interfaces whose nodes go as a whole."""

    unreadable: list[str] = []
    """Paths that cannot be read from this step to the next one."""

    after_s: float = 15.0
    events: list[str] = []
    """What clients are told: `Added`, `Updated` or `Deleted` and a resource, once each."""

    entries: list[Tree] | None = None
    sidecars: list[Tree] | None = None
    """As they are on the wire."""

    calls: Tree | None = None
    """Application → `provides` and `consumes`, as `/dubboCallModel` has it."""

    used: Tree | None = None
    """Application → what its Sidecar was made of, as `/sidecarDubboCallModel` has it."""

    registered: dict[str, list[str]] | None = None
    """Service → addresses, as `/zk?registry_services=true` has it."""


class Example(msgspec.Struct, forbid_unknown_fields=True):
    """A registry's story; `settings` are the keys of Slime's ZookeeperSource, `environment` Slime's variables."""

    title: str
    steps: list[Step]
    settings: Tree = {}
    environment: dict[str, str] = {}


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """Rules that belong together, with the place they come from."""

    rule: str
    source: str
    examples: list[Example]


VIEWS = ("entries", "sidecars", "calls", "used", "registered")
KINDS = {"entries": Kind.SERVICE_ENTRY, "sidecars": Kind.SIDECAR}


class Story:
    """The ZooKeeper source and the reducer under one clock, and what they have told since the last look."""

    def __init__(self, example: Example, mode: Mode) -> None:
        self.time, self.tree, metrics = SteppedClock(), FakeTree(), Metrics()
        section = {"Enabled": True, "Address": ["zk:2181"], "Mode": mode.value, **example.settings}
        general = {"LEGACY": {"ZookeeperSource": section}}
        module = {"name": "meshregistry", "kind": "meshregistry", "general": general}
        settings = load_settings(yaml.safe_dump(module), example.environment).settings
        self._store = SnapshotStore(held_kinds(settings))
        self._store.listen(self._note)
        encoder = ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC))
        rules = compose(settings).rules
        self._reducer = Reducer(self._store, encoder, rules, metrics, lambda: self.time.time)
        self._reducing = asyncio.Lock()
        self._known: dict[Kind, set[str]] = {}
        self._events: list[tuple[Kind, str]] = []
        options = zookeeper_options(settings)
        self.source = ZooKeeperSource(options, metrics, self.time.clock, self.tree.open_session)

    async def publish(self, *updates: SourceUpdate) -> None:
        """Take updates of the source, as its sink."""
        async with self._reducing:
            await self._reducer.reduce(updates)

    async def take(self, step: Step) -> None:
        """Let a step happen and its time pass."""
        self.tree.errors = {path: SourceUnavailable("no answer") for path in step.unreadable}
        for url in step.register:
            self.tree.put(_path(url))
        for url in step.deregister:
            self.tree.remove(_path(url))
        for interface in step.remove:
            self.tree.remove(f"/dubbo/{interface}")
        await self.time.advance(step.after_s)
        await self.publish()

    def take_events(self, kinds: set[Kind]) -> list[str]:
        """Return what has been told of these kinds since the last look."""
        events, self._events = self._events, []
        return sorted(event for kind, event in events if kind in kinds)

    def view(self, name: str) -> object:
        """Return what is there now, in the words of a step."""
        match name:
            case "entries":
                return [shared._tree(each.entry) for each in self._list(Kind.SERVICE_ENTRY)]
            case "sidecars":
                return [_decode(each) for each in self._list(Kind.SIDECAR)]
            case "calls":
                return _print_calls(self.source.calls())
            case "used":
                return {name: each["consumes"] for name, each in _print_calls(self.source.used_calls()).items()}
            case _:
                found = self.source.instances()
                return {service: [each.address for each in instances] for _, service, instances in found}

    def _list(self, kind: Kind) -> list[Resource]:
        resources = self._store.current.collection(kind).resources
        return [resource for _, resource in sorted(resources.items())]

    def _note(self, change: Change | None) -> None:
        if change is None:
            return
        known = self._known.setdefault(change.kind, set())
        for name in change.changed:
            self._events.append((change.kind, f"{'Updated' if name in known else 'Added'} {change.kind} {name}"))
        self._events += [(change.kind, f"Deleted {change.kind} {name}") for name in change.removed]
        known |= change.changed
        known -= change.removed


def _path(url: str) -> str:
    scheme, _, rest = url.partition("://")
    interface = rest.partition("/")[2].partition("?")[0]
    return f"/dubbo/{interface}/{'consumers' if scheme == 'consumer' else 'providers'}/{encode(url)}"


def _decode(resource: Resource) -> Tree:
    """Return a Sidecar as Google's runtime reads it."""
    envelope = message_class("istio.mcp.v1alpha1.Resource").FromString(AnyMessage.FromString(resource.any_bytes).value)
    tree = MessageToDict(envelope, descriptor_pool=descriptor_pool())
    metadata, body = tree["metadata"], tree["body"]
    del body["@type"]
    return {**{key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata}, "spec": body}


def _print_calls(steps: CallSteps) -> Tree:
    return {
        name: {"provides": list(each.provides), "consumes": list(each.consumes)} for name, each in finish(steps).items()
    }


@asynccontextmanager
async def _told(example: Example, mode: Mode) -> AsyncIterator[Story]:
    story = Story(example, mode)
    running = asyncio.ensure_future(story.source.run(story))
    try:
        yield story
    finally:
        running.cancel()
        await asyncio.wait([running])


def _cases() -> list[Any]:
    return [
        pytest.param(example, id=f"{path.stem}: {example.title}")
        for path in sorted(Path(shared.DATA).glob("steps-*.yaml"))
        for example in msgspec.convert(yaml.safe_load(path.read_text()), Rule).examples
    ]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("example", _cases())
async def test_after_every_step_exactly_what_is_written_is_served(example: Example, mode: Mode) -> None:
    """What is there is compared as a whole, and so is what was told of it: nothing else, and nothing twice."""
    looked_at = [name for name in VIEWS if any(getattr(step, name) is not None for step in example.steps)]
    kinds = {KINDS[name] for name in looked_at if name in KINDS}
    expected: Tree = dict.fromkeys(looked_at)
    async with _told(example, mode) as story:
        for number, step in enumerate(example.steps):
            await story.take(step)
            expected |= {name: getattr(step, name) for name in looked_at if getattr(step, name) is not None}
            assert (number, expected) == (number, {name: story.view(name) for name in looked_at})
            assert (number, Counter(step.events)) == (number, Counter(story.take_events(kinds)))
