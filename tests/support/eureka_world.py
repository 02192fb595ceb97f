"""Simulated servers without sockets, and a registry reader on them, all on one clock that the test owns."""

import zlib
from collections.abc import Mapping

from meshregistry.errors import SourceDataError, SourceError, SourceUnavailable
from meshregistry.model.instance import Instance, Scope
from meshregistry.sim.eureka.api import Api
from meshregistry.sim.eureka.exchange import Call, Reply
from meshregistry.sim.eureka.faults import Fault, spoil
from meshregistry.sim.eureka.node import Node, NodeOptions
from meshregistry.sim.eureka.records import Record
from meshregistry.sources.eureka import client
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions
from meshregistry.sources.eureka.reader import RegistryReader
from meshregistry.sources.eureka.server import EurekaServer
from meshregistry.sources.readiness import Readiness
from meshregistry.telemetry.metrics import Metrics
from tests.support.eureka_model import Services
from tests.support.source_fakes import ManualClock

_SCOPE = Scope("eureka", "", "", "")
_GZIP_WINDOW = 31
_DOWN = 0


class EurekaWorld:
    """Two peers that behave as the product does by default, and what our source makes of them."""

    def __init__(self, options: NodeOptions) -> None:
        self.clock = ManualClock()
        self.nodes = [Node(self.clock.clock.unix, options) for _ in range(2)]
        self.nodes[0].join(self.nodes[1])
        self.faults: list[Fault | None] = [None, None]
        self.view = Services()
        self._apis = [Api(node, "", "") for node in self.nodes]
        server = EurekaServerOptions(addresses=("http://peer0/eureka", "http://peer1/eureka"))
        every = EurekaOptions(servers=(server,))
        metrics = Metrics()
        self._readiness = Readiness("eureka", frozenset({_SCOPE}), metrics, self.clock.clock)
        reader = RegistryReader(_SCOPE, server, every, metrics, self.clock.clock)
        self._server = EurekaServer(reader, every, self._get, self._resolve, self.clock.clock)

    @property
    def page(self) -> Mapping[str, object]:
        """The registry's part of the status page."""
        return self._server.describe()

    @property
    def all_down(self) -> bool:
        """Whether no server answers."""
        return all(fault is not None and fault.status == _DOWN for fault in self.faults)

    def register(self, number: int, application: str, id_: str, ip: str) -> None:
        """Let a client register with one server."""
        dirty_ms = int(self.clock.clock.unix() * 1000)
        record = Record(app=application, id=id_, ip=ip, host=ip, dirty_ms=dirty_ms)
        self.nodes[number].change(
            lambda registry: registry.register(record),
            lambda registry: registry.register(record, is_replication=True),
        )

    async def poll(self, after_s: float) -> SourceError | None:
        """Read the registry some time after the last reading; returns the error if there is one."""
        self.clock.time += after_s
        try:
            await self._server.poll(self.view, self._readiness)
        except SourceError as error:
            return error
        return None

    def shown(self, number: int) -> dict[str, tuple[Instance, ...]]:
        """What a reader of a server's registry, past its caches, should make of it."""
        self.nodes[number].registry.settle()
        return {
            name: tuple(
                sorted({Instance(lease.record.ip, 8080) for lease in members.values() if lease.record.status == "UP"})
            )
            for name, members in self.nodes[number].registry.applications.items()
        }

    async def _get(self, node: client.Node, path: str, regions: str, headers: Mapping[str, str]) -> list[bytes]:
        """Answer as `EurekaClient.get`."""
        number = int(node.base.removeprefix("http://peer").partition("/")[0])
        parts = tuple(path.strip("/").split("/"))
        given = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        call = Call("GET", f"/eureka{path}", parts, {}, given)
        reply = self._apis[number].answer(call, self.clock.clock.unix())
        fault = self.faults[number]
        if fault is not None and fault.status == _DOWN:
            raise SourceUnavailable(f"{node}{path}: refused")
        if fault is not None and fault.fits(call):
            reply = spoil(fault, call, reply)
        body = _unpacked(reply)
        if reply.status != 200:
            raise client.error_of(client.Answer(reply.status, [body], ""), f"{node}{path}")
        return [body]

    async def _resolve(self, host: str) -> list[str]:
        raise OSError(f"{host}: nothing to look up")


def _unpacked(reply: Reply) -> bytes:
    if not reply.gzipped:
        return reply.body
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    body = unpacker.decompress(reply.body)
    if not unpacker.eof:
        raise SourceDataError("a compressed body that ends early")
    return body
