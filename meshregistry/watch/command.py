"""``meshregistry watch``: connect as istiod does and print what would happen in the mesh."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from meshregistry.watch.client import ClientOptions, IstiodClient
from meshregistry.watch.families import FAMILIES
from meshregistry.watch.printer import Printer
from meshregistry.watch.resources import Node
from meshregistry.watch.transport import DialOptions

MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What the command line says: ``HOST:PORT``, the istiod family to imitate, istiod's revision (empty: none)."""

    target: str
    family: str = "1.24"
    revision: str = ""


def parse_target(target: str) -> tuple[str, int]:
    """Split ``HOST:PORT`` (an IPv6 host in brackets); raises ValueError with a message for the user."""
    host, colon, port = target.rpartition(":")
    if not colon or not port.isdecimal() or not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"{target!r} is not HOST:PORT")
    host = host.removeprefix("[").removesuffix("]")
    if not host:
        raise ValueError(f"{target!r} names no host")
    return host, int(port)


async def watch(options: WatchOptions, write: Callable[[str], None]) -> None:
    """Watch until cancelled, giving each line without its line end to ``write``.

    Raises ValueError for a target that is not HOST:PORT or an unknown family. Unlike istiod, which exits, it keeps
    trying when the server cannot be reached at first. Cancelling is safe.
    """
    host, port = parse_target(options.target)
    if options.family not in FAMILIES:
        raise ValueError(f"unknown istiod family {options.family!r}, known are {', '.join(FAMILIES)}")
    family = FAMILIES[options.family]
    printer = Printer(options.target, family, write, lambda: datetime.now().astimezone())
    client_options = ClientOptions(DialOptions(host, port), family, Node(revision=options.revision))
    await IstiodClient(client_options, printer.observe).run()
