"""What a session needs to know; the application root fills it from the settings."""

import msgspec


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """PEM files, read again at every connection attempt, so that a renewed certificate needs no restart."""

    ca: str = ""
    """Who may sign the server's certificate; "" means the system's authorities."""

    certificate: str = ""
    """Our own certificate, if the server asks for one; "" means none."""

    key: str = ""
    """The key of our certificate; "" means that it is in the same file."""

    server_name: str = ""
    """The name the server's certificate must bear; "" means the host as configured."""


class SessionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One ensemble and how to speak to it."""

    hosts: tuple[str, ...]
    """`host`, `host:port`, `[IPv6]:port`; all are servers of one ensemble. The port defaults to 2181."""

    session_timeout_s: float = 30.0
    """Asked for; the server clamps it, usually to 2..20 of its ticks."""

    chroot: str = ""
    """Put before every path and taken from every event; never created."""

    digest_auth: tuple[tuple[str, str], ...] = ()
    """User and password of each identity, shown to the server on every connection."""

    sasl: tuple[str, str] | None = None
    """User and password of SASL DIGEST-MD5."""

    tls: TlsFiles | None = None
    in_flight: int = 256
    """Requests that wait for an answer at one time; further ones wait for their turn."""

    request_timeout_s: float = 30.0
    """One call, reconnects and repeated attempts included."""

    max_frame_bytes: int = 67_108_864
    """A longer answer costs the connection, before it is in memory."""

    connect_timeout_s: float = 0.0
    """TCP, TLS and the server's greeting together; 0 means a third of the session timeout within 0.5..5 s."""

    first_backoff_s: float = 0.05
    backoff_factor: float = 1.6
    longest_backoff_s: float = 1.0
    """Pauses between connection attempts; each is shortened by up to half, by chance."""

    auth_pause_s: float = 10.0
    """Pause after refused credentials."""

    close_timeout_s: float = 2.0
    """For taking leave of the server."""

    def __repr__(self) -> str:
        return f"SessionOptions(hosts={self.hosts!r}, chroot={self.chroot!r})"

    @property
    def greeting_timeout_s(self) -> float:
        """What `connect_timeout_s` comes to."""
        return self.connect_timeout_s or min(max(self.session_timeout_s / 3, 0.5), 5.0)
