"""The settings file changed under the running service, with an istiod attached."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshregistry.persistence import FILE_NAME
from meshregistry.store.saved import read_head
from meshregistry.watch.client import IstiodClient
from meshregistry.watch.model import Action
from tests.support.nacos_rig import NacosRig
from tests.support.running_service import TIMEOUT_S, Deployment, attached_istiod, endpoints, running_app

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

_RELOAD = "reload: {check_interval: 500ms, settle: 20ms}\n"


class MountedDeployment(Deployment):
    """A service whose settings are a mounted ConfigMap: `..data` is a link that is swapped."""

    def __init__(self, rig: NacosRig, folder: Path) -> None:
        super().__init__(rig)
        self._folder = folder
        self._turn = 0
        self.text = self._settings + _RELOAD
        self.mount(self.text)
        (folder / "settings.yaml").symlink_to("..data/settings.yaml")

    def mount(self, text: str) -> None:
        """Swap the content as a kubelet does."""
        self._turn += 1
        version = self._folder / f"..{self._turn}"
        version.mkdir()
        (version / "settings.yaml").write_text(text)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        os.rename(link, self._folder / "..data")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with running_app(self._folder / "settings.yaml"):
            yield

    async def metric(self, name: str) -> float:
        _, body = await self.get("/metrics")
        values = (line.split()[-1] for line in body.decode().splitlines() if line.startswith(f"{name} "))
        return float(next(values, "0"))

    async def wait_for(self, name: str, expected: float) -> None:
        """Wait until a metric of reloads has a value."""
        for _ in range(int(TIMEOUT_S / 0.05)):
            if await self.metric(f"meshregistry_reload_{name}") == expected:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{name} never became {expected}")


async def test_changed_settings_take_effect_under_churn_and_no_service_is_lost_or_told_twice(
    nacos_rig: NacosRig, tmp_path: Path
) -> None:
    if nacos_rig.is_real:
        pytest.skip("the registry makes no difference here; the simulator shows it")
    names = [f"service-{number}" for number in range(30)]
    for number, name in enumerate(names):
        await nacos_rig.register(name, f"10.0.0.{number + 1}", 8080)
    deployment = MountedDeployment(nacos_rig, tmp_path)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        async with asyncio.timeout(TIMEOUT_S):
            await istiod.wait_until(lambda model: model.synced and len(model.configs) == len(names))
        stop = asyncio.Event()
        churning = asyncio.create_task(churn(nacos_rig, stop))
        await reload_port(deployment, istiod, 81)
        stop.set()
        last = await churning
        async with asyncio.timeout(TIMEOUT_S):
            await istiod.wait_until(lambda model: endpoints(model, "busy.nacos") == last)
        counters = istiod.model.counters.actions
        updated = counters[Action.UPDATED]

        await reload_port(deployment, istiod, 82)

        assert {f"{name}.nacos" for name in (*names, "busy")} == {key.name for key in istiod.model.configs}
        assert len(istiod.model.configs) == counters[Action.UPDATED] - updated
        assert (0, 0) == (counters[Action.DELETED], counters[Action.INVALID])


async def reload_port(deployment: MountedDeployment, istiod: IstiodClient, port: int) -> None:
    """Have every service offer one more port, and wait until istiod has them all."""
    deployment.mount(deployment.text.replace("enabled: true", f"enabled: true\n  svc_port: {port}"))
    async with asyncio.timeout(TIMEOUT_S):
        await istiod.wait_until(
            lambda model: all(
                port in {each.number for each in config.spec.ports}  # type: ignore[union-attr]
                for config in model.configs.values()
            )
        )


async def churn(rig: NacosRig, stop: asyncio.Event) -> list[str]:
    """Register one instance after another until told to stop; returns the addresses."""
    addresses: list[str] = []
    while not stop.is_set():
        addresses.append(f"10.1.0.{len(addresses) % 250 + 1}")
        await rig.register("busy", addresses[-1], 8080)
        await asyncio.sleep(0.02)
    return sorted(set(addresses))


async def test_a_typo_changes_nothing_and_is_shown_until_it_is_mended(nacos_rig: NacosRig, tmp_path: Path) -> None:
    if nacos_rig.is_real:
        pytest.skip("the registry makes no difference here; the simulator shows it")
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    deployment = MountedDeployment(nacos_rig, tmp_path)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        async with asyncio.timeout(TIMEOUT_S):
            await istiod.wait_until(lambda model: model.synced and bool(model.configs))
        before = istiod.model.counters.responses

        broken = ("", "nacos_source: {enabled: true, adress: [x]}", "{", deployment.text.replace("true", "false"))
        for refused, text in enumerate(broken, 1):
            deployment.mount(text)
            await deployment.wait_for('total{result="failure"}', refused)
        assert 0 == await deployment.metric("meshregistry_reload_last_successful")
        assert ["10.0.0.1"] == endpoints(istiod.model, "orders.nacos")
        assert before == istiod.model.counters.responses
        _, args = await deployment.get("/meshregistry/args?format=yaml")
        assert b"the file is refused, these settings stay" in args

        deployment.mount(deployment.text)
        await deployment.wait_for("last_successful", 1)
        _, args = await deployment.get("/meshregistry/args?format=yaml")
        assert b"refused" not in args
        assert before == istiod.model.counters.responses


async def test_a_removed_namespace_is_withdrawn_and_the_rest_stays(nacos_rig: NacosRig, tmp_path: Path) -> None:
    if nacos_rig.is_real:
        pytest.skip("the registry makes no difference here; the simulator shows it")
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    await nacos_rig.register("batch", "10.0.0.2", 8080, group="BATCH")
    deployment = MountedDeployment(nacos_rig, tmp_path)
    namespace = f"  namespace: {nacos_rig.namespace}\n"
    groups = f"  namespace_groups: ['{nacos_rig.namespace}:%s']\n"
    both = deployment.text.replace(namespace, groups % "DEFAULT_GROUP,BATCH")
    one = deployment.text.replace(namespace, groups % "DEFAULT_GROUP")
    deployment.mount(both)
    async with deployment.running(), attached_istiod(deployment) as istiod:
        async with asyncio.timeout(TIMEOUT_S):
            await istiod.wait_until(lambda model: len(model.configs) == 2)

            deployment.mount(one)
            await istiod.wait_until(lambda model: endpoints(model, "batch.nacos") is None)
        assert ["10.0.0.1"] == endpoints(istiod.model, "orders.nacos")
        assert 1 == istiod.model.counters.actions[Action.DELETED]
        _, metrics = await deployment.get("/metrics")
        assert b"BATCH" not in metrics


async def test_a_conversion_that_changes_in_an_outage_is_not_saved_as_made_until_it_is(
    nacos_rig: NacosRig, tmp_path: Path
) -> None:
    """Else a later start would take old hosts for new ones, and let them go without a hold."""
    if nacos_rig.is_real:
        pytest.skip("the registry makes no difference here; the simulator shows it")
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    mounted, saved = tmp_path / "mounted", tmp_path / "saved" / FILE_NAME
    mounted.mkdir()
    deployment = MountedDeployment(nacos_rig, mounted)
    text = f"data_dir: {saved.parent}\nsave_interval: 100ms\n{deployment.text}"
    deployment.mount(text)
    async with deployment.running(), asyncio.timeout(3 * TIMEOUT_S):
        await until(lambda: saved.exists())
        head = read_head(saved.read_bytes())

        await nacos_rig.stop()
        changed = text.replace("enabled: true", "enabled: true\n  svc_port: 81")
        deployment.mount(changed.replace("empty_grace: 1.0s", "empty_grace: 3s"))
        await deployment.wait_for('total{result="success"}', 1)
        await until(lambda: read_head(saved.read_bytes()).taken_at > head.taken_at)
        assert head.fingerprints == read_head(saved.read_bytes()).fingerprints

        await nacos_rig.start()
        await until(lambda: read_head(saved.read_bytes()).fingerprints != head.fingerprints)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a file shows something."""
    while not condition():  # noqa: ASYNC110 - a thread writes it
        await asyncio.sleep(0.02)
