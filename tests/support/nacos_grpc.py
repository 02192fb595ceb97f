"""A Nacos gRPC client of the tests' own, on grpcio: the JSON is written by hand and kept as it came.

It shares no line with the product's client or the simulator, so what it sees of both kinds of servers is evidence.
grpcio's blocking API with a thread for the stream: its asyncio API binds itself to the first event loop it meets,
and every test here has a loop of its own.
"""

import asyncio
import json
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf.message_factory import GetMessageClass

from tests.support.proto_descriptors import descriptor_pool

TIMEOUT_S = 10.0
_OFFSET = 1000
# Without a pool of its own a closed channel's connection lives on for seconds.
_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 64 * 1024 * 1024)]


@dataclass(frozen=True, slots=True)
class Message:
    """What came: the bare type name and the JSON."""

    type: str
    body: dict[str, Any]


class NacosGrpc:
    """One connection to a server's gRPC port for one namespace, without a stream until `introduce`.

    `seen` is everything the server has sent on the stream; each request is answered unless `mute`.
    """

    def __init__(self, base_url: str, namespace: str, headers: Mapping[str, str] | None = None) -> None:
        self.namespace = namespace
        self.headers = headers or {}
        self.mute = False
        self.seen: list[Message] = []
        self.ended = asyncio.Event()
        self._changed = asyncio.Event()
        self._channel: Any = grpc.insecure_channel(grpc_address(base_url), _OPTIONS)
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._call: Any = None

    async def ask(self, type_: str, **body: Any) -> Message:
        """Send a request as it is and return the answer; raises grpc.RpcError."""
        call = self._channel.unary_unary("/Request/request")
        return _message(await asyncio.to_thread(call, _payload(type_, body, self.headers), TIMEOUT_S))

    async def ask_naming(self, type_: str, service: str = "", group: str = "DEFAULT_GROUP", **body: Any) -> Message:
        """Send a request about a service of the namespace."""
        return await self.ask(type_, namespace=self.namespace, serviceName=service, groupName=group, **body)

    async def subscribe(self, service: str, group: str = "DEFAULT_GROUP", *, subscribe: bool = True) -> Message:
        """Subscribe to a service, or end that."""
        return await self.ask_naming("SubscribeServiceRequest", service, group, clusters="", subscribe=subscribe)

    async def register(self, service: str, ip: str, port: int, **extra: Any) -> Message:
        """Register this connection's one instance of a service."""
        instance = instance_json(ip, port, **extra)
        return await self.ask_naming("InstanceRequest", service, type="registerInstance", instance=instance)

    async def deregister(self, service: str, ip: str, port: int) -> Message:
        """Take it away again."""
        instance = instance_json(ip, port)
        return await self.ask_naming("InstanceRequest", service, type="deregisterInstance", instance=instance)

    async def watch(self, *, initializing: bool = True, known: list[str] | None = None, kind: str = "WATCH") -> Message:
        """Watch all services of the namespace."""
        return await self.ask(
            "NamingFuzzyWatchRequest",
            initializing=initializing,
            namespace=self.namespace,
            groupKeyPattern=f"{self.namespace}>>*>>*",
            receivedGroupKeys=known or [],
            watchType=kind,
        )

    async def introduce(self) -> None:
        """Check the server and open the stream; returns when the server knows the connection."""
        checked = await self.ask("ServerCheckRequest")
        assert 200 == checked.body["resultCode"], checked
        labels = {"source": "sdk", "module": "naming", "AppName": "test"}
        setup = {"clientVersion": "test:v0", "tenant": self.namespace, "labels": labels, "abilityTable": {}}
        self._requests.put(_payload("ConnectionSetupRequest", setup, {}))
        method = self._channel.stream_stream("/BiRequestStream/requestBiStream")
        self._call = method(iter(self._requests.get, None))
        self._thread = threading.Thread(target=self._read, args=(asyncio.get_running_loop(),), daemon=True)
        self._thread.start()
        await self.until(lambda seen: any(each.type == "SetupAckRequest" for each in seen))

    async def until(self, condition: Callable[[list[Message]], bool], timeout_s: float = TIMEOUT_S) -> list[Message]:
        """Wait for messages; on time-out fails with the last that came."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition(self.seen):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not among {len(self.seen)} messages: {self.seen[-5:]}") from None
        return self.seen

    async def until_hosts(self, service: str, wanted: list[str], timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Wait for a push of the service with exactly these addresses; returns its serviceInfo."""
        await self.until(lambda seen: any(_shows(each, service, wanted) for each in seen), timeout_s)
        return next(each.body["serviceInfo"] for each in reversed(self.seen) if _shows(each, service, wanted))

    async def close(self) -> None:
        """Close the connection."""
        self._requests.put(None)
        await asyncio.to_thread(self._channel.close)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            for data in self._call:
                loop.call_soon_threadsafe(self._take, _message(data))
        except grpc.RpcError:
            pass
        finally:
            loop.call_soon_threadsafe(self.ended.set)

    def _take(self, message: Message) -> None:
        if "requestId" in message.body and not self.mute:
            answer = {"resultCode": 200, "errorCode": 0, "requestId": message.body["requestId"]}
            self._requests.put(_payload(message.type.replace("Request", "Response"), answer, {}))
        self.seen.append(message)
        self._changed.set()


@asynccontextmanager
async def connected(
    base_url: str, namespace: str = "public", headers: Mapping[str, str] | None = None
) -> AsyncIterator[NacosGrpc]:
    """Yield a connection that the server knows; it is closed at the end."""
    client = NacosGrpc(base_url, namespace, headers)
    try:
        await client.introduce()
        yield client
    finally:
        await client.close()


def grpc_address(base_url: str) -> str:
    """Return the gRPC address of the server with this HTTP address."""
    parts = urlsplit(base_url)
    return f"{parts.hostname}:{(parts.port or 80) + _OFFSET}"


def instance_json(ip: str, port: int, **extra: Any) -> dict[str, Any]:
    """Return an ephemeral instance as SDKs send it."""
    known = {"ip": ip, "port": port, "weight": 1.0, "healthy": True, "enabled": True, "ephemeral": True}
    return {**known, "clusterName": "DEFAULT", "metadata": {}, **extra}


def hosts(message: Message) -> list[str]:
    """Return the addresses of a message with a serviceInfo, sorted."""
    return sorted(f"{host['ip']}:{host['port']}" for host in message.body["serviceInfo"]["hosts"])


def _shows(message: Message, service: str, wanted: list[str]) -> bool:
    return message.body.get("serviceInfo", {}).get("name") == service and hosts(message) == wanted


@cache
def _payload_class() -> Any:
    return GetMessageClass(descriptor_pool().FindMessageTypeByName("Payload"))


def _payload(type_: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    payload = _payload_class()()
    payload.metadata.type = type_
    payload.metadata.clientIp = "127.0.0.1"
    payload.metadata.headers.update(headers)
    payload.body.value = json.dumps(body).encode()
    return bytes(payload.SerializeToString())


def _message(data: bytes) -> Message:
    payload = _payload_class().FromString(data)
    return Message(payload.metadata.type, json.loads(payload.body.value or b"{}"))
