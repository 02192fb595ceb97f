"""The processes under measurement: a simulated Nacos and the service, each on its own, on loopback."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil

START_TIMEOUT_S = 120.0

_SETTINGS = """
aux_addr: 127.0.0.1:{{http}}
mcp: {{{{server_url: "xds://127.0.0.1:{{ads}}"}}}}
nacos_source:
  enabled: true
  mode: {mode}
  address: ["http://127.0.0.1:{nacos}"]
  refresh_period: {period}s
log: {{{{level: warning}}}}
"""


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Simulator:
    """A simulated Nacos in a process of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Call a control endpoint and return its JSON answer."""
        data = orjson.dumps(body) if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            result: dict[str, object] = orjson.loads(answer.read())
            return result

    def answered_at(self) -> float:
        """Return when it answered the last call that was not for control, in monotonic seconds."""
        answered_at = self.call("GET", "/sim/traffic")["answered_at"]
        assert isinstance(answered_at, float)
        return answered_at


class Service:
    """The service in a process of its own."""

    def __init__(self, ads: int, http: int, process: subprocess.Popen[bytes], started: float) -> None:
        self.ads = ads
        self.http = http
        self.started = started
        self._process = psutil.Process(process.pid)

    def cpu_s(self) -> float:
        """Return user and system CPU seconds since the start."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def resident_mb(self) -> float:
        """Return resident memory in MB."""
        return float(self._process.memory_info().rss) / 1e6

    def get(self, path: str) -> bytes:
        """Fetch a page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=60) as answer:
            body: bytes = answer.read()
            return body

    def push_side(self) -> dict[str, object]:
        """Return what the status page says of the push side of the first namespace of Nacos."""
        registries = orjson.loads(self.get("/meshregistry/nacos?registries=true"))
        found: dict[str, object] = registries[0]["namespaces"][0]
        return found

    def metric(self, name: str) -> float:
        """Return the value of an unlabelled metric."""
        for line in self.get("/metrics").decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise LookupError(name)


@contextmanager
def simulated(registry: str, *arguments: str) -> Iterator[int]:
    """Run a simulated registry with further arguments and give its port; ready when the block begins."""
    port = free_port()
    command = [sys.executable, "-m", f"meshregistry.sim.{registry}", "--port", str(port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if "SIM READY" not in process.stdout.readline():
                raise RuntimeError("the simulator did not start")
            yield port
        finally:
            end(process)


@contextmanager
def simulator(services: int, instances: int) -> Iterator[Simulator]:
    """Run a simulated Nacos with a load; ready when the block begins."""
    with simulated("nacos", "--services", str(services), "--instances", str(instances)) as port:
        yield Simulator(port)


@contextmanager
def service(nacos_port: int, period_s: float, mode: str = "polling") -> Iterator[Service]:
    """Start the service on a Nacos; the block begins at once, before it is ready."""
    with run_service(_SETTINGS.format(nacos=nacos_port, period=period_s, mode=mode)) as running:
        yield running


@contextmanager
def run_service(text: str) -> Iterator[Service]:
    """Start the service with settings in which `{ads}` and `{http}` stand for its ports."""
    ads, http = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.yaml"
        settings.write_text(text.format(ads=ads, http=http))
        started = time.monotonic()
        command = [sys.executable, "-m", "meshregistry", "run", "--config", str(settings)]
        with subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:
            try:
                yield Service(ads, http, process, started)
            finally:
                end(process)


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End a process, by force if it takes too long."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
