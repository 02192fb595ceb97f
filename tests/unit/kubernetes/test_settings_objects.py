"""Settings in a ConfigMap and a RegistrySource: DYNAMIC_CONFIG_MAP and WATCHING_REGISTRYSOURCE."""

import asyncio
import base64
import gzip
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from meshregistry.kubernetes import follower
from meshregistry.kubernetes.settings_objects import SettingsObjects
from meshregistry.reload import Reload, SettingsOrigin, open_settings, reopen_settings, settings_objects
from meshregistry.settings.root import Settings
from meshregistry.telemetry.logs import conceal_in_tracebacks, conceal_known
from meshregistry.telemetry.metrics import Metrics
from tests.support.kubernetes_api import KubernetesApi

pytestmark = pytest.mark.anyio

LIMIT_S = 20.0
ENVIRONMENT = {"DYNAMIC_CONFIG_MAP": "dynamic", "WATCHING_REGISTRYSOURCE": "patch", "POD_NAMESPACE": "mesh"}
SPEC = {"zookeeper": {"abnormalInstanceIPs": {"a.B:g:1.0": ["10.0.0.1"]}}}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(follower, "_LONGEST_PAUSE_S", 0.05)


def text(api: KubernetesApi, root: str) -> str:
    return (
        f"zookeeper_source: {{enabled: true, address: ['z:2181'], registry_root_node: {root}}}\n"
        f"k8s: {{api_server_url_for_deploy: '{api.url}'}}\n"
    )


def config_map(content: str, *, packed: bool = False, key: str = "cfg_meshregistry") -> dict[str, Any]:
    meta = {"metadata": {"name": "dynamic"}}
    if packed:
        return {**meta, "binaryData": {key: base64.b64encode(gzip.compress(content.encode())).decode()}}
    return {**meta, "data": {key: content}}


@asynccontextmanager
async def following(folder: Path, api: KubernetesApi) -> AsyncIterator[tuple[SettingsOrigin, SettingsObjects]]:
    path = folder / "meshregistry.yaml"
    path.write_text(text(api, "/file"))
    origin = open_settings(path, ENVIRONMENT)
    objects = settings_objects(origin, Metrics())
    assert objects is not None
    task = asyncio.ensure_future(objects.run())
    try:
        await objects.wait_settled()
        yield origin, objects
    finally:
        task.cancel()
        await asyncio.wait([task])


class Applied:
    """What a reload made effective."""

    def __init__(self, origin: SettingsOrigin, objects: SettingsObjects) -> None:
        self.roots: list[str] = []
        self.settings = origin.loaded.settings
        self.reload = Reload(origin, self.apply, Metrics(), objects)
        self._news = asyncio.Event()
        objects.on_change = self._news.set

    async def apply(self, settings: Settings, tasks: asyncio.TaskGroup) -> tuple[str, ...]:
        self.settings = settings
        self.roots.append(settings.zookeeper_source.registry_root_node)
        return ()

    async def follow(self) -> None:
        """Wait for a change, then look as the service does."""
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
            await self._news.wait()
            self._news.clear()
            await self.reload.follow(tasks)


@pytest.mark.parametrize("packed", [False, True])
async def test_a_config_map_counts_in_place_of_the_file_from_the_start_on(tmp_path: Path, packed: bool) -> None:
    async with KubernetesApi().running() as api:
        api.put("configmaps", config_map(text(api, "/map"), packed=packed))
        api.put("configmaps", {**config_map("nonsense"), "metadata": {"name": "another"}})
        async with following(tmp_path, api) as (origin, objects):
            opened = reopen_settings(origin, objects)

    assert "/map" == opened.loaded.settings.zookeeper_source.registry_root_node
    assert opened.digest != origin.digest


async def test_a_secret_of_a_config_map_is_as_well_kept_as_one_of_the_file(tmp_path: Path) -> None:
    async with KubernetesApi().running() as api:
        api.put("configmaps", config_map(text(api, "/map") + "http: {token: swordfish}\n"))
        async with following(tmp_path, api) as (origin, objects):
            assert "swordfish" == conceal_known("swordfish")
            reopen_settings(origin, objects)
            shown = conceal_known("swordfish")
    conceal_in_tracebacks([])

    assert "***" == shown


async def test_changes_are_followed_and_a_config_map_that_is_gone_gives_the_file_back(tmp_path: Path) -> None:
    async with KubernetesApi().running() as api, following(tmp_path, api) as (origin, objects):
        applied = Applied(reopen_settings(origin, objects), objects)
        api.put("configmaps", config_map(text(api, "/one")))
        await applied.follow()
        api.put("configmaps", config_map(text(api, "/two")))
        await applied.follow()
        api.remove("configmaps", "dynamic")
        await applied.follow()

    assert ["/one", "/two", "/file"] == applied.roots


async def test_a_config_map_without_the_key_or_with_faults_keeps_what_runs(tmp_path: Path) -> None:
    async with KubernetesApi().running() as api, following(tmp_path, api) as (origin, objects):
        applied = Applied(origin, objects)
        for content in (config_map("x", key="other"), config_map("{"), config_map("zookeeper_source: {adress: [x]}")):
            api.put("configmaps", content)
            await applied.follow()
            assert any("is refused" in note for note in applied.reload.notes)

    assert [] == applied.roots


async def test_a_registry_source_adds_selectors_and_takes_them_away_again(tmp_path: Path) -> None:
    async with KubernetesApi().running() as api, following(tmp_path, api) as (origin, objects):
        applied = Applied(origin, objects)
        api.put("registrysources", {"metadata": {"name": "patch"}, "spec": SPEC})
        await applied.follow()
        assert ["a.B:g:1.0"] == list(applied.settings.zookeeper_source.serviced_endpoint_selectors)
        api.put("registrysources", {"metadata": {"name": "patch"}, "spec": {"zookeeper": 1}})
        await applied.follow()
        assert ["a.B:g:1.0"] == list(applied.settings.zookeeper_source.serviced_endpoint_selectors)
        api.remove("registrysources", "patch")
        await applied.follow()

    assert {} == applied.settings.zookeeper_source.serviced_endpoint_selectors


async def test_what_cannot_be_used_at_the_start_leaves_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with KubernetesApi().running() as api:
        api.put("configmaps", config_map("{"))
        async with following(tmp_path, api) as (origin, objects):
            assert origin == reopen_settings(origin, objects)
    assert "settings.object_refused" in caplog.text


async def test_without_leave_or_a_cluster_the_file_counts_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with KubernetesApi().running() as api:
        api.status = 403
        async with asyncio.timeout(LIMIT_S), following(tmp_path, api) as (origin, objects):
            assert origin == reopen_settings(origin, objects)
    with caplog.at_level(logging.INFO):
        (tmp_path / "meshregistry.yaml").write_text("k8s: {kube_config: /absent}\n")
        nowhere = settings_objects(open_settings(tmp_path / "meshregistry.yaml", ENVIRONMENT), Metrics())
        assert nowhere is not None
        task = asyncio.ensure_future(nowhere.run())
        async with asyncio.timeout(LIMIT_S):
            await nowhere.wait_settled()
        task.cancel()
        await asyncio.wait([task])
    assert "settings.objects_unreachable" in caplog.text


def test_nothing_is_followed_when_the_environment_names_nothing(tmp_path: Path) -> None:
    path = tmp_path / "meshregistry.yaml"
    path.write_text("")

    assert None is settings_objects(open_settings(path, {"POD_NAMESPACE": "mesh"}), Metrics())
