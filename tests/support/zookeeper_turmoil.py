"""Everything that registers in a ZooKeeper at random, and everything that can befall the connections of its readers."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

from kazoo.client import KazooClient

from tests.support.dubbo_names import encode
from tests.support.tcp_gate import CALM, TcpGate, Weather
from tests.support.zookeeper_rig import ZooKeeperRig
from tests.support.zookeeper_session import ticket_of
from tests.support.zookeeper_testimony import APPLICATIONS, ROOT
from tests.support.zookeeper_view import View
from tests.support.zookeeper_writer import Writer, create_once, delete_once, replace_once

_TICK_S = 0.02
_INTERFACES = (*(f"com.acme.Service{number}" for number in range(11)), "com.acme.Outer$Inner")
_FLEETS = tuple(f"com.acme.Fleet{number}" for number in range(3))
_SERVICES = (("", ""), ("g1", ""), ("", "1.0.0"), ("g1", "2.0.0"))
_SCHEMES = ("dubbo", "dubbo", "tri", "rest")
_OWNERS = ("orders", "users", "stock")
_APPLICATIONS = ("shop", "bill", "team/cart")
_PORT = 20880
_MOST = 150
"""Providers, and a third of it instances: beyond that more go than come."""


class Turmoil:
    """Owner of what it has written and not removed; `changes` counts by kind. Nothing depends on it being right:
    what is there is read from the server.

    Providers of several schemes, groups and versions by IPv4, IPv6 and host name, also such as replace each other or
    stand twice for a while; whole interfaces; override nodes and rule nodes; Spring Cloud's instances.
    """

    def __init__(self, writer: Writer, seed: int = 1) -> None:
        self.changes: Counter[str] = Counter()
        self._writer = writer
        self._random = random.Random(seed)
        self._number = 0
        self._providers: dict[str, str] = {}
        """Path → the same without its timestamp and weight."""

        self._others: set[str] = set()
        self._instances: dict[str, dict[str, object]] = {}
        self._acts: Sequence[tuple[float, Callable[[KazooClient], None]]] = (
            (30, self._register),
            (20, self._deregister),
            (10, self._replace),
            (8, self._start_again),
            (10, self._add_instance),
            (8, self._change_instance),
            (7, self._remove_instance),
            (6, self._write_override),
            (6, self._write_rule),
            (8, self._remove_other),
            (4, self._remove_branch),
        )

    async def run(self, duration_s: float, rate_per_s: float = 60.0) -> None:
        """Change at the given rate; a slower server, or none, makes it slower. Cancelling waits for the last write."""
        start, done = time.monotonic(), 0
        while (elapsed_s := time.monotonic() - start) < duration_s:
            due = min(int(elapsed_s * rate_per_s) - done, int(rate_per_s))
            if due > 0:
                await self._writer.run(partial(self._act, count=due))
                done += due
            await asyncio.sleep(_TICK_S)

    def _act(self, client: KazooClient, count: int) -> None:
        weights, acts = zip(*self._acts, strict=True)
        for act in self._random.choices(acts, weights, k=count):
            act(client)

    def _register(self, client: KazooClient) -> None:
        if len(self._providers) >= _MOST:
            self._deregister(client)
        self._put_provider(client, self._new_provider())

    def _deregister(self, client: KazooClient) -> None:
        if self._providers:
            path = self._random.choice(list(self._providers))
            delete_once(client, path)
            del self._providers[path]
            self.changes["provider gone"] += 1

    def _replace(self, client: KazooClient) -> None:
        """In one transaction, so that the number of children stays."""
        if not self._providers:
            return
        gone = self._random.choice(list(self._providers))
        kind = self._providers.pop(gone)
        come = self._stamp(kind)
        replace_once(client, gone, come)
        self._providers[come] = kind
        self.changes["provider replaced"] += 1

    def _start_again(self, client: KazooClient) -> None:
        """Beside the node that a killed process has left."""
        if self._providers:
            self._put_provider(client, self._random.choice(list(self._providers.values())))

    def _put_provider(self, client: KazooClient, kind: str) -> None:
        path = self._stamp(kind)
        create_once(client, path)
        self._providers[path] = kind
        self.changes["provider come"] += 1

    def _new_provider(self) -> str:
        number = self._next()
        host = (f"10.9.{number >> 8 & 255}.{number & 255}", f"[2001:db8::{number:x}]", f"h{number}.acme.example")
        group, version = self._random.choice(_SERVICES)
        interface = self._random.choice(_INTERFACES)
        params = {"application": self._random.choice(_OWNERS), "interface": interface, "side": "provider"}
        params |= {name: value for name, value in (("group", group), ("version", version)) if value}
        query = "&".join(f"{name}={value}" for name, value in params.items())
        authority = f"{self._random.choice(host)}:{_PORT}"
        return f"{interface}|{self._random.choice(_SCHEMES)}://{authority}/{interface}?{query}"

    def _stamp(self, kind: str) -> str:
        interface, _, url = kind.partition("|")
        weight = self._random.choice(("", "&weight=0", "&weight=7", "&weight=300", "&disabled=true"))
        name = encode(f"{url}{weight}&timestamp={1_795_368_627_000 + self._next()}")
        return f"{ROOT}/{encode(interface)}/providers/{name}"

    def _add_instance(self, client: KazooClient) -> None:
        if len(self._instances) >= _MOST // 3:
            self._remove_instance(client)
        number = self._next()
        path = f"{APPLICATIONS}/{self._random.choice(_APPLICATIONS)}/{number}"
        node = {"name": "any", "id": str(number), "address": f"10.8.{number >> 8 & 255}.{number & 255}", "port": 80}
        self._instances[path] = node
        create_once(client, path, self._instance_data(node))
        self.changes["instance come"] += 1

    def _change_instance(self, client: KazooClient) -> None:
        if self._instances:
            path, node = self._random.choice(list(self._instances.items()))
            client.retry(client.set, path, self._instance_data(node))
            self.changes["instance changed"] += 1

    def _remove_instance(self, client: KazooClient) -> None:
        if self._instances:
            path = self._random.choice(list(self._instances))
            delete_once(client, path)
            del self._instances[path]
            self.changes["instance gone"] += 1

    def _instance_data(self, node: dict[str, object]) -> bytes:
        metadata = {"zone": str(self._next()), "instance_status": self._random.choice(("UP", "OUT_OF_SERVICE"))}
        return json.dumps({**node, "payload": {"metadata": metadata}}).encode()

    def _write_override(self, client: KazooClient) -> None:
        """One for each service and host, so that its order among others does not matter."""
        interface, (group, version) = self._random.choice(_INTERFACES), self._random.choice(_SERVICES)
        category = f"{ROOT}/{encode(interface)}/configurators"
        own = [urlsplit(kind.partition("|")[2]).netloc for kind in self._providers.values() if "10.9." in kind]
        host = self._random.choice([*own, *["0.0.0.0"] * len(own)] or ["0.0.0.0"])
        start = f"override://{host}/{interface}?category=configurators&dynamic=false&group={group}&version={version}"
        for path in [each for each in self._others if each.startswith(f"{category}/{encode(start)}{encode('&')}")]:
            delete_once(client, path)
            self._others.discard(path)
        values = self._random.choice(("weight=11", "weight=0", "disabled=true", "weight=40&disabled=false"))
        self._write(client, f"{category}/{encode(f'{start}&{values}')}", b"", "override")

    def _write_rule(self, client: KazooClient) -> None:
        group, version = self._random.choice(_SERVICES)
        service = f"{self._random.choice(_INTERFACES)}:{version}:{group}"
        key = self._random.choice((service, service, self._random.choice(_OWNERS)))
        parameters = self._random.choice(("weight: 5", "weight: 60", "disabled: true"))
        is_on = self._random.choice(("true", "true", "false"))
        rule = f"configVersion: v3.0\nenabled: {is_on}\nconfigs:\n- side: provider\n  parameters: {{{parameters}}}\n"
        self._write(client, f"{ROOT}/config/dubbo/{key}.configurators", rule.encode(), "rule")

    def _write(self, client: KazooClient, path: str, data: bytes, kind: str) -> None:
        if path in self._others:
            client.retry(client.set, path, data)
        else:
            create_once(client, path, data)
        self._others.add(path)
        self.changes[f"{kind} written"] += 1

    def _remove_other(self, client: KazooClient) -> None:
        if self._others:
            path = self._random.choice(sorted(self._others))
            delete_once(client, path)
            self._others.discard(path)
            self.changes["rule gone"] += 1

    def _remove_branch(self, client: KazooClient) -> None:
        """An interface with everything, or one of its categories: what comes back is told of otherwise."""
        branch = self._random.choice(("", "/providers", "/configurators"))
        path = f"{ROOT}/{encode(self._random.choice(_INTERFACES))}{branch}"
        delete_once(client, path, recursive=True)
        self._providers = {each: kind for each, kind in self._providers.items() if not each.startswith(f"{path}/")}
        self._others = {each for each in self._others if not each.startswith(f"{path}/")}
        self.changes["branch gone"] += 1

    def _next(self) -> int:
        self._number += 1
        return self._number


async def come_and_go(rig: ZooKeeperRig, duration_s: float, seed: int = 2) -> None:
    """Register providers in sessions of their own and end those: all that a process has registered goes at once."""
    dice, start, number = random.Random(seed), time.monotonic(), 0
    while time.monotonic() - start < duration_s:
        number += 1
        async with rig.another_writer(session_timeout_s=2.0) as writer:
            for port in range(1, dice.randrange(2, 7)):
                interface = dice.choice(_FLEETS)
                query = f"application=fleet&interface={interface}&timestamp={1_795_368_627_000 + number}"
                name = encode(f"dubbo://10.7.{number >> 8 & 255}.{number & 255}:{port}/{interface}?{query}")
                await writer.create(f"{ROOT}/{interface}/providers/{name}", ephemeral=True)
            await asyncio.sleep(dice.uniform(0.1, 0.8))


class Misfortune:
    """What befalls the readers behind a gate, one after the other in random order; `met` counts by kind."""

    def __init__(self, rig: ZooKeeperRig, gate: TcpGate, views: Sequence[View], seed: int = 3) -> None:
        self.met: Counter[str] = Counter()
        self._rig = rig
        self._gate = gate
        self._views = views
        self._random = random.Random(seed)

    async def run(self) -> None:
        """Go on until cancelled; then call `end`. Everything happens once before anything happens again."""
        kinds = [self._cut, self._shut, self._hold, self._truncate, self._expire, self._kill]
        while True:
            for befall in self._random.sample(kinds, len(kinds)):
                await asyncio.sleep(self._random.uniform(0.2, 0.6))
                await befall()
                self.met[befall.__name__.removeprefix("_")] += 1

    async def end(self) -> None:
        """Let everything through to a running server."""
        self._gate.calm()
        await self._rig.start()

    async def _cut(self) -> None:
        self._gate.cut()

    async def _shut(self) -> None:
        self._gate.shut()
        await asyncio.sleep(self._random.uniform(0.2, 0.6))
        self._gate.open()

    async def _hold(self) -> None:
        self._gate.hold()
        await asyncio.sleep(self._random.uniform(0.2, 0.6))
        self._gate.calm()

    async def _truncate(self) -> None:
        self._gate.weather = Weather(cut_after=self._random.randrange(60, 4000))
        await asyncio.sleep(self._random.uniform(0.2, 0.6))
        self._gate.weather = CALM

    async def _expire(self) -> None:
        for view in self._views:
            (registry,) = view.source._registries
            ticket = ticket_of(registry._session)  # type: ignore[arg-type]
            if ticket.session_id:
                await self._rig.expire(ticket.session_id, ticket.password)

    async def _kill(self) -> None:
        await self._rig.kill()
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        await self._rig.start()
