"""A SlimeBoot resource for each registry starts the service unchanged and yields Slime's entries.

What is shown is written by hand in `data/slimeboot-*.yaml`: the resource, the registrations, what is served, and what
the pages of the source print.
"""

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from kazoo.client import KazooClient

from tests.support.http_get import fetch, wait_until
from tests.support.ports import free_ports

DATA = Path(__file__).parent / "data"
_SHOWN = {"name", "namespace", "labels", "Spec"}
_CHANGING = {"Version", "CreateTime"}
_STOP_TIMEOUT_S = 20.0


def register_at_nacos(address: str, registered: list[dict[str, str]]) -> None:
    for instance in registered:
        query = urllib.parse.urlencode({"ephemeral": "false", **instance})
        send(f"{address}/nacos/v1/ns/instance?{query}")


def register_at_eureka(address: str, registered: list[dict[str, Any]]) -> None:
    for instance in registered:
        record = {
            "hostName": instance["ipAddr"],
            "status": "UP",
            "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
            **instance,
            "port": {"$": instance["port"], "@enabled": "true"},
        }
        send(f"{address}/apps/{instance['app']}", json.dumps({"instance": record}).encode())


def register_at_zookeeper(address: str, registered: list[str]) -> None:
    client = KazooClient(hosts=address)
    client.start()
    for url in registered:
        scheme, _, rest = url.partition("://")
        interface = rest.partition("/")[2].partition("?")[0]
        folder = "consumers" if scheme == "consumer" else "providers"
        client.create(f"/dubbo/{interface}/{folder}/{urllib.parse.quote(url, safe='')}", makepath=True)
    client.stop()
    client.close()


def send(url: str, body: bytes = b"") -> None:
    """POST, as a client of the registry does."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass


Register = Callable[[str, Any], None]
REGISTRIES: dict[str, Register] = {
    "nacos": register_at_nacos,
    "eureka": register_at_eureka,
    "zookeeper": register_at_zookeeper,
}


@contextmanager
def program(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module of the package until the end of the block."""
    with subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(_STOP_TIMEOUT_S)


@contextmanager
def simulated(registry: str) -> Iterator[str]:
    """Run a simulated registry; gives its address."""
    fresh = ["--cache-s", "0"] if registry == "eureka" else []
    with program(f"meshregistry.sim.{registry}", "--port", "0", *fresh) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2]


def shape(served: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Slime's users rely on: names, labels and specs by type, without times and versions."""
    return {
        kind: sorted(
            ({"labels": {}} | {key: item[key] for key in _SHOWN & item.keys()} for item in items),
            key=lambda item: str(item["name"]),
        )
        for kind, items in served.items()
        if items
    }


def without_versions(value: Any) -> Any:
    """Return what a page tells but for the versions, which are hashes, and the time of creation."""
    if isinstance(value, dict):
        return {key: without_versions(each) for key, each in value.items() if key not in _CHANGING}
    return [without_versions(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("registry", REGISTRIES)
def test_a_slimeboot_resource_starts_unchanged_and_yields_the_services_of_slime(registry: str, tmp_path: Path) -> None:
    case = yaml.safe_load((DATA / f"slimeboot-{registry}.yaml").read_text())
    ads, pages = free_ports(2)
    path = tmp_path / "cfg"
    page = f"http://127.0.0.1:{pages}"

    with simulated(registry) as address:
        REGISTRIES[registry](address, case["registered"])
        path.write_text(Template(case["slimeboot"]).substitute(REGISTRY=address, ADS=ads, PAGES=pages))
        with program("meshregistry", "run", "--config", str(path)):
            wait_until(lambda: fetch(f"{page}/meshregistry/ready")[0] == 200, "readiness")
            _, served = fetch(f"{page}/meshregistry/xdsCache")
            told = {path: fetch(f"{page}/meshregistry/{path}")[1] for path in case.get("pages", {})}

    assert case["served"] == shape(json.loads(served))
    # JSON is YAML, too: of both kinds of pages the whole documents are compared.
    assert case.get("pages", {}) == {path: without_versions(yaml.safe_load(text)) for path, text in told.items()}
