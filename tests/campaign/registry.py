"""A registry of the campaign: what its owners registered, how it is broken, and what it truly holds.

Meshregistry reaches every server through a gate; the campaign itself reaches it directly.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from tests.campaign.served import Endpoint, Pairs, Served, World, sort
from tests.support.tcp_gate import TcpGate, Weather

LITTER = "192.0.2."
"""Addresses of hostile records begin so; they are not part of the judged world."""

_AT_ONCE = 16
_ADDRESSES = 4096
"""They come round again, as those of a cluster do: what is remembered of each is bounded by how many there are.
A soak has used all of them before its memory is judged."""

STEERING: Final = {
    "istio.io/rev": "foreign",
    "security.istio.io/tlsMode": "istio",
    "service_account": "root",
    "topology.istio.io/network": "far",
}
"""What every fourth owner says of its instance, and what nobody may: such labels would steer the mesh."""

_PORTS = (8080, 9090)
_WEIGHTS, _REVISIONS = 3, 5


class Registration(NamedTuple):
    """What a registry holds of an endpoint: port, weight in the registry's own unit, metadata."""

    port: int
    weight: float
    metadata: Pairs


class Registry(ABC):
    """One registry with its gates. Owner of the record of what is registered in it.

    `source` is the namespace of its resources, `kind` what Meshregistry's metrics call its source, `name` what people
    call it, `is_real` whether it is a real server.
    """

    source: str
    kind: str
    name: str
    is_real: bool

    def __init__(self, network: int, guard_s: float) -> None:
        self.guard_s = guard_s
        self.owned: set[Endpoint] = set()
        self.ever: dict[Endpoint, set[Registration]] = {}
        """Everything that was ever registered."""

        self.gates: list[TcpGate] = []
        self._network = network
        self._count = 0
        self._revisions: dict[Endpoint, int] = {}
        self._altered: set[Endpoint] = set()
        self._gate_stack = AsyncExitStack()

    async def open(self, services: int, instances: int) -> None:
        """Start it, its gates, and register so many services of so many instances."""
        await self._open()
        for server in self._servers():
            self.gates.append(await self._gate_stack.enter_async_context(TcpGate(server).running()))
        await self.register(*(self.invent(number) for number in range(services) for _ in range(instances)))

    async def close(self) -> None:
        """Stop it."""
        await self._gate_stack.aclose()
        await self._close()

    def invent(self, service: int) -> Endpoint:
        """Return an endpoint with an address that was not used for a long time."""
        self._count = (self._count + 1) % _ADDRESSES
        address = f"10.{self._network}.{self._count >> 8}.{self._count & 255}"
        return Endpoint(self.source, f"shop-{service:03}", address)

    def take(self, dice: random.Random) -> Endpoint:
        """Choose an endpoint that its owner gives up, as nobody else may from now on."""
        endpoint = dice.choice(sorted(self.owned - self._altered))
        self.owned.discard(endpoint)
        return endpoint

    def revision(self, endpoint: Endpoint) -> int:
        """Return how often an endpoint was altered."""
        return self._revisions.get(endpoint, 0)

    def registration(self, endpoint: Endpoint) -> Registration:
        """Return what its owner says of an endpoint at present: of each port, weight and label there are several."""
        last, revision = int(endpoint.address.rpartition(".")[2]), self.revision(endpoint)
        metadata = {"app": endpoint.service, "revision": f"r{(last + revision) % _REVISIONS}"}
        if last % 4 == 0:
            metadata |= STEERING
        return Registration(_PORTS[last // 2 % 2], 1 + (last + revision) % _WEIGHTS, sort(metadata))

    async def register(self, *endpoints: Endpoint) -> None:
        """Register instances as their owners would; nobody gives up what is not registered yet."""
        self._note(endpoints)
        await self._each(endpoints, self._register)
        self.owned.update(endpoints)

    async def deregister(self, *endpoints: Endpoint) -> None:
        """Deregister instances; what nobody owns any more may leave at once."""
        self.owned.difference_update(endpoints)
        await self._each(endpoints, self._deregister)

    async def alter(self, dice: random.Random) -> None:
        """Have an owner register its instance with another weight and other labels; it stays registered throughout."""
        candidates = sorted(self.owned - self._altered)
        if not candidates:
            return
        endpoint = dice.choice(candidates)
        before = self.registration(endpoint)
        self._altered.add(endpoint)
        try:
            self._revisions[endpoint] = self.revision(endpoint) + 1
            self._note([endpoint])
            await self._replace(endpoint, before)
        finally:
            self._altered.discard(endpoint)

    async def truth(self) -> World:
        """Ask the registry what it holds, past gates and records, and return what the mesh must be offered of it."""
        found = await self.read()
        numbers: dict[str, set[int]] = {}
        for endpoint, registration in found.items():
            numbers.setdefault(endpoint.service, set()).add(registration.port)
        return {each: (self.expect(each, found[each], numbers[each.service]),) for each in found}

    def accepts(self, endpoint: Endpoint, served: Served) -> bool:
        """Tell whether an endpoint is served as it was registered at some time, whatever its service has beside it."""
        numbers = [port.number for port in served.ports]
        registrations = self.ever.get(endpoint, ())
        return any(self.expect(endpoint, each, {*numbers, each.port}) == served for each in registrations)

    async def register_again(self, but: int = 0) -> None:
        """Let every owner register again, as after its registry lost the memory; or all but so many."""
        owned = sorted(self.owned)
        await self._each(owned[: len(owned) - but], self._register)

    def shut(self) -> None:
        """Cut every connection and refuse new ones."""
        for gate in self.gates:
            gate.shut()

    def hold(self) -> None:
        """Drop everything under way: connections stay and say nothing."""
        for gate in self.gates:
            gate.hold()

    def set_weather(self, weather: Weather) -> None:
        """Treat bytes so from now on, on new connections in any case."""
        for gate in self.gates:
            gate.weather = weather
            gate.cut()

    def calm(self) -> None:
        """End every fault of the way there."""
        for gate in self.gates:
            gate.calm()

    @abstractmethod
    def settings(self) -> str:
        """Return the section of the settings file."""

    @abstractmethod
    async def read(self) -> Mapping[Endpoint, Registration]:
        """Ask the registry what it holds, past gates and records, hostile records left out."""

    @abstractmethod
    def expect(self, endpoint: Endpoint, registration: Registration, instance_ports: Iterable[int]) -> Served:
        """Return what the mesh must be offered of a registration whose service's instances listen on these ports.

        It is written by hand from the pages of the registries in docs.
        """

    @abstractmethod
    async def kill(self) -> None:
        """End it by SIGKILL; a simulator refuses connections from now on."""

    @abstractmethod
    async def start(self, *, empty: bool = False) -> None:
        """Start it where it was. What it forgets at its end it has forgotten; `empty` has it forget everything."""

    @abstractmethod
    async def pause(self) -> None:
        """SIGSTOP; a simulator says nothing any more."""

    @abstractmethod
    async def resume(self) -> None:
        """SIGCONT."""

    @abstractmethod
    async def litter(self, dice: random.Random) -> None:
        """Register what no honest owner would, at addresses that begin with LITTER."""

    @abstractmethod
    async def clean(self) -> None:
        """Remove what `litter` left."""

    @abstractmethod
    def _servers(self) -> Sequence[str]: ...

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...

    @abstractmethod
    async def _register(self, endpoint: Endpoint) -> None: ...

    @abstractmethod
    async def _deregister(self, endpoint: Endpoint) -> None: ...

    async def _replace(self, endpoint: Endpoint, before: Registration) -> None:
        """Register an endpoint in the place of what was registered of it."""
        await self._register(endpoint)

    def _note(self, endpoints: Iterable[Endpoint]) -> None:
        for endpoint in endpoints:
            self.ever.setdefault(endpoint, set()).add(self.registration(endpoint))

    async def _each(
        self, endpoints: Iterable[Endpoint], act: Callable[[Endpoint], Coroutine[object, object, None]]
    ) -> None:
        waiting = iter(endpoints)

        async def work() -> None:
            for endpoint in waiting:
                await act(endpoint)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(work())
