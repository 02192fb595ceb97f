"""One conversation, two ways: with the pure machine, and with the whole server over TCP."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.clients import Clients
from meshregistry.xds.encode import BodyCache, encode
from meshregistry.xds.incremental import Journal
from meshregistry.xds.options import AdsOptions, Rhythm
from meshregistry.xds.protocol import AdsStream
from meshregistry.xds.server import AdsServer
from meshregistry.xds.servicer import DELTA, SOTW, incremental
from meshregistry.xds.views import Catalog
from tests.support.ads_client import AdsClient
from tests.support.ads_world import Answer, commit, full_name, read_answer, write_request

LAST = "<last>"
STALE = "<stale>"
JUNK = "2026-11-22 17:28:34.889820469 +0000 UTC m=+0.091583967"
CURRENT = "<current>"
FENCE = "networking.istio.io/v1beta1/Sidecar"
"""A type that no transcript asks for, and of those that are answered last."""

NODE = ("sidecar~10.0.0.1~istiod-1.istio-system~istio-system.svc.cluster.local", {"GENERATOR": "api"})
NO_PAUSE = AdsOptions(
    host="127.0.0.1", port=0, version_stubs=False, rhythm=Rhythm(push_pause_s=0.0, delta_push_pause_s=0.0)
)


class Rig(ABC):
    """A client that acknowledges what it gets, as long as `acks` is true, and remembers nonces and names."""

    def __init__(self, dialect: str, store: SnapshotStore, node: tuple[str, dict[str, str]]) -> None:
        self.dialect = dialect
        self.store = store
        self.acks = True
        self.all: list[Answer] = []
        self._node: tuple[str, dict[str, str]] | None = node
        self._nonces: dict[str, list[str]] = {}
        self._names: dict[str, tuple[str, ...]] = {}

    async def ask(
        self,
        url: str,
        *names: str,
        nonce: str = LAST,
        unsubscribe: tuple[str, ...] = (),
        initial: dict[str, str] | None = None,
        version: str = "",
        error: str = "",
    ) -> None:
        """Send a request; in SotW `names` are the whole list, in delta those to subscribe."""
        node, self._node = self._node, None
        self._names[url] = tuple(map(full_name, names))
        data = write_request(
            self.dialect,
            url,
            nonce=self._resolve(url, nonce),
            version=version,
            names=self._names[url],
            unsubscribe=tuple(map(full_name, unsubscribe)),
            initial={full_name(name): self._version(name, value) for name, value in (initial or {}).items()},
            error=error,
            node=node,
        )
        await self.send(data)

    def commit(self, marks: dict[str, object]) -> None:
        """Change the world in one commit."""
        commit(self.store, marks)

    async def take(self) -> list[Answer]:
        """Return all answers the server has for us now, each acknowledged at once."""
        answers: list[Answer] = []
        while found := await self.flush():
            for answer in found:
                answers.append(answer)
                self._nonces.setdefault(answer.url, []).append(answer.nonce)
                if self.acks:
                    await self._acknowledge(answer)
        self.all += answers
        return answers

    async def _acknowledge(self, answer: Answer) -> None:
        names = self._names.get(answer.url, ()) if self.dialect == "sotw" else ()
        version = answer.version if self.dialect == "sotw" else ""
        await self.send(write_request(self.dialect, answer.url, nonce=answer.nonce, version=version, names=names))

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Hand a request to the server."""

    @abstractmethod
    async def flush(self) -> list[Answer]:
        """Return what the server sends before it comes to rest."""

    def _resolve(self, url: str, nonce: str) -> str:
        seen = self._nonces.get(url, [])
        if nonce == LAST:
            return seen[-1] if seen else ""
        return seen[-2] if nonce == STALE else nonce

    def _version(self, name: str, value: str) -> str:
        if value != CURRENT:
            return value
        return self.store.current.collection(Kind.SERVICE_ENTRY).resources[full_name(name)].version


class MachineRig(Rig):
    """The pure machine with its encoder; `now` is its clock."""

    def __init__(
        self,
        dialect: str,
        store: SnapshotStore,
        options: AdsOptions = NO_PAUSE,
        node: tuple[str, dict[str, str]] = NODE,
    ) -> None:
        super().__init__(dialect, store, node)
        self.now = 1000.0
        self.options = options
        self._catalog = Catalog(store)
        self._bodies = BodyCache()
        self.journal = Journal(store, options.selection)
        self.journal.begin()
        self._dialect = SOTW if dialect == "sotw" else DELTA
        if options.incremental:
            self._dialect = incremental(self.journal, options.incremental_marker)
        self.machine = AdsStream(self._dialect.new_type, options, self._catalog.look, self._catalog.cursor, "test")
        store.listen(self._catalog.note_change)
        store.listen(self.journal.note_change)
        store.listen(self._note_change)

    def _note_change(self, change: Change) -> None:
        self.machine.note_change(change, self.now)

    async def send(self, data: bytes) -> None:
        """Hand a request to the machine."""
        self.machine.receive(self._dialect.read(data), self.now)

    async def flush(self) -> list[Answer]:
        """Return what the machine sends at this time of its clock."""
        answers = []
        while (push := self.machine.next_push(self.now)) is not None:
            message = next(m for m in encode(push, self._bodies, self.options.control_plane) if m is not None)
            self.machine.note_sent(push, message.size, message.body.stubs, self.now)
            data = b"".join((message.head, *message.body.chunks, message.tail))
            assert message.size == len(data)
            answers.append(read_answer(self.dialect, data))
        return answers


class WireRig(Rig):
    """The server over TCP with a grpcio client.

    The server has come to rest when it answers a question about Sidecars: those come last.
    """

    def __init__(self, dialect: str, store: SnapshotStore, client: AdsClient, node: tuple[str, dict[str, str]]) -> None:
        super().__init__(dialect, store, node)
        self.client = client
        self._fences = 0
        self._early: list[Answer] = []

    async def send(self, data: bytes) -> None:
        """Send a request."""
        await self.client.send(data)

    async def flush(self) -> list[Answer]:
        """Return what arrives before the answer to a fence; nothing before one may still follow it, so ask twice."""
        if self._node is not None:
            return []
        return await self._pass_fence() or await self._pass_fence()

    async def _pass_fence(self) -> list[Answer]:
        fence = f"fence/{self._fences}"
        self._fences += 1
        await self.send(write_request(self.dialect, FENCE, names=(fence,)))
        answers: list[Answer] = []
        while (answer := read_answer(self.dialect, await self.client.receive())).url != FENCE:
            answers.append(answer)
        await self.send(write_request(self.dialect, FENCE, nonce=answer.nonce, names=self._fence_names(fence)))
        return answers

    def _fence_names(self, fence: str) -> tuple[str, ...]:
        return (fence,) if self.dialect == "sotw" else ()


@asynccontextmanager
async def serve(
    store: SnapshotStore, options: AdsOptions = NO_PAUSE, clients: Clients | None = None, metrics: Metrics | None = None
) -> AsyncIterator[AdsServer]:
    """Run a server on a free port; drained at the end."""
    server = AdsServer(options, store, Clients() if clients is None else clients, metrics or Metrics())
    await server.start()
    try:
        yield server
    finally:
        await server.drain()


@asynccontextmanager
async def open_rig(
    way: str,
    dialect: str,
    store: SnapshotStore,
    options: AdsOptions = NO_PAUSE,
    node: tuple[str, dict[str, str]] = NODE,
) -> AsyncIterator[Rig]:
    """Open a conversation with the "machine" alone or over the "wire"."""
    if way == "machine":
        yield MachineRig(dialect, store, options, node)
        return
    async with serve(store, replace(options, port=0)) as server, AdsClient(server.port, dialect) as client:
        yield WireRig(dialect, store, client, node)
        await asyncio.sleep(0)
