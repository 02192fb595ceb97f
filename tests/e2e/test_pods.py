"""The labels of Kubernetes' pods on the endpoints of a registry, up to an istiod."""

import asyncio
from pathlib import Path

import orjson
import pytest

from meshregistry.watch.model import ConfigKey, IstiodModel
from tests.support.kubernetes_api import KubernetesApi, node, pod
from tests.support.nacos_rig import NacosRig
from tests.support.running_service import TIMEOUT_S, Deployment, attached_istiod

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]


class PatchedDeployment(Deployment):
    """A service that puts labels of pods on its endpoints."""

    def __init__(self, rig: NacosRig, api: KubernetesApi) -> None:
        super().__init__(rig)
        self._settings += f"  label_patch: true\nk8s: {{api_server_url_for_deploy: '{api.url}', cluster_id: here}}\n"


def version(model: IstiodModel) -> str | None:
    config = model.configs.get(ConfigKey("ServiceEntry", "nacos", "orders.nacos"))
    return dict(config.spec.endpoints[0].labels).get("version") if config else None  # type: ignore[union-attr]


async def test_labels_of_pods_are_there_from_the_first_answer_on_and_follow_the_pod(
    nacos_rig: NacosRig, tmp_path: Path
) -> None:
    if nacos_rig.is_real:
        pytest.skip("the registry makes no difference here; the simulator shows it")
    await nacos_rig.register("orders", "10.0.0.1", 8080)
    api = KubernetesApi()
    api.put("pods", pod("orders-0", "10.0.0.1", version="v1"))
    api.put("nodes", node("n1", topology_kubernetes_io__region="east"))
    deployment = PatchedDeployment(nacos_rig, api)
    async with api.running(), deployment.running(), attached_istiod(deployment) as istiod, asyncio.timeout(TIMEOUT_S):
        await istiod.wait_until(lambda model: bool(model.configs))
        assert "v1" == version(istiod.model)
        api.put("pods", pod("orders-0", "10.0.0.1", version="v2"))
        await istiod.wait_until(lambda model: version(model) == "v2")

        _, pods = await deployment.get("/meshregistry/pc")
        _, nodes = await deployment.get("/meshregistry/nc")
        assert ("orders-0", "n1") == (
            (found := orjson.loads(pods)["here"]["10.0.0.1"])["Meta"]["name"],
            found["NodeName"],
        )
        assert {"topology.kubernetes.io/region": "east"} == orjson.loads(nodes)["here"]["n1"]["labels"]
