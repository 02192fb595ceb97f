"""The connected gRPC clients of the simulated server: what is sent to them, what they owe, what they registered.

A client is a TCP connection, as on a real server: its id is made of the peer's address, and everything it
subscribed to or registered ends with it. All calls happen on the server's loop; nothing here waits.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from meshregistry.sim.nacos.payload import Payload
from meshregistry.sim.nacos.rpc_faults import RpcFault, RpcFaultPlan, RpcSubject
from meshregistry.sim.nacos.state import Instance, Registry, ServiceKey

_MAX_OUTBOUND = 100_000
_SERVER_IP = "127.0.0.1"
HEALTHY = RpcFault()

Address = tuple[str, int]
Render = Callable[[RpcFault], bytes]


class Timers:
    """Owner of everything that will happen later; `stop` makes it never happen."""

    def __init__(self) -> None:
        self._handles: set[asyncio.TimerHandle] = set()
        self._stopped: list[Callable[[], None]] = []

    def on_stop(self, action: Callable[[], None]) -> None:
        """Call it when everything is forgotten."""
        self._stopped.append(action)

    def start(self, delay_s: float, action: Callable[[], object]) -> asyncio.TimerHandle:
        """Do it after so many seconds; needs a running loop."""

        def fire() -> None:
            self._handles.discard(handle)
            action()

        handle = asyncio.get_running_loop().call_later(delay_s, fire)
        self._handles.add(handle)
        return handle

    def cancel(self, handle: asyncio.TimerHandle) -> None:
        """Do it never."""
        handle.cancel()
        self._handles.discard(handle)

    def stop(self) -> None:
        """Forget everything."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
        for action in self._stopped:
            action()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the server's own that a client has not answered yet."""

    timer: asyncio.TimerHandle
    answered: Callable[[], object]


class Client:
    """One connection; `outbound` is drained by the stream's writer, woken by `wake`.

    At most 100,000 messages wait: a client that reads less is cut off.
    """

    def __init__(self, address: Address, setup: dict[str, object]) -> None:
        self.id = f"{time.time_ns() // 1_000_000}_{address[0]}_{address[1]}"
        self.address = address
        self.setup = setup
        self.outbound: deque[Payload] = deque()
        self.wake = asyncio.Event()
        self.ending: str = ""
        self.owed: dict[str, Asked] = {}
        self.heard_at = time.monotonic()

    def send(self, payload: Payload) -> None:
        """Queue a message."""
        if len(self.outbound) >= _MAX_OUTBOUND:
            self.end("connection")
        self.outbound.append(payload)
        self.wake.set()

    def end(self, how: str) -> None:
        """Let the writer end the `stream` or cut the `connection`."""
        self.ending = how
        self.wake.set()


class Clients:
    """Owner of the connected clients and of what they owe."""

    def __init__(self, faults: RpcFaultPlan, timers: Timers, answer_timeout_s: float) -> None:
        self._faults = faults
        self._timers = timers
        self._answer_timeout_s = answer_timeout_s
        self._clients: dict[Address, Client] = {}
        self._ids = itertools.count(1)
        self._farewells: list[Callable[[Client], None]] = []

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def __len__(self) -> int:
        return len(self._clients)

    def on_farewell(self, farewell: Callable[[Client], None]) -> None:
        """Call it with every client that is gone."""
        self._farewells.append(farewell)

    def find(self, address: Address) -> Client | None:
        """The client connected from there."""
        return self._clients.get(address)

    def connect(self, address: Address, setup: dict[str, object]) -> Client:
        """A connection has introduced itself."""
        client = self._clients[address] = Client(address, setup)
        return client

    def disconnect(self, client: Client) -> None:
        """A connection is gone, and all that hung on it."""
        if self._clients.get(client.address) is client:
            del self._clients[client.address]
        for asked in client.owed.values():
            self._timers.cancel(asked.timer)
        client.owed.clear()
        for farewell in self._farewells:
            farewell(client)

    def ask(
        self,
        client: Client,
        subject: RpcSubject,
        render: Render,
        *,
        answered: Callable[[], object] = lambda: None,
        silent: Callable[[], object] = lambda: None,
    ) -> None:
        """Send a request of the server's own; `render` makes its fields as JSON members.

        `answered` or `silent` is called once: `silent` after the answer time-out of the server.
        """
        fault = self._faults.strike(subject) or HEALTHY
        if fault.stall:
            return
        if fault.reset:
            client.end(fault.reset)
            return
        if fault.delay_s:
            self._timers.start(fault.delay_s, lambda: self._send(client, subject.type, render(fault), answered, silent))
        else:
            self._send(client, subject.type, render(fault), answered, silent)

    def greet(self, client: Client, abilities: dict[str, bool]) -> None:
        """Send the SetupAckRequest, which has no id and is never answered."""
        fault = self._faults.strike(RpcSubject("SetupAckRequest")) or HEALTHY
        if fault.stall:
            return
        body = orjson.dumps({"headers": {}, "abilityTable": abilities, "module": "internal"})
        self._timers.start(fault.delay_s, lambda: client.send(Payload("SetupAckRequest", body, client_ip=_SERVER_IP)))

    def note_answer(self, client: Client, payload: Payload) -> None:
        """A client has answered on its stream; what was not asked is ignored, as on a real server."""
        client.heard_at = time.monotonic()
        asked = client.owed.pop(str(payload.parsed().get("requestId", "")), None)
        if asked is not None:
            self._timers.cancel(asked.timer)
            asked.answered()

    def _send(
        self,
        client: Client,
        type_: str,
        fields: bytes,
        answered: Callable[[], object],
        silent: Callable[[], object],
    ) -> None:
        number = str(next(self._ids))

        def give_up() -> None:
            if client.owed.pop(number, None) is not None:
                silent()

        client.owed[number] = Asked(self._timers.start(self._answer_timeout_s, give_up), answered)
        head = b'{"headers":{},"requestId":"' + number.encode() + b'",'
        body = head + (fields + b"," if fields else b"") + b'"module":"naming"}'
        client.send(Payload(type_, body, client_ip=_SERVER_IP))


class Publications:
    """Owner of who stands behind an address that was registered over gRPC."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._owners: dict[tuple[ServiceKey, str, int], Client] = {}
        self._published: dict[Client, dict[ServiceKey, set[Address]]] = {}

    def publish(self, client: Client, key: ServiceKey, instances: Sequence[Instance]) -> None:
        """Let these be all that the client has in the service; raises RegistryRefusal, then some may be in."""
        mine = self._published.setdefault(client, {})
        before = mine.get(key, set())
        mine[key] = {(each.ip, each.port) for each in instances}
        for instance in instances:
            self._registry.register(key, instance)
            self._owners[key, instance.ip, instance.port] = client
        for address in before - mine[key]:
            self._withdraw(client, key, address)

    def withdraw(self, client: Client, key: ServiceKey) -> None:
        """Take away what the client has in the service."""
        for address in self._published.get(client, {}).pop(key, set()):
            self._withdraw(client, key, address)

    def forget(self, client: Client) -> None:
        """Take away all that the client has; what another connection has registered since stays."""
        for key in list(self._published.get(client, {})):
            self.withdraw(client, key)
        self._published.pop(client, None)

    def _withdraw(self, client: Client, key: ServiceKey, address: Address) -> None:
        if self._owners.get((key, *address)) is client:
            del self._owners[key, *address]
            self._registry.deregister(key, *address)
