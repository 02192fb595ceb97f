"""What real applications write into a real ZooKeeper: the paths and parameters that the source is built on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote_plus

import anyio
import anyio.to_thread
import pytest

from tests.support.dubbo_apps import (
    LOOPBACK,
    DubboOptions,
    dubbo3_consumer,
    dubbo3_provider,
    dubbo27_provider,
    running,
    spring_application,
)
from tests.support.zookeeper_rig import RealRig
from tests.support.zookeeper_writer import Found, Writer

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

_TIMEOUT_S = 30.0
_CATEGORIES = {"providers", "consumers", "configurators", "routers"}

_SERVICES_27 = {
    "dubbo lab.api.GreetService",
    "dubbo g1/lab.api.GreetService:1.0.0",
    "dubbo lab.api.GreetService:2.0.0",
    "dubbo g2/lab.api.GreetService",
    "dubbo lab.api.OrderService:1.0.0",
    "dubbo users/lab.api.UserService:1.0.0",
    "dubbo lab.api.Outer$InnerService",
}
_SERVICES_3 = (_SERVICES_27 - {"dubbo g2/lab.api.GreetService"}) | {
    "tri lab.api.GreetService",
    "tri g2/lab.api.GreetService",
    "tri lab.api.OrderService:1.0.0",
}
_PROVIDER_PARAMETERS = {
    *("application", "application.version", "deprecated", "dubbo", "dynamic", "generic", "interface", "methods"),
    *("organization", "owner", "release", "side", "timestamp"),
}


async def test_a_dubbo_27_provider_registers_its_interfaces(real_zookeeper: RealRig, tmp_path: Path) -> None:
    writer = real_zookeeper.writer
    application = dubbo27_provider(real_zookeeper.hosts, tmp_path)
    async with running(application):
        tree = await writer.tree()

        urls = _urls(tree, "providers")
        assert _SERVICES_27 == {_service(each) for each in urls}
        assert {f"10.20.30.40:{application.port('DUBBO_PORT')}"} == {_address(each) for each in urls}
        assert {"2.7.23"} == {_parameters(each)["release"] for each in urls}
        assert all(_PROVIDER_PARAMETERS <= _parameters(each).keys() for each in urls)
        assert "50" == _parameters(_named(urls, "g1/lab.api.GreetService:1.0.0"))["weight"]
        assert ["users/lab.api.UserService:1.0.0"] == _static(tree)
        assert {"config", "metadata"} == _beside_interfaces(tree)
        assert "/services" not in tree

    assert [] == _urls(await writer.tree(), "providers")
    assert "/dubbo/lab.api.GreetService/providers" in await writer.tree()


async def test_a_dubbo_27_application_registers_itself(real_zookeeper: RealRig, tmp_path: Path) -> None:
    options = DubboOptions(name="orders", service_discovery=True, metadata_type="remote")
    application = dubbo27_provider(real_zookeeper.hosts, tmp_path, options)
    async with running(application):
        tree = await real_zookeeper.writer.tree()

    port = application.port("DUBBO_PORT")
    instance = json.loads(tree[f"/services/orders/10.20.30.40:{port}"].data)
    metadata = instance["payload"]["metadata"]
    revision = metadata["dubbo.metadata.revision"]
    assert (None, revision.upper()) == (instance["payload"]["id"], revision)
    assert [{"port": port, "protocol": "dubbo"}] == json.loads(metadata["dubbo.endpoints"])
    assert f"/dubbo/metadata/orders/{revision}" in tree
    assert "/dubbo/config/mapping/lab.api.Outer$InnerService/orders" in tree
    assert "/dubbo/mapping" not in tree
    assert [] == _urls(tree, "providers")


async def test_a_dubbo_3_provider_registers_interfaces_and_itself(real_zookeeper: RealRig, tmp_path: Path) -> None:
    writer = real_zookeeper.writer
    application = dubbo3_provider(real_zookeeper.hosts, tmp_path, DubboOptions(metadata_type="remote"))
    async with running(application):
        tree = await writer.tree()

        ports = [("dubbo", application.port("DUBBO_PORT")), ("tri", application.port("TRI_PORT"))]
        urls = _urls(tree, "providers")
        assert _SERVICES_3 == {_service(each) for each in urls}
        assert {f"10.20.30.40:{port}" for _, port in ports} == {_address(each) for each in urls}
        assert all({*_PROVIDER_PARAMETERS, "zone"} <= _parameters(each).keys() for each in urls)
        assert ["users/lab.api.UserService:1.0.0"] == _static(tree)
        assert {"config", "metadata", "mapping"} == _beside_interfaces(tree)
        assert b"demo-provider3" == tree["/dubbo/mapping/lab.api.Outer$InnerService"].data

        instance = json.loads(tree[f"/services/demo-provider3/10.20.30.40:{ports[0][1]}"].data)
        metadata = instance["payload"]["metadata"]
        assert "org.apache.dubbo.registry.zookeeper.ZookeeperInstance" == instance["payload"]["@class"]
        assert ports == [(each["protocol"], each["port"]) for each in json.loads(metadata["dubbo.endpoints"])]
        revision = metadata["dubbo.metadata.revision"]
        described = json.loads(tree[f"/dubbo/metadata/demo-provider3/{revision}"].data)
        assert {f"{name}:{protocol}" for protocol, name in map(str.split, _SERVICES_3)} == described["services"].keys()

    tree = await writer.tree()
    assert ([], "/services/demo-provider3") == (_urls(tree, "providers"), max(each for each in tree if "serv" in each))


async def test_a_killed_dubbo_3_provider_leaves_its_nodes_until_its_session_expires(
    real_zookeeper: RealRig, tmp_path: Path
) -> None:
    writer = real_zookeeper.writer
    options = DubboOptions(registry_group="foo", session_ms=4000)
    application = dubbo3_provider(real_zookeeper.hosts, tmp_path, options)
    async with running(application):
        await anyio.to_thread.run_sync(application.kill)

        registered = _ephemeral(await writer.tree("/foo"))
        await _until(writer, lambda tree: not _ephemeral(tree))

    instance = f"/foo/demo-provider3/10.20.30.40:{application.port('DUBBO_PORT')}"
    assert [instance] == [each for each in registered if "/providers/" not in each]
    assert ["users/lab.api.UserService:1.0.0"] == _static(await writer.tree("/foo"))


async def test_a_dubbo_3_consumer_registers_and_calls(real_zookeeper: RealRig, tmp_path: Path) -> None:
    hosts = real_zookeeper.hosts
    provider = dubbo3_provider(hosts, tmp_path / "provider", DubboOptions(register_ip=LOOPBACK))
    consumer = dubbo3_consumer(hosts, tmp_path / "consumer")
    async with running(provider), running(consumer):
        tree = await real_zookeeper.writer.tree()
        await anyio.to_thread.run_sync(consumer.wait_until_printed, "CALL")

    urls = _urls(tree, "consumers")
    assert {"demo-consumer"} == {_parameters(each)["application"] for each in urls}
    assert {"10.20.30.50"} == {_address(each) for each in urls}
    assert {
        "consumer lab.api.GreetService",
        "consumer g1/lab.api.GreetService:1.0.0",
        "consumer */lab.api.GreetService:*",
        "consumer lab.api.OrderService:1.0.0",
        "consumer users/lab.api.UserService:1.0.0",
        "consumer lab.api.Outer$InnerService",
    } == {_service(each) for each in urls}
    assert "CALL hello mesh" in consumer.output


async def test_a_spring_cloud_application_registers_itself(real_zookeeper: RealRig, tmp_path: Path) -> None:
    writer = real_zookeeper.writer
    application = spring_application(real_zookeeper.hosts, tmp_path, name="team-a/orders")
    async with running(application):
        [(path, node)] = [(path, node) for path, node in (await writer.tree("/services")).items() if node.ephemeral]

    instance = json.loads(node.data)
    assert f"/services/team-a/orders/{instance['id']}" == path
    assert ("10.20.30.70", application.port("HTTP_PORT"), None) == (
        instance["address"],
        instance["port"],
        instance["sslPort"],
    )
    assert "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance" == instance["payload"]["@class"]
    assert {"instance_status": "UP", "zone": "z1", "version": "v2", "odd": "a&b=c,d"} == instance["payload"]["metadata"]
    assert {} == _ephemeral(await writer.tree())


async def _until(writer: Writer, condition: Callable[[Mapping[str, Found]], bool]) -> None:
    with anyio.fail_after(_TIMEOUT_S):
        while not condition(await writer.tree()):  # noqa: ASYNC110 - another process changes it
            await anyio.sleep(0.1)


def _ephemeral(tree: Mapping[str, Found]) -> dict[str, Found]:
    return {path: node for path, node in tree.items() if node.ephemeral}


def _urls(tree: Mapping[str, Found], category: str) -> list[str]:
    """The registered URLs of a category, decoded; static ones aside that outlived their provider."""
    below = [path.rsplit("/", 2) for path in _ephemeral(tree) | _static_nodes(tree)]
    return [unquote_plus(name) for _, parent, name in below if parent == category]


def _static_nodes(tree: Mapping[str, Found]) -> dict[str, Found]:
    return {path: node for path, node in tree.items() if "/providers/" in path and not node.ephemeral}


def _static(tree: Mapping[str, Found]) -> list[str]:
    return [_service(unquote_plus(path.rsplit("/", 1)[1])).split()[1] for path in _static_nodes(tree)]


def _beside_interfaces(tree: Mapping[str, Found]) -> set[str]:
    """Names below /dubbo that are no interface: they have none of an interface's categories."""
    names = {path.split("/")[2] for path in tree if path.startswith("/dubbo/")}
    return {name for name in names if not any(f"/dubbo/{name}/{each}" in tree for each in _CATEGORIES)}


def _named(urls: list[str], service: str) -> str:
    [found] = [each for each in urls if _service(each).split()[1] == service]
    return found


def _service(url: str) -> str:
    """Return `scheme group/interface:version`."""
    parameters = _parameters(url)
    group, version = parameters.get("group", ""), parameters.get("version", "")
    name = f"{group}/" * bool(group) + parameters["interface"] + f":{version}" * bool(version)
    return f"{url.split(':')[0]} {name}"


def _address(url: str) -> str:
    return url.split("/")[2]


def _parameters(url: str) -> dict[str, str]:
    pairs = [each.partition("=") for each in url.partition("?")[2].split("&")]
    return {name: value for name, _, value in pairs}
