"""Settings of the exchange between replicas."""

from meshregistry.settings.fields import Count, HostPort, PositiveDuration, Section, setting


class Replicas(Section):
    """The other replicas of this service. All of them are configured alike; there is no leader."""

    siblings: tuple[HostPort, ...] = setting(
        (),
        "ADS addresses of the replicas: a name that resolves to all of them, or one entry each. Own addresses among "
        "them are passed over; empty = no exchange.",
    )
    connect_timeout: PositiveDuration = setting(1.0, "How long a connection to a sibling may take to be made.")
    takeover_timeout: PositiveDuration = setting(
        5.0, "How long a starting replica tries to take the world from a sibling before it goes on without."
    )
    resolve_interval: PositiveDuration = setting(
        10.0, "How often the names are resolved again, and a lost sibling is called again."
    )
    max_message_bytes: Count = setting(
        16_777_216,
        "A longer response of a sibling ends its stream; siblings split theirs at their mcp.max_delta_bytes.",
        unit="bytes",
    )
    max_state_bytes: Count = setting(
        268_435_456, "A sibling's state that is larger is not taken; about 2 KB per service.", unit="bytes"
    )
    ca: str = setting(
        "", "File with the CAs of the siblings' certificates, PEM, when mcp.tls is used; empty = those of the system."
    )
    certificate: str = setting("", "File with the certificate chain to show to siblings, PEM; empty = none.")
    key: str = setting("", "File with its private key, PEM.")
    server_name: str = setting("", "The name that siblings' certificates carry; empty = the host of the address.")
