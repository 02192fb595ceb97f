"""Follows the pods and nodes of all clusters while a source wants their labels, and tells what has changed.

Rules: Slime pkg/multicluster and pkg/util/cache: the local cluster, and every one whose kubeconfig is in a secret
labelled `istio/multiCluster=true` of one namespace.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from meshregistry.kubernetes.access import SERVICE_ACCOUNT, Access, AccessError, find_access, read_kubeconfig
from meshregistry.kubernetes.book import PodBook
from meshregistry.kubernetes.client import ClusterClient
from meshregistry.kubernetes.follower import Follower
from meshregistry.kubernetes.shelves import NodeShelf, PodShelf, SecretShelf
from meshregistry.model.pods import PodsChanged
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_PODS, _NODES = "/api/v1/pods", "/api/v1/nodes"
_LOOK_AGAIN_S = 60.0
_TELL_PAUSE_S = 1.0
"""Least time between two tellings: each looks through all endpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Which clusters, and how they are reached."""

    cluster_id: str = "Kubernetes"
    secrets_namespace: str = "istio-system"
    kube_config: str = ""
    api_server: str = ""
    resync_s: float = 0.0
    """Everything is listed again after so long; 0 never."""

    sync_timeout_s: float = 10.0
    """Sources wait so long for the first reading of pods."""

    account: Path = SERVICE_ACCOUNT


Tell = Callable[[PodsChanged], Awaitable[None]]


async def await_access(options: ClusterOptions, on_trouble: Callable[[str], None]) -> Access:
    """Return how the local cluster is reached, as soon as there is one.

    It is looked for again and again; `on_trouble` is told why there is none, once for each reason. Cancelling is safe.
    """
    told = ""
    while True:
        try:
            access = await asyncio.to_thread(find_access, options.kube_config, options.api_server, options.account)
            trouble = "no cluster is configured, and the service runs in none"
        except AccessError as error:
            access, trouble = None, str(error)
        if access is not None:
            return access
        if trouble != told:
            on_trouble(trouble)
            told = trouble
        await asyncio.sleep(_LOOK_AGAIN_S)


class PodWatch:
    """Owner of the book. Idle until `want`; run once."""

    def __init__(self, options: ClusterOptions, tell: Tell, metrics: Metrics) -> None:
        self.book = PodBook()
        self._options = options
        self._tell = tell
        self._metrics = metrics
        self._wanted = asyncio.Event()
        self._settled = asyncio.Event()
        self._changed = asyncio.Event()
        self._remotes_changed = asyncio.Event()
        self._secrets = SecretShelf(self._remotes_changed.set, self._count_bad("secrets"))
        self._remotes: dict[str, tuple[str, asyncio.Task[None]]] = {}

    def want(self) -> None:
        """Begin, if that has not happened."""
        self._wanted.set()

    async def wait_settled(self) -> None:
        """Return once pods are known, or it is sure that they will not be, or `sync_timeout_s` has passed.

        At once when nobody wants them. Cancelling is safe.
        """
        if not self._wanted.is_set():
            return
        try:
            async with asyncio.timeout(self._options.sync_timeout_s):
                await self._settled.wait()
        except TimeoutError:
            _log.warning(
                "pods.late after_s=%.0f effect=%r", self._options.sync_timeout_s, "served without their labels"
            )

    async def run(self) -> None:
        """Follow for ever. Cancelling it is safe."""
        await self._wanted.wait()
        self._remotes.clear()
        options = self._options
        access = await await_access(options, self._tell_trouble)
        async with ClusterClient(access) as client, asyncio.TaskGroup() as tasks:
            secrets = self._follow_secrets(client, tasks)
            local = self._follow_cluster(client, options.cluster_id, tasks)
            tasks.create_task(self._tell_changes([*local, secrets]))
            tasks.create_task(self._keep_remotes(tasks))

    def _tell_trouble(self, trouble: str) -> None:
        _log.warning("pods.no_cluster effect=%r reason=%r", "endpoints get no labels of pods", trouble)
        self._settled.set()

    def _follow_secrets(self, client: ClusterClient, tasks: asyncio.TaskGroup) -> Follower:
        path = f"/api/v1/namespaces/{self._options.secrets_namespace}/secrets"
        query = {"labelSelector": "istio/multiCluster=true"}
        follower = Follower("secrets", path, query, self._secrets, self._metrics)
        tasks.create_task(follower.run(client, self._options.resync_s, self._options.cluster_id))
        return follower

    def _follow_cluster(self, client: ClusterClient, cluster: str, tasks: asyncio.TaskGroup) -> list[Follower]:
        book = self.book.cluster(cluster)
        followers = [
            Follower("pods", _PODS, {}, PodShelf(book, self._note, self._count_bad("pods")), self._metrics),
            Follower("nodes", _NODES, {}, NodeShelf(book, self._note, self._count_bad("nodes")), self._metrics),
        ]
        for each in followers:
            tasks.create_task(each.run(client, self._options.resync_s, cluster))
        return followers

    async def _tell_changes(self, first: list[Follower]) -> None:
        """Tell everything once it is known, then what changes."""
        for each in first:
            await each.settled.wait()
        while True:
            change = self.book.take_changes()
            if change is not None:
                await self._tell(change)
            self._settled.set()
            await self._changed.wait()
            self._changed.clear()
            await asyncio.sleep(_TELL_PAUSE_S)

    async def _keep_remotes(self, tasks: asyncio.TaskGroup) -> None:
        """Follow the clusters that secrets name, and no others."""
        while True:
            await self._remotes_changed.wait()
            self._remotes_changed.clear()
            wanted = {name: text for name, text in self._secrets.clusters.items() if name != self._options.cluster_id}
            for name in [name for name, (text, _) in self._remotes.items() if wanted.get(name) != text]:
                await self._end_remote(name, gone=name not in wanted)
            for name in wanted.keys() - self._remotes.keys():
                self._remotes[name] = (wanted[name], tasks.create_task(self._follow_remote(name, wanted[name])))

    async def _follow_remote(self, name: str, kubeconfig: str) -> None:
        try:
            access: Access = read_kubeconfig(kubeconfig, None)
        except AccessError as error:
            _log.error("pods.unreachable cluster=%s error=%s", name, error)
            return
        async with ClusterClient(access) as client, asyncio.TaskGroup() as tasks:
            self._follow_cluster(client, name, tasks)

    async def _end_remote(self, name: str, *, gone: bool) -> None:
        _, task = self._remotes.pop(name)
        task.cancel()
        await asyncio.wait([task])
        if gone:
            self.book.drop_cluster(name)
            self._changed.set()

    def _note(self, addresses: set[str]) -> None:
        if addresses:
            self.book.note(addresses)
            self._changed.set()

    def _count_bad(self, kind: str) -> Callable[[], None]:
        return self._metrics.pod_bad_objects.labels(kind).inc
