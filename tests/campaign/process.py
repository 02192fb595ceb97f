"""Meshregistry as a process that can be killed, stopped, starved and measured."""

import asyncio
import mmap
import os
import resource
import signal
import struct
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import anyio.to_thread
import psutil

from meshregistry.admin.client import ask
from meshregistry.admin.protocol import Answer, Command, Request
from tests.campaign.evidence import count_texts, read_metrics
from tests.campaign.registry import Registry
from tests.support.ports import free_ports

START_TIMEOUT_S = 60.0
EMPTY_GRACE_S, DELETE_AFTER_S = 1.0, 2.0

_CLOCK_BYTES = 8
_SETTINGS = """
aux_addr: 127.0.0.1:{http}
http: {{head_timeout: 2s, send_timeout: 2s, max_connections: 150}}
mcp: {{server_url: "xds://127.0.0.1:{ads}", drain_timeout: 2s, send_timeout: 3s}}
guard: {{empty_grace: {grace}s, port_grace: {grace}s, delete_after: {delete}s, mass_hold: {guard}s}}
data_dir: "{data_dir}"
save_interval: 0.2s
"""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a fault must not leave behind.

    Tasks of the event loop, open files, services and shrinks held by the guard, scopes that cannot be read, memory.
    """

    tasks: int
    files: int
    held: int
    failing: int
    resident_mb: float


class Meshregistry:
    """One process. Owner of its settings file, its data directory, its log and its wall clock."""

    def __init__(self, folder: Path, registries: Sequence[Registry], guard_s: float, extra: str = "") -> None:
        self.ads, self.http = free_ports(2)
        self.folder = folder
        self.data_dir = folder / "data"
        self._registries = registries
        self._guard_s = guard_s
        self._extra = extra
        self._process: asyncio.subprocess.Process | None = None
        self._clock_file = folder / "clock"
        self._lives: Counter[str] = Counter()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and wait until its ports are open; raises TimeoutError, RuntimeError when it ended."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "settings.yaml"
        settings.write_text(self._settings())
        if not self._clock_file.exists():
            self._clock_file.write_bytes(bytes(_CLOCK_BYTES))
        command = [sys.executable, "-m", "tests.campaign.stepped_clock", str(self._clock_file)]
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, "run", "--config", str(settings), stdout=log, stderr=log
            )
        await self.until(lambda status, body: status > 0)
        self._lives["process started"] += 1

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal that ends it, and wait for the end."""
        if self._process is not None and self.running:
            self._process.send_signal(number)
            self._lives[f"process ended {await self._process.wait()}"] += 1

    def send(self, number: signal.Signals) -> None:
        """Send a signal that does not end it."""
        os.kill(self.pid, number)

    def step_clock(self, seconds: float) -> None:
        """Have its wall clock, and that of later starts, differ from the machine's by so much."""
        with self._clock_file.open("r+b") as file, mmap.mmap(file.fileno(), _CLOCK_BYTES) as clock:
            struct.pack_into("d", clock, 0, seconds)

    def limit(self, what: int, most: int | None) -> None:
        """Set a soft limit of the running process (RLIMIT_NOFILE, RLIMIT_FSIZE); None takes it back."""
        hard = resource.prlimit(self.pid, what)[1]
        resource.prlimit(self.pid, what, (hard if most is None else most, hard))

    async def decide(self, command: Command, subject: str = "") -> Answer:
        """Do what an operator does with `meshregistry admin`; raises AdminUnreachableError."""
        request = Request(command, subject, "campaign")
        return await anyio.to_thread.run_sync(ask, self.data_dir / "admin.sock", request, 10.0)

    def open_files(self) -> int:
        """Return how many files and sockets it has open."""
        return psutil.Process(self.pid).num_fds()

    def resident_mb(self) -> float:
        """Return its resident memory in MB."""
        return float(psutil.Process(self.pid).memory_info().rss) / 1e6

    def waited_s(self) -> float:
        """Return for how long its first thread was ready and other processes had the processors, since its start."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text("ascii").split()[1]) / 1e9

    async def vitals(self) -> Vitals:
        """Measure it; raises LookupError when it does not answer."""
        _, text = await self.get("/metrics")
        told = read_metrics(text)
        held = told.get("held_services", 0.0) + told["held_shrinks"]
        tasks, failing = int(told["event_loop_tasks"]), int(told["source_failing"])
        return Vitals(tasks, self.open_files(), int(held), failing, self.resident_mb())

    async def signs(self) -> dict[str, float]:
        """Return what it counts, what its log says, how often it was started and how often it ended in which way."""
        _, text = await self.get("/metrics")
        return {**read_metrics(text), **count_texts((self.folder / "log").read_bytes()), **self._lives}

    async def get(self, path: str) -> tuple[int, str]:
        """Fetch a page; status 0 when there is no answer."""
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://127.0.0.1:{self.http}{path}") as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""

    async def metric(self, name: str) -> float:
        """Return a metric by its name as a sign (`evidence`); raises LookupError."""
        _, text = await self.get("/metrics")
        return read_metrics(text)[name]

    async def until(
        self,
        condition: Callable[[int, str], bool],
        path: str = "/meshregistry/ready",
        timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """Wait until a page satisfies a condition; raises TimeoutError, RuntimeError when the process has ended."""
        async with asyncio.timeout(timeout_s):
            while not condition(*await self.get(path)):
                if not self.running:
                    raise RuntimeError(f"Meshregistry ended, see {self.folder / 'log'}")
                await asyncio.sleep(0.05)

    async def until_fresh(self) -> None:
        """Wait until it is ready and nothing it serves is stale."""
        await self.until(lambda status, body: status == 200 and "stale" not in body)

    async def until_saved(self, text: str) -> None:
        """Wait until the saved snapshot holds a text, such as an address; raises TimeoutError."""
        async with asyncio.timeout(START_TIMEOUT_S):
            while not self._has_saved(text.encode()):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)

    def _has_saved(self, text: bytes) -> bool:
        path = self.data_dir / "snapshot.meshregistry"
        return path.exists() and text in path.read_bytes()

    def _settings(self) -> str:
        guard = {"grace": EMPTY_GRACE_S, "delete": DELETE_AFTER_S, "guard": self._guard_s}
        own = _SETTINGS.format(http=self.http, ads=self.ads, data_dir=self.data_dir, **guard)
        return own + "".join(registry.settings() for registry in self._registries) + self._extra
