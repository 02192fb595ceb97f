"""The manifests under deploy/: legal, consistent with each other, with the settings and with the metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from meshregistry.http.pages import process_pages
from meshregistry.settings.load import load_settings
from meshregistry.store.guard import Rule
from meshregistry.telemetry.metrics import Metrics
from tests.support.http_pages import store_of, views_of

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KUBERNETES_VERSION = "1.33"
WITHOUT_SCHEMA = {"Kustomization", "PodMonitor", "PrometheusRule"}
PROCESS_METRICS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def manifests() -> Iterator[Any]:
    for path in sorted(DEPLOY.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if "apiVersion" in document:
                yield pytest.param(document, id=f"{path.parent.name}-{document['kind']}")


def read(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


def container() -> Any:
    (only,) = read("base/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    return only


@pytest.mark.parametrize("manifest", list(manifests()))
def test_a_manifest_is_what_the_kubernetes_api_accepts(manifest: Any) -> None:
    if manifest["kind"] not in WITHOUT_SCHEMA:
        kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)
    assert manifest["apiVersion"]


@pytest.mark.parametrize("folder", ["base", "monitoring"])
def test_kustomize_lists_every_file_of_its_folder_and_nothing_else(folder: str) -> None:
    kustomization = read(f"{folder}/kustomization.yaml")
    generated = [name for each in kustomization["configMapGenerator"] for name in each["files"]]
    listed = {*kustomization["resources"], *generated, "kustomization.yaml"}

    assert {path.name for path in (DEPLOY / folder).iterdir()} == listed


def test_the_ports_are_those_that_the_service_opens_by_default() -> None:
    settings = load_settings("", {}).settings
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}

    assert ports == {
        "mcp-over-xds": settings.mcp.listen().port,
        "aux-port": int(settings.aux_addr.rpartition(":")[2]),
    }


def test_the_service_has_the_ports_that_slimes_chart_exposes() -> None:
    """Name, number: boot/helm-charts/slimeboot of Slime."""
    service, _ = yaml.safe_load_all((DEPLOY / "base/service.yaml").read_text())
    ports = {port["name"]: (port["port"], port["targetPort"]) for port in service["spec"]["ports"]}

    assert {"mcp-over-xds": (16010, "mcp-over-xds"), "aux-port": (8081, "aux-port")} == ports


def test_two_replicas_of_which_one_always_stays_tell_their_health_on_pages_that_exist() -> None:
    deployment, budget = read("base/deployment.yaml")["spec"], read("base/poddisruptionbudget.yaml")["spec"]
    probes = [container()[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    pages = {page.path for page in process_pages(views_of(store_of()), Metrics())}

    assert (2, 1, 0) == (
        deployment["replicas"],
        budget["maxUnavailable"],
        deployment["strategy"]["rollingUpdate"]["maxUnavailable"],
    )
    assert ["/modules/livez", "/modules/livez", "/modules/readyz"] == [probe["path"] for probe in probes]
    assert {probe["path"] for probe in probes} <= pages
    assert {"aux-port"} == {probe["port"] for probe in probes}


def test_the_fragment_for_istiod_names_the_service_and_keeps_kubernetes() -> None:
    service, _ = yaml.safe_load_all((DEPLOY / "base/service.yaml").read_text())
    namespace = read("base/namespace.yaml")["metadata"]["name"]
    address = f"xds://{service['metadata']['name']}.{namespace}:{service['spec']['ports'][0]['port']}"

    assert {"configSources": [{"address": address}, {"address": "k8s://"}]} == read("istio/mesh-config.yaml")


def test_services_and_policies_select_the_pods_of_the_deployment() -> None:
    labels = read("base/deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    services = list(yaml.safe_load_all((DEPLOY / "base/service.yaml").read_text()))

    assert [labels, labels] == [service["spec"]["selector"] for service in services]
    assert labels == read("base/poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"]
    assert labels == read("base/networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"]


def test_the_root_file_system_is_read_only_but_for_the_data_directory() -> None:
    settings = load_settings((DEPLOY / "base/meshregistry.yaml").read_text(), {}).settings
    writable = [mount["mountPath"] for mount in container()["volumeMounts"] if not mount.get("readOnly")]

    assert container()["securityContext"]["readOnlyRootFilesystem"]
    assert [settings.data_dir] == writable


def test_nobody_in_the_container_is_root_or_can_become_it() -> None:
    pod = read("base/deployment.yaml")["spec"]["template"]["spec"]
    (image_user,) = re.findall(r"^USER (\S+)$", (DEPLOY.parent / "Dockerfile").read_text(), re.MULTILINE)
    context = {**pod["securityContext"], **container()["securityContext"]}

    assert (True, {"drop": ["ALL"]}) == (context["runAsNonRoot"], context["capabilities"])
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == image_user
    assert 0 not in (context["runAsUser"], context["runAsGroup"])
    assert (False, False) == (context["allowPrivilegeEscalation"], context.get("privileged", False))
    assert {"type": "RuntimeDefault"} == context["seccompProfile"]


def test_the_pod_shares_nothing_with_its_node_and_has_no_token_of_the_cluster() -> None:
    pod = read("base/deployment.yaml")["spec"]["template"]["spec"]
    account = read("base/serviceaccount.yaml")

    assert [] == [name for name in ("hostNetwork", "hostPID", "hostIPC", "initContainers") if name in pod]
    assert {"configMap", "emptyDir"} == {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert [] == [port for port in container()["ports"] if "hostPort" in port]
    assert (False, False) == (pod["automountServiceAccountToken"], account.get("automountServiceAccountToken", False))


def test_every_pod_in_the_folder_is_as_closed() -> None:
    """A second workload would need its own look."""
    kinds = [each.values[0]["kind"] for each in manifests()]

    assert [] == sorted({"DaemonSet", "StatefulSet", "Job", "CronJob", "Pod"} & set(kinds))
    assert 1 == kinds.count("Deployment")


def test_alerts_and_panels_name_metrics_that_exist() -> None:
    metrics = Metrics()
    known = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    known |= {f"{family.name}_{suffix}" for family in metrics.registry.collect() for suffix in ("total", "bucket")}
    known |= {family.name for family in metrics.registry.collect()} | PROCESS_METRICS
    rules = [rule["expr"] for rule in read("monitoring/prometheusrule.yaml")["spec"]["groups"][0]["rules"]]
    dashboard = json.loads((DEPLOY / "monitoring/meshregistry.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]

    named = {name for text in (*rules, *panels) for name in re.findall(r"(?:meshregistry|process)_[a-z_]+", text)}

    assert set() == named - known
    assert len(named) >= 15


def test_no_alert_asks_for_a_rule_of_the_guard_that_there_is_not() -> None:
    rules = [rule["expr"] for rule in read("monitoring/prometheusrule.yaml")["spec"]["groups"][0]["rules"]]

    assert {each.value for each in Rule} >= {name for text in rules for name in re.findall(r'rule="(\w+)"', text)}
    assert 1 == len([text for text in rules if "meshregistry_held_endpoints" in text])


def test_the_settings_load_without_a_warning_and_name_the_replicas_and_the_volume() -> None:
    loaded = load_settings((DEPLOY / "base/meshregistry.yaml").read_text(), {})
    namespace = read("base/namespace.yaml")["metadata"]["name"]
    documents = yaml.safe_load_all((DEPLOY / "base/service.yaml").read_text())
    (headless,) = [each for each in documents if each["spec"].get("clusterIP") == "None"]
    port = loaded.settings.mcp.listen().port
    mounts = [each["mountPath"] for each in container()["volumeMounts"] if not each.get("readOnly")]

    assert [] == loaded.warnings
    assert (f"{headless['metadata']['name']}.{namespace}.svc:{port}",) == loaded.settings.replicas.siblings
    assert [loaded.settings.data_dir] == mounts
