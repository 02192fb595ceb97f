"""Settings of the ADS server (Slime's `McpArgs` and what we add)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from meshregistry.settings.fields import (
    LOWERED,
    AdsUrl,
    Cidr,
    Count,
    Duration,
    Instant,
    ListenAddress,
    PositiveDuration,
    PositiveNumber,
    Section,
    parse_listen,
    setting,
)


def parse_ads_url(url: str) -> ListenAddress:
    """Return host and port of an `xds://` URL that was checked before."""
    return parse_listen(url.removeprefix("xds://").removesuffix("/"))


class Tls(Section):
    """TLS on the ADS port. The files are read again when they change; open streams stay."""

    certificate: str = setting("", "File with the certificate chain, PEM; empty = plaintext, as istiod expects.")
    key: str = setting("", "File with its private key, PEM.")
    client_ca: str = setting("", "File with the CAs of client certificates, PEM; empty = none is asked for.")
    require_client_certificate: bool = setting(False, "Refuse clients without a certificate; a stock istiod has none.")
    handshake_timeout: PositiveDuration = setting(10.0, "How long a handshake may take.")
    client_names: tuple[str, ...] = setting(
        (), "DNS names or URIs of which a client certificate must have one; empty = any."
    )


class Listener(Section):
    """A further ADS listener that serves a part of the world."""

    server_url: AdsUrl = setting("xds://0.0.0.0:0", "Where it listens.")
    namespaces: tuple[str, ...] = setting((), "Only resources of these namespaces; empty = of all.")
    exported_to: tuple[str, ...] = setting(
        (), "Only resources that one of these namespaces may see by their exportTo; empty = all."
    )

    enable_inc_push: bool = setting(
        False,
        "Speak Slime's private incremental dialect here, to Istio builds patched for it; a stock istiod deletes every "
        "service that did not change.",
    )
    incremental_marker: Annotated[str, Field(min_length=1)] = setting(
        "MCP_INC_PUSH",
        "Node metadata key by which a client of that dialect is known; others get no answer.",
    )

    def listen(self) -> ListenAddress:
        """Return host and port of `server_url`."""
        return parse_ads_url(self.server_url)


class Mcp(Section):
    """What is served to istiod, and at which pace."""

    server_url: AdsUrl = setting("xds://0.0.0.0:16010", "Where the ADS server listens.", slime="ServerUrl")
    shards: Annotated[int, Field(ge=1, le=64)] = setting(
        1,
        "Split the resources over so many listeners at consecutive ports, each a configSources entry of its own. "
        "Changing it moves resources between sources: see docs/protocol.md for the procedure.",
        unit="listeners",
    )
    listeners: tuple[Listener, ...] = setting((), "Further listeners that serve a part of the world each.")
    enable_anno_res_ver: bool = setting(
        True,
        "Show each resource's version as annotation ResourceVersion in xdsCache.",
        slime="EnableAnnoResVer",
        slime_note="The version is a hash of the content; on the wire it travels as metadata.version, and never in the "
        "annotation, which istiod overwrites.",
    )
    enable_inc_push: bool = setting(
        False,
        "Slime's switch for its private incremental dialect. Without effect on the listener of server_url, as a stock "
        "istiod there would delete every service that did not change: use enable_inc_push of a listener of its own.",
        slime="EnableIncPush",
        slime_default=True,
        slime_note="A stock istiod reads Slime's private increments as the full state and deletes everything they do "
        "not mention. The dialect has to be asked for by a listener of its own; true is accepted with a warning.",
    )
    clean_zombie_interval: Duration = setting(
        0.0,
        "How often incremental listeners forget deletions that every client has confirmed; 0 = only the oldest of "
        "more than 100,000.",
        slime="CleanZombieInterval",
    )
    push_pause: Duration = setting(
        0.12,
        "The shortest time between two responses of a type on a stream; istiod debounces over 100 ms, so faster "
        "responses arrive later.",
    )
    delta_push_pause: Duration = setting(
        0.06,
        "The longest time between two responses of a type on a delta stream: it is 5 ms for each resource of the one "
        "before, so that single changes are sent at once and thousands together.",
    )
    ack_timeout: PositiveDuration = setting(
        30.0, "The next response is sent after this time when a client never acknowledges."
    )
    send_timeout: PositiveDuration = setting(
        30.0,
        "A client that does not read for this long loses its stream.",
        slime_default="5s",
        slime_note="A full answer of 10,000 services over a slow link takes longer than 5 s; a stuck client costs "
        "nobody else anything. Slime has it as the variable XDS_SEND_TIMEOUT.",
    )
    drain_timeout: Duration = setting(5.0, "The time that streams get to end at a stop.")
    max_request_bytes: Count = setting(4_194_304, "A longer request ends its stream.", unit="bytes")
    max_connections: Count = setting(
        1200, "Connections per listener; then the oldest one without a stream goes.", unit="connections"
    )
    max_streams: Count = setting(1000, "Streams served at once; further ones are refused.")
    new_streams_per_second: PositiveNumber = setting(
        50.0, "Pace of new streams beyond the burst, as each costs one full answer.", unit="streams per second"
    )
    new_streams_burst: Count = setting(100, "New streams accepted at once.", unit="streams")
    max_health_calls: Count = setting(
        1000, "Health checks that have not asked yet, and as many watches, at once; further ones are refused."
    )
    health_timeout: PositiveDuration = setting(5.0, "How long the request of a health check or watch may take to come.")
    allowed_peers: tuple[Cidr, ...] = setting(
        (),
        "Networks that clients may come from, those of health checks on this port included; empty = anywhere.",
    )
    tls: Tls = setting(Tls(), "TLS on the ADS port.")
    max_types: Count = setting(200, "Types one stream may ask for.")
    max_names: Count = setting(50_000, "Names one subscription may hold.")
    max_delta_bytes: Count = setting(
        2_097_152, "A longer delta response is split; most clients refuse more than 4 MiB.", unit="bytes"
    )
    create_time: Instant = setting(
        datetime(2100, 1, 1, tzinfo=UTC),
        "Creation time of every resource. For one host the oldest resource supplies the attributes, so any resource "
        "written by hand wins over a date in the future.",
    )
    version_stubs: Annotated[Literal["auto", "off"], LOWERED] = setting(
        "auto", "Send unchanged resources as stubs to clients that ask as istiod 1.24 and newer do."
    )
    full_push_interval: Duration = setting(600.0, "A response without stubs follows at least this often; 0 = never.")
    control_plane_id: str = setting("meshregistry", "The identifier of this replica in responses.")
    strict_istio_rev: bool = setting(False, "Do not send resources without a revision to clients that have one.")
    extra_rev_map: Mapping[str, str] = setting({}, "Further revisions that a client's revision accepts.")

    def listen(self) -> ListenAddress:
        """Return host and port of `server_url`."""
        return parse_ads_url(self.server_url)
