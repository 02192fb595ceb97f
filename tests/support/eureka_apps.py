"""A Spring Boot application that registers itself with a Eureka, and the whole service that reads it."""

from pathlib import Path
from urllib.parse import quote

from tests.support.eureka_live import EurekaRig
from tests.support.ports import free_port_run, free_ports
from tests.support.program import READY, Program
from tests.support.registries import prepare
from tests.support.running_service import Deployment

_START_TIMEOUT_S = 90.0
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


class EurekaApp(Program):
    """One application; ended the polite way, it deregisters."""

    def __init__(self, name: str, rig: EurekaRig, folder: Path) -> None:
        super().__init__(name, folder / f"{name}.log")
        (self.port,) = free_ports(1)
        scheme, _, rest = rig.addresses[0].partition("://")
        userinfo = f"{rig.username}:{quote(rig.password, safe='')}@" if rig.username else ""
        self._arguments = [str(self.port), str(folder / name), f"{scheme}://{userinfo}{rest}/", name, *_QUICK]

    def start(self) -> None:
        """Start and wait for the ready line; raises RegistryUnavailable."""
        self.launch([str(prepare("eureka-client") / "start.sh"), *self._arguments])
        self.wait_for("ready line", lambda: READY in self.output, _START_TIMEOUT_S)


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
