"""One stable virtual address per host, for hosts with a TCP port.

Without an address all TCP entries of a port share one listener on 0.0.0.0 and capture each other's traffic. The
address follows from the host alone: equal on every replica, and a new host never renumbers another. Two hosts of one
range can therefore share an address; with n hosts in a /8 about n²/2²⁵ pairs do.
"""

import ipaddress

import xxhash


def derive_address(host: str, network: str) -> str:
    """Return the address of a host in `network` (CIDR), never the first or the last one; raises ValueError."""
    first, count = _span(network)
    return str(first + xxhash.xxh3_64_intdigest(host.encode("utf-8", "surrogatepass")) % count)


def _span(network: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    parsed = ipaddress.ip_network(network)
    edges = 2 if parsed.num_addresses > 2 else 0
    return parsed[edges // 2], parsed.num_addresses - edges
