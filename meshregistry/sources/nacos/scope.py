"""One scope of one registry: what of its readings and pushes is news, and what may shrink."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping

import msgspec

from meshregistry.model.events import ScopeListing, ServiceReading, Sink
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.rejects import print_subject
from meshregistry.sources.decoding import fingerprint
from meshregistry.sources.nacos.absence import SEVERAL, Absences
from meshregistry.sources.nacos.hold import Kept, Settling, find_missing, join, keep
from meshregistry.sources.nacos.instances import Harvest, InstanceReader
from meshregistry.sources.nacos.memory import Known, Listing, Memory, Reading
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer
from meshregistry.sources.status import ScopeStatus
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)
_ENCODER = msgspec.msgpack.Encoder()

IsWatched = Callable[[str, float], bool]
"""Whether changes of a service were to be pushed since a moment."""

_UNREAD_SHOWN = 20
_PATIENCE_READINGS = 3
"""A service that was never read keeps its scope incomplete for so many readings: longer, and one broken
service would keep the whole mesh waiting."""

_PUSH_TIMEOUT_S = 3.0
"""A change that a listing showed is counted as missed when it is not pushed within this time (Nacos: 0.5 s).

What a listing takes away from a watched service is believed only after this time: the push may come from another
node than the listing, and one of them may have been restarted.
"""


class ScopeReader:
    """Publishes what changed in one scope. Owner of what was published.

    Listings and pushes come from different tasks; a lock lets one of them change and publish at a time.
    """

    def __init__(
        self,
        scope: Scope,
        reader: InstanceReader,
        settling: Settling,
        metrics: Metrics,
        clock: Clock,
        *,
        is_measured: bool = True,
    ) -> None:
        self.scope = scope
        self.status = ScopeStatus(scope, metrics, clock, is_measured=is_measured)
        self.memory = Memory()
        self._reader = reader
        self._settling = settling
        self._metrics = metrics
        self._clock = clock
        self._lock = asyncio.Lock()
        self._published: frozenset[str] | None = None
        self._incomplete_readings = 0
        self._skipped = 0
        self._bad_records = 0
        self._unread: dict[str, str] = {}
        self._unpushed: dict[str, float] = {}
        self._doubts: dict[str, float] = {}
        self._missed = 0
        self._is_in_doubt = False
        self._held = 0
        self.absences = Absences(settling.settle_s)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is published of the scope."""
        return not self.memory.known

    async def miss(self, sink: Sink) -> None:
        """Tell that a reading failed, if that is to be told. Cancelling it is safe: nothing was told."""
        if self.is_empty:  # pushes may have come before
            await self.status.first_word.miss(sink)

    async def count_losses(self, listing: Listing, is_watched: IsWatched) -> int:
        """Return how many services lose instances by a listing and nothing but it would have told, up to SEVERAL.

        One that is not listed at all counts as several, see `absence`. Cancelling it is safe.
        """
        losses = 0
        slicer = Slicer()
        for name, reading in listing.fresh.items():
            before = self.memory.known.get(name)
            is_pushed = self._is_pushed(name, listing, is_watched)
            if before is not None and reading.harvest is not None and not is_pushed:
                losses += self.absences.are_new(name, _find_missing(before, reading.harvest))
            if losses >= SEVERAL:
                return losses
            await slicer.breathe()
        is_lost = any(not self._is_pushed(name, listing, is_watched) for name, _ in self._unlisted(listing))
        return SEVERAL if is_lost else losses

    async def take_listing(
        self, listing: Listing, sink: Sink, is_watched: IsWatched, *, is_doubted: bool = False
    ) -> bool:
        """Publish what a listing changes; nothing is published when nothing did.

        `is_watched` says whether changes of a service were to be pushed since a moment; what a doubted listing takes
        away from others is believed only when it lasts. Returns whether every listed service has been read at least
        once. Cancelling it is safe: what was published is remembered, nothing else.
        """
        self._note(listing)
        async with self._lock:
            self._count_missed()
            await self._publish(listing, sink, is_watched, is_doubted=is_doubted)
        return self._is_complete(listing)

    async def take_push(self, name: str, body: bytes, arrived_at: float, sink: Sink) -> bool:
        """Publish a service's pushed content if it differs from what is published; returns whether it did.

        Raises SourceDataError when no instance of it can be known. Cancelling it is safe.
        """
        harvest = self._reader.read_list(body)
        async with self._lock:
            before = self.memory.known.get(name)
            if before is None and not harvest.instances:
                return False
            kept = self._keep(before, harvest)
            known = _pushed(kept, harvest, before, arrived_at)
            self._unpushed.pop(name, None)
            self._doubts.pop(name, None)
            if not kept.held:
                self.absences.forget(name)
            if before is not None and before.content_digest == known.content_digest:
                self._remember(name, known)
                return False
            self._count_bad(harvest.bad)
            await sink.publish(ServiceReading(ServiceKey(self.scope, name), kept.instances, arrived_at))
            self._remember(name, known)
            if before is None and self._published is not None:
                self._published |= {name}
            return True

    def describe(self) -> dict[str, object]:
        """Return the scope's part of the status page: counts of now, and of everything since the start."""
        age = self.status.last_success_age_s
        known = self.memory.known.values()
        return {
            "namespace": self.scope.namespace,
            "group": self.scope.group,
            "healthy": self.status.healthy,
            "last_success_age_s": None if age is None else round(age, 3),
            "last_error": self.status.last_error,
            "services": len(known),
            "instances": sum(len(each.instances) for each in known),
            "held_instances": self._held,
            "doubted_services": len(self.absences),
            "bad_records": sum(each.bad for each in known),
            "bad_records_total": self._bad_records,
            "unread": dict(sorted(self._unread.items())[:_UNREAD_SHOWN]),
            "unread_services": len(self._unread),
            "unchanged_skips_total": self._skipped,
            "missed_events_total": self._missed,
        }

    def _remember(self, name: str, known: Known) -> None:
        before = self.memory.known.get(name)
        self.memory.put(name, known)
        self._tell_held(self._held + known.held - (before.held if before is not None else 0))

    def _tell_held(self, held: int) -> None:
        if held != self._held:
            self.status.tell_held(held)
        self._held = held

    def _note(self, listing: Listing) -> None:
        self._skipped += listing.unchanged
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

    def _count_missed(self) -> None:
        """Count the changes that a listing showed and no push did."""
        late = [name for name, since in self._unpushed.items() if self._clock.now() - since > _PUSH_TIMEOUT_S]
        for name in late:
            del self._unpushed[name]
        if late:
            self._miss(late)

    def _tell_doubt(self) -> None:
        """Say when a listing is not believed, and when nothing of one is doubted any more."""
        if bool(self.absences) != self._is_in_doubt:
            _log.info("source.doubted source=nacos scope=%s services=%d", self.scope, len(self.absences))
        self._is_in_doubt = bool(self.absences)

    def _miss(self, names: list[str]) -> None:
        self._missed += len(names)
        self._metrics.missed_events.labels("nacos").inc(len(names))
        text = "push.missed source=nacos scope=%s services=%d first=%s"
        _log.warning(text, self.scope, len(names), print_subject(min(names)))

    async def _publish(self, listing: Listing, sink: Sink, is_watched: IsWatched, *, is_doubted: bool) -> None:
        names = self._names(listing, is_watched)
        draft = self.memory.draft()
        news = await self._compare(listing, draft, is_watched, is_doubted=is_doubted)
        self._hold_unlisted(draft, names - listing.names, listing.started_at)
        draft.keep_only(names)
        if news or names != self._published:
            unread = frozenset(listing.unread)
            await sink.publish(ScopeListing(self.scope, names, news, unread, listing.observed_at))
        self._published = names
        self.memory.adopt(draft)
        self._tell_held(sum(each.held for each in self.memory.known.values()))
        self.absences.keep_only(names)
        self._tell_doubt()

    def _names(self, listing: Listing, is_watched: IsWatched) -> frozenset[str]:
        """Return the names that count as listed: those the listing cannot or must not take away included."""
        kept = {name for name, known in self._unlisted(listing) if self._stays(name, known, listing, is_watched)}
        if self._published is not None and (listing.nameless or self._settling.holds):
            return listing.names | self._published | kept
        return listing.names | kept if kept else listing.names

    def _unlisted(self, listing: Listing) -> Iterator[tuple[str, Known]]:
        """Yield the services with instances that are not listed, and that nothing newer speaks of."""
        if listing.nameless:
            return
        for name, known in self.memory.known.items():
            if known.instances and name not in listing.names:
                yield name, known

    def _is_pushed(self, name: str, listing: Listing, is_watched: IsWatched) -> bool:
        """Whether pushes were to tell of a service since the listing began, and no listing's doubt is left."""
        return is_watched(name, listing.started_at) and name not in self.absences

    def _stays(self, name: str, known: Known, listing: Listing, is_watched: IsWatched) -> bool:
        """Whether a service with instances that is not listed is newer than the listing, or is not believed gone."""
        if known.pushed_at > listing.started_at:
            return True
        if self._is_pushed(name, listing, is_watched):
            return not self._settling.holds and self._is_doubtful(name, known)
        return bool(self.absences.take(name, known.instances, listing.started_at, is_doubted=True))

    def _is_doubtful(self, name: str, before: Known) -> bool:
        """Whether a listing that takes something away from a watched service is not to be believed yet."""
        since = self._doubts.get(name)
        if since is None:
            if before.held:
                return False
            self._doubts[name] = self._clock.now()
            return True
        if self._clock.now() - since < _PUSH_TIMEOUT_S:
            return True
        del self._doubts[name]
        self._miss([name])
        return False

    def _hold_unlisted(self, draft: Memory, names: frozenset[str], started_at: float) -> None:
        """Note that services stay although they are not listed, so that their next listing is looked at.

        Those pushed since the listing began are as good as listed.
        """
        for name in names:
            known = draft.known.get(name)
            if known is not None and known.pushed_at <= started_at:
                draft.put(name, known._replace(held=len(known.instances), item_digest=0, list_digest=0))

    async def _compare(
        self, listing: Listing, draft: Memory, is_watched: IsWatched, *, is_doubted: bool
    ) -> dict[str, tuple[Instance, ...]]:
        """Return the services whose content differs from what was published; put all that were read in the draft."""
        news: dict[str, tuple[Instance, ...]] = {}
        slicer = Slicer()
        for name, reading in listing.fresh.items():
            before = self.memory.known.get(name)
            if before is not None and before.pushed_at > listing.started_at:
                continue
            is_live = self._is_pushed(name, listing, is_watched)
            if is_live:
                kept = self._keep_watched(name, before, reading.harvest)
            else:
                kept = self._keep_polled(name, before, reading.harvest, listing.started_at, is_doubted=is_doubted)
            after = _listed(reading, kept, before)
            if after is None:
                continue
            draft.put(name, after)
            if reading.harvest is not None:
                self._count_bad(reading.harvest.bad)
                if before is None or before.content_digest != after.content_digest:
                    news[name] = after.instances
                    if before is not None and not before.held and is_live:
                        self._unpushed[name] = self._clock.now()
            await slicer.breathe()
        await asyncio.sleep(0)
        return news

    def _keep_watched(self, name: str, before: Known | None, harvest: Harvest | None) -> Kept:
        """Return the instances to publish: a listing alone does not take anything away from a watched service."""
        if before is None or harvest is None or self._settling.holds:
            return self._keep(before, harvest)
        kept = keep(before.instances, harvest.instances)
        if kept.held and self._is_doubtful(name, before):
            return kept
        self._doubts.pop(name, None)
        return Kept(harvest.instances, 0)

    def _keep_polled(
        self, name: str, before: Known | None, harvest: Harvest | None, moment: float, *, is_doubted: bool
    ) -> Kept:
        """The same where only listings tell: what is doubted stays until it has lasted."""
        if before is None or harvest is None:
            return self._keep(before, harvest)
        missing = _find_missing(before, harvest)
        holds = self._settling.holds
        lasting = self.absences.take(name, missing, moment, is_doubted=is_doubted or holds)
        return join(harvest.instances, missing if holds else lasting)

    def _keep(self, before: Known | None, harvest: Harvest | None) -> Kept:
        """Return the instances to publish: while the registry settles, also those it showed before."""
        shown = harvest.instances if harvest is not None else ()
        if before is None or not self._settling.holds:
            return Kept(shown, 0)
        return keep(before.instances, shown)

    def _is_complete(self, listing: Listing) -> bool:
        if listing.unread.keys() <= self.memory.known.keys():
            self._incomplete_readings = 0
            return True
        self._incomplete_readings += 1
        return self._incomplete_readings > _PATIENCE_READINGS


def _find_missing(before: Known, harvest: Harvest) -> tuple[Instance, ...]:
    return find_missing(before.instances, harvest.instances, harvest.disabled)


def _listed(reading: Reading, kept: Kept, before: Known | None) -> Known | None:
    harvest = reading.harvest
    if harvest is None:
        if before is None:
            return None
        digests = (reading.item_digest, reading.list_digest) if not before.held else (0, 0)
        return before._replace(item_digest=digests[0], list_digest=digests[1], suspect=reading.suspect, pushed_at=0.0)
    return Known(
        # What is held must be read again when it may shrink, although the server's bytes stay the same.
        item_digest=0 if kept.held else reading.item_digest,
        list_digest=0 if kept.held else reading.list_digest,
        content_digest=digest_instances(kept.instances),
        instances=kept.instances,
        bad=sum(harvest.bad.values()),
        suspect=reading.suspect,
        held=kept.held,
    )


def _pushed(kept: Kept, harvest: Harvest, before: Known | None, arrived_at: float) -> Known:
    content = digest_instances(kept.instances)
    is_same = before is not None and before.content_digest == content and not kept.held
    return Known(
        item_digest=before.item_digest if before is not None and is_same else 0,
        list_digest=before.list_digest if before is not None and is_same else 0,
        content_digest=content,
        instances=before.instances if before is not None and is_same else kept.instances,
        bad=sum(harvest.bad.values()),
        suspect=before.suspect if before is not None and is_same else harvest.has_unhealthy,
        held=kept.held,
        pushed_at=arrived_at,
    )


def digest_instances(instances: tuple[Instance, ...]) -> int:
    """Return a hash of what is published of a service."""
    return fingerprint(_ENCODER.encode(instances))
