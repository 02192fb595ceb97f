"""The demo: a simulated Nacos whose instances come and go, the service reading it, and a mesh client watching.

Composition only, in one process: nothing here is part of the service.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from meshregistry.app import App
from meshregistry.errors import ListenError
from meshregistry.settings.load import load_settings
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import Instance, ServiceKey
from meshregistry.watch.command import WatchOptions, watch

CHURN_PERIOD_S = 5.0

_SERVICES = {"orders": 3, "users": 2, "payments": 2, "inventory": 1}
"""Service name → instances at the start; one that has a single instance loses it for a while, the others gain one."""

_SETTINGS = """
profile: istio
aux_addr: 127.0.0.1:{http}
mcp: {{server_url: "xds://127.0.0.1:{ads}"}}
nacos_source: {{enabled: true, address: ["http://127.0.0.1:{nacos}"], refresh_period: 1s}}
guard: {{empty_grace: 3s, delete_after: 15s}}
"""

_GUIDE = """\
Meshregistry demo: simulated Nacos, the service, and a client that does what istiod would do.

  what the mesh is offered  curl -s 'http://127.0.0.1:{http}/meshregistry/xdsCache?format=yaml'
  one service of it         curl -s 'http://127.0.0.1:{http}/meshregistry/xdsCache?gvk=networking.istio.io/v1/ServiceEntry&ns=nacos&name=orders.nacos'
  who is connected          curl -s 'http://127.0.0.1:{http}/meshregistry/clients'
  how Nacos is doing        curl -s 'http://127.0.0.1:{http}/meshregistry/nacos?registries=true'
  every page                http://127.0.0.1:{http}/
  another client            .venv/bin/python -m meshregistry watch 127.0.0.1:{ads}

Register an instance by hand, see it below a second later and in xdsCache. DELETE in place of POST deregisters it: a
service's last endpoint stays for 3 s (guard.empty_grace), the emptied service for another 15 s (guard.delete_after).

  curl -X POST 'http://127.0.0.1:{nacos}/nacos/v1/ns/instance?serviceName=hello&ip=10.1.2.3&port=8080'
  curl -s 'http://127.0.0.1:{http}/meshregistry/xdsCache?gvk=networking.istio.io/v1/ServiceEntry&ns=nacos&name=hello.nacos'

For a real mesh, in istiod's mesh configuration (keep k8s:// or istiod forgets its CRDs):

  configSources:
  - address: xds://HOST:{ads}
  - address: k8s://

Ctrl-C stops everything. What happens in the mesh:
"""


class DemoPorts(NamedTuple):
    """Where the three parts listen, on loopback."""

    nacos: int
    ads: int
    http: int


async def run_demo(ports: DemoPorts, write: Callable[[str], None]) -> None:
    """Run the demo until cancelled, giving each line of output to `write`.

    Raises ListenError, possibly in a group, when a port is taken. Cancelling it stops every part.
    """
    where = ports._asdict()
    settings = load_settings(_SETTINGS.format(**where), {}).settings
    async with _simulated_nacos(ports.nacos) as nacos:
        _populate(nacos)
        write(_GUIDE.format(**where))
        async with asyncio.TaskGroup() as tasks:
            app = App(settings)
            tasks.create_task(app.run(asyncio.Event()))
            await app.listening.wait()
            tasks.create_task(watch(WatchOptions(f"127.0.0.1:{ports.ads}"), write))
            tasks.create_task(_churn(nacos))


@asynccontextmanager
async def _simulated_nacos(port: int) -> AsyncIterator[SimNacos]:
    nacos = SimNacos(SimOptions(port=port))
    try:
        await nacos.start()
    except OSError as error:
        raise ListenError(f"cannot listen on 127.0.0.1:{port}: {error.strerror}") from error
    try:
        yield nacos
    finally:
        await nacos.stop()


def _populate(nacos: SimNacos) -> None:
    for name, count in _SERVICES.items():
        for number in range(count):
            nacos.registry.register(ServiceKey(name), _instance(name, number))


def _instance(service: str, number: int) -> Instance:
    return Instance(f"10.0.{list(_SERVICES).index(service)}.{number + 1}", 8080)


async def _churn(nacos: SimNacos) -> None:
    """Change one service after the other for ever: one more joins and leaves; an only instance leaves and returns."""
    for name, count in itertools.cycle(_SERVICES.items()):
        key, instance = ServiceKey(name), _instance(name, count if count > 1 else 0)
        for is_join in (True, False) if count > 1 else (False, True):
            await asyncio.sleep(CHURN_PERIOD_S)
            if is_join:
                nacos.registry.register(key, instance)
            else:
                nacos.registry.deregister(key, instance.ip, instance.port)
