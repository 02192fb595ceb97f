"""One scope of one registry: which rung to read it on, and what of a reading is news."""

import asyncio
import logging
from collections.abc import Mapping

import msgspec

from meshregistry.errors import SourceAuthError, SourceUnavailable
from meshregistry.model.events import ScopeListing, Sink
from meshregistry.model.instance import Instance, Scope
from meshregistry.model.rejects import print_subject
from meshregistry.sources.nacos import wire
from meshregistry.sources.nacos.bulk import BulkReader, look_again_at_suspects
from meshregistry.sources.nacos.client import AccessDenied, NotOffered
from meshregistry.sources.nacos.connection import Connection
from meshregistry.sources.nacos.instances import InstanceReader
from meshregistry.sources.nacos.memory import Known, Listing, Memory, Reading
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.services import ServiceReader
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer
from meshregistry.sources.status import ScopeStatus
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)
_ENCODER = msgspec.msgpack.Encoder()

BULK = "bulk"
PER_SERVICE = "per_service"

_UNREAD_SHOWN = 20
_PATIENCE_READINGS = 3
"""A service that was never read keeps its scope incomplete for so many readings: longer, and one broken
service would keep the whole mesh waiting."""


class ScopeReader:
    """Reads one scope and publishes what changed. Owner of what was published, and of the rung in use."""

    def __init__(self, scope: Scope, options: NacosOptions, metrics: Metrics, clock: Clock) -> None:
        self.scope = scope
        self.status = ScopeStatus(scope, metrics, clock)
        self._metrics = metrics
        self._clock = clock
        self._retry_readings = options.bulk_retry_polls
        self._memory = Memory()
        reader = InstanceReader()
        self._services = ServiceReader(scope, options, reader, self._memory)
        self._bulk = BulkReader(scope, options, reader, self._memory)
        self._refusal: _Refusal | None = None
        self._published: frozenset[str] | None = None
        self._incomplete_readings = 0
        self._rung = ""
        self._skipped = 0
        self._bad_records = 0
        self._unread: dict[str, str] = {}

    async def read(self, connection: Connection, sink: Sink) -> bool:
        """Read the scope from a node and publish what changed; nothing is published when nothing did.

        Returns whether every listed service has been read at least once. Raises SourceError when the node gives no
        authoritative listing. Cancelling it is safe: what was published is remembered, and nothing else.
        """
        listing = await self._list(connection)
        self._note(listing)
        await self._publish(listing, sink)
        return self._is_complete(listing)

    def describe(self) -> dict[str, object]:
        """Return the scope's part of the status page: counts of now, and of everything since the start."""
        age = self.status.last_success_age_s
        return {
            "namespace": self.scope.namespace,
            "group": self.scope.group,
            "healthy": self.status.healthy,
            "rung": self._rung,
            "bulk_refused": self._refusal.why if self._refusal else None,
            "last_success_age_s": None if age is None else round(age, 3),
            "last_error": self.status.last_error,
            "services": len(self._memory.known),
            "instances": sum(known.instances for known in self._memory.known.values()),
            "bad_records": sum(known.bad for known in self._memory.known.values()),
            "bad_records_total": self._bad_records,
            "unread": dict(sorted(self._unread.items())[:_UNREAD_SHOWN]),
            "unread_services": len(self._unread),
            "unchanged_skips_total": self._skipped,
        }

    async def _list(self, connection: Connection) -> Listing:
        refusal: _Refusal | None = None
        path = connection.dialect.bulk_path
        if path is not None and self._bulk_is_due(connection):
            try:
                listing = await self._bulk.list_scope(connection, path, self._clock)
                listing = await look_again_at_suspects(listing, self._services, connection, self._memory)
            except (AccessDenied, NotOffered) as error:
                if isinstance(error, NotOffered) and await connection.probe_again():
                    return await self._list(connection)
                refusal = _Refusal(str(error), connection, self._retry_readings)
            else:
                self._step_to(BULK, None)
                return listing
        return await self._list_per_service(connection, refusal or self._refusal)

    async def _list_per_service(self, connection: Connection, refusal: "_Refusal | None") -> Listing:
        try:
            listing = await self._services.list_scope(connection, self._clock)
        except (AccessDenied, NotOffered) as error:
            if refusal is None:
                raise
            both = f"{refusal.why}; and {error}"
            raise (SourceAuthError if isinstance(error, AccessDenied) else SourceUnavailable)(both) from error
        self._step_to(PER_SERVICE, refusal)
        return listing

    def _bulk_is_due(self, connection: Connection) -> bool:
        if self._refusal is None:
            return True
        return self._refusal.is_worth_another_try(connection)

    def _step_to(self, rung: str, refusal: "_Refusal | None") -> None:
        self._refusal = refusal
        if rung != self._rung:
            why = refusal.why if refusal else ""
            _log.info("source.rung source=nacos scope=%s rung=%s refused=%s", self.scope, rung, why)
        self._rung = rung

    def _note(self, listing: Listing) -> None:
        self._skipped += listing.unchanged
        self._metrics.source_unchanged.labels("nacos").inc(listing.unchanged)
        if listing.nameless:
            self._count_bad({"service": listing.nameless})
        if bool(listing.unread) != bool(self._unread):
            name, why = next(iter(sorted(listing.unread.items())), ("", ""))
            text = "source.unread source=nacos scope=%s services=%d first=%s error=%s"
            level = logging.WARNING if listing.unread else logging.INFO
            _log.log(level, text, self.scope, len(listing.unread), print_subject(name), why)
        self._unread = dict(listing.unread)

    def _count_bad(self, bad: Mapping[str, int]) -> None:
        for reason, count in bad.items():
            self._bad_records += count
            self._metrics.source_bad_records.labels("nacos", reason).inc(count)

    async def _publish(self, listing: Listing, sink: Sink) -> None:
        names = listing.names
        if listing.nameless and self._published is not None:
            names |= self._published
        draft = self._memory.draft()
        news = await self._compare(listing, draft)
        draft.keep_only(names)
        draft.keep_pages(listing.pages)
        if news or names != self._published:
            unread = frozenset(listing.unread)
            await sink.publish(ScopeListing(self.scope, names, news, unread, listing.observed_at))
        self._published = names
        self._memory.adopt(draft)

    async def _compare(self, listing: Listing, draft: Memory) -> dict[str, tuple[Instance, ...]]:
        """Return the services whose content differs from what was published; put all that were read in the draft."""
        news: dict[str, tuple[Instance, ...]] = {}
        slicer = Slicer()
        for name, reading in listing.fresh.items():
            before = self._memory.known.get(name)
            after = _known(reading, before)
            if after is None:
                continue
            draft.put(name, after)
            if reading.harvest is not None:
                self._count_bad(reading.harvest.bad)
                if before is None or before.content_digest != after.content_digest:
                    news[name] = reading.harvest.instances
            await slicer.breathe()
        await asyncio.sleep(0)
        return news

    def _is_complete(self, listing: Listing) -> bool:
        if listing.unread.keys() <= self._memory.known.keys():
            self._incomplete_readings = 0
            return True
        self._incomplete_readings += 1
        return self._incomplete_readings > _PATIENCE_READINGS


class _Refusal:
    """Why the bulk listing is not used. Owner of the count of readings until it is tried again."""

    def __init__(self, why: str, connection: Connection, readings: int) -> None:
        self.why = why
        self._asked = (connection.dialect, connection.endpoint, connection.login.grants)
        self._readings_left = readings

    def is_worth_another_try(self, connection: Connection) -> bool:
        """Whether so many readings have passed, or another server, dialect or login may be treated differently."""
        self._readings_left -= 1
        return self._readings_left <= 0 or self._asked != (
            connection.dialect,
            connection.endpoint,
            connection.login.grants,
        )


def _known(reading: Reading, before: Known | None) -> Known | None:
    harvest = reading.harvest
    if harvest is not None:
        return Known(
            item_digest=reading.item_digest,
            list_digest=reading.list_digest,
            content_digest=wire.fingerprint(_ENCODER.encode(harvest.instances)),
            instances=len(harvest.instances),
            bad=sum(harvest.bad.values()),
            suspect=reading.suspect,
        )
    if before is None:
        return None
    return before._replace(item_digest=reading.item_digest, list_digest=reading.list_digest, suspect=reading.suspect)
