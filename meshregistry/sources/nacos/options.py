"""What the Nacos source needs to know; the application root fills it from the settings."""

from typing import NamedTuple

import msgspec

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


class NacosServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One registry: a server, or the nodes of one cluster."""

    registry_id: str = ""
    addresses: tuple[str, ...]
    """Base URLs with scheme and without the context path; all are nodes of one cluster."""

    scopes: tuple[NacosScope, ...] = (NacosScope(),)
    username: str = ""
    password: str = ""
    context_path: str = "/nacos"

    def __repr__(self) -> str:
        return f"NacosServerOptions(registry_id={self.registry_id!r}, scopes={self.scopes!r})"


class NacosOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The whole source."""

    servers: tuple[NacosServerOptions, ...]
    polling: PollOptions = PollOptions()
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
