"""One stable virtual address per host, for hosts with a TCP port.

Without an address all TCP entries of a port share one listener on 0.0.0.0 and capture each other's traffic. The
address follows from the host alone, so it is equal on every replica; with n hosts in a /8 about n²/2²⁵ pairs would
share one. Then the first host by name keeps it and the other takes the next address of its own sequence: only a host
that collides can ever renumber another, and only the one it collides with.
"""

import ipaddress
from functools import lru_cache

import xxhash

PROBES = 8
"""Addresses a host tries; one that finds all of them taken by smaller hosts has none."""


@lru_cache(maxsize=1 << 14)
def derive_address(host: str, network: str) -> str:
    """Return the address of a host in `network` (CIDR), never the first or the last one; raises ValueError.

    Remembered, as assembly and the book of addresses ask for every host several times.
    """
    first, count = _span(network)
    return str(first + xxhash.xxh3_64_intdigest(host.encode("utf-8", "surrogatepass")) % count)


@lru_cache(maxsize=16)
def _span(network: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    parsed = ipaddress.ip_network(network)
    edges = 2 if parsed.num_addresses > 2 else 0
    return parsed[edges // 2], parsed.num_addresses - edges


class VirtualAddresses:
    """Gives each host an address that no other has; equal for any order of claims and releases.

    Hosts choose in the order of their names, each the first free address of its sequence. The reducer owns the
    state: at most `PROBES` notes per host.
    """

    def __init__(self, network: str) -> None:
        self._network = network
        self._holders: dict[str, str] = {}
        self._held: dict[str, int] = {}
        self._waiting: dict[str, set[str]] = {}

    def find(self, host: str) -> str:
        """Return the address of a host, "" when it has none."""
        probe = self._held.get(host, PROBES)
        return self._probe(host, probe) if probe < PROBES else ""

    def claim(self, host: str) -> set[str]:
        """Give a host an address; returns the hosts whose address is another now, itself included."""
        if host in self._held:
            return set()
        changed: set[str] = set()
        probe = 0
        while True:
            changed.add(host)
            displaced = self._settle(host, probe)
            if displaced is None:
                return changed
            host, probe = displaced, self._held[displaced] + 1

    def release(self, host: str) -> set[str]:
        """Take a host's address away; returns the hosts whose address is another now, itself not included."""
        probe = self._held.pop(host, None)
        if probe is None:
            return set()
        self._stop_waiting(host, range(probe))
        changed: set[str] = set()
        free = self._probe(host, probe) if probe < PROBES else ""
        while free:
            del self._holders[free]
            if free not in self._waiting:
                break
            heir = min(self._waiting[free])
            left = self._held[heir]
            sequence = [self._probe(heir, each) for each in range(PROBES)]
            self._held[heir] = sequence.index(free)
            self._holders[free] = heir
            self._stop_waiting(heir, range(self._held[heir], left))
            changed.add(heir)
            free = sequence[left] if left < PROBES else ""
        return changed

    def _settle(self, host: str, probe: int) -> str | None:
        """Take the first address from `probe` on that no smaller host holds; returns whom it displaced."""
        for each in range(probe, PROBES):
            address = self._probe(host, each)
            holder = self._holders.get(address)
            if holder is None or host < holder:
                self._holders[address] = host
                self._held[host] = each
                if holder is not None:
                    self._waiting.setdefault(address, set()).add(holder)
                return holder
            self._waiting.setdefault(address, set()).add(host)
        self._held[host] = PROBES
        return None

    def _stop_waiting(self, host: str, probes: range) -> None:
        """Forget that a host waits for the addresses at these places of its sequence.

        In a small network a sequence can name an address twice: one that it waits for at an earlier place stays.
        """
        kept = {self._probe(host, each) for each in range(self._held.get(host, 0))}
        for address in {self._probe(host, each) for each in probes} - kept:
            waiting = self._waiting.get(address, set())
            waiting.discard(host)
            if not waiting:
                self._waiting.pop(address, None)

    def _probe(self, host: str, number: int) -> str:
        return derive_address(f"{host}#{number}" if number else host, self._network)
