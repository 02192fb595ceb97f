"""The gRPC port of the simulated server: connections, the stream of each, and how they end.

grpclib's own close leaves the TCP connections open, and the protocol lives and dies with these: every connection
is known here and can be cut.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import orjson
from grpclib.config import Configuration
from grpclib.const import Cardinality
from grpclib.const import Handler as Method
from grpclib.exceptions import ProtocolError, StreamTerminatedError
from grpclib.protocol import H2Protocol
from grpclib.server import Handler, Server, Stream

from meshregistry.grpc.messages import BytesCodec
from meshregistry.sim.nacos.clients import HEALTHY, Address, Client, Clients, Timers
from meshregistry.sim.nacos.payload import Payload, PayloadError, pack, unpack
from meshregistry.sim.nacos.rpc import NamingRpc, refuse
from meshregistry.sim.nacos.rpc_faults import RpcFault, RpcFaultPlan, RpcSubject
from meshregistry.sim.nacos.traffic import Traffic

_Stream = Stream[bytes, bytes]
_STARTING, _UNREGISTERED, _NO_HANDLER = 300, 301, 302


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcOptions:
    """How the gRPC side behaves; the delays are a real server's defaults.

    Servers before 2.3 do not negotiate abilities. `probe_idle_s` is how long a client may be silent before it is
    asked whether it lives, `answer_timeout_s` what it has to answer that, or a push.
    """

    negotiates: bool = True
    push_delay_s: float = 0.5
    answer_timeout_s: float = 5.0
    probe_idle_s: float = 20.0
    probe_period_s: float = 3.0
    tls: ssl.SSLContext | None = None


class RpcServer:
    """Owns the listener, its connections, and the probing of silent clients."""

    def __init__(
        self, rpc: NamingRpc, clients: Clients, faults: RpcFaultPlan, timers: Timers, traffic: Traffic
    ) -> None:
        self._rpc = rpc
        self._clients = clients
        self._faults = faults
        self._timers = timers
        self._traffic = traffic
        self._abilities: dict[str, bool] | None = None
        self._options = RpcOptions()
        self._listener: _Listener | None = None

    async def start(self, host: str, port: int, options: RpcOptions, abilities: dict[str, bool]) -> None:
        """Listen; raises OSError if the port is taken."""
        self._options = options
        self._abilities = abilities if options.negotiates else None
        self._listener = _Listener(self)
        await self._listener.start(host, port, ssl=options.tls)
        self._timers.start(options.probe_period_s, self._probe)

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        listener.close()
        self.cut()
        listener.cut_all()
        await listener.wait_closed()

    def cut(self) -> None:
        """Cut every client's connection, as the end of a process does."""
        for client in self._clients:
            self._clients.disconnect(client)
            self.cut_connection(client.address)

    def cut_connection(self, address: Address) -> None:
        """Cut the connection from this address at once."""
        if self._listener is not None:
            self._listener.cut(address)

    def redirect(self, host: str, port: int) -> int:
        """Ask every client to connect to another server; returns how many were asked."""
        fields = orjson.dumps({"serverIp": host, "serverPort": str(port)})[1:-1]
        for client in self._clients:
            self._redirect(client, fields + b',"connectionId":' + orjson.dumps(client.id))
        return len(self._clients)

    def _redirect(self, client: Client, fields: bytes) -> None:
        self._clients.ask(client, RpcSubject("ConnectResetRequest"), lambda _fault: fields)

    def detect(self) -> int:
        """Ask every client whether it lives; one that does not answer in time loses its connection."""
        for client in self._clients:
            self._detect(client)
        return len(self._clients)

    def _probe(self) -> None:
        now = time.monotonic()
        for client in self._clients:
            if now - client.heard_at >= self._options.probe_idle_s:
                self._detect(client)
        self._timers.start(self._options.probe_period_s, self._probe)

    def _detect(self, client: Client) -> None:
        subject = RpcSubject("ClientDetectionRequest")
        self._clients.ask(client, subject, lambda _fault: b"", silent=lambda: client.end("connection"))

    def __mapping__(self) -> dict[str, Method]:
        """The two methods, by path, for grpclib."""
        return {
            "/Request/request": Method(self._request, Cardinality.UNARY_UNARY, bytes, bytes),
            "/BiRequestStream/requestBiStream": Method(self._converse, Cardinality.STREAM_STREAM, bytes, bytes),
        }

    async def _request(self, stream: _Stream) -> None:
        payload = await _receive(stream)
        if payload is None:
            return
        self._traffic.enter("GRPC", payload.type)
        try:
            subject = self._rpc.subject(payload)
            fault = self._faults.strike(subject) or HEALTHY
            await asyncio.sleep(fault.delay_s)
            if fault.stall:
                await asyncio.Event().wait()
            if fault.reset:
                await self._end(stream, fault.reset)
                return
            await stream.send_message(pack(self._answer(_address(stream), payload, fault)))
        finally:
            self._traffic.leave()

    def _answer(self, address: Address, payload: Payload, fault: RpcFault) -> Payload:
        """The order of the checks is that of GrpcRequestAcceptor."""
        if payload.type == "ServerCheckRequest":
            return self._check(address, fault)
        if not self._rpc.knows(payload.type):
            return refuse(_NO_HANDLER, "RequestHandler Not Found")
        client = self._clients.find(address)
        if client is None:
            return refuse(_UNREGISTERED, "Connection is unregistered.")
        if fault.error_code in {_UNREGISTERED, _STARTING}:
            return refuse(fault.error_code, "Connection is unregistered.")
        client.heard_at = time.monotonic()
        return self._rpc.answer(client, payload, fault)

    def _check(self, address: Address, fault: RpcFault) -> Payload:
        if fault.error_code is not None:
            return refuse(fault.error_code, "Server is starting,please try later.")
        known = self._clients.find(address)
        id_ = known.id if known else f"{time.time_ns() // 1_000_000}_{address[0]}_{address[1]}"
        negotiation = {} if self._abilities is None else {"supportAbilityNegotiation": True}
        body = {"resultCode": 200, "errorCode": 0, "connectionId": id_, **negotiation, "success": True}
        return Payload("ServerCheckResponse", orjson.dumps(body))

    async def _converse(self, stream: _Stream) -> None:
        first = await _receive(stream)
        if first is None or first.type != "ConnectionSetupRequest":
            return
        client = self._clients.connect(_address(stream), first.parsed())
        self._traffic.requests[f"GRPC {first.type}"] += 1
        if self._abilities is not None and "abilityTable" in client.setup:
            self._clients.greet(client, self._abilities)
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write(stream, client))
                await self._read(stream, client)
                writer.cancel()
        finally:
            self._clients.disconnect(client)

    async def _read(self, stream: _Stream, client: Client) -> None:
        while (payload := await _receive(stream)) is not None:
            with contextlib.suppress(PayloadError):
                self._clients.note_answer(client, payload)

    async def _write(self, stream: _Stream, client: Client) -> None:
        while not client.ending:
            await client.wake.wait()
            client.wake.clear()
            while client.outbound and not client.ending:
                with contextlib.suppress(StreamTerminatedError, ProtocolError):
                    message = client.outbound.popleft()
                    if message.type == "NotifySubscriberRequest":
                        self._traffic.pushed_at = time.monotonic()
                    await stream.send_message(pack(message))
        await self._end(stream, client.ending)

    async def _end(self, stream: _Stream, how: str) -> None:
        if how == "connection":
            self.cut_connection(_address(stream))
        else:
            await stream.cancel()


class _Listener(Server):
    """grpclib's server; knows its connections by the address of the peer."""

    def __init__(self, service: RpcServer) -> None:
        super().__init__([service], codec=BytesCodec(), config=Configuration())
        self._connections: dict[Address, asyncio.Transport] = {}

    def cut(self, address: Address) -> None:
        """Cut the connection from there."""
        transport = self._connections.get(address)
        if transport is not None:
            transport.abort()

    def cut_all(self) -> None:
        """Cut every connection."""
        for transport in list(self._connections.values()):
            transport.abort()

    def _protocol_factory(self) -> H2Protocol:
        self.__gc_step__()
        handler = Handler(self._mapping, self._codec, self._status_details_codec, self.__dispatch__)
        self._handlers.add(handler)
        protocol = _Protocol(handler, self._config, self._h2_config)
        protocol.note = self._note
        return protocol

    def _note(self, address: Address, transport: asyncio.Transport | None) -> None:
        if transport is None:
            self._connections.pop(address, None)
        else:
            self._connections[address] = transport


class _Protocol(H2Protocol):
    """One connection, which tells its listener of its making and its loss."""

    note: Callable[[Address, asyncio.Transport | None], None]
    _address: Address = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the HTTP/2 conversation."""
        super().connection_made(transport)
        host, port, *_ = transport.get_extra_info("peername") or ("", 0)
        self._address = (str(host), int(port))
        # uvloop's transports are none by inheritance.
        self.note(self._address, cast("asyncio.Transport", transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        """End every stream of the connection."""
        super().connection_lost(exc)
        self.note(self._address, None)


def _address(stream: _Stream) -> Address:
    host, port, *_ = stream.peer.addr() or ("", 0)
    return str(host), int(port)


async def _receive(stream: _Stream) -> Payload | None:
    """The next payload; None when the client has ended its side, or what it sent is none."""
    data = await stream.recv_message()
    try:
        return None if data is None else unpack(data)
    except PayloadError:
        return None
