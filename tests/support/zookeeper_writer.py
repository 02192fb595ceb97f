"""An independent writer: kazoo, driven in worker threads so that a test's loop goes on."""

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import anyio
import anyio.to_thread
from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.retry import KazooRetry
from kazoo.security import ACL

from tests.support.zookeeper_access import SUPER_USER

T = TypeVar("T")

_START_TIMEOUT_S = 20.0
_RETRY_S = 45.0  # longer than kazoo waits for the greeting of a server that starts and forgets it was asked
_CALL_TIMEOUT_S = 120.0  # kazoo itself waits for ever for servers that elect nobody
_OWN_NODES = "zookeeper"
_BATCH = 200  # of 700 bytes each: well below what a server takes as one request
_IN_FLIGHT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterOptions:
    """How a writer connects: digest credentials (`user:password`, empty for none), the authority to trust for TLS."""

    hosts: str
    session_timeout_s: float = 30.0
    digest: str = SUPER_USER
    authority: str = ""


class Found(NamedTuple):
    """A node as a reader finds it."""

    data: bytes
    ephemeral: bool


class Writer:
    """One session of kazoo's. All calls wait for a server that is away for up to half a minute."""

    def __init__(self, options: WriterOptions) -> None:
        self._options = options
        self._client: KazooClient | None = None

    async def open(self) -> None:
        """Connect; raises kazoo's timeout error."""
        self._client = _client(self._options)
        await anyio.to_thread.run_sync(self._client.start, _START_TIMEOUT_S)

    async def close(self) -> None:
        """End the session: its ephemeral nodes go at once."""
        await anyio.to_thread.run_sync(self._end)

    async def run(self, act: Callable[[KazooClient], T]) -> T:
        """Let kazoo do anything, in a worker thread; raises TimeoutError if it never ends, which `close` then does."""
        client = self._client
        assert client is not None, "the writer is not open"
        with anyio.fail_after(_CALL_TIMEOUT_S):
            return await anyio.to_thread.run_sync(act, client, abandon_on_cancel=True)

    async def create(
        self,
        path: str,
        data: bytes = b"",
        *,
        ephemeral: bool = False,
        sequence: bool = False,
        acl: Sequence[ACL] | None = None,
    ) -> str:
        """Create a node and, with the same ACL, whatever is missing above it; returns its path."""
        options = {"ephemeral": ephemeral, "sequence": sequence, "makepath": True, "acl": acl}
        return str(await self.run(lambda client: client.retry(client.create, path, data, **options)))

    async def set(self, path: str, data: bytes) -> None:
        """Replace the data of a node."""
        await self.run(lambda client: client.retry(client.set, path, data))

    async def delete(self, path: str, *, recursive: bool = False) -> None:
        """Delete a node; `recursive` with everything below it."""
        if recursive:
            await self.run(partial(_delete_tree, path=path))
        else:
            await self.run(lambda client: client.retry(client.delete, path))

    async def exists(self, path: str) -> bool:
        """Whether there is such a node."""
        return await self.run(lambda client: client.retry(client.exists, path)) is not None

    async def children(self, path: str) -> list[str]:
        """The names below a node, sorted."""
        return sorted(await self.run(lambda client: client.retry(client.get_children, path)))

    async def children_of(self, paths: Iterable[str]) -> list[list[str]]:
        """The names below each of the nodes; none for a node that is not there."""
        return await self.run(partial(_children_of, paths=list(paths)))

    async def get(self, path: str) -> bytes:
        """The data of a node."""
        return bytes((await self.run(lambda client: client.retry(client.get, path)))[0])

    async def tree(self, path: str = "/") -> dict[str, Found]:
        """All nodes below a path and itself, the server's own aside; nodes that go meanwhile are left out."""
        return await self.run(partial(_tree, path=path))

    async def set_acl(self, path: str, acl: Sequence[ACL]) -> None:
        """Replace the ACL of a node."""
        await self.run(lambda client: client.retry(client.set_acls, path, acl))

    async def create_many(self, nodes: Iterable[tuple[str, bytes]], *, ephemeral: bool = False) -> None:
        """Create nodes in order, many in a transaction and many transactions on the way; parents must be there.

        `nodes` is read in a worker thread. Raises kazoo's errors; what was created before one stays.
        """
        await self.run(partial(_create_many, nodes=nodes, ephemeral=ephemeral))

    async def wipe(self) -> None:
        """Delete everything but the server's own nodes."""
        await self.run(_wipe)

    def _end(self) -> None:
        if self._client is not None:
            self._client.stop()
            self._client.close()
            self._client = None


async def expire(hosts: str, session: int, password: bytes) -> None:
    """End somebody's session: connect with its number and password, then close it (as kazoo's test harness does)."""
    await anyio.to_thread.run_sync(_expire, hosts, session, password)


def create_once(client: KazooClient, path: str, data: bytes = b"", *, ephemeral: bool = False) -> None:
    """Create a node, with what is missing above it, however often the connection is lost meanwhile."""
    try:
        client.retry(client.create, path, data, ephemeral=ephemeral, makepath=True)
    except NodeExistsError:  # written before the connection was lost
        return


def delete_once(client: KazooClient, path: str, *, recursive: bool = False) -> None:
    """Delete a node, `recursive` with everything below it, however often the connection is lost meanwhile."""
    try:
        client.retry(client.delete, path, recursive=recursive)
    except NoNodeError:
        return


def replace_once(client: KazooClient, gone: str, come: str, *, ephemeral: bool = False) -> None:
    """Replace a node by another in one transaction, however often the connection is lost meanwhile."""
    if not client.retry(_replace, client, gone, come, ephemeral=ephemeral):
        create_once(client, come, ephemeral=ephemeral)
        delete_once(client, gone)


def _replace(client: KazooClient, gone: str, come: str, *, ephemeral: bool) -> bool:
    transaction = client.transaction()
    transaction.delete(gone)
    transaction.create(come, ephemeral=ephemeral)
    return not any(isinstance(each, Exception) for each in transaction.commit())


def _client(options: WriterOptions) -> KazooClient:
    retry = {"max_tries": -1, "delay": 0.05, "backoff": 1.5, "max_delay": 0.5, "max_jitter": 0.1}
    return KazooClient(
        hosts=options.hosts,
        timeout=options.session_timeout_s,
        handler=SequentialThreadingHandler(),
        connection_retry=KazooRetry(**retry),
        command_retry=KazooRetry(**retry, deadline=_RETRY_S),
        auth_data=[("digest", options.digest)] if options.digest else None,
        use_ssl=bool(options.authority),
        ca=options.authority or None,
    )


def _expire(hosts: str, session: int, password: bytes) -> None:
    thief = KazooClient(hosts=hosts, client_id=(session, password))
    thief.start(_START_TIMEOUT_S)
    thief.stop()
    thief.close()


def _wipe(client: KazooClient) -> None:
    for name in client.retry(client.get_children, "/"):
        if name != _OWN_NODES:
            _delete_tree(client, f"/{name}")


def _delete_tree(client: KazooClient, path: str) -> None:
    """Delete a tree level by level, each in transactions; somebody else may delete in it meanwhile."""
    levels = [[path]]
    while levels[-1]:
        listed = zip(levels[-1], _children_of(client, levels[-1]), strict=True)
        levels.append([f"{each}/{name}" for each, names in listed for name in names])
    for level in reversed(levels):
        for start in range(0, len(level), _BATCH):
            _delete_all(client, level[start : start + _BATCH])


def _tree(client: KazooClient, path: str) -> dict[str, Found]:
    found: dict[str, Found] = {}
    level = [path]
    while level:
        asked = [(each, client.get_async(each), client.get_children_async(each)) for each in level]
        level = []
        for each, node, names in asked:
            try:
                data, stat = node.get()
                below = names.get()
            except NoNodeError:
                continue
            found[each] = Found(data, stat.ephemeralOwner != 0)
            level += [f"{each.rstrip('/')}/{name}" for name in below if (each, name) != ("/", _OWN_NODES)]
    return found


def _children_of(client: KazooClient, paths: Sequence[str]) -> list[list[str]]:
    asked = [client.get_children_async(each) for each in paths]
    return [_names(each.get) for each in asked]


def _names(get: Callable[[], list[str]]) -> list[str]:
    try:
        return get()
    except NoNodeError:
        return []


def _delete_all(client: KazooClient, paths: Sequence[str]) -> None:
    transaction = client.transaction()
    for path in paths:
        transaction.delete(path)
    if any(isinstance(each, Exception) for each in transaction.commit()):
        for path in paths:
            delete_once(client, path, recursive=True)


def _create_many(client: KazooClient, nodes: Iterable[tuple[str, bytes]], *, ephemeral: bool) -> None:
    in_flight = threading.BoundedSemaphore(_IN_FLIGHT)
    results = []
    waiting = iter(nodes)
    while batch := list(itertools.islice(waiting, _BATCH)):
        transaction = client.transaction()
        for path, data in batch:
            transaction.create(path, data, ephemeral=ephemeral)
        in_flight.acquire()
        result = transaction.commit_async()
        result.rawlink(lambda _: in_flight.release())
        results.append(result)
    for result in results:
        failed = [each for each in result.get() if isinstance(each, Exception)]
        if failed:
            raise failed[0]
