"""A simulated Eureka and the service that reads it, each in a process of its own, on loopback."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.processes import Service, Simulator, run_service, simulated

_SETTINGS = """
aux_addr: 127.0.0.1:{{http}}
mcp: {{{{server_url: "xds://127.0.0.1:{{ads}}"}}}}
eureka_source:
  enabled: true
  mode: {mode}
  address: ["{address}"]
  delta_interval: {period}s
  refresh_period: {period}s
log: {{{{level: warning}}}}
"""


class EurekaSimulator(Simulator):
    """A simulated Eureka in a process of its own."""

    @property
    def base_url(self) -> str:
        """The base URL with the context path."""
        return f"http://127.0.0.1:{self.port}/eureka"

    def full_bytes(self) -> int:
        """Return the length of everything, not compressed."""
        request = urllib.request.Request(f"{self.base_url}/apps", headers={"Accept": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return len(answer.read())


@contextmanager
def eureka(applications: int, instances: int) -> Iterator[EurekaSimulator]:
    """Run a simulator with a load, which shows changes at once; ready when the block begins."""
    load = ("--applications", str(applications), "--instances", str(instances))
    with simulated("eureka", "--cache-s", "0", *load) as port:
        yield EurekaSimulator(port)


@contextmanager
def eureka_service(simulator: EurekaSimulator, mode: str, period_s: float) -> Iterator[Service]:
    """Start the service on a simulator; the block begins at once, before it is ready."""
    with run_service(_SETTINGS.format(mode=mode, address=simulator.base_url, period=period_s)) as running:
        yield running
