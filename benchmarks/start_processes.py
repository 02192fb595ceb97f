"""What a start needs beside it: a simulated ZooKeeper, settings with a saved snapshot, a bare import."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import Service, free_port, run_service, simulated

SAVE_TIMEOUT_S = 60.0
_FILE_NAME = "snapshot.meshregistry"

_SAVED = """
aux_addr: 127.0.0.1:{{http}}
mcp: {{{{server_url: "xds://127.0.0.1:{{ads}}"}}}}
data_dir: {folder}
save_interval: 1s
nacos_source:
  enabled: true
  mode: polling
  address: ["http://127.0.0.1:{nacos}"]
  refresh_period: 30s
log: {{{{level: error}}}}
"""


@contextmanager
def full_zookeeper(interfaces: int, providers: int) -> Iterator[int]:
    """Run a simulated ZooKeeper full of Dubbo interfaces and give its port; ready when the block begins."""
    load = ("--interfaces", str(interfaces), "--providers", str(providers))
    with simulated("zookeeper", *load) as port:
        yield port


@contextmanager
def saving_service(nacos_port: int | None, folder: Path) -> Iterator[Service]:
    """Start the service with a folder for its snapshot; without a port every registry is down."""
    with run_service(_SAVED.format(nacos=nacos_port or free_port(), folder=folder)) as running:
        yield running


def wait_for_file(folder: Path) -> float:
    """Wait for a saved snapshot and return its size in MB; raises TimeoutError."""
    deadline = time.monotonic() + SAVE_TIMEOUT_S
    while not (folder / _FILE_NAME).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {_FILE_NAME} within {SAVE_TIMEOUT_S:.0f} s")
        time.sleep(0.1)
    return (folder / _FILE_NAME).stat().st_size / 1e6


def import_service() -> float:
    """Import what the service imports, as it does, in a process of its own; returns its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "import meshregistry.cli as cli; cli.stop_collecting(); import meshregistry.app"
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
