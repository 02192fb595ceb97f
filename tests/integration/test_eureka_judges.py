"""Registrations written by somebody else: Spring Boot applications that come, go out of service, leave and die.

The simulator stands beside the real server: a client that takes it for a Eureka is its judge, too.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import anyio.to_thread
import orjson
import pytest

from meshregistry.model.instance import Instance, sort_pairs
from meshregistry.sources.eureka import Mode
from tests.support.eureka_apps import EurekaApp, EurekaDeployment
from tests.support.eureka_live import EurekaRig
from tests.support.eureka_view import EurekaView, reading, server_options
from tests.support.registries import required

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.timeout(300),
]

_TIMEOUT_S = 30.0


@pytest.fixture
async def applications(eureka_rig: EurekaRig, tmp_path: Path) -> AsyncIterator[list[EurekaApp]]:
    """Two applications that have registered themselves."""
    apps = [EurekaApp(name, eureka_rig, tmp_path) for name in ("shop-users", "shop-orders")]

    def start() -> None:
        with ThreadPoolExecutor(len(apps)) as pool:
            list(pool.map(EurekaApp.start, apps))

    try:
        with required():
            await anyio.to_thread.run_sync(start)
        yield apps
    finally:
        for app in apps:
            app.kill()


async def test_an_application_comes_goes_out_of_service_leaves_and_dies(
    eureka_rig: EurekaRig, applications: list[EurekaApp]
) -> None:
    users, orders = applications
    deployment = EurekaDeployment(eureka_rig)
    async with (
        reading(server_options(eureka_rig)) as by_changes,
        reading(server_options(eureka_rig), mode=Mode.POLLING) as by_everything,
        deployment.running(),
    ):
        views = [by_changes, by_everything]
        both = {"SHOP-USERS": (_instance(users),), "SHOP-ORDERS": (_instance(orders),)}
        await _until(views, both)
        entries = await _entries(deployment, 2)
        assert {"shop-users.eureka": _entry(users), "shop-orders.eureka": _entry(orders)} == entries

        await _set_status(users, "OUT_OF_SERVICE")
        await _until(views, {**both, "SHOP-USERS": ()})
        await asyncio.sleep(1.5)  # a heartbeat must not bring it back
        await _until(views, {**both, "SHOP-USERS": ()})
        await _set_status(users, "UP")
        await _until(views, both)

        await anyio.to_thread.run_sync(users.stop)
        await _until(views, {"SHOP-ORDERS": (_instance(orders),)})
        await anyio.to_thread.run_sync(orders.kill)
        await _until(views, {})
        pages = [view.page for view in views]

    assert [0, 0] == [page["hash_mismatches_total"] for page in pages]
    assert {"first": 1} == pages[0]["full_fetches_total"]


async def test_the_page_of_the_source_has_slimes_shape(eureka_rig: EurekaRig) -> None:
    """Specs by name, and the registries with `registry_id` and `addresses` (Slime pkg/source/eureka/source.go)."""
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1", metadata={"version": "v1"})
    deployment = EurekaDeployment(eureka_rig)
    async with deployment.running():
        cached = await _entries(deployment, 1)
        status, specs = await deployment.get("/meshregistry/eureka")
        _, registries = await deployment.get("/meshregistry/eureka?registries=true")
        _, metrics = await deployment.get("/metrics")

    (registry,) = orjson.loads(registries)
    assert 200 == status
    assert cached == orjson.loads(specs)
    assert ["orders.eureka"] == list(cached)
    assert ["10.0.0.1"] == [endpoint["address"] for endpoint in cached["orders.eureka"]["endpoints"]]
    assert ["", list(eureka_rig.addresses)] == [registry["registry_id"], registry["addresses"]]
    assert ("delta", True, None, 0) == tuple(
        registry[name] for name in ("mode", "healthy", "last_error", "hash_mismatches_total")
    )
    assert 0 <= registry["last_success_age_s"] < 5
    assert [[eureka_rig.addresses[0], True, None]] == [
        [peer["address"], peer["in_use"], peer["last_error"]] for peer in registry["peers"]
    ]
    assert eureka_rig.password not in registries.decode()
    assert b'meshregistry_source_connection_status{source="eureka"} 1.0' in metrics


def _instance(app: EurekaApp) -> Instance:
    """What the source should make of a Spring application, written by hand."""
    metadata = {"management.port": str(app.port), "version": "v1", "zone": "zone-a"}
    return Instance("127.0.0.1", app.port, metadata=sort_pairs(metadata))


def _entry(app: EurekaApp) -> dict[str, Any]:
    """What a Spring application should become, written by hand."""
    return {
        "hosts": [f"{app.name}.eureka.svc.cluster.local"],
        "ports": [{"number": each, "protocol": "HTTP", "name": f"http-{each}"} for each in (80, app.port)],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "endpoints": [
            {
                "address": "127.0.0.1",
                "labels": {"management.port": str(app.port), "version": "v1", "zone": "zone-a"},
                "ports": {"http-80": app.port, f"http-{app.port}": app.port},
                "weight": 100,
            }
        ],
    }


async def _until(views: list[EurekaView], services: Mapping[str, tuple[Instance, ...]]) -> None:
    for view in views:
        await view.until_services(services)


async def _set_status(app: EurekaApp, status: str) -> None:
    """Let the application set its own status, by its actuator."""
    url = f"http://127.0.0.1:{app.port}/actuator/serviceregistry"
    async with aiohttp.ClientSession() as session, session.post(url, json={"status": status}) as reply:
        assert reply.status in {200, 204}, await reply.text()


async def _entries(deployment: EurekaDeployment, count: int) -> dict[str, Any]:
    """Wait until so many entries with endpoints are served."""
    entries: dict[str, Any] = {}
    async with asyncio.timeout(_TIMEOUT_S):
        while len([spec for spec in entries.values() if spec.get("endpoints")]) != count:
            await asyncio.sleep(0.1)
            entries = await deployment.cached_entries()
    return entries
