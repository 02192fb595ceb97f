"""`python -m benchmarks.ads_server`: the service with a registry of its own inside, which changes when told.

Everything from the inbox to the wire is the product's: reducer, store, ADS server, event loop. Only the registry is
left out, so that what a push costs is not lost in what a poll costs. JSON lines steer it: `{"changes": 1000,
"per_s": 1000}` replaces one instance of so many services, one after the other at that pace; every line, an empty
order too, is answered by one with what was used since the line before. `"watch": true` looks for blocks of the loop
until the next order: the clock for it uses more than a push does, so CPU is measured without.
"""

import argparse
import asyncio
import gc
import ipaddress
import itertools
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import uvloop

from meshregistry.model.events import ScopeListing, ServiceReading, SourceSynced
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.service_entry import Kind
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.inbox import Inbox
from meshregistry.store.reducer import Reducer
from meshregistry.store.rules import SourceRules
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder
from meshregistry.xds.clients import Clients
from meshregistry.xds.options import AdsOptions
from meshregistry.xds.server import AdsServer

_SCOPE = Scope("nacos", "", "public", "DEFAULT_GROUP")
_SAMPLE_S = 0.005


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of input."""

    changes: int = 0
    per_s: float = 1000.0
    watch: bool = False


class Usage(msgspec.Struct, frozen=True):
    """One line of output; seconds."""

    changed_at: tuple[float, ...]
    """When each change was handed to the reducer, monotonic: the instant from which its latency counts."""

    cpu_s: float
    block_s: float
    """The longest time the loop did not come round, as a clock saw it: with the waits for a processor; 0 unwatched."""

    block_cpu_s: float
    """The same in CPU time of the loop's thread, which other processes cannot add to."""


class Blocks:
    """Notes how long the loop does not come round; reset by each look."""

    def __init__(self) -> None:
        self._longest_s = self._longest_cpu_s = 0.0
        self.watched = asyncio.Event()

    def take(self) -> tuple[float, float]:
        """Return the longest block since the last look, by clock and by CPU."""
        longest = self._longest_s, self._longest_cpu_s
        self._longest_s = self._longest_cpu_s = 0.0
        return longest

    async def watch(self) -> None:
        """Sample while it is wanted, for ever."""
        while True:
            await self.watched.wait()
            before, cpu_before = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_SAMPLE_S)
            late_s = time.perf_counter() - before - _SAMPLE_S
            self._longest_s = max(self._longest_s, late_s)
            self._longest_cpu_s = max(self._longest_cpu_s, min(late_s, time.thread_time() - cpu_before))


class Registry:
    """Owns the instances; each change moves one instance of the next service to a new address."""

    def __init__(self, services: int, instances: int) -> None:
        addresses = itertools.count(int(ipaddress.IPv4Address("10.0.0.1")))
        self._services = {
            ServiceKey(_SCOPE, f"svc-{number:05d}"): tuple(_instance(next(addresses)) for _ in range(instances))
            for number in range(services)
        }
        self._turn = itertools.cycle(tuple(self._services))
        self._new_addresses = itertools.count(int(ipaddress.IPv4Address("11.0.0.0")))

    def listing(self) -> ScopeListing:
        """Return everything."""
        services = {key.name: instances for key, instances in self._services.items()}
        return ScopeListing(_SCOPE, frozenset(services), services)

    def change(self) -> ServiceReading:
        """Change the next service and return its reading."""
        key = next(self._turn)
        self._services[key] = (*self._services[key][1:], _instance(next(self._new_addresses)))
        return ServiceReading(key, self._services[key], time.monotonic())


def _instance(number: int) -> Instance:
    metadata = {"preserved.register.source": "SPRING_CLOUD", "version": f"v{number % 2 + 1}", "zone": "az-1"}
    return Instance(str(ipaddress.IPv4Address(number)), 8080, cluster="DEFAULT", metadata=tuple(metadata.items()))


async def serve(port: int, registry: Registry) -> None:
    """Serve and obey until the input ends."""
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    metrics = Metrics()
    store = SnapshotStore({Kind.SERVICE_ENTRY})
    rules = {"nacos": SourceRules(ConversionPolicy(), GuardPolicy())}
    reducer = Reducer(store, ResourceEncoder(datetime(2100, 1, 1, tzinfo=UTC)), rules, metrics)
    server = AdsServer(AdsOptions(host="127.0.0.1", port=port), store, Clients(), metrics)
    inbox, blocks = Inbox(metrics), Blocks()
    await server.start()
    await reducer.reduce([registry.listing(), SourceSynced("nacos")])
    # As the application does when its first snapshot is complete.
    gc.set_threshold(10_000, 100, 100)
    gc.freeze()
    with suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(reducer.run(inbox)), tasks.create_task(blocks.watch())]
            await _obey(orders, registry, inbox, blocks)
            for task in work:
                task.cancel()
    await server.drain()


async def _obey(orders: asyncio.StreamReader, registry: Registry, inbox: Inbox, blocks: Blocks) -> None:
    cpu_before = time.process_time()
    _answer(Usage((), cpu_before, *blocks.take()))
    while line := await orders.readline():
        order = msgspec.json.decode(line, type=Order)
        if order.watch:
            blocks.watched.set()
        changed_at = await _change(order, registry, inbox)
        cpu = time.process_time()
        _answer(Usage(changed_at, cpu - cpu_before, *blocks.take()))
        if not order.watch:
            blocks.watched.clear()
        cpu_before = cpu


async def _change(order: Order, registry: Registry, inbox: Inbox) -> tuple[float, ...]:
    begun, changed_at = time.monotonic(), []
    for number in range(order.changes):
        await asyncio.sleep(max(begun + number / order.per_s - time.monotonic(), 0))
        reading = registry.change()
        changed_at.append(reading.observed_at)
        await inbox.publish(reading)
    return tuple(changed_at)


def _answer(usage: Usage) -> None:
    print(msgspec.json.encode(usage).decode(), flush=True)


def main() -> None:
    """Run until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--services", type=int, required=True)
    parser.add_argument("--instances", type=int, required=True)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.port, Registry(arguments.services, arguments.instances)))


if __name__ == "__main__":
    main()
