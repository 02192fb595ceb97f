"""Run simulated Eureka servers as a process: `python -m meshregistry.sim.eureka --help`."""

import argparse
import contextlib
import itertools

import anyio

from meshregistry.sim.eureka.caches import CacheOptions
from meshregistry.sim.eureka.codecs import CODECS
from meshregistry.sim.eureka.load import Churn, Load
from meshregistry.sim.eureka.node import NodeOptions
from meshregistry.sim.eureka.registry import RegistryOptions
from meshregistry.sim.eureka.server import SimEureka, SimOptions
from meshregistry.sim.process import stay

_MS = 1000


def main() -> None:
    """Serve until SIGINT or SIGTERM; prints one line `SIM READY URL …` when the ports are open."""
    arguments = _parser().parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_serve, arguments)


async def _serve(arguments: argparse.Namespace) -> None:
    ports = [arguments.port + number if arguments.port else 0 for number in range(arguments.peers)]
    servers = [SimEureka(_options(arguments, port)) for port in ports]
    for one, other in itertools.combinations(servers, 2):
        one.node.join(other.node)
    servers[0].load(Load(applications=arguments.applications, instances=arguments.instances))
    for server in servers[1:]:
        server.node.copy_peers()
    churn = Churn(servers[0].node)
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(server)
        applications, instances = servers[0].node.registry.counts()
        urls = ",".join(server.base_url for server in servers)
        ready = f"{urls} applications={applications} instances={instances}"
        await stay(ready, lambda: churn.step("replace", int(servers[0].clock() * _MS)), arguments.churn_s)


def _options(arguments: argparse.Namespace, port: int) -> SimOptions:
    caches = CacheOptions(use_copy=arguments.cache_s > 0, copy_period_s=arguments.cache_s or 1.0)
    registry = RegistryOptions(
        self_preservation=not arguments.no_self_preservation, eviction_period_s=arguments.eviction_s
    )
    node = NodeOptions(
        caches=caches, registry=registry, codec=CODECS[arguments.codec], offers_deltas=not arguments.no_deltas
    )
    return SimOptions(
        host=arguments.host, port=port, username=arguments.username, password=arguments.password, node=node
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m meshregistry.sim.eureka", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8761, help="of the first server; 0 takes free ones")
    parser.add_argument("--peers", type=int, default=1, help="servers that replicate to each other")
    parser.add_argument("--codec", choices=CODECS, default="spring", help="the dialect of JSON")
    parser.add_argument("--applications", type=int, default=0, help="applications to start with")
    parser.add_argument("--instances", type=int, default=10, help="registrations of each")
    parser.add_argument("--churn-s", type=float, default=0.0, help="replace a registration every so many seconds")
    parser.add_argument("--cache-s", type=float, default=30.0, help="age of what readers see; 0 shows changes at once")
    parser.add_argument("--eviction-s", type=float, default=60.0, help="time between two looks for expired leases")
    parser.add_argument("--no-self-preservation", action="store_true", help="let leases expire in any case")
    parser.add_argument("--no-deltas", action="store_true", help="answer 403 to /apps/delta")
    parser.add_argument("--username", default="", help="turns basic authentication on")
    parser.add_argument("--password", default="")
    return parser


if __name__ == "__main__":
    main()
