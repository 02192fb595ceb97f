"""What the Nacos source needs to know; the application root fills it from the settings."""

from typing import NamedTuple

import msgspec

from meshregistry.sources.nacos.signature import AccessKey
from meshregistry.sources.polling import PollOptions

DEFAULT_NAMESPACE = "public"
DEFAULT_GROUP = "DEFAULT_GROUP"
DEFAULT_CLUSTER = "DEFAULT"


class NacosScope(NamedTuple):
    """A namespace id and a group; "" means the default of either (servers 1.x and 2.x list `public` as "")."""

    namespace: str = ""
    group: str = ""

    def filled(self) -> "NacosScope":
        """Return the scope with Nacos's own names for the defaults."""
        return NacosScope(self.namespace or DEFAULT_NAMESPACE, self.group or DEFAULT_GROUP)


class WatchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How namespaces are watched over gRPC."""

    is_optional: bool = True
    """Whether a server without push is normal (`auto`), not worth a warning; polling is the way then."""

    list_period_s: float = 5.0
    """Time between two lists of names where there is no fuzzy watch."""

    subscribe_concurrency: int = 32
    """Subscriptions under way at once."""

    max_subscriptions: int = 100_000
    """Services subscribed in one namespace; further ones are read by listings alone."""

    linger_s: float = 120.0
    """How long a service that is not listed any more stays subscribed."""

    reconnect_pause_s: float = 5.0
    """Longest pause between two attempts to connect again."""

    first_connect_pause_s: float = 30.0
    """The same while no connection has ever been set up: the server may have no gRPC port at all."""


class GrpcTls(msgspec.Struct, frozen=True):
    """How to speak TLS to the gRPC port; file names of PEM files."""

    ca: str = ""
    """Empty = the system's authorities."""

    certificate: str = ""
    key: str = ""


class NacosServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One registry: a server, or the nodes of one cluster."""

    registry_id: str = ""
    addresses: tuple[str, ...]
    """Base URLs with scheme and without the context path; all are nodes of one cluster."""

    scopes: tuple[NacosScope, ...] = (NacosScope(),)
    username: str = ""
    password: str = ""
    access_key: AccessKey | None = None
    """Signs every request, as Alibaba Cloud MSE wants it."""

    all_namespaces: bool = False
    """Read every namespace the server lists and every group in them; `scopes` is not looked at."""

    grpc_port: int = 0
    """The gRPC port of every node; 0 = the HTTP port and `grpc_port_offset`."""

    grpc_port_offset: int = 1000
    grpc_tls: GrpcTls | None = None
    context_path: str = "/nacos"

    def __repr__(self) -> str:
        return f"NacosServerOptions(registry_id={self.registry_id!r}, scopes={self.scopes!r})"


class NacosOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The whole source."""

    servers: tuple[NacosServerOptions, ...]
    polling: PollOptions = PollOptions()
    watch: WatchOptions | None = None
    """None = polling only."""

    resync_period_s: float = 0.0
    """Time between two listings of a registry all of whose namespaces are watched; 0 = as when polling."""

    settle_s: float = 30.0
    """For so long after an outage or a change of node nothing shrinks: Nacos forgets ephemeral instances when it
    restarts, and answers before their owners and the other nodes have told it of them again. What listings alone
    take away as a restart between two of them would (see `absence`) must last for so long."""

    wait_time_s: float = 0.0
    """Declare the source complete after this time even if scopes are unread; 0 waits for ever."""

    request_timeout_s: float = 10.0
    """One request, its body included."""

    connect_timeout_s: float = 3.0
    concurrency: int = 16
    """Requests in flight to one server when services are read one by one."""

    page_size: int = 1000
    """Services in one page of the bulk listing."""

    names_page_size: int = 100_000
    """Names in one page of the service list."""

    max_body_bytes: int = 256 * 1024 * 1024
    """A longer body is an error, before it is in memory."""

    headers: tuple[tuple[str, str], ...] = ()
    bulk_retry_polls: int = 20
    """After a refused bulk listing it is tried again at every so many readings."""

    login_pause_s: float = 60.0
    """Shortest time between two logins made because a call was denied, and longest between refused ones."""

    def __repr__(self) -> str:
        return f"NacosOptions(servers={self.servers!r})"
