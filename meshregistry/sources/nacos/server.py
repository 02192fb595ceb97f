"""One registry: its nodes, which of them is in use, and one reading of all its scopes."""

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.model.events import Sink
from meshregistry.model.instance import Scope
from meshregistry.sources.nacos.client import Endpoint, NacosClient, displayed
from meshregistry.sources.nacos.connection import Connection, connect
from meshregistry.sources.nacos.login import Login
from meshregistry.sources.nacos.options import NacosOptions, NacosServerOptions
from meshregistry.sources.nacos.scope import ScopeReader
from meshregistry.sources.polling import Clock
from meshregistry.sources.readiness import Readiness
from meshregistry.telemetry.metrics import Metrics


class NacosServer:
    """Reads one registry. Owner of the choice of node and of the connection to it.

    A node that fails is left for the next one within the same reading, and the one that answered is asked first
    from then on. A reading never mixes nodes: their views may differ for seconds.
    """

    def __init__(
        self, server: NacosServerOptions, options: NacosOptions, client: NacosClient, metrics: Metrics, clock: Clock
    ) -> None:
        self._server = server
        self._client = client
        self._login = Login(server, client.post_form, options.login_pause_s, clock)
        self._endpoints = tuple(Endpoint(address, server.context_path) for address in server.addresses)
        self._current = 0
        self._connection: Connection | None = None
        self._last_seen: Connection | None = None
        self.scopes = tuple(ScopeReader(scope, options, metrics, clock) for scope in configured_scopes(server))

    @property
    def healthy(self) -> bool:
        """Whether the latest reading of every scope succeeded."""
        return all(scope.status.healthy for scope in self.scopes)

    async def poll(self, sink: Sink, readiness: Readiness) -> None:
        """Read every scope once. A scope that fails keeps what is known, and the others are read all the same.

        Raises the SourceError of the first scope that failed or is still incomplete. Cancelling it is safe.
        """
        errors: list[SourceError] = []
        for scope in self.scopes:
            try:
                complete = await self._read(scope, sink)
            except SourceError as error:
                scope.status.fail(error)
                errors.append(error)
                continue
            scope.status.succeed()
            if complete:
                await readiness.note_read(scope.scope, sink)
            else:
                errors.append(SourceUnavailable(f"{scope.scope}: some services were never read"))
        if errors:
            raise errors[0]

    def describe(self) -> dict[str, object]:
        """Return the registry's part of the status page: no secrets, addresses without credentials."""
        seen = self._last_seen
        return {
            "registry_id": self._server.registry_id,
            "addresses": [displayed(address) for address in self._server.addresses],
            "address": str(seen.endpoint) if seen else None,
            "dialect": seen.dialect.name if seen else None,
            "version": seen.dialect.version if seen else None,
            "login_refused": self._login.refusal,
            "scopes": [scope.describe() for scope in self.scopes],
        }

    async def _read(self, scope: ScopeReader, sink: Sink) -> bool:
        errors: list[SourceError] = []
        for _ in self._endpoints:
            try:
                return await scope.read(await self._connected(), sink)
            except SourceError as error:
                errors.append(error)
                self._connection = None
                self._current = (self._current + 1) % len(self._endpoints)
        raise worst(errors)

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await connect(self._client, self._endpoints[self._current], self._login)
        else:
            await self._login.prepare(self._connection.endpoint, self._connection.dialect.login_paths)
        self._last_seen = self._connection
        return self._connection


def configured_scopes(server: NacosServerOptions) -> tuple[Scope, ...]:
    """Return the scopes of a registry under Nacos's own names, each once."""
    filled = dict.fromkeys(scope.filled() for scope in server.scopes)
    return tuple(Scope("nacos", server.registry_id, scope.namespace, scope.group) for scope in filled)


def worst(errors: list[SourceError]) -> SourceError:
    """Return one error for what every node answered: of the kind that needs a human soonest, with all texts."""
    if not errors:
        return SourceUnavailable("no address is configured")
    for kind in (SourceAuthError, SourceDataError):
        if any(isinstance(error, kind) for error in errors):
            return kind("; ".join(str(error) for error in errors))
    return SourceUnavailable("; ".join(str(error) for error in errors))
