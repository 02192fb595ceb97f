"""Run the simulated ZooKeeper server as a process: `python -m meshregistry.sim.zookeeper --help`."""

import argparse
import contextlib

import anyio

from meshregistry.sim.process import stay
from meshregistry.sim.zookeeper.codes import Version
from meshregistry.sim.zookeeper.content import Churn, Load, populate
from meshregistry.sim.zookeeper.control import Control
from meshregistry.sim.zookeeper.server import SimOptions, SimZooKeeper
from meshregistry.sim.zookeeper.state import Rules


def main() -> None:
    """Serve until SIGINT or SIGTERM; prints one line `SIM READY HOST:PORT …` when the port is open."""
    arguments = _parser().parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_serve, arguments)


async def _serve(arguments: argparse.Namespace) -> None:
    rules = Rules(version=arguments.version, super_user=arguments.super_user)
    sim = SimZooKeeper(SimOptions(host=arguments.host, port=arguments.port, rules=rules))
    populate(sim.state, _load(arguments))
    control = Control(sim).listener(arguments.host, arguments.control_port or 0)
    churn = Churn(lambda: sim.state)
    async with sim:
        if arguments.control_port is not None:
            await control.start()
        url = f" control=http://{arguments.host}:{control.port}" if control.port else ""
        ready = f"{sim.address} nodes={len(sim.state.tree)}{url}"
        await stay(ready, lambda: churn.step(arguments.dubbo_root), arguments.churn_s)
    await control.stop()


def _load(arguments: argparse.Namespace) -> Load:
    return Load(
        interfaces=arguments.interfaces,
        providers=arguments.providers,
        applications=arguments.applications,
        instances=arguments.instances,
        dubbo_root=arguments.dubbo_root,
        spring_root=arguments.spring_root,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m meshregistry.sim.zookeeper", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2181, help="0 takes a free one")
    parser.add_argument("--control-port", type=int, help="serve /sim/ over HTTP there; 0 takes a free one")
    parser.add_argument("--version", type=Version, default=Version.V3_9, help="behave like 3.5, 3.8 or 3.9")
    parser.add_argument("--super-user", default="super:fixture", help="user:password that no ACL stops")
    parser.add_argument("--interfaces", type=int, default=0, help="Dubbo interfaces to start with")
    parser.add_argument("--providers", type=int, default=3, help="providers of each interface")
    parser.add_argument("--applications", type=int, default=0, help="Spring Cloud applications to start with")
    parser.add_argument("--instances", type=int, default=2, help="instances of each application")
    parser.add_argument("--dubbo-root", default="/dubbo")
    parser.add_argument("--spring-root", default="/services")
    parser.add_argument("--churn-s", type=float, default=0.0, help="replace a provider every so many seconds")
    return parser


if __name__ == "__main__":
    main()
