"""When registries last spoke of each scope: what is too old to be served, and what gives way to newer claims.

A scope is stale when nothing was heard of it for `stale_after_s`, which is longer than a source that reads it leaves
it alone. Its endpoints stay, with two exceptions: `max_stale_s`, and an address and port that another service has
newly registered since its last statement. Both last until the registry speaks of the scope again.

A place counts as newly registered only by a service whose scope is known: what a source reads for the first time was
perhaps there long before, as one process may register in two registries. And only a registry that has spoken since the
other is stale takes places from it: two that are lost together say nothing about each other.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.contributions import Contributions
from meshregistry.store.departures import Place, covers, is_stated_by, place_of
from meshregistry.store.given_up import GivenUp
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.hearsay import Hearsay
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.holds import GuardEvent, Verdict
from meshregistry.store.newcomers import Newcomers
from meshregistry.store.staleness import Stale

_CHECK_S = 1.0
"""How exactly ages are looked at, seconds."""

_NEW_TERMS = 2
"""A place is new for so many times the longest `stale_after_s`: until the other scope is stale, and until the next
word of its new owner's registry after that."""

_AGED_SHARE = 0.1
"""How exactly ages are saved, as a share of the shortest `max_stale_s`."""

_SPARE_SCOPES = 100
"""So many times of scopes that are no more are kept: looking for them costs more than they do."""


class Freshness:
    """Owner of the time of each scope's last statement, of what expired and of what gave way.

    Told of every replaced contribution (`note`) and statement (`state`), asked once per batch (`overtake`, `expire`),
    which looks once a second. Calls that return names return the resources that have to be built again.
    """

    def __init__(
        self,
        contributions: Contributions,
        book: HoldBook,
        policy: Callable[[str], GuardPolicy],
        given_up: GivenUp,
        now: float,
    ) -> None:
        """Of the book it is only looked at what is held: that is as old as its scope, too."""
        self._contributions = contributions
        self._book = book
        self._policy = policy
        self._given_up = given_up
        self._began_at = now
        self._stated: dict[Scope, float] = {}
        self._inherited: set[Scope] = set()
        """Scopes of which only another process has heard, however lately: a sibling may read what is not read here."""

        self._begun: dict[str, float] = {}
        self._read: set[str] = set()
        self._expired: set[Scope] = set()
        self._displaced: dict[ServiceKey, set[Place]] = {}
        self._newcomers = Newcomers()
        self._stale: dict[Place, dict[ServiceKey, None]] = {}
        """Who had each place when its scope became stale; some may count again. Empty when nothing is stale."""

        self._stale_scopes: frozenset[Scope] = frozenset()
        self._checked_at = float("-inf")
        self._overtaken_at = float("-inf")
        self._expired_at = float("-inf")
        self._aged_at = now
        self._revision = 0
        self._events: list[GuardEvent] = []

    @property
    def revision(self) -> int:
        """A number that grows when the ages of scopes count and have changed enough to be saved."""
        return self._revision

    @property
    def newcomers(self) -> Newcomers:
        """Who has newly registered which place lately."""
        return self._newcomers

    def export(self) -> Hearsay:
        """Return what another process has to know."""
        given_up = {key: frozenset(places) for key, places in self._displaced.items()}
        return Hearsay(dict(self._stated), given_up, self._newcomers.copy())

    def restore(self, hearsay: Hearsay) -> None:
        """Go on from what another process knew, before anything is noted or stated here."""
        self._stated = dict(hearsay.statements)
        self._inherited = set(hearsay.statements)
        self._displaced = {key: set(places) for key, places in hearsay.given_up.items()}
        self._newcomers.restore(hearsay.newcomers)

    def begin(self, source: str, now: float) -> None:
        """Note that a source begins anew, perhaps with scopes that were not read before."""
        self._read.discard(source)
        self._begun[source] = now

    def complete(self, source: str) -> None:
        """Note that a source has read each of its scopes: others than these are new themselves."""
        self._read.add(source)

    def state(self, scope: Scope, now: float) -> set[str]:
        """Note that a registry has spoken of a scope (without a group: of all groups): all of it counts again."""
        self._stated[scope] = now
        self._inherited.discard(scope)
        # ZooKeeper tells of 10,000 scopes one by one: what is stale besides is not looked at for each.
        group = frozenset({scope}) if scope.group else self._expired
        back = frozenset({each for each in group if each in self._expired and is_stated_by(each, scope)})
        self._expired -= back
        keys = {key for key in self._displaced if is_stated_by(key.scope, scope)}
        for key in keys:
            del self._displaced[key]
        touched = self._contributions.resources(keys) if keys else set()
        return touched | self._resources(back)

    def note(
        self, key: ServiceKey, before: Sequence[Claim], after: Sequence[Claim], own: set[Place], now: float
    ) -> set[str]:
        """Take what a service contributed before and contributes now; places that are new take those of stale scopes.

        To be called when the contributions have changed. `own` are places that the service had a moment ago.
        """
        if not before and not self._is_known(key.scope):
            return set()
        new = _places(after) - _places(before) - own
        if not new:
            return set()
        self._newcomers.note(key, new, now)
        self._look(now)
        return set().union(*(self._take_over(place, key, now, now) for place in new & self._stale.keys()))

    def overtake(self, now: float) -> set[str]:
        """Let what has become stale give way to what was registered after its last statement."""
        if not len(self._newcomers) or now < self._overtaken_at + _CHECK_S:
            return set()
        self._overtaken_at = now
        self._look(now)
        dirty: set[str] = set()
        for place, key, since in self._newcomers if self._stale else ():
            if place in self._stale:
                dirty |= self._take_over(place, key, since, self._heard(key.scope))
        return dirty

    def expire(self, now: float, frozen: Collection[Scope] = ()) -> set[str]:
        """Drop what nobody has spoken of for `max_stale_s`, where that is set; bring back what may be older by now.

        Nothing leaves that is within a `frozen` target.
        """
        if now < self._expired_at + _CHECK_S:
            return set()
        self._expired_at = now
        silent = self._list_expired(now)
        spared = {scope for scope in silent - self._expired if any(covers(target, scope) for target in frozen)}
        gone, back = silent - self._expired - spared, self._expired - silent
        self._expired = set(silent - spared)
        names = self._resources(back)
        for scope in sorted(gone):
            names |= self._drop(scope)
        return names

    def admit(self, claims: Iterable[Claim]) -> tuple[Claim, ...]:
        """Return the claims that count now."""
        if not self._expired and not self._displaced:
            return tuple(claims)
        kept = (claim for claim in claims if claim.key.scope not in self._expired)
        return tuple(left for claim in kept if (left := self._reduce(claim)) is not None)

    def explain(self, key: ServiceKey, places: AbstractSet[Place]) -> str:
        """Return why a service's endpoint does not count now: `expired`, `gave_way`, or "" when it does.

        `places` are the addresses and ports by which it may be known.
        """
        if key.scope in self._expired:
            return "expired"
        return "" if places.isdisjoint(self._displaced.get(key, ())) else "gave_way"

    def take_events(self) -> list[GuardEvent]:
        """Return the decisions since the last call."""
        events, self._events = self._events, []
        return events

    def list_speaking(self, scopes: Iterable[Scope], now: float) -> set[Scope]:
        """Return those of the scopes whose registry speaks, or their source where it does not know the registry."""
        words: dict[tuple[str, str | None], float] = {}
        for scope, at in self._stated.items():
            if scope not in self._inherited and at >= self._begun.get(scope.source, self._began_at):
                for who in ((scope.source, scope.registry), (scope.source, None)):
                    words[who] = max(at, words.get(who, at))
        return {
            scope
            for scope in scopes
            if now - words.get((scope.source, scope.registry), words.get((scope.source, None), -math.inf))
            < self._policy(scope.source).stale_after_s
        }

    def list_silent(self, now: float, wall: float) -> list[Stale]:
        """Return the sources of which scopes were not heard of for `stale_after_s`; `wall` is now in Unix seconds."""
        by_source: dict[str, set[Scope]] = {}
        for scope in self._list_silent(now, lambda policy: policy.stale_after_s):
            by_source.setdefault(scope.source, set()).add(scope)
        return [
            Stale(source, wall - (now - min(map(self._last, scopes))), frozenset(scopes))
            for source, scopes in by_source.items()
        ]

    def _list_expired(self, now: float) -> frozenset[Scope]:
        """Return the scopes that are too old."""
        sources = {scope.source for scope in self._list_scopes()}
        limits = [limit_s for source in sources if (limit_s := self._policy(source).max_stale_s) is not None]
        if not limits:
            return frozenset()
        if now >= self._aged_at + _AGED_SHARE * min(limits):
            self._aged_at = now
            self._revision += 1
        return self._list_silent(now, lambda policy: policy.max_stale_s)

    def _drop(self, scope: Scope) -> set[str]:
        claims = [claim for key in self._contributions.keys((scope,)) for claim in self._contributions.of(key)]
        claims += [departure.claim for departure in self._book.departures.held_within({scope})]
        names, count = self._resources({scope}), sum(len(claim.endpoints) for claim in claims)
        self._events.append(GuardEvent(Verdict.EXPIRED, 0, scope, count, tuple(sorted(names)), "max_stale"))
        return names

    def _resources(self, scopes: AbstractSet[Scope]) -> set[str]:
        """Return the resources of all that scopes have, what is held of them included."""
        if not scopes:
            return set()
        held = self._book.departures.held_within(scopes)
        return self._contributions.resources(self._contributions.keys(frozenset(scopes))) | self._book.resources(held)

    def _list_scopes(self) -> frozenset[Scope]:
        """Return every scope of which something is served."""
        return self._contributions.scopes() | self._book.departures.held_scopes

    def _list_silent(self, now: float, limit_of: Callable[[GuardPolicy], float | None]) -> frozenset[Scope]:
        """Return the scopes of which nothing was heard for so long; None is no limit.

        Scopes of which all groups were stated at once need no look of their own: ZooKeeper has 10,000.
        """
        wholes: dict[tuple[str, str, str], tuple[float, float | None]] = {}
        silent: list[Scope] = []
        for scope in self._list_scopes():
            whole = scope[:3]
            if whole not in wholes:
                stated = self._heard(Scope(*whole, ""))
                wholes[whole] = stated, limit_of(self._policy(scope.source))
            last, limit_s = wholes[whole]
            if limit_s is None or now - last < limit_s:
                continue
            last = max(last, self._stated.get(scope, -math.inf))
            if now - (last if last > -math.inf else self._began_at) >= limit_s:
                silent.append(scope)
        return frozenset(silent)

    def _last(self, scope: Scope) -> float:
        """Return when a scope was last spoken of, at the earliest when the process began if never."""
        heard = self._heard(scope)
        return heard if heard > -math.inf else self._began_at

    def _heard(self, scope: Scope) -> float:
        """Return when a scope was last spoken of, by itself or with all of its kind; minus infinity for never."""
        return max(self._stated.get(each, -math.inf) for each in (scope, *_list_wholes(scope)))

    def _is_known(self, scope: Scope) -> bool:
        return scope.source in self._read or self._heard(scope) > -math.inf

    def _look(self, now: float) -> None:
        """Find the stale scopes, once a second; index their places when they are others than before."""
        if now < self._checked_at + _CHECK_S:
            return
        self._checked_at = now
        scopes = self._list_scopes()
        terms = [self._policy(source).stale_after_s for source in {scope.source for scope in scopes}]
        self._newcomers.forget_before(now - _NEW_TERMS * max(terms, default=0.0))
        if len(self._stated) > 2 * len(scopes) + _SPARE_SCOPES:
            wholes = {whole for scope in scopes for whole in _list_wholes(scope)}
            self._stated = {scope: at for scope, at in self._stated.items() if scope in scopes or scope in wholes}
        stale = self._list_silent(now, lambda policy: policy.stale_after_s)
        new, self._stale_scopes = stale - self._stale_scopes, stale
        if not stale:
            self._stale = {}
        for key in self._contributions.keys(new):
            for place in _places(self._contributions.of(key)):
                self._stale.setdefault(place, {})[key] = None

    def _take_over(self, place: Place, winner: ServiceKey, since: float, spoke_at: float) -> set[str]:
        """Take a place from the services of stale scopes that last spoke before the winner registered it.

        `spoke_at` is the latest word of the winner's registry. Traffic to another service of one host is not misled.
        """
        hosts, dirty = self._hosts_at(place, winner), set[str]()
        for loser in self._stale[place] if hosts else ():
            last = self._last(loser.scope)
            is_later = since > last and spoke_at >= last + self._policy(loser.scope.source).stale_after_s
            if is_later and loser.scope != winner.scope:
                theirs = self._hosts_at(place, loser)
                if theirs and not hosts & theirs:
                    dirty |= self._give_way(loser, place, winner)
        return dirty

    def _hosts_at(self, place: Place, key: ServiceKey) -> set[str]:
        """Return the hosts for which a service registers a place now."""
        return {claim.hosts[0] for claim in self._contributions.of(key) if place in _places([claim])}

    def _give_way(self, key: ServiceKey, place: Place, winner: ServiceKey) -> set[str]:
        places = self._displaced.setdefault(key, set())
        if place in places:
            return set()
        places.add(place)
        names = self._contributions.resources([key])
        self._given_up.note(names, place)
        self._events.append(GuardEvent(Verdict.SUPERSEDED, 0, key.scope, 1, tuple(sorted(names)), str(winner)))
        return names

    def _reduce(self, claim: Claim) -> Claim | None:
        places = self._displaced.get(claim.key)
        if not places or not claim.endpoints:
            return claim
        left = tuple(endpoint for endpoint in claim.endpoints if place_of(endpoint) not in places)
        return msgspec.structs.replace(claim, endpoints=left) if left else None


def _list_wholes(scope: Scope) -> tuple[Scope, Scope]:
    """Return of what a statement is about a scope, too: of all groups, and of all namespaces of its registry."""
    source, registry, namespace, _ = scope
    return Scope(source, registry, namespace, ""), Scope(source, registry, "", "")


def _places(claims: Iterable[Claim]) -> set[Place]:
    return {place_of(endpoint) for claim in claims for endpoint in claim.endpoints}
