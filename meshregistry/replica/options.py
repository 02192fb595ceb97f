"""The settings of the replica room; the application root fills them in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplicaTls:
    """Files in PEM; "" is none, or the system's CAs."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaOptions:
    """Where the siblings are, and how patient to be with them; all times in seconds."""

    siblings: tuple[tuple[str, int], ...] = ()
    """Host and port of each, or of a name that stands for all of them."""

    own_ports: frozenset[int] = frozenset()
    """Ports that this process listens on: a local address with one of them is its own."""

    connect_timeout_s: float = 1.0
    takeover_timeout_s: float = 5.0
    resolve_interval_s: float = 10.0
    max_message_bytes: int = 16 * 1024 * 1024
    max_state_bytes: int = 256 * 1024 * 1024
    tls: ReplicaTls | None = None
    """None: plaintext."""
