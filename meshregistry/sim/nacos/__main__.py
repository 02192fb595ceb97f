"""Run the simulated Nacos server as a process: `python -m meshregistry.sim.nacos --help`."""

import argparse
import contextlib

import anyio

from meshregistry.sim.nacos.access import Credentials
from meshregistry.sim.nacos.fuzzy import FuzzyOptions
from meshregistry.sim.nacos.load import Churn, Load
from meshregistry.sim.nacos.rpc_server import RpcOptions
from meshregistry.sim.nacos.server import SimNacos, SimOptions
from meshregistry.sim.nacos.views import Dialect
from meshregistry.sim.process import stay


def main() -> None:
    """Serve until SIGINT or SIGTERM; prints one line `SIM READY URL …` when the port is open."""
    arguments = _parser().parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_serve, arguments)


async def _serve(arguments: argparse.Namespace) -> None:
    sim = SimNacos(_options(arguments))
    load = _load(arguments)
    sim.load(load)
    churn = Churn(sim.registry)
    async with sim:
        services, instances = sim.registry.counts()
        ready = f"{sim.base_url} services={services} instances={instances}"
        await stay(ready, lambda: churn.step(load.namespace, "replace"), arguments.churn_s)


def _options(arguments: argparse.Namespace) -> SimOptions:
    credentials = None
    if arguments.username:
        ttl_s = arguments.token_ttl_s
        credentials = Credentials(username=arguments.username, password=arguments.password, token_ttl_s=ttl_s)
    return SimOptions(
        dialect=arguments.dialect,
        host=arguments.host,
        port=arguments.port,
        credentials=credentials,
        shuffle=arguments.shuffle,
        rpc=RpcOptions(push_delay_s=arguments.push_delay_s),
        fuzzy=FuzzyOptions(max_services=arguments.fuzzy_cap),
    )


def _load(arguments: argparse.Namespace) -> Load:
    return Load(
        services=arguments.services,
        instances=arguments.instances,
        namespace=arguments.namespace,
        group=arguments.group,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m meshregistry.sim.nacos", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8848, help="gRPC is 1000 above; 0 takes free ones")
    parser.add_argument("--dialect", type=Dialect, default=Dialect.V2, help="1.x, 2.x, 3.x or 3.2")
    parser.add_argument("--services", type=int, default=0, help="services to start with")
    parser.add_argument("--instances", type=int, default=10, help="instances of each service")
    parser.add_argument("--namespace", default="public")
    parser.add_argument("--group", default="DEFAULT_GROUP")
    parser.add_argument("--churn-s", type=float, default=0.0, help="replace an instance every so many seconds")
    parser.add_argument("--shuffle", action="store_true", help="answer in random order, like a real server")
    parser.add_argument("--push-delay-s", type=float, default=0.5, help="from a change to its push over gRPC")
    parser.add_argument("--fuzzy-cap", type=int, default=500, help="services that a fuzzy watch shows at most")
    parser.add_argument("--username", default="", help="turns authentication on")
    parser.add_argument("--password", default="")
    parser.add_argument("--token-ttl-s", type=int, default=18000)
    return parser


if __name__ == "__main__":
    main()
