"""One registry: its peers, which of them is asked, and one reading of its scope."""

from collections import Counter
from collections.abc import Iterator

from meshregistry.errors import SourceError
from meshregistry.model.events import ScopeConfirmed, Sink
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.sources.eureka.addresses import configured_nodes, resolved_nodes
from meshregistry.sources.eureka.client import Node, authorization
from meshregistry.sources.eureka.connection import Connection, Get
from meshregistry.sources.eureka.nodes import Nodes
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions
from meshregistry.sources.eureka.reader import Fetched, RegistryReader
from meshregistry.sources.failures import displayed, worst
from meshregistry.sources.polling import Clock
from meshregistry.sources.readiness import Readiness
from meshregistry.sources.resolving import Resolve


class EurekaServer:
    """Reads one registry. Owner of the list of its peers and of the choice among them.

    A peer that fails is left for the next one within the same reading. One that seems to have just started is not
    believed while another one knows more.
    """

    def __init__(
        self, reader: RegistryReader, options: EurekaOptions, get: Get, resolve: Resolve, clock: Clock
    ) -> None:
        server = self._server = reader.server
        self._get = get
        self._reader = reader
        self._resolve = resolve
        self._clock = clock
        self._resolve_period_s = options.resolve_period_s
        self._resolve_timeout_s = options.connect_timeout_s
        self._resolve_at = clock.now()
        self._nodes = Nodes(() if server.resolve else configured_nodes(server.addresses), options.quarantine_s)
        self._headers = {Node(node.base): authorization(server, address) for address, node in _pairs(server)}

    @property
    def scope(self) -> Scope:
        """The scope of the registry."""
        return self._reader.scope

    @property
    def healthy(self) -> bool:
        """Whether the latest reading succeeded."""
        return self._reader.status.healthy

    @property
    def is_failing(self) -> bool:
        """Whether the latest reading failed."""
        return self._reader.status.is_failing

    async def poll(self, sink: Sink, readiness: Readiness) -> float:
        """Read the registry once; returns the period that suits what was read, seconds.

        Raises SourceError; then what is known stays. Cancelling it is safe.
        """
        try:
            await self._read(sink)
        except SourceError as error:
            self._reader.status.fail(error)
            await self._reader.status.first_word.miss(sink)
            raise
        self._reader.status.succeed()
        await sink.publish(ScopeConfirmed(self.scope, self._clock.now()))
        await readiness.note_read(self.scope, sink)
        return self._reader.next_period_s()

    def read_again(self) -> None:
        """Have the next reading fetch everything."""
        self._reader.read_again()

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published; others may come and go meanwhile."""
        return self._reader.known()

    def describe(self) -> dict[str, object]:
        """Return the registry's part of the status page: no secrets, addresses without credentials."""
        current = self._nodes.current
        return {
            "registry_id": self._server.registry_id,
            "addresses": [displayed(address) for address in self._server.addresses],
            "address": str(current) if current else None,
            **self._reader.describe(),
            "peers": self._nodes.describe(self._clock.now()),
        }

    async def _read(self, sink: Sink) -> None:
        await self._look_up()
        errors: list[SourceError] = []
        doubtful: dict[Node, Fetched] = {}
        for node in self._nodes.candidates(self._clock.now()):
            connection = Connection(self._get, node, self._headers[Node(node.base)], self._server)
            try:
                fetched = await self._reader.read(connection, sink)
            except SourceError as error:
                errors.append(error)
                self._nodes.fail(node, error, self._clock.now())
                continue
            if fetched is None:
                self._nodes.succeed(node)
                return
            doubtful[node] = fetched
        if not doubtful:
            self._reader.end_hold()
            raise worst(errors)
        node, fetched = max(doubtful.items(), key=lambda item: item[1].view.size)
        await self._reader.hold_back(fetched, sink)
        self._nodes.succeed(node)

    async def _look_up(self) -> None:
        if not self._server.resolve or self._clock.now() < self._resolve_at:
            return
        try:
            self._nodes.replace(await resolved_nodes(self._server.addresses, self._resolve, self._resolve_timeout_s))
        except SourceError:
            if not self._nodes.all:
                raise
        else:
            self._resolve_at = self._clock.now() + self._resolve_period_s


def _pairs(server: EurekaServerOptions) -> list[tuple[str, Node]]:
    return [(address, node) for address in server.addresses for node in configured_nodes((address,))]


def configured_scopes(servers: tuple[EurekaServerOptions, ...]) -> tuple[Scope, ...]:
    """Return the scope of each registry; where registries share an id (none given), the first address tells them apart.

    The registry id goes into the instances' metadata, so it cannot be made up.
    """
    shared = Counter(server.registry_id for server in servers)
    scopes: dict[Scope, None] = {}
    for server in servers:
        place = displayed(server.addresses[0]) if shared[server.registry_id] > 1 and server.addresses else ""
        scope = Scope("eureka", server.registry_id, place, "")
        scopes[scope if scope not in scopes else scope._replace(namespace=f"{place}#{len(scopes)}")] = None
    return tuple(scopes)
