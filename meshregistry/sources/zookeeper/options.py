"""What the ZooKeeper source needs to know; the application root fills it from the settings."""

from enum import StrEnum

import msgspec

from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.policy import ConversionPolicy
from meshregistry.model.sidecar import SidecarPolicy
from meshregistry.sources.polling import PollOptions
from meshregistry.sources.zookeeper.session import SessionOptions


class Mode(StrEnum):
    """How a registry is kept up to date."""

    WATCHING = "watching"
    """Changes are told by the servers; everything is read again at every connection and from time to time."""

    POLLING = "polling"
    """Everything is read in every reading."""


class DebounceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """When an interface that changes too often is read later (Slime's WatchingDebounce)."""

    trigger_count: int
    """So many changes in quick succession start it."""

    duration_s: float
    """Changes that follow a reading within this time are in quick succession."""

    delay_s: float
    """Wait before the reading; grows by itself with each further `trigger_count` of changes."""

    max_delay_s: float


class ResyncOptions(msgspec.Struct, frozen=True, kw_only=True):
    """When everything is read again although the servers tell of changes."""

    period_s: float = 600.0
    """0 never."""

    cron: tuple[str, ...] = ()
    """Cron lines of five or six fields, `@every 5m`, `@daily`, …; see `schedule`."""

    jitter_s: float = 60.0
    """What a cron line asks for happens up to this much later, by chance, so that replicas spread."""


class SidecarOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How Sidecars come from consumers."""

    policy: SidecarPolicy
    conversion: ConversionPolicy = ConversionPolicy(source="zookeeper", dubbo=DubboPolicy())
    """What names the services: of the source's conversion that part on which hosts depend."""

    remove_after_s: float = 86_400.0
    self_consume: bool = False
    max_applications: int = 0
    """So many have a Sidecar; further ones wait for room. 0 is no limit."""


class ZooKeeperServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One registry: an ensemble and the trees to read on it."""

    registry_id: str = ""
    session: SessionOptions
    root: str = "/dubbo"
    """Dubbo's root node, without a slash at its end."""

    application_root: str = "/services"
    """Root node of applications, Spring Cloud's and those that Dubbo registers as a whole; "" reads none."""

    def __repr__(self) -> str:
        return f"ZooKeeperServerOptions(registry_id={self.registry_id!r}, root={self.root!r})"


class ZooKeeperOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The whole source."""

    servers: tuple[ZooKeeperServerOptions, ...]
    mode: Mode = Mode.WATCHING
    polling: PollOptions = PollOptions(refresh_period_s=10.0)
    """The rhythm of polling, and of trying again what failed while watching."""

    resync: ResyncOptions = ResyncOptions()
    debounce: DebounceOptions | None = None
    recursive: bool = True
    """Whether to watch a whole tree by one watch where the servers can; otherwise each node by its own."""

    concurrency: int = 32
    """Interfaces and applications read at once, per registry."""

    backlog: int = 50_000
    """So many changed nodes wait at most; with more of them everything is read again."""

    settle_s: float = 0.0
    """For so long after an outage nothing shrinks; see `settling`."""

    wait_time_s: float = 0.0
    """Declare the source complete after this time even if trees are unread; 0 waits for ever."""

    consumers: str = "consumers"
    """Node of consumers below an interface."""

    apply_rules: bool = True
    """Whether `configurators` and rule nodes are read and applied."""

    ignored_params: frozenset[str] = frozenset({"pid", "timestamp", "dubbo"})
    sidecars: SidecarOptions | None = None
    """None reads no consumers."""
