"""Dubbo in a ZooKeeper, end to end: Sidecars from consumers as a stock istiod gets them, and the pages."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from meshregistry.watch.client import IstiodClient
from meshregistry.watch.model import Action, IstiodModel
from meshregistry.watch.resources import OpaqueSpec
from tests.support.dubbo_names import encode, provider
from tests.support.pb2_decoder import message_class
from tests.support.ports import free_ports
from tests.support.running_service import TIMEOUT_S, istiod_at, running_app
from tests.support.zookeeper_rig import SimRig

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

ORDERS, USERS = "com.acme.Orders", "com.acme.Users"
SETTINGS = """
aux_addr: 127.0.0.1:{http}
mcp: {{server_url: "xds://127.0.0.1:{ads}", drain_timeout: 2s}}
zookeeper_source:
  enabled: true
  address: ["{hosts}"]
  enable_dubbo_sidecar: {sidecars}
  trim_dubbo_remove_dep_interval: 0s
"""


async def expect(istiod: IstiodClient, expected: dict[str, list[str]]) -> None:
    """Wait until istiod has exactly these Sidecars: name → hosts of its only egress listener."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await istiod.wait_until(lambda model: model.synced and sidecars(model) == expected)
    except TimeoutError:
        assert expected == sidecars(istiod.model)


def sidecars(model: IstiodModel) -> dict[str, list[str]]:
    found = {}
    for key, config in model.configs.items():
        if key.kind == "Sidecar":
            assert isinstance(config.spec, OpaqueSpec)
            spec: Any = message_class(config.spec.type_name).FromString(config.spec.value)
            (listener,) = spec.egress
            found[key.name] = list(listener.hosts)
    return found


async def call(rig: SimRig, application: str, interface: str) -> str:
    """Register a reference of an application to an interface; returns its path."""
    url = f"consumer://10.1.0.1/{interface}?application={application}&interface={interface}&side=consumer"
    path = f"/dubbo/{interface}/consumers/{encode(url)}"
    await rig.writer.create(path)
    return path


async def populate(rig: SimRig) -> None:
    """Register two interfaces of an application each, and a third application that calls one of them."""
    for interface, application in ((ORDERS, "orders"), (USERS, "users")):
        name = provider(interface=interface, application=application)
        await rig.writer.create(f"/dubbo/{interface}/providers/{name}")
    await call(rig, "web", ORDERS)


async def read_page(port: int, page: str) -> Any:
    """Return what a page says, JSON or YAML."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/meshregistry/{page}") as answer,
    ):
        return yaml.safe_load(await answer.text())


async def test_sidecars_follow_consumers_and_go_when_they_are_switched_off(
    simulated_zookeeper: SimRig, tmp_path: Path
) -> None:
    rig = simulated_zookeeper
    await populate(rig)
    ads, http = free_ports(2)
    path = tmp_path / "settings.yaml"
    path.write_text(SETTINGS.format(ads=ads, http=http, hosts=rig.hosts, sidecars="true"))

    async with running_app(path) as app, istiod_at(ads) as istiod:
        await expect(istiod, {"web.dubbo.generated": ["*/com.acme.orders.dubbo"]})
        reference = await call(rig, "web", USERS)
        await expect(istiod, {"web.dubbo.generated": ["*/com.acme.orders.dubbo", "*/com.acme.users.dubbo"]})
        await rig.writer.delete(reference)
        await expect(istiod, {"web.dubbo.generated": ["*/com.acme.orders.dubbo"]})

        entries = {key for key in istiod.model.configs if key.kind == "ServiceEntry"}
        path.write_text(SETTINGS.format(ads=ads, http=http, hosts=rig.hosts, sidecars="false"))
        app.ask_reload()
        await expect(istiod, {})
        assert entries == {key for key in istiod.model.configs if key.kind == "ServiceEntry"}

        path.write_text(SETTINGS.format(ads=ads, http=http, hosts=rig.hosts, sidecars="true"))
        app.ask_reload()
        await expect(istiod, {"web.dubbo.generated": ["*/com.acme.orders.dubbo"]})
        assert 0 == istiod.model.counters.actions[Action.INVALID]


async def test_an_old_istiod_has_sidecars_too_and_the_pages_tell_who_calls_whom(
    simulated_zookeeper: SimRig, tmp_path: Path
) -> None:
    await populate(simulated_zookeeper)
    ads, http = free_ports(2)
    path = tmp_path / "settings.yaml"
    path.write_text(SETTINGS.format(ads=ads, http=http, hosts=simulated_zookeeper.hosts, sidecars="true"))
    calls = {"application": "web", "provideservices": {}, "consumeservices": {"com.acme.orders.dubbo": {}}}

    async with running_app(path), istiod_at(ads, "1.18") as istiod:
        await expect(istiod, {"web.dubbo.generated": ["*/com.acme.orders.dubbo"]})
        (entry,) = (await read_page(http, f"zk?interfaceName={ORDERS}"))["cache"].values()
        (instances,) = (await read_page(http, f"zk?registry_services=true&interfaceName={ORDERS}"))["cache"].values()

        assert ["com.acme.orders.dubbo"] == entry["ServiceEntry"]["hosts"]
        assert [(ORDERS, "10.0.0.1", 20880)] == [
            (each["interface"], each["address"], each["port"]) for each in instances
        ]
        assert {ORDERS, USERS} == (await read_page(http, "zk"))["cache"].keys()
        assert {ORDERS: 1, USERS: 1, "count-iface": 2} == await read_page(http, "zks")
        assert {USERS} == (await read_page(http, f"zks?iface={USERS}")).keys()
        assert {ORDERS, USERS} == (await read_page(http, "zks?all=true")).keys()
        assert {"orders", "users", "web"} == (await read_page(http, "dubboCallModel")).keys()
        assert {"web": calls} == await read_page(http, "dubboCallModel?app=web")
        assert {"web": calls} == await read_page(http, "sidecarDubboCallModel?app=web")
