"""Ports for the servers that tests start: none is given twice in a run, and no outgoing connection can take one.

A server that is killed and started again finds its own free again.
"""

import random
import socket
from collections.abc import Sequence

_FIRST, _LAST = 12_000, 29_999
"""Below the range of outgoing connections."""

_TRIES = 1000
_given: set[int] = set()


def free_port(offsets: Sequence[int] = (0,)) -> int:
    """Return a TCP port that is free at each of the offsets from it."""
    for _ in range(_TRIES):
        port = random.randint(_FIRST, _LAST - max(offsets))
        wanted = {port + offset for offset in offsets}
        if wanted.isdisjoint(_given) and all(_is_free(each) for each in wanted):
            _given.update(wanted)
            return port
    raise RuntimeError(f"no free ports found in {_TRIES} tries")


def free_ports(count: int) -> list[int]:
    """Return that many different free TCP ports."""
    return [free_port() for _ in range(count)]


def free_port_run(length: int) -> int:
    """Return the first of so many consecutive free TCP ports."""
    return free_port(range(length))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
