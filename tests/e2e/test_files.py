"""Entries from files beside a registry: served, merged, guarded, and kept when a file turns bad."""

import asyncio
from pathlib import Path

import pytest

from meshregistry.watch.client import IstiodClient
from meshregistry.watch.model import Action, ConfigKey, IstiodModel
from tests.e2e.test_reload import MountedDeployment
from tests.support.nacos_rig import NacosRig
from tests.support.running_service import TIMEOUT_S, attached_istiod, endpoints

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: orders-override, namespace: shop}
spec:
  hosts: [orders.nacos.svc.cluster.local]
  ports: [{number: 8080, protocol: HTTP, name: http}]
  resolution: STATIC
  exportTo: ["."]
  endpoints: [{address: 10.9.0.1}]
"""
SIDECAR = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: shop}
spec: {egress: [{hosts: ["shop/*"]}]}
"""
FILES = """
k8s_source: {enabled: true, enable_config_file: true, config_path: %s, watch_config_files: true, check_interval: 500ms}
"""


def written_addresses(model: IstiodModel) -> list[str] | None:
    config = model.configs.get(ConfigKey("ServiceEntry", "shop", "orders-override"))
    return None if config is None else sorted(each.address for each in config.spec.endpoints)  # type: ignore[union-attr]


async def expect(istiod: IstiodClient, registered: list[str] | None, written: list[str] | None) -> None:
    def holds(model: IstiodModel) -> bool:
        return (registered, written) == (endpoints(model, "orders.nacos"), written_addresses(model))

    async with asyncio.timeout(TIMEOUT_S):
        await istiod.wait_until(holds)


async def test_what_people_write_leads_stays_when_it_turns_bad_and_goes_when_it_is_removed(
    nacos_rig: NacosRig, tmp_path: Path
) -> None:
    if nacos_rig.is_real:
        pytest.skip("the registry makes no difference here; the simulator shows it")
    folder, mount = tmp_path / "files", tmp_path / "mount"
    folder.mkdir()
    mount.mkdir()
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    deployment = MountedDeployment(nacos_rig, mount)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        await expect(istiod, ["10.0.0.1"], None)

        (folder / "orders.yaml").write_text(ENTRY + SIDECAR)
        deployment.mount(deployment.text + FILES % folder)
        await expect(istiod, None, ["10.0.0.1", "10.9.0.1"])

        await nacos_rig.register("orders", "10.0.0.2", 8080)
        await expect(istiod, None, ["10.0.0.1", "10.0.0.2", "10.9.0.1"])

        (folder / "orders.yaml").write_text("kind: [")
        async with asyncio.timeout(TIMEOUT_S):
            while b"file_invalid" not in (await deployment.get("/meshregistry/rejects"))[1]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await expect(istiod, None, ["10.0.0.1", "10.0.0.2", "10.9.0.1"])

        (folder / "orders.yaml").unlink()
        await expect(istiod, ["10.0.0.1", "10.0.0.2"], None)
        assert 0 == istiod.model.counters.actions[Action.INVALID]
