"""A Spring Boot application that registers itself with a Eureka, and the whole service that reads it."""

import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from tests.support.eureka_live import EurekaRig
from tests.support.ports import free_port_run, free_ports
from tests.support.registries import RegistryUnavailable, last_lines, prepare
from tests.support.running_service import Deployment

_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 20.0
_POLL_S = 0.1
# Heartbeats and the end of a lease within seconds; the product's defaults are 30 and 90.
_QUICK = (
    "--eureka.instance.lease-renewal-interval-in-seconds=1",
    "--eureka.instance.lease-expiration-duration-in-seconds=2",
    "--eureka.client.initial-instance-info-replication-interval-seconds=0",
    "--eureka.client.instance-info-replication-interval-seconds=1",
)
_SETTINGS = """
aux_addr: 127.0.0.1:{http}
mcp: {{server_url: "xds://127.0.0.1:{ads}", drain_timeout: 2s}}
guard: {{empty_grace: 0s, delete_after: 0s}}
eureka_source:
  enabled: true
  address: [{addresses}]
  username: "{username}"
  password: "{password}"
  delta_interval: 1s
  hold: {{duration: 0s}}
"""


class EurekaApp:
    """One application as a process. Blocking: call it off the loop."""

    def __init__(self, name: str, rig: EurekaRig, folder: Path) -> None:
        self.name = name
        (self.port,) = free_ports(1)
        scheme, _, rest = rig.addresses[0].partition("://")
        userinfo = f"{rig.username}:{quote(rig.password, safe='')}@" if rig.username else ""
        self._arguments = [str(self.port), str(folder / name), f"{scheme}://{userinfo}{rest}/", name, *_QUICK]
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait for the ready line; raises RegistryUnavailable."""
        command = [str(prepare("eureka-client") / "start.sh"), *self._arguments]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while b"FIXTURE READY" not in self._log.read_bytes():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                text = last_lines(self._log.read_text(errors="replace"))
                raise RegistryUnavailable(f"{self.name} did not start\n{text}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End it the polite way, on which it deregisters."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a word."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            os.killpg(self._process.pid, number)
            self._process.wait(_STOP_TIMEOUT_S)


class EurekaDeployment(Deployment):
    """The whole service on a rig's registry."""

    def __init__(self, rig: EurekaRig) -> None:
        self.ads = free_port_run(1)
        (self.http,) = free_ports(1)
        self._settings = _SETTINGS.format(
            http=self.http,
            ads=self.ads,
            addresses=", ".join(f'"{address}"' for address in rig.addresses),
            username=rig.username,
            password=rig.password,
        )
