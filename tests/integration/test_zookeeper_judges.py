"""Dubbo 2.7, Dubbo 3 and Spring Cloud register themselves; judged by what the mesh is offered."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from meshregistry.http.spec_json import config_item
from tests.support.dubbo_apps import (
    Application,
    DubboOptions,
    dubbo3_consumer,
    dubbo3_provider,
    dubbo27_provider,
    running,
    spring_application,
)
from tests.support.dubbo_names import encode
from tests.support.zookeeper_mesh import Mesh
from tests.support.zookeeper_rig import RealRig

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.timeout(600),
]

TIMEOUT_S = 60.0
JUDGED = (Path(__file__).parent / "data" / "judged-dubbo.yaml").read_text("utf-8")
GREETINGS = tuple(f"lab.api.GreetService{rest}" for rest in ("", "::2.0.0", ":g1:1.0.0", ":g2"))
SERVICES = (*GREETINGS, "lab.api.OrderService::1.0.0", "lab.api.Outer$InnerService")
HOSTS = tuple(
    f"{name}.dubbo"
    for name in (
        "lab.api.greetservice",
        "2-0-0.lab.api.greetservice",
        "1-0-0.g1.lab.api.greetservice",
        "g2.lab.api.greetservice",
        "1-0-0.lab.api.orderservice",
        "lab.api.outer-innerservice",
    )
)
APPLICATION_HOSTS = ("demo-provider3.dubbo", "tri.demo-provider3.dubbo")
HOSTS_3 = (
    *HOSTS,
    "tri.lab.api.greetservice.dubbo",
    "tri.1-0-0.lab.api.orderservice.dubbo",
    *APPLICATION_HOSTS,
)
"""Of a Dubbo 3 provider, which registers its application, too, and `g2` for Triple only."""

STATIC = "lab.api.UserService:users:1.0.0"
"""Registered with weight 0: in the slime profile it takes calls, in the istio profile nobody is sent there."""


async def test_a_dubbo_27_provider_has_slimes_shape_or_is_reachable_by_name(
    real_zookeeper: RealRig, tmp_path: Path
) -> None:
    provider = dubbo27_provider(real_zookeeper.hosts, tmp_path)
    slime, istio = Mesh(real_zookeeper.hosts, "slime"), Mesh(real_zookeeper.hosts, "istio")
    async with slime.reading(), istio.reading():
        async with running(provider):
            await slime.until_names({*SERVICES, STATIC})
            _expect_whole_entries(slime, "dubbo27", "slime", {"PORT": provider.port("DUBBO_PORT")})
            await istio.until_names(HOSTS)
            _expect_whole_entries(istio, "dubbo27", "istio", {"PORT": provider.port("DUBBO_PORT")})
            assert set(SERVICES) == {key for key, _ in istio.protocols()}
            assert {("10.20.30.40", provider.port("DUBBO_PORT"))} == set().union(*istio.protocols().values())
        await slime.until_names(())
        await istio.until_names(())


async def test_dubbo_3_providers_have_slimes_shape_or_are_reachable_by_name_and_protocol(
    real_zookeeper: RealRig, tmp_path: Path
) -> None:
    provider = dubbo3_provider(real_zookeeper.hosts, tmp_path)
    dubbo, tri = provider.port("DUBBO_PORT"), provider.port("TRI_PORT")
    slime, istio = Mesh(real_zookeeper.hosts, "slime"), Mesh(real_zookeeper.hosts, "istio")
    async with slime.reading(), istio.reading():
        async with running(provider):
            await slime.until_names({*SERVICES, STATIC} - {"lab.api.GreetService:g2"})
            _expect_whole_entries(slime, "dubbo3", "slime", {"PORT": dubbo})
            await istio.until_names(HOSTS_3)
            _expect_whole_entries(istio, "dubbo3", "istio", {"PORT": dubbo, "TRI_PORT": tri})
            expected = {"TCP": {("10.20.30.40", dubbo)}, "GRPC": {("10.20.30.40", tri)}}
            assert [] == [each for each, places in istio.protocols().items() if expected[each[1]] != places]
        await slime.until_names(())
        await istio.until_names(())


def _expect_whole_entries(mesh: Mesh, provider: str, profile: str, ports: Mapping[str, int]) -> None:
    """Compare with what is written by hand in `data/judged-dubbo.yaml`; only what is drawn at random is taken over."""
    for template in yaml.safe_load(JUDGED)[provider][profile]:
        resource = mesh.resources[f"{template['namespace']}/{template['name']}"]
        entry = resource.entry
        drawn = {key: str(number) for key, number in ports.items()}
        drawn |= {"ADDRESS": "".join(address for address in entry.addresses if address.startswith("241."))}
        drawn |= {"TOKEN": dict(entry.endpoints[0].labels).get("token", "")}
        item = config_item(resource, "", "", with_version=False)
        shown = {key: item[key] for key in ("name", "namespace", "labels", "annotations", "Spec")}
        expected = yaml.safe_load(Template(yaml.safe_dump(template)).substitute(drawn))
        assert _with_numbers(expected) == json.loads(json.dumps(shown))


def _with_numbers(expected: dict[str, Any]) -> dict[str, Any]:
    """Return it with port numbers that are numbers: a template has texts in their place."""
    spec = expected["Spec"]
    for port in spec["ports"]:
        port["number"] = int(port["number"])
    for endpoint in spec["endpoints"]:
        endpoint["ports"] = {name: int(number) for name, number in endpoint["ports"].items()}
    return expected


async def test_a_provider_that_rewrites_itself_is_never_gone_and_never_another(
    real_zookeeper: RealRig, tmp_path: Path
) -> None:
    """A rule has a running provider delete its node and create another one: in between there is none.

    Its application and the mapping stand all the time; they say neither group nor version.
    """
    interface = "lab.api.OrderService"
    category = f"/dubbo/{interface}/providers"
    rule = f"override://0.0.0.0/{interface}?category=configurators&dynamic=false&enabled=true&version=1.0.0&weight=7"
    provider = dubbo3_provider(real_zookeeper.hosts, tmp_path)
    meshes = [Mesh(real_zookeeper.hosts, "istio", f"recursive_watch: {each}", 30) for each in ("true", "false")]
    async with meshes[0].reading(), meshes[1].reading():
        async with running(provider):
            for mesh in meshes:
                await mesh.until_names(HOSTS_3)
                mesh.forget_start()
            before = await real_zookeeper.writer.children(category)
            await real_zookeeper.writer.create(f"/dubbo/{interface}/configurators/{encode(rule)}")
            async with asyncio.timeout(TIMEOUT_S):
                while not _is_rewritten(before, await real_zookeeper.writer.children(category)):  # noqa: ASYNC110 - a poll
                    await asyncio.sleep(0.1)
            for mesh in meshes:
                await mesh.until(lambda mesh=mesh: {7.0} == mesh.weights(interface))  # type: ignore[misc]
                assert set() == mesh.gone
        for mesh in meshes:
            await mesh.until(lambda mesh=mesh: not list(mesh.source.instances()))  # type: ignore[misc]
    assert [{*HOSTS_3}] * 2 == [mesh.names for mesh in meshes]


def _is_rewritten(before: list[str], now: list[str]) -> bool:
    return len(now) == len(before) and any("weight%3D7" in name for name in now)


CALLED = {
    "slime": sorted({*SERVICES, STATIC} - {"lab.api.GreetService:g2"}),
    "istio": sorted({*HOSTS_3, "1-0-0.users.lab.api.userservice.dubbo"} - {*APPLICATION_HOSTS}),
}
"""What the consumer refers to (of GreetService every group and version) and the provider offers, in each profile.

The host of the service with weight 0 is in it: it stays what it is called when it takes calls again.
"""


@pytest.mark.parametrize("profile", ["slime", "istio"])
async def test_a_consumer_becomes_a_sidecar(real_zookeeper: RealRig, tmp_path: Path, profile: str) -> None:
    provider = dubbo3_provider(real_zookeeper.hosts, tmp_path / "provider")
    consumer = dubbo3_consumer(real_zookeeper.hosts, tmp_path / "consumer")
    extra = "trim_dubbo_remove_dep_interval: 0s, enable_dubbo_sidecar: true"
    expected = {"demo-consumer.dubbo.generated": [f"*/{name}" for name in CALLED[profile]]}
    if profile == "slime":
        expected["demo-provider3.dubbo.generated"] = []  # as in Slime: it calls nothing
    async with Mesh(real_zookeeper.hosts, profile, extra).reading() as mesh, running(provider), running(consumer):
        try:
            await mesh.until(lambda: expected == _list_hosts(mesh))
        except TimeoutError:
            assert expected == _list_hosts(mesh)
        sidecar = mesh.sidecars["demo-consumer.dubbo.generated"]
        assert (("app", "demo-consumer"),) == sidecar.workload_labels
        assert 1 == len(sidecar.egress)


def _list_hosts(mesh: Mesh) -> dict[str, list[str]]:
    return {name: list(sidecar.egress[0].hosts) for name, sidecar in mesh.sidecars.items()}


async def test_an_application_that_registers_only_as_a_whole_is_offered(
    real_zookeeper: RealRig, tmp_path: Path
) -> None:
    options = DubboOptions(register_mode="instance", metadata_type="remote", metadata_report=True)
    provider = dubbo3_provider(real_zookeeper.hosts, tmp_path, options)
    async with Mesh(real_zookeeper.hosts, "istio").reading() as mesh:
        async with running(provider):
            await mesh.until(lambda: set(SERVICES) <= {key for key, _ in mesh.protocols()})
            found = mesh.protocols()
            assert {("10.20.30.40", provider.port("DUBBO_PORT"))} == found[("lab.api.OrderService::1.0.0", "TCP")]
            assert "demo-provider3" in {key for key, _ in found}
        await mesh.until(lambda: not mesh.entries)


async def test_a_spring_cloud_application_is_a_plain_http_service(real_zookeeper: RealRig, tmp_path: Path) -> None:
    application: Application = spring_application(real_zookeeper.hosts, tmp_path)
    async with Mesh(real_zookeeper.hosts, "istio").reading() as mesh:
        async with running(application):
            await mesh.until_names(["demo-spring.zookeeper"])
            _expect_whole_entries(mesh, "spring", "istio", {"PORT": application.port("HTTP_PORT")})
        await mesh.until(lambda: not mesh.entries)
