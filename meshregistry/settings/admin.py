"""Settings of the operator's socket."""

from meshregistry.settings.fields import Count, PositiveDuration, Section, setting


class Admin(Section):
    """The local socket on which `meshregistry admin` hands over operators' decisions."""

    enabled: bool = setting(True, "Whether there is a socket.")
    socket: str = setting(
        "",
        "Its path. Only the user that the service runs as, and root, can use it. Empty = admin.sock in data_dir, and "
        "none without a data_dir.",
    )
    request_timeout: PositiveDuration = setting(5.0, "How long one request may take; then its connection ends.")
    max_connections: Count = setting(8, "Clients served at once; further ones wait.", unit="connections")
    retry_interval: PositiveDuration = setting(
        10.0, "How often it is tried again where the socket cannot be made; the service runs without it meanwhile."
    )
