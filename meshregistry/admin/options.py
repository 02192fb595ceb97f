"""The settings of the admin room; the application root fills them in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdminOptions:
    """Where the socket is, and how much of the process it may take; all times in seconds."""

    path: str = ""
    """Of the socket; "" means that there is none."""

    request_timeout_s: float = 5.0
    max_connections: int = 8
    """Further clients wait until one of these has gone."""

    retry_s: float = 10.0
    """How often it is tried again to make a socket that cannot be made."""
