"""The demo: simulated registries whose instances come and go, the service reading them, and a mesh client watching.

Composition only, in one process: nothing here is part of the service.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from meshregistry.app import App
from meshregistry.demo_registries import DemoRegistry, make_registries
from meshregistry.settings.load import load_settings
from meshregistry.watch.command import WatchOptions, watch

CHURN_PERIOD_S = 5.0

REGISTRIES = ("nacos", "zookeeper", "eureka")

_SERVICES = {"orders": 3, "users": 2, "payments": 2, "inventory": 1}
"""Service name → instances at the start; one that has a single instance loses it for a while, the others gain one."""

_SETTINGS = """
profile: istio
aux_addr: 127.0.0.1:{http}
mcp: {{server_url: "xds://127.0.0.1:{ads}"}}
guard: {{empty_grace: 3s, delete_after: 15s}}
"""

_GUIDE = """\
Meshregistry demo: simulated {titles}, the service, and a client that does what istiod would do.

  what the mesh is offered  curl -s '{page}/xdsCache?format=yaml'
  who is connected          curl -s '{page}/clients'
  every page                http://127.0.0.1:{http}/
  another client            .venv/bin/python -m meshregistry watch 127.0.0.1:{ads}
{registries}
What is registered by hand is seen below a second later and in xdsCache. Deregistered, a service's last endpoint stays
for 3 s (guard.empty_grace), the emptied service for another 15 s (guard.delete_after).

For a real mesh, in istiod's mesh configuration (keep k8s:// or istiod forgets its CRDs):

  configSources:
  - address: xds://HOST:{ads}
  - address: k8s://

Ctrl-C stops everything. What happens in the mesh:
"""

_REGISTRY_GUIDE = """
{title}
  how it is doing           curl -s '{page}/{status}'
  one service of it         curl -s '{page}/xdsCache?gvk=networking.istio.io/v1/ServiceEntry&{orders}'
  register an instance      curl {by_hand.register}
  see it                    curl -s '{page}/xdsCache?gvk=networking.istio.io/v1/ServiceEntry&{hello}'
  deregister it             curl {by_hand.deregister}
"""


class DemoPorts(NamedTuple):
    """Where the parts listen, on loopback; those of registries that do not run are not used."""

    nacos: int
    zookeeper: int
    zookeeper_control: int
    eureka: int
    ads: int
    http: int


async def run_demo(names: Sequence[str], ports: DemoPorts, write: Callable[[str], None]) -> None:
    """Run the demo of some `REGISTRIES` until cancelled, giving each line of output to `write`.

    Raises ListenError, possibly in a group, when a port is taken. Cancelling it stops every part.
    """
    where = ports._asdict()
    all_registries = make_registries(where)
    registries = [all_registries[name] for name in names]
    text = _SETTINGS.format(**where) + "\n".join(each.settings for each in registries)
    settings = load_settings(text, {}).settings
    async with _listening(registries):
        for registry in registries:
            _populate(registry)
        write(_describe(registries, ports))
        async with asyncio.TaskGroup() as tasks:
            app = App(settings)
            tasks.create_task(app.run(asyncio.Event()))
            await app.listening.wait()
            tasks.create_task(watch(WatchOptions(f"127.0.0.1:{ports.ads}"), write))
            for number, registry in enumerate(registries):
                tasks.create_task(_churn(registry, number * CHURN_PERIOD_S / len(registries)))


def _describe(registries: Sequence[DemoRegistry], ports: DemoPorts) -> str:
    page = f"http://127.0.0.1:{ports.http}/meshregistry"
    parts = [
        _REGISTRY_GUIDE.format(
            title=each.title,
            page=page,
            status=each.status_page,
            orders=each.entry("orders"),
            hello=each.entry("hello"),
            by_hand=each.by_hand,
        )
        for each in registries
    ]
    titles = ", ".join(each.title for each in registries)
    return _GUIDE.format(titles=titles, page=page, registries="".join(parts), http=ports.http, ads=ports.ads)


@asynccontextmanager
async def _listening(registries: Sequence[DemoRegistry]) -> AsyncIterator[None]:
    try:
        for registry in registries:
            await registry.start()
        yield
    finally:
        for registry in registries:
            await registry.stop()


def _populate(registry: DemoRegistry) -> None:
    for name, count in _SERVICES.items():
        for number in range(count):
            registry.register(name, _address(registry, name, number))


def _address(registry: DemoRegistry, service: str, number: int) -> str:
    return f"10.{registry.network}.{list(_SERVICES).index(service)}.{number + 1}"


async def _churn(registry: DemoRegistry, offset_s: float) -> None:
    """Change one service after the other for ever: one more joins and leaves; an only instance leaves and returns."""
    await asyncio.sleep(offset_s)
    for name, count in itertools.cycle(_SERVICES.items()):
        address = _address(registry, name, count if count > 1 else 0)
        for change in (registry.register, registry.deregister)[:: 1 if count > 1 else -1]:
            await asyncio.sleep(CHURN_PERIOD_S)
            change(name, address)
