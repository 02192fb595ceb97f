"""An admin socket over a guarded world, and raw clients of it."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from meshregistry.admin.client import ask
from meshregistry.admin.options import AdminOptions
from meshregistry.admin.protocol import Answer, Command, Request
from meshregistry.admin.server import AdminServer
from meshregistry.store.operator import OperatorDecision, OperatorDesk
from tests.support.beside import beside
from tests.support.guarded_world import GuardedWorld

TIMEOUT_S = 10.0


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name: 107 bytes are all there may be."""
    folder = Path(tempfile.mkdtemp(prefix="mr-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class AdminRig:
    """A server over a world; decisions take effect at once."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.world = GuardedWorld()
        self.path = folder / "admin.sock"
        self.decisions: list[OperatorDecision] = []
        self.publish_gate: asyncio.Event | None = None
        self.effect_gate: asyncio.Event | None = None
        self.is_waiting = self.is_publishing = False
        self.unsaved = ""
        """Why nothing that is decided is saved."""

        self.disk_gate: asyncio.Event | None = None
        fields: dict[str, object] = {"path": str(self.path), "retry_s": 0.05, **options}
        self.stale: tuple[str, ...] = ()
        desk = OperatorDesk(self.world.reducer, self, ("nacos", "zookeeper"), lambda: self.stale)
        self.server = AdminServer(AdminOptions(**fields), desk, self.world.metrics)  # type: ignore[arg-type]

    async def publish(self, update: OperatorDecision) -> None:
        """Take a decision, when the gate lets it."""
        self.is_publishing = True
        if self.publish_gate is not None:
            await self.publish_gate.wait()
        self.decisions.append(update)
        await self.world.take(update)

    async def settle(self) -> None:
        """Return when what was published has taken effect: when the gate says so."""
        if self.effect_gate is not None:
            self.is_waiting = True
            await self.effect_gate.wait()

    async def secure(self) -> str:
        """Return when what was published is saved: when the gate says so."""
        if self.disk_gate is not None:
            await self.disk_gate.wait()
        return self.unsaved

    async def ask(self, command: Command, subject: str = "", by: str = "ann") -> Answer:
        """Ask as the command line does."""
        return await asyncio.to_thread(ask, self.path, Request(command, subject, by), TIMEOUT_S)

    async def send(self, data: bytes) -> bytes:
        """Send bytes and end; returns the whole answer."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(data)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():  # noqa: ASYNC110 - metrics and files have no event to wait for
                await asyncio.sleep(0.005)

    def requests(self, command: str, result: str) -> float:
        """How many requests there were of a kind."""
        return self.world.metric("admin_requests_total", command=command, result=result) or 0.0

    @property
    def is_listening(self) -> bool:
        """Whether the metric says so."""
        return self.world.metric("admin_listening") == 1.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["AdminRig"]:
        """Serve for as long as the block lasts."""
        async with beside(self.server.run()):
            await self.until(lambda: self.is_listening)
            yield self
