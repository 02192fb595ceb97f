"""What belongs to what: registries, namespaces and groups beside each other, each failing on its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import msgspec
import pytest

from meshregistry.sim.nacos.faults import Fault
from meshregistry.sim.nacos.fuzzy import FuzzyOptions
from meshregistry.sim.nacos.rpc_faults import RpcFault
from meshregistry.sim.nacos.rpc_server import RpcOptions
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.state import Instance as SimInstance
from meshregistry.sim.nacos.state import Namespace, ServiceKey
from meshregistry.sim.nacos.views import Dialect
from meshregistry.sources.nacos import NacosScope, NacosServerOptions
from tests.support.nacos_gateway import Gateway
from tests.support.nacos_view import MODES, Mode, View, feeding, reading
from tests.support.saved_worlds import Process

pytestmark = pytest.mark.anyio

CATALOGUE = {
    Dialect.V1: "/v1/ns/catalog/services",
    Dialect.V2: "/v1/ns/catalog/services",
    Dialect.V3: "/v3/admin/ns/service/list",
}
"""What lists services of all groups."""

NAMESPACES = "/v3/admin/core/namespace/list"
QUICK = RpcOptions(push_delay_s=0.02)
QUICK_FUZZY = FuzzyOptions(first_sync_s=0.05, finish_s=0.02, change_s=0.02)


class Failure(NamedTuple):
    """One way in which a part of a registry fails, over HTTP and over gRPC."""

    over_http: Fault
    over_grpc: RpcFault

    def http(self, **part: str) -> Fault:
        """Return the fault of a part."""
        return msgspec.structs.replace(self.over_http, **part)

    def rpc(self, **part: str) -> tuple[RpcFault, ...]:
        """Return the faults of a part; of its changes nothing is pushed."""
        silence = RpcFault(type="NotifySubscriberRequest", stall=True)
        return tuple(msgspec.structs.replace(fault, **part) for fault in (silence, self.over_grpc))


class Rung(NamedTuple):
    """How a registry is read, and what makes that the best way it offers."""

    name: str
    options: Mode
    refused: tuple[Fault, ...] = ()

    def apply(self, sim: SimNacos, *faults: Fault, rpc: tuple[RpcFault, ...] = ()) -> None:
        """Have the simulator offer this, and misbehave in these ways beside."""
        sim.set_faults(*faults, *self.refused)
        sim.set_rpc_faults(*rpc)

    def is_used(self, view: View) -> bool:
        """Whether everything is read in this way."""
        return {self.name} == {scope["rung"] for scope in _scopes(view)}


SOON: Mode = {"settle_s": 0.3, "request_timeout_s": 0.3}
BULK = Rung("bulk", SOON)
PUSHED = Rung("bulk", {**MODES["watching"], **SOON})
PER_SERVICE = Rung("per_service", SOON, (Fault(path=CATALOGUE[Dialect.V3], status=403),))
GRPC = Rung(
    "grpc",
    {**MODES["watching"], **SOON},
    (*PER_SERVICE.refused, Fault(path="/v1/ns/service/list", status=403)),
)
RUNGS = pytest.mark.parametrize(
    "rung", [BULK, PUSHED, PER_SERVICE, GRPC], ids=["bulk", "pushed", "per_service", "grpc"]
)
_FAILURES = {
    "503": Failure(Fault(status=503), RpcFault(error_code=500)),
    "403": Failure(Fault(status=403), RpcFault(error_code=403)),
    "stall": Failure(Fault(delay_s=5.0), RpcFault(stall=True)),
}
FAILURES = pytest.mark.parametrize("failure", _FAILURES.values(), ids=_FAILURES)
OUTAGES = pytest.mark.parametrize("failure", [None, *_FAILURES.values()], ids=["down", *_FAILURES])


@pytest.fixture(params=MODES.values(), ids=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    """With and without pushes: what is published is the same."""
    chosen: Mode = request.param
    return chosen


@asynccontextmanager
async def _simulated(*dialects: Dialect) -> AsyncIterator[list[SimNacos]]:
    """Registries that are empty."""
    async with AsyncExitStack() as stack:
        options = [SimOptions(dialect=dialect, rpc=QUICK, fuzzy=QUICK_FUZZY) for dialect in dialects]
        yield [await stack.enter_async_context(SimNacos(each)) for each in options]


def _register(sim: SimNacos, name: str, address: str, group: str = "DEFAULT_GROUP", namespace: str = "public") -> None:
    sim.registry.register(ServiceKey(name, group, namespace), SimInstance(address, 80))


def _deregister(sim: SimNacos, name: str, address: str, group: str = "DEFAULT_GROUP", ns: str = "public") -> None:
    sim.registry.deregister(ServiceKey(name, group, ns), address, 80)


async def _until_union(view: View, union: dict[str, list[str]]) -> None:
    """Wait for it; on time-out the comparison is the failure."""
    try:
        await view.until(lambda view: view.union == union)
    except TimeoutError:
        assert union == view.union


def _everything(sim: SimNacos) -> NacosServerOptions:
    return NacosServerOptions(addresses=(sim.base_url,), all_namespaces=True)


def _named(sim: SimNacos, *namespaces: str) -> NacosServerOptions:
    scopes = tuple(NacosScope(namespace) for namespace in namespaces)
    return NacosServerOptions(addresses=(sim.base_url,), scopes=scopes)


def _scopes(view: View) -> list[dict[str, object]]:
    scopes = view.registry["scopes"]
    assert isinstance(scopes, list)
    return scopes


def _sample(view: View, name: str, **labels: str) -> float | None:
    return view.metrics.registry.get_sample_value(name, {"source": "nacos", **labels})


def _healthy(view: View) -> dict[tuple[object, object], object]:
    return {(scope["namespace"], scope["group"]): scope["healthy"] for scope in _scopes(view)}


def _is_healthy(registry: dict[str, object]) -> bool:
    scopes = registry["scopes"]
    assert isinstance(scopes, list)
    return all(scope["healthy"] for scope in scopes)


def _only(*sims: SimNacos, ids: tuple[str, ...] = ("", "")) -> list[NacosServerOptions]:
    return [NacosServerOptions(addresses=(sim.base_url,), registry_id=id_) for sim, id_ in zip(sims, ids, strict=True)]


# Registries beside each other.


@pytest.mark.parametrize("ids", [("", ""), ("east", "east"), ("east", "west")], ids=["none", "equal", "different"])
async def test_registries_take_nothing_from_each_other(mode: Mode, ids: tuple[str, str]) -> None:
    async with _simulated(Dialect.V2, Dialect.V3) as (first, second):
        _register(first, "only-first", "10.0.0.1")
        _register(second, "only-second", "10.0.0.2")
        _register(first, "both", "10.0.0.3")
        _register(second, "both", "10.0.0.4")
        union = {"only-first": ["10.0.0.1"], "only-second": ["10.0.0.2"], "both": ["10.0.0.3", "10.0.0.4"]}
        async with reading(*_only(first, second, ids=ids), **mode) as view:
            await _until_union(view, union)
            for _ in range(3):
                await view.next_reading()
                assert union == view.union

            _deregister(second, "both", "10.0.0.4")
            _register(first, "late", "10.0.0.5")
            await _until_union(view, {**union, "both": ["10.0.0.3"], "late": ["10.0.0.5"]})

        assert [*ids] == [registry["registry_id"] for registry in view.source.registries()]
    assert 1 == len(view.synced)


@OUTAGES
async def test_an_outage_of_one_registry_without_an_id_is_its_own(mode: Mode, failure: Failure | None) -> None:
    async with _simulated(Dialect.V2, Dialect.V3) as (first, second):
        _register(first, "both", "10.0.0.1")
        _register(second, "both", "10.0.0.2")
        _register(second, "only-second", "10.0.0.3")
        union = {"both": ["10.0.0.1", "10.0.0.2"], "only-second": ["10.0.0.3"]}
        async with reading(*_only(first, second), **{**mode, **SOON}) as view:
            await _until_union(view, union)
            await view.until(lambda view: bool(view.synced))

            if failure is None:
                await second.stop()
            else:
                second.set_faults(failure.http())
                second.set_rpc_faults(*failure.rpc())
            _deregister(first, "both", "10.0.0.1")
            _deregister(second, "both", "10.0.0.2")
            _register(first, "late", "10.0.0.4")
            changed = {**union, "both": ["10.0.0.2"], "late": ["10.0.0.4"]}
            await _until_union(view, changed)
            await view.next_reading(3, failed=True)
            assert changed == view.union
            assert [True, False] == [_is_healthy(registry) for registry in view.source.registries()]

    assert 1 == len(view.synced)


async def test_completeness_waits_for_every_registry_without_an_id(mode: Mode) -> None:
    async with _simulated(Dialect.V2, Dialect.V3) as (first, second):
        _register(first, "first", "10.0.0.1")
        _register(second, "second", "10.0.0.2")
        second.set_faults(Fault(status=503))
        second.set_rpc_faults(RpcFault(stall=True))
        async with reading(*_only(first, second), **mode) as view:
            await _until_union(view, {"first": ["10.0.0.1"]})
            await view.next_reading(3, failed=True)
            assert [] == view.synced

            second.set_faults()
            second.set_rpc_faults()
            await view.until(lambda view: bool(view.synced))
            assert {"first": ["10.0.0.1"], "second": ["10.0.0.2"]} == view.union


# All groups of all namespaces.


@pytest.mark.parametrize("page_size", [100_000, 2], ids=["one page", "pages"])
async def test_without_a_bulk_listing_the_groups_are_found_in_the_catalogue(page_size: int) -> None:
    async with _simulated(Dialect.V1) as (sim,):
        sim.registry.create_namespace(Namespace("ns-1", "dev"))
        _register(sim, "plain", "10.0.0.1")
        _register(sim, "a", "10.0.0.2", "G1")
        _register(sim, "b", "10.0.0.3", "G2", "ns-1")
        union = {"plain": ["10.0.0.1"], "a": ["10.0.0.2"], "b": ["10.0.0.3"]}
        async with reading(_everything(sim), names_page_size=page_size) as view:
            await view.until(lambda view: bool(view.synced))
            assert union == view.union
            assert ["per_service"] * 3 == [scope["rung"] for scope in _scopes(view)]

            _register(sim, "c", "10.0.0.4", "G3")
            await _until_union(view, {**union, "c": ["10.0.0.4"]})
            _deregister(sim, "a", "10.0.0.2", "G1")
            await _until_union(view, {"plain": ["10.0.0.1"], "b": ["10.0.0.3"], "c": ["10.0.0.4"]})
            sim.registry.remove_service(ServiceKey("a", "G1"))
            await view.until(lambda view: "G1" not in {scope["group"] for scope in _scopes(view)})
            before = len(view.updates)
            await view.next_reading(2)

    assert before == len(view.updates)
    assert 0.0 == view.readings(failed=True)


async def test_an_empty_registry_without_a_bulk_listing_is_read(mode: Mode) -> None:
    async with _simulated(Dialect.V1) as (sim,), reading(_everything(sim), **mode) as view:
        await view.until(lambda view: bool(view.synced))
        await view.next_reading()

    assert [] == view.listings


@pytest.mark.parametrize("dialect", [Dialect.V1, Dialect.V2, Dialect.V3])
@pytest.mark.parametrize("status", [403, 404, 410, 501])
async def test_where_no_groups_can_be_listed_nothing_is_complete(dialect: Dialect, mode: Mode, status: int) -> None:
    async with _simulated(dialect) as (sim,):
        _register(sim, "plain", "10.0.0.1")
        _register(sim, "a", "10.0.0.2", "G1")
        sim.set_faults(Fault(path=CATALOGUE[dialect], status=status))
        async with reading(_everything(sim), bulk_retry_polls=3, **mode) as view:
            await view.until(lambda view: "plain" in view.union)
            await view.next_reading(2, failed=True)
            assert ([], True) == (view.synced, view.source.is_failing)
            assert f"groups cannot be listed: {sim.base_url}" in str(view.namespaces[0]["groups_unknown"])
            assert 1.0 == _sample(view, "meshregistry_source_failing", scope="nacos/public/*")

            sim.set_faults()
            await view.until(lambda view: bool(view.synced))
            assert {"plain": ["10.0.0.1"], "a": ["10.0.0.2"]} == view.union
            await view.until(lambda view: not view.source.is_failing)
            assert None is view.namespaces[0]["groups_unknown"]
            assert 0.0 == _sample(view, "meshregistry_source_failing", scope="nacos/public/*")


async def test_groups_that_were_found_are_read_on_when_they_cannot_be_listed_any_more(mode: Mode) -> None:
    async with _simulated(Dialect.V2) as (sim,):
        _register(sim, "a", "10.0.0.1", "G1")
        _register(sim, "b", "10.0.0.2", "G2")
        async with reading(_everything(sim), **mode) as view:
            await view.until(lambda view: bool(view.synced))
            sim.set_faults(Fault(path=CATALOGUE[Dialect.V2], status=403))
            await view.next_reading(failed=True)

            _register(sim, "a", "10.0.0.3", "G1")
            _deregister(sim, "b", "10.0.0.2", "G2")
            await view.until(lambda view: "b" not in view.union)
            sim.registry.remove_service(ServiceKey("b", "G2"))
            await _until_union(view, {"a": ["10.0.0.1", "10.0.0.3"]})
            assert "403" in str(view.namespaces[0]["groups_unknown"])


async def test_what_is_read_over_grpc_alone_is_not_all_groups() -> None:
    async with _simulated(Dialect.V2) as (sim,):
        _register(sim, "a", "10.0.0.1", "G1")
        sim.set_faults(Fault(path=CATALOGUE[Dialect.V2], status=503))
        async with reading(_everything(sim), **MODES["watching"]) as view:
            await view.until(lambda view: "over gRPC" in str(view.namespaces))
            await view.next_reading(2, failed=True)
            assert [] == view.synced


async def test_a_service_without_a_group_costs_completeness_and_nothing_else() -> None:
    async with _simulated(Dialect.V1) as (sim,), Gateway(sim.base_url) as gateway:
        _register(sim, "a", "10.0.0.1", "G1")
        _register(sim, "b", "10.0.0.2", "G2")
        gateway.rewritten[CATALOGUE[Dialect.V1]] = lambda body: body.replace(b'"G2"', b"null")
        options = NacosServerOptions(addresses=(gateway.base_url,), all_namespaces=True)
        async with reading(options) as view:
            await _until_union(view, {"a": ["10.0.0.1"]})
            await view.next_reading(failed=True)
            assert ([], True) == (view.synced, "1 services without a group" in str(view.namespaces[0]))

            gateway.rewritten.clear()
            await view.until(lambda view: bool(view.synced))
            assert {"a": ["10.0.0.1"], "b": ["10.0.0.2"]} == view.union


# Names of namespaces that nothing explains.


@pytest.mark.parametrize("status", [403, 404])
async def test_a_shown_name_that_nothing_explains_any_more_loses_nothing_of_what_was_saved(
    mode: Mode, status: int
) -> None:
    async with _simulated(Dialect.V3) as (sim,):
        sim.registry.create_namespace(Namespace("8f2c", "dev"))
        _register(sim, "a", "10.0.0.1", namespace="8f2c")
        before, after = Process(), Process()
        async with feeding(before, _named(sim, "dev"), **mode) as view:
            await view.until(lambda _: before.complete)
        served = before.wire()

        sim.set_faults(Fault(path=NAMESPACES, status=status))
        await after.restore(before.save())
        async with feeding(after, _named(sim, "dev"), **mode) as view:
            await view.next_reading(3, failed=True)
            after.now += 3600
            await after.take()
            assert ([], served) == (view.synced, after.wire())
            assert f"{sim.base_url}/nacos{NAMESPACES}: status {status}" in str(view.registry["namespaces_refused"])
            assert "'dev' reads empty, and may be the name that another namespace is shown by" in str(
                view.scope["last_error"]
            )
            assert view.source.is_failing

            sim.set_faults()
            await view.until(lambda view: bool(view.synced) and not view.source.is_failing)
            after.now += 3600
            await after.take()
            assert served == after.wire()


@pytest.mark.parametrize("in_group", ["DEFAULT_GROUP", "of nobody"])
async def test_a_namespace_that_holds_a_service_is_an_id_whatever_is_refused(mode: Mode, in_group: str) -> None:
    async with _simulated(Dialect.V3) as (sim,):
        _register(sim, "a", "10.0.0.1", in_group, namespace="dev")
        sim.set_faults(Fault(path=NAMESPACES, status=403))
        async with reading(_named(sim, "dev"), **mode) as view:
            await view.until(lambda view: bool(view.synced))
            _deregister(sim, "a", "10.0.0.1", in_group, ns="dev")
            await _until_union(view, {})
            sim.registry.remove_service(ServiceKey("a", in_group, "dev"))
            await view.until(lambda view: "a" not in {key.name for key in view.contents})
            await view.next_reading()

            assert not view.source.is_failing


async def test_a_namespace_in_doubt_is_read_when_its_first_service_comes(mode: Mode) -> None:
    async with _simulated(Dialect.V3) as (sim,):
        sim.set_faults(Fault(path=NAMESPACES, status=403))
        async with reading(_named(sim, "dev"), **mode) as view:
            await view.next_reading(failed=True)
            _register(sim, "a", "10.0.0.1", namespace="dev")
            await view.until(lambda view: bool(view.synced))

            assert {"a": ["10.0.0.1"]} == view.union


async def test_an_id_as_nacos_makes_them_is_no_shown_name(mode: Mode) -> None:
    async with _simulated(Dialect.V3) as (sim,):
        sim.set_faults(Fault(path=NAMESPACES, status=403))
        async with reading(_named(sim, "3f9f0c8e-6d0f-4e0e-9a3e-0c6f5b1d2a47"), **mode) as view:
            await view.until(lambda view: bool(view.synced))

    assert [frozenset()] == [listing.names for listing in view.listings]


async def test_without_the_list_a_namespace_that_was_looked_up_is_read_on() -> None:
    async with _simulated(Dialect.V3) as (sim,):
        sim.registry.create_namespace(Namespace("8f2c", "dev"))
        _register(sim, "a", "10.0.0.1", namespace="8f2c")
        options = _named(sim, "dev", "late")
        async with reading(options) as view:
            await view.until(lambda view: bool(view.synced))
            sim.set_faults(Fault(path=NAMESPACES, status=503))
            await view.next_reading(failed=True)
            _register(sim, "b", "10.0.0.2", namespace="8f2c")

            await _until_union(view, {"a": ["10.0.0.1"], "b": ["10.0.0.2"]})


async def test_a_namespace_in_doubt_holds_no_other_one_back() -> None:
    """Members of a cluster are left when they fail, and nothing shrinks after that: doubt is no failure of theirs."""
    async with _simulated(Dialect.V3, Dialect.V3) as sims:
        for sim in sims:
            sim.set_faults(Fault(path=NAMESPACES, status=403))
            for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2")):
                _register(sim, name, address)
        options = NacosServerOptions(
            addresses=tuple(sim.base_url for sim in sims), scopes=(NacosScope("dev"), NacosScope())
        )
        async with reading(options, settle_s=3600.0) as view:
            await _until_union(view, {"a": ["10.0.0.1"], "b": ["10.0.0.2"]})
            await view.next_reading(2, failed=True)

            assert [False, False] == [namespace["settling"] for namespace in view.namespaces]
            assert sims[0].base_url == view.registry["address"]


# Outages of parts.


@FAILURES
@RUNGS
async def test_an_outage_of_one_namespace_is_its_own(failure: Failure, rung: Rung) -> None:
    async with _simulated(Dialect.V3) as (sim,):
        for namespace in ("ns-1", "ns-2"):
            for name in ("a", "b"):
                _register(sim, f"{name}-{namespace}", "10.0.0.1", namespace=namespace)
                _register(sim, f"{name}-{namespace}", "10.0.0.2", namespace=namespace)
        both = ["10.0.0.1", "10.0.0.2"]
        union = {"a-ns-1": both, "b-ns-1": both, "a-ns-2": both, "b-ns-2": both}
        rung.apply(sim)
        async with reading(_named(sim, "ns-1", "ns-2"), **rung.options) as view:
            await _until_union(view, union)
            await view.until(lambda view: bool(view.synced) and rung.is_used(view))

            rung.apply(sim, failure.http(namespace="ns-1"), rpc=failure.rpc(namespace="ns-1"))
            await view.until(lambda view: not _healthy(view)["ns-1", "DEFAULT_GROUP"])
            for namespace in ("ns-1", "ns-2"):
                _deregister(sim, f"a-{namespace}", "10.0.0.1", ns=namespace)
                _register(sim, f"late-{namespace}", "10.0.0.3", namespace=namespace)
            changed = {**union, "a-ns-2": ["10.0.0.2"], "late-ns-2": ["10.0.0.3"]}
            await _until_union(view, changed)
            await view.next_reading(2, failed=True)
            assert changed == view.union
            assert {("ns-1", "DEFAULT_GROUP"): False, ("ns-2", "DEFAULT_GROUP"): True} == _healthy(view)

            rung.apply(sim)
            await _until_union(view, {**changed, "a-ns-1": ["10.0.0.2"], "late-ns-1": ["10.0.0.3"]})
            await view.until(lambda view: all(_healthy(view).values()))


@FAILURES
@pytest.mark.parametrize("rung", [PER_SERVICE, GRPC], ids=["per_service", "grpc"])
async def test_an_outage_of_one_group_is_its_own(failure: Failure, rung: Rung) -> None:
    async with _simulated(Dialect.V3) as (sim,):
        for group in ("G1", "G2"):
            for name in ("a", "b"):
                _register(sim, f"{name}-{group}", "10.0.0.1", group)
                _register(sim, f"{name}-{group}", "10.0.0.2", group)
        both = ["10.0.0.1", "10.0.0.2"]
        union = {"a-G1": both, "b-G1": both, "a-G2": both, "b-G2": both}
        rung.apply(sim)
        scopes = (NacosScope("", "G1"), NacosScope("", "G2"))
        options = NacosServerOptions(addresses=(sim.base_url,), scopes=scopes)
        async with reading(options, **rung.options) as view:
            await _until_union(view, union)
            await view.until(lambda view: bool(view.synced) and rung.is_used(view))

            rung.apply(sim, failure.http(group="G1"), rpc=failure.rpc(group="G1"))
            await view.until(lambda view: not _healthy(view)["public", "G1"])
            for group in ("G1", "G2"):
                _deregister(sim, f"a-{group}", "10.0.0.1", group)
                _register(sim, f"late-{group}", "10.0.0.3", group)
            changed = {**union, "a-G2": ["10.0.0.2"], "late-G2": ["10.0.0.3"]}
            await _until_union(view, changed)
            await view.next_reading(2, failed=True)
            assert changed == view.union
            assert {("public", "G1"): False, ("public", "G2"): True} == _healthy(view)

            rung.apply(sim)
            await _until_union(view, {**changed, "a-G1": ["10.0.0.2"], "late-G1": ["10.0.0.3"]})
            await view.until(lambda view: all(_healthy(view).values()))


@pytest.mark.parametrize("status", [503, 403])
@pytest.mark.parametrize("part", [{"namespace": "ns-1"}, {"group": "G1"}], ids=["namespace", "group"])
@pytest.mark.parametrize("rung", [BULK, PER_SERVICE], ids=["bulk", "per_service"])
async def test_what_no_member_of_a_cluster_gives_holds_nothing_else_back(
    rung: Rung, part: dict[str, str], status: int
) -> None:
    """Each reading goes round all members for it; only a member that others are read from has to be trusted first."""
    async with _simulated(Dialect.V3, Dialect.V3) as sims:
        for sim in sims:
            for namespace, group in (("ns-1", "G1"), ("ns-2", "G2"), ("ns-1", "G2")):
                for address in ("10.0.0.1", "10.0.0.2"):
                    _register(sim, f"{namespace}-{group}", address, group, namespace)
            rung.apply(sim)
        scopes = (NacosScope("ns-1", "G1"), NacosScope("ns-1", "G2"), NacosScope("ns-2", "G2"))
        options = NacosServerOptions(addresses=tuple(sim.base_url for sim in sims), scopes=scopes)
        both = ["10.0.0.1", "10.0.0.2"]
        async with reading(options, settle_s=3600.0) as view:
            await _until_union(view, {"ns-1-G1": both, "ns-1-G2": both, "ns-2-G2": both})
            for sim in sims:
                rung.apply(sim, Fault(status=status, **part))  # type: ignore[arg-type]
            await view.next_reading(2, failed="group" not in part or rung is not BULK)
            for sim in sims:
                _deregister(sim, "ns-2-G2", "10.0.0.1", "G2", "ns-2")
            await _until_union(view, {"ns-1-G1": both, "ns-1-G2": both, "ns-2-G2": ["10.0.0.2"]})
            for sim in sims:
                _deregister(sim, "ns-1-G2", "10.0.0.1", "G2", "ns-1")
            expected = both if "namespace" in part else ["10.0.0.2"]
            await _until_union(view, {"ns-1-G1": both, "ns-1-G2": expected, "ns-2-G2": ["10.0.0.2"]})


async def test_what_was_never_pushed_is_found_by_turns_while_no_member_gives_a_group() -> None:
    names = [f"s{number}" for number in range(24)]
    async with _simulated(Dialect.V3, Dialect.V3) as sims:
        for sim in sims:
            for name in names:
                _register(sim, name, "10.0.0.1", "G2")
            GRPC.apply(sim, rpc=(RpcFault(type="ServiceListRequest", group="G1", error_code=500),))
        scopes = (NacosScope("", "G1"), NacosScope("", "G2"))
        options = NacosServerOptions(addresses=tuple(sim.base_url for sim in sims), scopes=scopes)
        async with reading(options, **GRPC.options) as view:
            await _until_union(view, {name: ["10.0.0.1"] for name in names})
            await view.until(lambda view: view.namespaces[0]["subscriptions_waiting"] == 0)
            for sim in sims:
                sim.set_rpc_faults(*sim.rpc_faults.armed(), RpcFault(type="NotifySubscriberRequest", stall=True))
                for name in names:
                    _register(sim, name, "10.0.0.2", "G2")

            await _until_union(view, {name: ["10.0.0.1", "10.0.0.2"] for name in names})
