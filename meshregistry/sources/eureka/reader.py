"""One registry as one scope: what is read from a peer, what is made of it, and what of that is news."""

import asyncio
import itertools
import logging
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from meshregistry.errors import SourceDataError, SourceUnavailable
from meshregistry.model.events import ScopeListing, Sink
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.sources.eureka import wire
from meshregistry.sources.eureka.client import NotFound, NotOffered, Refused
from meshregistry.sources.eureka.connection import Connection
from meshregistry.sources.eureka.instances import Registration, RegistrationReader
from meshregistry.sources.eureka.options import EurekaOptions, EurekaServerOptions
from meshregistry.sources.eureka.plan import FetchPlan, Reason, ShrinkHold
from meshregistry.sources.eureka.view import RegistryView, list_instances
from meshregistry.sources.eureka.wire import Application, Reply
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer
from meshregistry.sources.status import ScopeStatus
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)
_DELETED = "DELETED"


class Fetched(NamedTuple):
    """A whole registry as one peer shows it."""

    node: str
    reason: Reason
    view: RegistryView
    nameless: int
    """Applications whose name cannot be told: with any of these nothing can be said to be gone."""

    agrees: bool | None
    """Whether the answer's own hash fits it; None when it has none."""

    observed_at: float


class RegistryReader:
    """Reads one scope and publishes what changed. Owner of the view of the registry and of what was published."""

    def __init__(
        self, scope: Scope, server: EurekaServerOptions, options: EurekaOptions, metrics: Metrics, clock: Clock
    ) -> None:
        self.scope = scope
        self.status = ScopeStatus(scope, metrics, clock)
        self.server = server
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._is_part = bool(server.applications or server.vips or server.secure_vips)
        self._plan = FetchPlan(options, deltas=not self._is_part)
        self._hold = ShrinkHold(options.hold)
        self._records = RegistrationReader(options)
        self._view = RegistryView()
        self._published: dict[str, tuple[Instance, ...]] | None = None
        self._delta_digest: int | None = None
        self._counts: dict[Reason, int] = {}
        self._inconsistent = 0
        self._deltas = 0
        self._unchanged = 0
        self._last_reason: Reason | None = None

    async def read(self, connection: Connection, sink: Sink) -> Fetched | None:
        """Read the scope from a peer and publish what changed.

        Returns None, or an answer that looks like that of a server which has just started and was not taken over:
        another peer should be asked, or `hold_back` be told of it. Raises SourceError. Cancelling it is safe: what was
        published is remembered, and nothing else.
        """
        reason = self._plan.full_reason(str(connection.node), self._clock.now())
        if reason is None:
            reason = await self._read_changes(connection, sink)
            if reason is None:
                return None
        fetched = await self._fetch(connection, reason)
        restarted = fetched.reason is Reason.RESTART
        if self._hold.is_suspicious(self._known_size(), fetched.view.size, restarted=restarted):
            return fetched
        await self._take(fetched, sink)
        return None

    async def hold_back(self, fetched: Fetched, sink: Sink) -> None:
        """Take over what is new in an answer that looks forgetful; all of it once it has been repeated long enough.

        Raises SourceUnavailable while it is not taken over. Cancelling it is safe.
        """
        is_new = self._hold.since is None
        known = self._known_size() or 0
        if self._hold.believes(self._clock.now()):
            _log.warning("eureka.shrunk scope=%s registrations=%d before=%d", self.scope, fetched.view.size, known)
            await self._take(fetched, sink)
            return
        self._plan.note_held()
        if is_new:
            text = "eureka.held scope=%s node=%s registrations=%d before=%d hold_s=%.0f"
            _log.warning(text, self.scope, fetched.node, fetched.view.size, known, self._options.hold.hold_s)
        if self._published is not None:
            await self._publish(await self._overlay(fetched.view), sink, fetched.observed_at)
        text = f"{fetched.node}: {fetched.view.size} registrations after {known}: held back, as after a restart"
        raise SourceUnavailable(text)

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published; others may come and go meanwhile."""
        for name, instances in tuple((self._published or {}).items()):
            yield ServiceKey(self.scope, name), instances

    def read_again(self) -> None:
        """Have everything read next, although changes would do."""
        self._plan.request_full()

    def end_hold(self) -> None:
        """Note that no peer answered: an answer that is held back must be repeated from then on anew."""
        self._hold.release()

    def next_period_s(self) -> float:
        """Return the time from the start of this reading to that of the next."""
        return self._plan.next_period_s(self._clock.now(), self._options.delta_period_s)

    def describe(self) -> dict[str, object]:
        """Return the scope's part of the status page: counts of now, and of everything since the start."""
        age, now = self.status.last_success_age_s, self._clock.now()
        last_full = self._plan.last_full
        registrations = [each for name in self._view.names for each in self._view.registrations(name).values()]
        return {
            "healthy": self.status.healthy,
            "mode": "part" if self._is_part else "delta" if self._plan.offers_deltas(now) else "polling",
            "last_success_age_s": None if age is None else round(age, 3),
            "last_full_age_s": None if last_full is None else round(now - last_full, 3),
            "last_full_reason": self._last_reason,
            "last_error": self.status.last_error,
            "held_for_s": None if self._hold.since is None else round(now - self._hold.since, 3),
            "applications": len(self._view.names),
            "registrations": self._view.statuses,
            "instances": sum(len(instances) for instances in (self._published or {}).values()),
            "overdue": sum(each.is_overdue for each in registrations),
            "bad_records": sum(each.instance is None for each in registrations),
            "full_fetches_total": dict(sorted(self._counts.items())),
            "hash_mismatches_total": self._counts.get(Reason.MISMATCH, 0),
            "inconsistent_full_total": self._inconsistent,
            "deltas_total": self._deltas,
            "unchanged_skips_total": self._unchanged,
        }

    def _known_size(self) -> int | None:
        return None if self._published is None else self._view.size

    async def _read_changes(self, connection: Connection, sink: Sink) -> Reason | None:
        """Apply the changes a peer shows; returns why everything must be read after all."""
        try:
            digest, reply = await connection.get_delta(self._delta_digest)
        except (Refused, NotFound, NotOffered):
            return Reason.REFUSED
        except SourceDataError as error:
            _log.debug("eureka.delta_unreadable scope=%s error=%s", self.scope, error)
            return Reason.UNREADABLE
        observed_at = self._clock.now()
        self._deltas += 1
        if reply is None:
            self._unchanged += 1
            self._metrics.source_unchanged.labels("eureka").inc()
            self._plan.note_repeated(observed_at)
            return None
        if self._plan.went_back(reply.version):
            return Reason.RESTART
        if reply.hash is None:
            return Reason.REFUSED
        draft = self._view.draft()
        await self._apply(reply, draft)
        if draft.hash != reply.hash:
            return Reason.MISMATCH
        await self._publish(draft, sink, observed_at)
        self._plan.note_delta(reply.version, observed_at)
        self._delta_digest = digest
        return None

    async def _apply(self, reply: Reply, draft: RegistryView) -> None:
        slicer, unix_now = Slicer(), self._clock.unix()
        for application in _opened(reply):
            for record in application.records if application.name else ():
                id_, registration = self._records.read(record, application.name, unix_now)
                if (record.action_type or "").upper() == _DELETED:
                    draft.remove(application.name, id_)
                else:
                    self._note_flaw(draft.registrations(application.name).get(id_), registration)
                    draft.put(application.name, id_, registration)
            await slicer.breathe()

    def _note_flaw(self, before: Registration | None, registration: Registration) -> None:
        if registration.flaw and (before is None or before.flaw != registration.flaw):
            self._metrics.source_bad_records.labels("eureka", registration.flaw).inc()

    async def _fetch(self, connection: Connection, reason: Reason) -> Fetched:
        if self._is_part:
            replies = await connection.get_part(self.server, self._options.concurrency)
        else:
            replies = await connection.get_all()
        observed_at = self._clock.now()
        view, nameless, bad = RegistryView(), 0, 0
        slicer, unix_now = Slicer(), self._clock.unix()
        for application in _opened(*replies):
            nameless += not application.name
            bad += application.bad
            known = self._view.registrations(application.name)
            for record in application.records if application.name else ():
                id_, registration = self._records.read(record, application.name, unix_now)
                before = known.get(id_)
                self._note_flaw(before, registration)
                view.put(application.name, id_, before if before == registration else registration)
            await slicer.breathe()
        if bad or nameless:
            self._metrics.source_bad_records.labels("eureka", "malformed").inc(bad + nameless)
        hash_ = None if self._is_part or nameless else replies[0].hash
        agrees = None if hash_ is None else hash_ == view.hash
        return Fetched(str(connection.node), reason, view, nameless, agrees, observed_at)

    async def _take(self, fetched: Fetched, sink: Sink) -> None:
        """Make a whole registry what is known."""
        view = await self._overlay(fetched.view) if fetched.nameless else fetched.view
        await self._publish(view, sink, fetched.observed_at)
        self._hold.release()
        self._delta_digest = None
        self._plan.note_full(fetched.node, fetched.reason, fetched.observed_at, self._clock.dice())
        self._plan.note_agreement(fetched.observed_at, agrees=fetched.agrees)
        self._inconsistent += fetched.agrees is False
        self._last_reason = fetched.reason
        self._counts[fetched.reason] = self._counts.get(fetched.reason, 0) + 1
        self._metrics.full_fetches.labels("eureka", fetched.reason).inc()

    async def _overlay(self, view: RegistryView) -> RegistryView:
        """Return what is known with everything of another view put over it."""
        draft, slicer = self._view.draft(), Slicer()
        for name in view.names:
            for id_, registration in view.registrations(name).items():
                draft.put(name, id_, registration)
            await slicer.breathe()
        return draft

    async def _publish(self, view: RegistryView, sink: Sink, observed_at: float) -> None:
        """Publish in what a view differs from what was published, if in anything; then adopt it in one step."""
        before, names = self._published or {}, view.names
        news = await self._compare(view, names, before)
        is_same = self._published is not None and before.keys() == names
        if news or not is_same:
            await sink.publish(ScopeListing(self.scope, names, news, frozenset(), observed_at))
            kept = before if is_same else {name: instances for name, instances in before.items() if name in names}
            self._published = {**kept, **news}
        self._view = view

    async def _compare(
        self, view: RegistryView, names: frozenset[str], before: Mapping[str, tuple[Instance, ...]]
    ) -> dict[str, tuple[Instance, ...]]:
        news: dict[str, tuple[Instance, ...]] = {}
        slicer = Slicer()
        for name in view.touched & names:
            instances = list_instances(view.registrations(name), self._options.include_status)
            if before.get(name) != instances:
                news[name] = instances
            await slicer.breathe()
        await asyncio.sleep(0)
        return news


def _opened(*replies: Reply) -> Iterator[Application]:
    for raw in itertools.chain.from_iterable(reply.applications for reply in replies):
        yield from wire.open_lazily(raw)
