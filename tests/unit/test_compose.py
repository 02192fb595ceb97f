"""docker-compose.yml and the files it mounts."""

from pathlib import Path
from typing import Any

import yaml

from meshregistry.settings.load import load_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_the_whole_picture_is_there() -> None:
    assert {"nacos", "zookeeper", "eureka", "meshregistry", "istiod", "envoy", "service"} == set(SERVICES)


def test_every_service_tells_its_health() -> None:
    assert [] == [name for name, service in SERVICES.items() if not service["healthcheck"]["test"]]


def test_services_wait_for_what_they_need_and_for_nothing_unknown() -> None:
    needs = {name: set(service.get("depends_on", ())) for name, service in SERVICES.items()}

    assert {"nacos", "zookeeper", "eureka"} == needs["meshregistry"]
    assert {"meshregistry"} == needs["istiod"]
    assert {"istiod"} == needs["envoy"]
    assert set() == set().union(*needs.values()) - set(SERVICES)
    for service in SERVICES.values():
        assert {"service_healthy"} >= {each["condition"] for each in service.get("depends_on", {}).values()}


def test_every_mounted_file_exists() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    files = [name for name in mounted if name.startswith("./")]

    assert [] == [name for name in files if not (ROOT / name).exists()]
    assert {"data"} == set(mounted) - set(files) == set(COMPOSE["volumes"])


def test_the_settings_name_the_registries_of_the_picture() -> None:
    text = (ROOT / "compose/meshregistry.yaml").read_text()
    settings = load_settings(text, {}).settings

    assert {"nacos_source", "eureka_source", "zookeeper_source"} == {
        name for name, source in settings.sources().items() if source.enabled
    }
    assert all(f"{name}:" in text for name in ("//nacos", "//eureka", "zookeeper"))


def test_istiod_reads_from_meshregistry_and_envoy_from_istiod() -> None:
    mesh = yaml.safe_load((ROOT / "compose/istiod.yaml").read_text())
    envoy = yaml.safe_load((ROOT / "compose/envoy.yaml").read_text())
    (cluster,) = envoy["static_resources"]["clusters"]
    (endpoints,) = cluster["load_assignment"]["endpoints"]

    assert "xds://meshregistry:16010" in [source["address"] for source in mesh["configSources"]]
    assert "istiod" == endpoints["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["address"]
    assert f"127.0.0.1:{mesh['proxyHttpPort']}:{mesh['proxyHttpPort']}" in SERVICES["envoy"]["ports"]
