"""What the Eureka source needs to know; the application root fills it from the settings."""

from enum import StrEnum

import msgspec

from meshregistry.sources.polling import PollOptions


class Mode(StrEnum):
    """How a registry is kept up to date."""

    DELTA = "delta"
    """Changes at a short interval, verified by the server's hash; everything where that is not offered."""

    POLLING = "polling"
    """Everything in every reading, as Slime does."""


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """PEM files for https; "" is the system's CAs and no client certificate."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True


class HoldOptions(msgspec.Struct, frozen=True, kw_only=True):
    """When a full answer is too small to be believed at once: a server that has just started knows nobody yet."""

    ratio: float = 0.5
    """An answer with fewer registrations than this part of what is known is held back, and so is an empty one."""

    least: int = 10
    """A loss of fewer registrations than this is believed at once, unless nothing is left."""

    hold_s: float = 90.0
    """So long it must be repeated: three renewals at Eureka's default. 0 believes everything at once."""


class EurekaServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One registry: a server, or peers that replicate to each other."""

    registry_id: str = ""
    addresses: tuple[str, ...]
    """Base URLs with the context path, such as `http://eureka:8761/eureka`; user and password may stand in them."""

    username: str = ""
    password: str = ""
    token: str = ""
    """Sent as a bearer token, in place of user and password."""

    regions: tuple[str, ...] = ()
    """Remote regions whose registries the server adds to its answer."""

    applications: tuple[str, ...] = ()
    vips: tuple[str, ...] = ()
    secure_vips: tuple[str, ...] = ()
    """With any of these three only the applications named, or registered under these VIP addresses, are read."""

    resolve: bool = False
    """Whether every address that DNS gives for a host is a peer of its own."""

    def __repr__(self) -> str:
        return f"EurekaServerOptions(registry_id={self.registry_id!r})"


class EurekaOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The whole source."""

    servers: tuple[EurekaServerOptions, ...]
    mode: Mode = Mode.DELTA
    polling: PollOptions = PollOptions()
    """The rhythm of full readings, wherever changes alone are not offered."""

    delta_period_s: float = 5.0
    full_period_s: float = 600.0
    """Everything is read again after this time, however well the changes agreed."""

    wait_time_s: float = 0.0
    """Declare the source complete after this time even if scopes are unread; 0 waits for ever."""

    request_timeout_s: float = 30.0
    """One request, its body included."""

    connect_timeout_s: float = 5.0
    """Opening one connection; and looking up one host with `resolve`."""

    concurrency: int = 8
    """Requests in flight to one server when applications or VIP addresses are read one by one."""

    max_body_bytes: int = 256 * 1024 * 1024
    """A longer body is an error, before it is in memory."""

    include_status: frozenset[str] = frozenset({"UP"})
    """Instances with these statuses are taken."""

    host_names: bool = False
    """Whether an instance's address is its host name and not its IP address."""

    lease_factor: float = 0.0
    """Instances not renewed for so many lease durations are left out of full answers; 0 believes the server."""

    hold: HoldOptions = HoldOptions()
    quarantine_s: float = 60.0
    """A peer that failed is asked last for this time."""

    resolve_period_s: float = 60.0
    headers: tuple[tuple[str, str], ...] = ()
    client_name: str = "meshregistry"
    """By this name servers that limit rates know their privileged clients."""

    tls: TlsFiles = TlsFiles()

    def __repr__(self) -> str:
        return f"EurekaOptions(servers={self.servers!r})"
