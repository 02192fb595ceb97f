"""Pushes from servers that are broken, slow, lying or hostile: what is known stays, and everything ends well."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from meshregistry.model.events import ScopeListing, ServiceReading, SourceUpdate
from meshregistry.model.instance import Instance
from meshregistry.sim.nacos.access import Credentials
from meshregistry.sim.nacos.faults import Fault
from meshregistry.sim.nacos.fuzzy import FuzzyOptions
from meshregistry.sim.nacos.rpc_faults import RpcFault
from meshregistry.sim.nacos.rpc_server import RpcOptions
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import Instance as SimInstance
from meshregistry.sim.nacos.state import Namespace, ServiceKey
from meshregistry.sim.nacos.views import Dialect
from meshregistry.sources.nacos import NacosServerOptions, discovery
from meshregistry.sources.nacos.options import GrpcTls, WatchOptions
from meshregistry.sources.nacos.signature import AccessKey
from tests.support.nacos_view import View, reading

pytestmark = [pytest.mark.anyio, pytest.mark.simulator_only]

QUICK = RpcOptions(push_delay_s=0.02)
QUICK_FUZZY = FuzzyOptions(first_sync_s=0.05, finish_s=0.02, change_s=0.02)
WATCH = WatchOptions(list_period_s=0.1, reconnect_pause_s=0.2, first_connect_pause_s=0.2, linger_s=0.5)
ORDERS = ServiceKey("orders")
MANY = 700


@asynccontextmanager
async def _simulated(dialect: Dialect = Dialect.V3, **options: object) -> AsyncIterator[SimNacos]:
    fields: dict[str, object] = {"rpc": QUICK, "fuzzy": QUICK_FUZZY, **options}
    async with SimNacos(SimOptions(dialect=dialect, **fields)) as sim:  # type: ignore[arg-type]
        sim.registry.register(ORDERS, SimInstance("10.0.0.1", 80))
        yield sim


@asynccontextmanager
async def _read(*sims: SimNacos, request_timeout_s: float = 5.0, **server: object) -> AsyncIterator[View]:
    addresses = tuple(sim.base_url for sim in sims)
    options = NacosServerOptions(addresses=addresses, **server)  # type: ignore[arg-type]
    changes = {"resync_period_s": 0.2, "settle_s": 0.3, "connect_timeout_s": 0.3}
    async with reading(options, watch=WATCH, request_timeout_s=request_timeout_s, **changes) as view:
        yield view


def _at(*lasts: int) -> tuple[Instance, ...]:
    return tuple(Instance(f"10.0.0.{last}", 80, "DEFAULT") for last in lasts)


def _news(view: View) -> list[SourceUpdate]:
    return [update for update in view.updates if isinstance(update, ScopeListing | ServiceReading)]


def _pushes(view: View) -> int:
    pushed = view.side["pushes_total"]
    assert isinstance(pushed, int)
    return pushed


def _groups(view: View) -> dict[str, int]:
    scopes = view.registry["scopes"]
    assert isinstance(scopes, list)
    return {each["group"]: each["instances"] for each in scopes}


def _instances(view: View) -> dict[str, int]:
    scopes = view.registry["scopes"]
    assert isinstance(scopes, list)
    return {each["namespace"]: each["instances"] for each in scopes if each["instances"]}


# The way in: TLS and signatures.


def _certificates(folder: Path) -> tuple[ssl.SSLContext, GrpcTls, GrpcTls]:
    """Return the server's context, and what a client needs to trust it, or somebody else."""
    good, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    good.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    for name, authority in (("good", good), ("other", other)):
        authority.cert_pem.write_to_path(str(folder / f"{name}.pem"))
    return context, GrpcTls(str(folder / "good.pem")), GrpcTls(str(folder / "other.pem"))


async def test_pushes_come_over_tls(tmp_path: Path) -> None:
    context, trusted, _ = _certificates(tmp_path)
    async with _simulated(rpc=replace(QUICK, tls=context)) as sim, _read(sim, grpc_tls=trusted) as view:
        await view.until(View.is_up)
        sim.registry.register(ORDERS, SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": _at(1, 2)})


async def test_an_authority_that_is_not_trusted_gets_no_word_and_polling_goes_on(tmp_path: Path) -> None:
    context, _, foreign = _certificates(tmp_path)
    async with _simulated(rpc=replace(QUICK, tls=context)) as sim, _read(sim, grpc_tls=foreign) as view:
        await view.until(lambda view: "CERTIFICATE_VERIFY_FAILED" in str(view.side["last_error"]))
        sim.registry.register(ORDERS, SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": _at(1, 2)})
        assert 0 == view.side["connections_total"]


@pytest.mark.parametrize("dialect", [Dialect.V2, Dialect.V3])
async def test_an_access_key_opens_listings_and_pushes(dialect: Dialect) -> None:
    known = Credentials(username="nacos", password="unknown to us", access_key="AK", secret_key="SK")
    async with _simulated(dialect, credentials=known) as sim, _read(sim, access_key=AccessKey("AK", "SK")) as view:
        await view.until(View.is_up)
        sim.registry.register(ORDERS, SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": _at(1, 2)})
        assert {} == view.side["subscriptions_refused"]


async def test_a_wrong_signature_is_loud_and_asks_slowly(caplog: pytest.LogCaptureFixture) -> None:
    known = Credentials(username="nacos", password="unknown to us", access_key="AK", secret_key="SK")
    async with _simulated(credentials=known) as sim, _read(sim, access_key=AccessKey("AK", "s3cr3t")) as view:
        await view.until(lambda view: view.readings(failed=True) >= 3)
        await view.until(lambda view: view.side["connected"] is True)
        assert [] == view.updates
        assert "403" in str(view.scope["last_error"])
        assert 1 == view.side["connections_total"]
    assert "s3cr3t" not in caplog.text


# Broken messages.

FAULTS = [
    RpcFault(type="ServerCheckRequest", stall=True),
    RpcFault(type="ServerCheckRequest", reset="connection"),
    RpcFault(type="SubscribeServiceRequest", stall=True),
    RpcFault(type="SubscribeServiceRequest", reset="stream"),
    RpcFault(type="SubscribeServiceRequest", reset="connection"),
    RpcFault(type="SubscribeServiceRequest", body="truncated"),
    RpcFault(type="SubscribeServiceRequest", error_code=500),
    RpcFault(type="SubscribeServiceRequest", error_code=301),
    RpcFault(type="NotifySubscriberRequest", body="truncated"),
    RpcFault(type="NotifySubscriberRequest", reset="connection"),
    RpcFault(type="NamingFuzzyWatchRequest", body="truncated"),
    RpcFault(type="NamingFuzzyWatchSyncRequest", body="truncated"),
    RpcFault(type="ServiceListRequest", body="truncated"),
    RpcFault(type="HealthCheckRequest", stall=True),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.type}-{fault.body or fault.reset or 'other'}")
@pytest.mark.parametrize("dialect", [Dialect.V2, Dialect.V3])
async def test_each_broken_message_takes_nothing_away_and_pushes_come_when_it_is_over(
    dialect: Dialect, fault: RpcFault
) -> None:
    async with _simulated(dialect) as sim:
        sim.set_rpc_faults(fault)
        async with _read(sim, request_timeout_s=0.3) as view:
            await view.until_services({"orders": _at(1)})
            sim.registry.register(ORDERS, SimInstance("10.0.0.2", 80))
            await view.until_services({"orders": _at(1, 2)})
            seen = len(view.updates)
            await asyncio.sleep(0.5)

            sim.set_rpc_faults()
            await view.until(View.is_up)
            sim.registry.register(ORDERS, SimInstance("10.0.0.3", 80))
            await view.until_services({"orders": _at(1, 2, 3)})

    assert all(update.services.values() for update in view.listings[seen:])


async def test_a_fuzzy_watch_that_never_finishes_is_left_for_lists_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_FINISH_TIMEOUT_S", 0.3)
    async with _simulated() as sim:
        sim.set_rpc_faults(RpcFault(type="NamingFuzzyWatchSyncRequest", stall=True))
        async with _read(sim) as view:
            await view.until(lambda view: view.side["rung"] == "service_list")
            assert "did not finish" in str(view.side["stepped_down"])


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _talk_rubbish(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256)) * 40)
    await writer.drain()
    writer.close()


async def _promise_gigabytes(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01")
    await writer.drain()
    writer.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("talk", [_talk_rubbish, _promise_gigabytes, _say_nothing, _hang_up])
async def test_what_is_no_nacos_on_the_grpc_port_leaves_polling_alone(talk: Talk) -> None:
    calls = 0
    began = time.monotonic()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        try:
            await talk(reader, writer)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    async with server, _simulated() as sim, _read(sim, request_timeout_s=0.3, grpc_port=port) as view:
        await view.until(lambda view: view.side["last_error"] is not None)
        sim.registry.register(ORDERS, SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": _at(1, 2)})
        await asyncio.sleep(0.5)
        assert 0 == view.side["connections_total"]
    await asyncio.sleep(0.05)  # the server's side hears of the end

    assert 1 <= calls <= 2 + (time.monotonic() - began) / 0.05


# Floods.


async def test_a_thousand_equal_pushes_are_no_news() -> None:
    async with _simulated() as sim, _read(sim) as view:
        await view.until(View.is_up)
        await view.until_services({"orders": _at(1)})
        before, pushed = _news(view), _pushes(view)
        for _ in range(1000):
            sim.pushes.push(ORDERS)
        await view.until(lambda view: _pushes(view) >= pushed + 1000)
        assert before == _news(view)


async def test_many_services_that_come_and_go_leave_nothing_behind() -> None:
    async with _simulated() as sim, _read(sim) as view:
        await view.until(View.is_up)
        keys = [ServiceKey(f"svc-{number}") for number in range(MANY)]
        for key in keys:
            sim.registry.register(key, SimInstance("10.0.0.9", 80))
        await view.until(lambda view: len(view.services) == MANY + 1 and view.is_up(), timeout_s=40.0)
        for key in keys:
            sim.registry.deregister(key, "10.0.0.9", 80)
            sim.registry.remove_service(key)
        await view.until_services({"orders": _at(1)})
        await view.until(lambda view: view.side["subscriptions"] == 1)
        await view.until(lambda _: sim.pushes.count() == 1)


async def test_nodes_that_send_us_to_each_other_cannot_make_us_run() -> None:
    async with _simulated() as first, _simulated() as second, _read(first, second) as view:
        await view.until(View.is_up)
        ports = [int(sim.base_url.rpartition(":")[2]) for sim in (first, second)]
        for _ in range(100):
            first.rpc.redirect("127.0.0.1", ports[1])
            second.rpc.redirect("127.0.0.1", ports[0])
            await asyncio.sleep(0.02)
        connections = view.side["connections_total"]
        assert isinstance(connections, int)
        assert 2 <= connections <= 30  # 2 s of at least a tenth each

        await view.until(View.is_up)
        first.registry.register(ORDERS, SimInstance("10.0.0.2", 80))
        second.registry.register(ORDERS, SimInstance("10.0.0.2", 80))
        await view.until_services({"orders": _at(1, 2)})


async def test_a_namespace_that_vanishes_is_read_until_it_is_empty() -> None:
    key = ServiceKey("a", namespace="dev")
    async with _simulated() as sim:
        sim.registry.create_namespace(Namespace("dev", "dev"))
        sim.registry.register(key, SimInstance("10.0.0.2", 80))
        async with _read(sim, all_namespaces=True) as view:
            await view.until(lambda view: _instances(view) == {"public": 1, "dev": 1})
            sim.set_faults(Fault(path="namespace/list", raw=b'{"code":0,"data":[{"namespace":"public"}]}'))
            await view.until(lambda view: view.registry["vanished_namespaces"] == ["dev"])
            await view.next_reading(2)
            assert {"public": 1, "dev": 1} == _instances(view)

            sim.registry.deregister(key, "10.0.0.2", 80)
            sim.registry.remove_service(key)
            await view.until(lambda view: view.registry["vanished_namespaces"] == [])
            assert {"public": 1} == _instances(view)


@pytest.mark.parametrize("dialect", [Dialect.V2, Dialect.V3])
async def test_a_group_that_vanishes_is_subscribed_no_more_until_it_comes_back(dialect: Dialect) -> None:
    key = ServiceKey("a", "G9")
    async with _simulated(dialect) as sim, _read(sim, all_namespaces=True) as view:
        sim.registry.register(key, SimInstance("10.0.0.2", 80))
        await view.until(lambda view: _groups(view) == {"DEFAULT_GROUP": 1, "G9": 1})
        await view.until(lambda view: view.side["subscriptions"] == 2 and view.is_up())
        assert 2 == sim.pushes.count()
        sim.registry.deregister(key, "10.0.0.2", 80)
        sim.registry.remove_service(key)
        await view.until(lambda view: _groups(view) == {"DEFAULT_GROUP": 1})
        await view.until(lambda _: sim.pushes.count() == 1)
        assert 1 == view.side["subscriptions"]

        sim.registry.register(key, SimInstance("10.0.0.3", 80))
        await view.until(lambda view: _groups(view) == {"DEFAULT_GROUP": 1, "G9": 1})
        await view.until(lambda view: view.side["subscriptions"] == 2 and view.is_up())
        assert 2 == sim.pushes.count()
