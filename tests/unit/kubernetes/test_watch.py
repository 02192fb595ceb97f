"""Pods, nodes and remote clusters followed on an API: changes arrive, an outage keeps what is known."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshregistry.kubernetes import follower
from meshregistry.kubernetes.watch import ClusterOptions, PodWatch
from meshregistry.model.pods import PodLabels, PodsChanged
from meshregistry.telemetry.metrics import Metrics
from tests.support.kubernetes_api import KubernetesApi, kubeconfig, node, pod, secret

pytestmark = pytest.mark.anyio

LIMIT_S = 20.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(follower, "_LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr("meshregistry.kubernetes.watch._TELL_PAUSE_S", 0.0)


def count(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"meshregistry_pod_cache_{name}_total", {"kind": "pods"}) or 0.0


async def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(int(LIMIT_S / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to it")


class Told:
    """What was told, joined to one view."""

    def __init__(self) -> None:
        self.pods: dict[str, PodLabels | None] = {}
        self._news = asyncio.Condition()

    async def tell(self, change: PodsChanged) -> None:
        async with self._news:
            self.pods.update(change.pods)
            self._news.notify_all()

    async def wait_for(self, holds: Callable[[dict[str, PodLabels | None]], bool]) -> None:
        async with asyncio.timeout(LIMIT_S), self._news:
            await self._news.wait_for(lambda: holds(self.pods))

    def app(self, address: str) -> str | None:
        known = self.pods.get(address)
        return dict(known.labels).get("app") if known else None


@asynccontextmanager
async def watching(options: ClusterOptions, metrics: Metrics | None = None) -> AsyncIterator[tuple[PodWatch, Told]]:
    told = Told()
    watch = PodWatch(options, told.tell, metrics or Metrics())
    watch.want()
    task = asyncio.ensure_future(watch.run())
    try:
        yield watch, told
    finally:
        task.cancel()
        await asyncio.wait([task])


def options_of(api: KubernetesApi, **further: float) -> ClusterOptions:
    return ClusterOptions(api_server=api.url, account=Path("/nowhere"), **further)  # type: ignore[arg-type]


async def test_pages_of_pods_are_known_before_anybody_goes_on_and_changes_follow() -> None:
    async with KubernetesApi().running() as api:
        for number in range(5):
            api.put("pods", pod(f"p{number}", f"10.0.0.{number}", app="a"))
        api.put("nodes", node("n1", topology_kubernetes_io__region="east"))
        async with watching(options_of(api)) as (watch, told):
            await watch.wait_settled()
            assert {f"10.0.0.{number}" for number in range(5)} == set(told.pods)
            assert PodLabels((("app", "a"),), (("topology.kubernetes.io/region", "east"),)) == told.pods["10.0.0.1"]

            api.put("pods", pod("p1", "10.0.0.1", app="b"))
            api.remove("pods", "p2")
            api.put("nodes", node("n1", topology_kubernetes_io__region="west"))
            await told.wait_for(lambda pods: told.app("10.0.0.1") == "b" and pods["10.0.0.2"] is None)
            west = (("topology.kubernetes.io/region", "west"),)
            await told.wait_for(lambda pods: (each := pods["10.0.0.1"]) is not None and each.node == west)


async def test_an_outage_keeps_what_is_known_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    metrics, api = Metrics(), KubernetesApi()
    api.put("pods", pod("p", "10.0.0.1", app="a"))
    with caplog.at_level(logging.INFO):
        async with watching(options_of(api), metrics) as (watch, told):
            async with api.running():
                await watch.wait_settled()
            await eventually(lambda: count(metrics, "failures") >= 3)
            assert "a" == told.app("10.0.0.1")
            api.put("pods", pod("p", "10.0.0.1", app="b"))
            async with api.running():
                await told.wait_for(lambda pods: told.app("10.0.0.1") == "b")
                lost = [each for each in caplog.messages if "kubernetes.lost kind=pods" in each]
    assert 1 == len(lost)


async def test_an_expired_or_ended_watch_and_garbage_lose_nothing() -> None:
    metrics = Metrics()
    async with KubernetesApi().running() as api, watching(options_of(api), metrics) as (watch, told):
        await watch.wait_settled()
        spoilers: list[Callable[[], None]] = [
            lambda: api.expire("pods"),
            api.end_watches,
            lambda: api.tell_raw("pods", b"garbage\n"),
            lambda: api.tell_raw("pods", b'{"type": "ADDED", "object": {"metadata": 3}}\n'),
            lambda: api.tell_raw("pods", b"[" * 5000 + b"\n"),
        ]
        for number, spoil in enumerate(spoilers):
            await eventually(lambda: api.watched("pods") > 0)
            spoil()
            api.put("pods", pod("p", "10.0.0.1", app=str(number)))
            await told.wait_for(lambda pods, app=str(number): told.app("10.0.0.1") == app)  # type: ignore[misc]
    assert 1 == count(metrics, "bad_objects")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"metadata": {}}',
        b'{"metadata": {"resourceVersion": "9", "continue": "more"}, "items": []}',
        b" " * 2000,
    ],
)
async def test_an_answer_that_is_no_list_or_has_no_end_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr("meshregistry.kubernetes.client._LONGEST_PAGE", 1000)
    metrics = Metrics()
    async with KubernetesApi().running() as api, watching(options_of(api), metrics) as (_, told):
        api.put("pods", pod("p", "10.0.0.1", app="a"))
        await told.wait_for(lambda pods: told.app("10.0.0.1") == "a")
        await eventually(lambda: api.watched("pods") > 0)
        api.list_body = body
        api.expire("pods")
        await eventually(lambda: count(metrics, "failures") >= 2)
        assert "a" == told.app("10.0.0.1")

        api.list_body = None
        api.put("pods", pod("p", "10.0.0.1", app="b"))
        await told.wait_for(lambda pods: told.app("10.0.0.1") == "b")


async def test_a_watch_that_ends_at_once_is_not_begun_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something between us and the API may end every one, or say every time that its history is gone."""
    rests: list[float] = []

    async def rest(pause_s: float) -> None:
        rests.append(pause_s)
        await asyncio.sleep(0)

    monkeypatch.setattr(follower, "_rest", rest)
    async with KubernetesApi().running() as api, watching(options_of(api)) as (watch, _):
        await watch.wait_settled()
        await eventually(lambda: api.watched("pods") > 0)
        api.end_watches()
        await eventually(lambda: bool(rests))
        await eventually(lambda: api.watched("pods") > 0)
        rests.clear()
        api.expire("pods")
        await eventually(lambda: bool(rests))


@pytest.mark.parametrize("status", [401, 403])
async def test_who_may_not_read_pods_does_not_wait_for_them(status: int) -> None:
    async with KubernetesApi().running() as api:
        api.status = status
        async with asyncio.timeout(LIMIT_S), watching(options_of(api, sync_timeout_s=3600)) as (watch, told):
            await watch.wait_settled()
            assert {} == told.pods


async def test_a_cluster_that_does_not_answer_is_waited_for_a_stated_time() -> None:
    async with watching(options_of(KubernetesApi(), sync_timeout_s=0.05)) as (watch, told):
        await watch.wait_settled()
        assert {} == told.pods


async def test_outside_of_a_cluster_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    async with watching(ClusterOptions(account=Path("/nowhere"), sync_timeout_s=3600)) as (watch, _):
        async with asyncio.timeout(LIMIT_S):
            await watch.wait_settled()
    assert ["pods.no_cluster"] == [each.getMessage().split()[0] for each in caplog.records]


async def test_nothing_happens_until_somebody_wants_pods() -> None:
    watch = PodWatch(ClusterOptions(), Told().tell, Metrics())

    await watch.wait_settled()

    assert {} == watch.book.clusters


async def test_remote_clusters_come_and_go_with_their_secrets() -> None:
    async with KubernetesApi().running() as api, KubernetesApi().running() as remote:
        remote.put("pods", pod("r", "10.9.0.1", app="remote"))
        api.put("secrets", secret("one", east=kubeconfig(remote.url, token="t")))
        async with watching(options_of(api)) as (watch, told):
            await told.wait_for(lambda pods: told.app("10.9.0.1") == "remote")
            assert {"Bearer t"} == remote.tokens
            api.put("secrets", secret("two", west="no kubeconfig"))
            api.remove("secrets", "one")
            await told.wait_for(lambda pods: pods["10.9.0.1"] is None)
            assert {"Kubernetes"} == {name for name in watch.book.clusters if name != "west"}


async def test_everything_is_listed_again_after_the_resync_period() -> None:
    async with KubernetesApi().running() as api:
        api.put("pods", pod("p", "10.0.0.1", app="a"))
        async with watching(options_of(api, resync_s=0.05)) as (_, told):
            await told.wait_for(lambda pods: told.app("10.0.0.1") == "a")
            del api.objects["pods"]["p"]  # a deletion that no watch told of
            await told.wait_for(lambda pods: pods["10.0.0.1"] is None)
