"""The journal: what changed and why, the newest changes only."""

from collections import deque
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import msgspec

from meshregistry.model.events import EntryListing, ScopeConfirmed, ScopeListing, ServiceReading
from meshregistry.model.instance import Scope
from meshregistry.model.rejects import print_subject
from meshregistry.model.service_entry import ServiceEntry, WorkloadEntry
from meshregistry.store.alterations import list_alterations
from meshregistry.store.departures import Place, place_of

_SHOWN = 5


class Origin(NamedTuple):
    """Why a resource was looked at: `registry`, `guard`, `operator`, `merge`, `configuration`; and on whose account."""

    why: str
    scope: Scope | None = None
    detail: str = ""


def origin_of(update: EntryListing | ScopeListing | ServiceReading | ScopeConfirmed) -> Origin:
    """Return why a registry's statement changes resources."""
    if isinstance(update, ServiceReading):
        return Origin("registry", update.key.scope)
    return Origin("guard" if isinstance(update, ScopeConfirmed) else "registry", update.scope)


class Moment(NamedTuple):
    """When something was written down: Unix seconds, and the store's commit number."""

    time: float
    sequence: int


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One line of the journal."""

    number: int
    """Grows by one with each line, from 1; local to the process."""

    time: float
    """Unix seconds."""

    sequence: int
    """The store's commit that brought the change; for a decision the latest one before it."""

    source: str
    scope: str
    resource: str
    host: str
    what: str
    """`created`, `updated`, `emptied`, `removed`; for decisions of guard and operators their own word: for a rule that
    keeps a resource that of the rule, `rule_ended` for the end of the one in `detail`."""

    why: str
    rule: str
    """The rule by which the guard serves the resource now; "" when it serves what the registries say."""

    detail: str
    endpoints: int
    """Endpoints after the change; for a decision those it is about."""

    added: int = 0
    removed: int = 0
    added_sample: tuple[str, ...] = ()
    removed_sample: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    """What else an update changed, in words: `ports`, `labels of 3 endpoints`."""


class Journal:
    """Owner of the newest lines, at most `size`; written by the reducer, read by pages. Size 0 keeps nothing."""

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._last = 0

    @property
    def last(self) -> int:
        """The number of the newest line, 0 for none."""
        return self._last

    def note_change(
        self, before: ServiceEntry | None, after: ServiceEntry | None, origin: Origin, rule: str, at: Moment
    ) -> None:
        """Add a line about a resource whose served form changed. Raises ValueError if there is neither form."""
        known = after if after is not None else before
        if known is None:
            raise ValueError("nothing changed into nothing")
        old, new = _map_places(before), _map_places(after)
        added, removed = (new.keys() - old.keys(), old.keys() - new.keys()) if old else (new.keys(), old.keys())
        self._last += 1
        self._entries.append(
            Entry(
                self._last,
                at.time,
                at.sequence,
                *_describe(origin.scope),
                print_subject(known.resource_name),
                print_subject(known.hosts[0]),
                _name_change(before, after),
                origin.why,
                rule,
                origin.detail,
                len(new),
                len(added),
                len(removed),
                _sample(added),
                _sample(removed),
                list_alterations(before, after, old, new) if before is not None and after is not None else (),
            )
        )

    def note_rule(self, what: str, entry: ServiceEntry, origin: Origin, rule: str, at: Moment) -> None:
        """Add a line about the rule by which the guard serves a resource, in this form, from now on."""
        self._last += 1
        about = (*_describe(origin.scope), print_subject(entry.resource_name), print_subject(entry.hosts[0]))
        texts = (*about, what, origin.why, rule, origin.detail)
        self._entries.append(Entry(self._last, at.time, at.sequence, *texts, len(entry.endpoints)))

    def note_decision(self, what: str, origin: Origin, endpoints: int, resources: Iterable[str], at: Moment) -> None:
        """Add a line about a decision of the guard or of an operator; it takes the place of the same one just before.

        A shrink or return of a thousand pushes is one line, with the number and the resources of the last of them.
        """
        self._last += 1
        shown = ",".join(print_subject(name) for name in islice(resources, _SHOWN))
        where = _describe(origin.scope)
        detail = print_subject(origin.detail)
        entry = Entry(self._last, at.time, at.sequence, *where, shown, "", what, origin.why, "", detail, endpoints)
        before = self._entries[-1] if self._entries else None
        if before is not None and _is_same_decision(before, entry):
            self._entries.pop()
            entry = msgspec.structs.replace(entry, endpoints=before.endpoints + entry.endpoints)
        self._entries.append(entry)

    def list_since(self, number: int, host: str, limit: int) -> list[Entry]:
        """Return the oldest lines after a number, of one host or resource when asked, at most `limit`."""
        return list(islice((each for each in self._entries if each.number > number and _is_about(each, host)), limit))

    def list_newest(self, host: str, limit: int) -> list[Entry]:
        """Return the newest lines, of one host or resource when asked, at most `limit`, the oldest first."""
        return list(islice((each for each in reversed(self._entries) if _is_about(each, host)), limit))[::-1]


def _is_same_decision(before: Entry, after: Entry) -> bool:
    same = ("what", "why", "detail", "source", "scope", "host")
    return all(getattr(before, name) == getattr(after, name) for name in same)


def _is_about(entry: Entry, host: str) -> bool:
    return not host or host in (entry.host, entry.resource)


@lru_cache(maxsize=256)
def _describe(scope: Scope | None) -> tuple[str, str]:
    return (scope.source, print_subject(str(scope))) if scope is not None else ("", "")


def _name_change(before: ServiceEntry | None, after: ServiceEntry | None) -> str:
    if before is None:
        return "created"
    if after is None:
        return "removed"
    return "emptied" if before.endpoints and not after.endpoints else "updated"


def _map_places(entry: ServiceEntry | None) -> dict[Place, WorkloadEntry]:
    return {place_of(endpoint): endpoint for endpoint in entry.endpoints} if entry is not None else {}


def _sample(places: AbstractSet[Place]) -> tuple[str, ...]:
    return (
        () if not places else tuple([print_subject(f"{address}:{port}") for address, port in sorted(places)[:_SHOWN]])
    )
