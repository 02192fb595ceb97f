"""The settings of the ADS room; the application root fills them in."""

from dataclasses import dataclass, field

from meshregistry.errors import AdsProtocolError
from meshregistry.xds.selection import Selection


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a stream may send; all in seconds."""

    push_pause_s: float = 0.12
    """Least pause between two SotW responses of a type: istiod applies after 100 ms of quiet, a drip starves it."""

    delta_push_pause_s: float = 0.06
    """Longest pause between two delta responses of a type; it is 5 ms for each resource of the one before."""

    ack_timeout_s: float = 30.0
    """A response that is not acknowledged for so long no longer holds back newer state."""

    full_push_interval_s: float = 600.0
    """A client of version stubs gets a full response at least so often, if any stub was sent; 0 means never."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all together, may use."""

    max_request_bytes: int = 4 * 1024 * 1024
    max_connections: int = 1200
    """TCP connections: one for each stream of an istiod, and some for what looks at its health."""

    max_streams: int = 1000
    new_streams_per_s: float = 50.0
    """Pace of a mass reconnect beyond the burst: each stream costs one full answer."""

    new_streams_burst: int = 100
    max_types: int = 200
    """Type URLs on one stream."""

    max_names: int = 50_000
    """Explicit names and prefixes in one subscription."""

    max_health_calls: int = 1000
    """Checks that have not asked yet, and as many watches, at once."""

    health_timeout_s: float = 5.0
    """How long the request of a health call may take to come."""

    max_delta_bytes: int = 2 * 1024 * 1024
    """Size at which a delta response is split; most gRPC clients refuse more than 4 MiB."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Files in PEM; they are read again when they change."""

    certificate: str
    """The server's chain."""

    key: str
    client_ca: str = ""
    """Who signs client certificates; "" means that none is asked for."""

    require_client_certificate: bool = False
    """A stock istiod has no client certificate."""

    handshake_timeout_s: float = 10.0
    client_names: tuple[str, ...] = ()
    """DNS names or URIs of which a client certificate must have one; empty: any."""


@dataclass(frozen=True, slots=True)
class AdsOptions:
    """Everything `AdsServer` needs to know."""

    host: str = ""
    """Address to listen on; empty means all of both families."""

    port: int = 16010
    send_timeout_s: float = 30.0
    """A client that takes none of a response for so long loses its stream."""

    drain_timeout_s: float = 5.0
    version_stubs: bool = True
    strict_revision: bool = False
    """Clients with a revision do not see resources without one (Slime's STRICT_ISTIO_REV)."""

    extra_revisions: tuple[tuple[str, str], ...] = ()
    """(client revision, label it also sees), "" for no label (Slime's EXTRA_REV_MAP)."""

    control_plane: str = "meshregistry"
    """`control_plane.identifier` of every response."""

    allowed_peers: tuple[str, ...] = ()
    """Networks, as CIDR, that clients may come from; empty: anywhere."""

    tls: TlsOptions | None = None
    """None: plaintext HTTP/2, as a stock istiod expects."""

    selection: Selection = field(default_factory=Selection)
    """The part of the world this listener serves."""

    incremental: bool = False
    """Speak Slime's private incremental dialect, and nothing else: a stock istiod loses its services by it."""

    incremental_marker: str = "MCP_INC_PUSH"
    """Node metadata key by which a client says that it understands the dialect; without it nothing is answered."""

    clean_zombie_interval_s: float = 0.0
    """How often tombstones that every client has confirmed are dropped; 0: only when there are too many."""

    rhythm: Rhythm = field(default_factory=Rhythm)
    limits: Limits = field(default_factory=Limits)


class LimitExceeded(AdsProtocolError):
    """A client wants more than `Limits` allows; its stream ends with RESOURCE_EXHAUSTED."""
